//! Builds that compile the standard library anew, or need modules and tools of their own.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{
    Built, CGO, EXE, Recipe, Truth, build, fixture, go, hold_stripped, hold_whole, output, run,
};
use symbols::{Build, BuildMode, Error, GoBinary, LayoutSource, MapKind};

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
