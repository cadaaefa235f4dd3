//! Go programs that carry other Go programs as data.

use std::fs;

use symbols::GoBinary;

use crate::common::{Built, build, go, nm, output};

const MAIN: &str = r#"// Command carrier carries other programs, as text and as bytes that may be changed.
package main

import (
	_ "embed"
	"os"
)

//go:embed carried
var text string

//go:embed carried
var data []byte

func main() {
	data[0]++
	os.Exit(len(text) + len(data) + int(text[len(os.Args)]))
}
"#;

/// Builds a program that carries `inner` at all places of 16 bytes, so that one of them is aligned as the
/// tables of a program are.
fn carrier(name: &str, inner: &Built, flags: &[&str]) -> Built {
    let folder = output().join(format!("{name}-source"));
    fs::create_dir_all(&folder).unwrap();
    let mut carried = Vec::new();
    for place in 0..16 {
        carried.resize(carried.len().next_multiple_of(16) + place, 0);
        carried.extend(&inner.data);
    }
    fs::write(folder.join("carried"), carried).unwrap();
    fs::write(folder.join("main.go"), MAIN).unwrap();
    fs::write(
        folder.join("go.mod"),
        "module example.test/carrier\n\ngo 1.17\n",
    )
    .unwrap();
    let path = output().join(name);
    let target = path.to_str().unwrap();
    go(
        &folder,
        &[("CGO_ENABLED", "1")],
        &[&["build", "-o", target], flags, &["."]].concat(),
    );
    Built::read(path)
}

/// Holds functions and build information against the toolchain's, with and without section headers.
fn hold(built: &Built) {
    let truth = nm(&built.path);
    let intact = GoBinary::parse(&built.data).unwrap();
    let mut data = built.data.clone();
    data[0x28..0x30].fill(0);
    data[0x3c..0x40].fill(0);
    let bare = GoBinary::parse(&data).unwrap();
    assert_eq!(bare.go_version(), intact.go_version());
    assert_eq!(bare.build_info().path, "example.test/carrier");
    assert_eq!(bare.build_info(), intact.build_info());
    for name in [
        "main.main",
        "runtime.newproc1",
        "os.Exit",
        "runtime.goexit0",
    ] {
        let truth = truth[name][0];
        for binary in [&intact, &bare] {
            let found = binary.function(name).unwrap();
            assert_eq!(
                (found.address, found.size),
                (truth.address, truth.size),
                "{name}"
            );
        }
    }
    let layouts = bare.layouts(&["os.file"]);
    let field = layouts.field("os.file", "pfd.Sysfd").unwrap();
    let truth = intact.layouts(&["os.file"]);
    assert_eq!(
        field.value,
        truth.field("os.file", "pfd.Sysfd").unwrap().value
    );
}

#[test]
fn a_program_carried_as_data_answers_no_question() {
    for toolchain in ["local", "go1.21.13"] {
        for (mode, flags) in [
            ("exe", &[][..]),
            ("pie", &["-buildmode=pie"]),
            ("external", &["-ldflags=-linkmode=external"]),
        ] {
            let environment = [("GOTOOLCHAIN", toolchain)];
            let name = format!("carried-{toolchain}-{mode}");
            let inner = build("tiny", &name, &["-ldflags=-s -w"], &environment);
            hold(&carrier(
                &format!("carrier-{toolchain}-{mode}"),
                &inner,
                flags,
            ));
        }
    }
}
