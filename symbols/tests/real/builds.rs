//! Ways to link, strip and host a program.

use std::path::PathBuf;
use std::process::Command;

use object::{Object as _, ObjectSection as _};
use symbols::{Build, BuildMode, GoBinary, LayoutSource, Modules, Provenance};

use crate::common::{
    Built, CGO, EXE, Recipe, Truth, build, fixture, hold_stripped, hold_whole, nm, output, run,
};

const WITH_C: &[(&str, &str)] = &[("CGO_ENABLED", "1")];

#[test]
fn linker_settings_change_no_answer() {
    for (name, flags, environment, shows) in [
        ("no-vcs", "-buildvcs=false", &[][..], EXE),
        ("uncompressed", "-ldflags=-compressdwarf=false", &[], EXE),
        ("no-build-id", "-ldflags=-buildid=", &[], EXE),
        ("external", "-ldflags=-linkmode=external", WITH_C, CGO),
    ] {
        let recipe = Recipe {
            name,
            program: "server",
            flags: &[flags],
            environment,
            shows,
        };
        recipe.hold();
    }
}

#[test]
fn without_debugging_information_symbols_still_tell_everything_else() {
    let truth = Truth::of(&build("server", "like-no-dwarf", &["-ldflags=-f"], &[]));
    let built = build("server", "only-symbols", &["-ldflags=-w"], &[]);
    let compared = hold_stripped(&built, &truth, EXE);
    assert!(compared.functions.unresolved.is_empty(), "{compared}");
    assert!(compared.variables.unresolved.is_empty(), "{compared}");
}

#[test]
fn static_and_relocatable_programs_with_c_are_told_apart() {
    let pie = Build {
        mode: BuildMode::Pie,
        ..CGO
    };
    let recipes = [
        (
            "cgo-static",
            &["-ldflags=-linkmode=external -extldflags=-static"][..],
            Build {
                is_static: true,
                ..CGO
            },
        ),
        ("cgo-pie", &["-buildmode=pie"], pie),
        (
            "packed-relocations",
            &[
                "-buildmode=pie",
                "-ldflags=-linkmode=external -extldflags=-Wl,-z,pack-relative-relocs",
            ],
            pie,
        ),
        (
            "cgo-static-pie",
            &[
                "-buildmode=pie",
                "-ldflags=-linkmode=external -extldflags=-static-pie",
            ],
            Build {
                mode: BuildMode::StaticPie,
                is_static: true,
                ..CGO
            },
        ),
    ];
    for (name, flags, shows) in recipes {
        let recipe = Recipe {
            name,
            program: "server",
            flags,
            environment: WITH_C,
            shows,
        };
        recipe.hold();
    }
}

/// Builds a program with C in it twice: with symbols, and without.
fn with_and_without_symbols(program: &str, mode: &str) -> (Built, Built) {
    let mode = format!("-buildmode={mode}");
    let linked = |name: &str, flags: &str| {
        let name = format!("{program}-{name}");
        build(program, &name, &[&mode, flags], WITH_C)
    };
    let whole = linked("whole", "-ldflags=-f -f");
    (whole, linked("stripped", "-ldflags=-s -w"))
}

#[test]
fn libraries_and_programs_that_open_plugins_are_told_apart() {
    let library = Build {
        mode: BuildMode::CShared,
        ..CGO
    };
    let opener = Build {
        modules: Modules::Plugins,
        ..CGO
    };
    for (mode, program, shows) in [("c-shared", "exports", library), ("exe", "opener", opener)] {
        let (whole, stripped) = with_and_without_symbols(program, mode);
        let truth = Truth::of(&whole);
        hold_whole(&whole, &truth, shows);
        hold_stripped(&stripped, &truth, shows);
    }
}

#[test]
fn a_plugin_is_known_as_part_of_another_program() {
    let shows = Build {
        mode: BuildMode::Plugin,
        modules: Modules::Joins,
        ..CGO
    };
    let (whole, stripped) = with_and_without_symbols("plug", "plugin");
    hold_whole(&whole, &Truth::of(&whole), shows);
    let binary = GoBinary::parse(&stripped.data).unwrap();
    assert_eq!(binary.build(), Ok(shows));
    let name = "example.test/fixture/plug.Greet";
    let truth = nm(&whole.path)[name][0];
    let found = binary.function(name).unwrap();
    assert_eq!((found.address, found.size), (truth.address, truth.size));
}

#[test]
fn go_inside_a_program_in_c_is_read() {
    let archive = build("exports", "exports.a", &["-buildmode=c-archive"], WITH_C);
    let hosted = Build {
        mode: BuildMode::CArchive,
        ..CGO
    };
    for (flag, is_static) in [
        ("-pie", false),
        ("-no-pie", false),
        ("-static", true),
        ("-static-pie", true),
    ] {
        let path = output().join(format!("host{flag}"));
        let main = fixture().join("host/main.c");
        run(Command::new("gcc")
            .args([flag, "-o"])
            .args([&path, &main, &archive.path]));
        let built = Built::read(path);
        let truth = Truth::of(&built);
        hold_whole(
            &built,
            &truth,
            Build {
                is_static,
                ..hosted
            },
        );
    }
}

#[test]
fn symbols_that_cannot_be_indexed_leave_the_function_table() {
    let built = build("tiny", "shared-names", &[], &[]);
    let file = object::File::parse(built.data.as_slice()).unwrap();
    let (start, size) = file
        .section_by_name(".strtab")
        .unwrap()
        .file_range()
        .unwrap();
    let range = usize::try_from(start).unwrap()..usize::try_from(start + size).unwrap();
    let mut data = built.data.clone();
    // Each name now goes on through all names behind it.
    for byte in data[range].iter_mut().filter(|byte| **byte == 0) {
        *byte = b'f';
    }
    let binary = GoBinary::parse(&data).unwrap();
    let truth = nm(&built.path)["main.main"][0];
    let found = binary.function("main.main").unwrap();
    assert_eq!((found.address, found.size), (truth.address, truth.size));
    assert_eq!(found.provenance, Provenance::Pclntab);
}

#[test]
fn debugging_information_of_c_code_alone_hides_no_descriptors() {
    let flags = ["-buildmode=c-archive", "-ldflags=-w"];
    let archive = build("exports", "exports-w.a", &flags, WITH_C);
    let main = fixture().join("host/main.c");
    let host = |name: &str, flag: &str| {
        let path = output().join(name);
        run(Command::new("gcc")
            .args([flag, "-no-pie", "-o"])
            .args([&path, &main, &archive.path]));
        Built::read(path)
    };
    let (with, without) = (host("host-with-c", "-g"), host("host-without", "-g0"));
    let binary = GoBinary::parse(&with.data).unwrap();
    let twin = GoBinary::parse(&without.data).unwrap();
    let wanted = [
        "os.file",
        "runtime.g",
        "runtime.schedt",
        "example.test/no.Such",
    ];
    let (layouts, expected) = (binary.layouts(&wanted), twin.layouts(&wanted));
    assert_eq!(layouts.source(), LayoutSource::TypeDescriptors);
    assert_eq!(binary.sources(), twin.sources());
    assert!(binary.has_debug_information());
    assert!(layouts.has("os.file"));
    for name in wanted {
        assert_eq!(layouts.size(name), expected.size(name));
    }
    let field = ("os.file", "pfd.Sysfd");
    assert_eq!(
        layouts.field(field.0, field.1),
        expected.field(field.0, field.1)
    );
}

#[test]
fn torn_debugging_information_hides_no_descriptors() {
    let built = build(
        "server",
        "torn-dwarf",
        &["-ldflags=-compressdwarf=false"],
        &[],
    );
    let file = object::File::parse(built.data.as_slice()).unwrap();
    let (start, _) = file
        .section_by_name(".debug_info")
        .unwrap()
        .file_range()
        .unwrap();
    let intact = GoBinary::parse(&built.data).unwrap();
    let expected = intact.layouts(&["os.file"]).size("os.file").unwrap();
    let mut data = built.data.clone();
    let start = usize::try_from(start).unwrap();
    data[start..start + 4].fill(0xee);
    let torn = GoBinary::parse(&data).unwrap();
    assert!(torn.has_debug_information());
    let layouts = torn.layouts(&["os.file", "runtime.spanSet"]);
    let size = layouts.size("os.file").unwrap();
    assert_eq!(
        (size.value, size.provenance),
        (expected.value, Provenance::TypeDescriptors)
    );
    let unknown = layouts.size("runtime.spanSet").unwrap_err();
    assert_eq!(unknown.error_type(), "malformed");
}

/// Runs a tool of binutils on a copy of the server.
fn rewritten(name: &str, tool: &str, arguments: &[&str]) -> (Built, Truth) {
    let source = build("server", &format!("{name}-source"), &[], &[]);
    let path: PathBuf = output().join(name);
    std::fs::copy(&source.path, &path).unwrap();
    run(Command::new(tool).args(arguments).arg(&path));
    (Built::read(path), Truth::of(&source))
}

#[test]
fn what_strip_leaves_is_read() {
    let (stripped, truth) = rewritten("externally-stripped", "strip", &[]);
    hold_stripped(&stripped, &truth, EXE);
    let (whole, truth) = rewritten("without-debug", "strip", &["--strip-debug"]);
    hold_stripped(&whole, &truth, EXE);
    for built in [&stripped, &whole] {
        assert!(
            !GoBinary::parse(&built.data)
                .unwrap()
                .has_debug_information()
        );
    }
}

#[test]
fn debugging_information_in_the_old_compressed_form_is_read() {
    let arguments = ["--compress-debug-sections=zlib-gnu"];
    let (built, truth) = rewritten("zdebug", "objcopy", &arguments);
    hold_whole(&built, &truth, EXE);
    assert!(
        GoBinary::parse(&built.data)
            .unwrap()
            .has_debug_information()
    );
}
