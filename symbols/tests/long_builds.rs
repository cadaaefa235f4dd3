//! Builds that compile the standard library anew, or need modules and tools of their own.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Built, CGO, EXE, Recipe, Truth, fixture, go, hold_stripped, hold_whole, output};
use symbols::{Build, Error, GoBinary, LayoutSource, MapKind};

/// Holds a build of the server that has no C in it.
fn hold(name: &str, flags: &[&str], environment: &[(&str, &str)]) {
    let recipe = Recipe {
        name,
        program: "server",
        flags,
        environment,
        shows: EXE,
    };
    recipe.hold();
}

#[test]
fn compiler_settings_change_no_answer() {
    let profile = format!("-pgo={}", fixture().join("server/cpu.pprof").display());
    hold("trimpath", &["-trimpath"], &[]);
    hold("unoptimized", &["-gcflags=all=-N -l"], &[]);
    hold("level-3", &[], &[("GOAMD64", "v3")]);
    hold("profiled", &[&profile], &[]);
}

#[test]
fn the_race_detector_is_seen() {
    let recipe = Recipe {
        name: "race",
        program: "server",
        flags: &["-race"],
        environment: &[("CGO_ENABLED", "1")],
        shows: Build { race: true, ..CGO },
    };
    recipe.hold();
}

#[test]
fn experiments_of_a_release_are_read() {
    for (toolchain, experiment, source, maps) in [
        (
            "go1.25.14",
            "nodwarf5",
            LayoutSource::Dwarf4,
            MapKind::Swiss,
        ),
        (
            "go1.25.14",
            "noswissmap",
            LayoutSource::Dwarf5,
            MapKind::Classic,
        ),
        (
            "go1.24.13",
            "noswissmap",
            LayoutSource::Dwarf4,
            MapKind::Classic,
        ),
        ("go1.26.8", "nodwarf5", LayoutSource::Dwarf4, MapKind::Swiss),
    ] {
        let name = format!("{toolchain}-{experiment}");
        let environment = [("GOTOOLCHAIN", toolchain), ("GOEXPERIMENT", experiment)];
        hold(&name, &[], &environment);
        let built = Built::read(output().join(&name));
        let binary = GoBinary::parse(&built.data).expect("held");
        assert_eq!(binary.sources().layouts, source, "{name}");
        assert_eq!(binary.map_kind(), maps, "{name}");
    }
}

#[test]
fn the_other_machine_is_read_in_the_same_builds() {
    let profile = format!("-pgo={}", fixture().join("server/cpu.pprof").display());
    for (name, flags) in [
        ("arm64-trimpath", "-trimpath"),
        ("arm64-unoptimized", "-gcflags=all=-N -l"),
        ("arm64-profiled", &profile),
        ("arm64-uncompressed", "-ldflags=-compressdwarf=false"),
    ] {
        hold(name, &[flags], &[("GOARCH", "arm64")]);
    }
}

/// Copies the files of a folder of the fixture to where Go may write.
fn copied(folder: &str) -> PathBuf {
    let (from, to) = (fixture().join(folder), output().join(folder));
    fs::create_dir_all(&to).expect("the folder can be made");
    for entry in fs::read_dir(from).expect("the fixture is there") {
        let file = entry.expect("the fixture can be listed");
        fs::copy(file.path(), to.join(file.file_name())).expect("files can be copied");
    }
    to
}

#[test]
fn vendored_packages_keep_their_names() {
    let folder = copied("vendored");
    go(&folder, &[], &["mod", "vendor"]);
    let linked = |name: &str, flags: &str| {
        let path = output().join(name);
        let target = path.to_str().expect("the path is text");
        go(
            &folder,
            &[],
            &["build", "-mod=vendor", "-o", target, flags, "."],
        );
        Built::read(path)
    };
    let whole = linked("vendored-whole", "-ldflags=-f -f");
    let stripped = linked("vendored-stripped", "-ldflags=-s -w");
    let truth = Truth::of(&whole);
    hold_whole(&whole, &truth, EXE);
    hold_stripped(&stripped, &truth, EXE);

    let binary = GoBinary::parse(&stripped.data).expect("held");
    for name in [
        "golang.org/x/net/http2.(*serverConn).serve",
        // The standard library's own copy, where the release has one.
        "vendor/golang.org/x/net/http/httpguts.ValidHeaderFieldName",
        "golang.org/x/net/http/httpguts.ValidHeaderFieldName",
    ] {
        let known = truth.symbols.get(name).map(|symbols| symbols[0].address);
        let found = binary.function(name).ok().map(|found| found.address);
        assert_eq!(found, known, "{name}");
    }
    assert!(
        truth
            .symbols
            .contains_key("golang.org/x/net/http2.(*serverConn).serve")
    );
    let module = binary.build_info().module("golang.org/x/net");
    assert_eq!(
        module.map(|module| module.version.as_str()),
        Some("v0.35.0")
    );
}

/// The last version of garble for the installed release; each release needs its own.
fn garble() -> &'static str {
    let version = go(
        Path::new("."),
        &[("GOTOOLCHAIN", "local")],
        &["env", "GOVERSION"],
    );
    let minor = version.trim().split('.').nth(1);
    match minor.expect("a version has two numbers") {
        "26" => "mvdan.cc/garble@v0.17.0",
        "27" => "mvdan.cc/garble@v0.18.0",
        _ => panic!("no version of garble is known for {version}"),
    }
}

#[test]
fn garbled_programs_are_refused() {
    let garbled = output().join("garbled");
    // Garble changes the linker, which it cannot do in the module cache: only the installed release will do.
    let environment = [("GOTOOLCHAIN", "local")];
    let target = garbled.to_str().expect("the path is text");
    go(
        &fixture(),
        &environment,
        &["run", garble(), "build", "-o", target, "./tiny"],
    );
    let built = Built::read(garbled);
    match GoBinary::parse(&built.data) {
        Err(Error::Obfuscated { sign }) => {
            assert!(
                sign.starts_with("its function table begins with 0x"),
                "{sign}"
            );
        }
        other => panic!("{:?}", other.map(|binary| binary.build())),
    }
}
