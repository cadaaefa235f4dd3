//! Reference rows of module versions against debugging information and type descriptors of programs that use
//! them.

mod common;

use std::fs;

use common::{Built, Struct, fixture, go, output, say, structs};
use symbols::{GoBinary, Layouts, Provenance};

/// Packages whose structs are in the tables.
const PACKAGES: [&str; 3] = [
    "google.golang.org/grpc/internal/transport.",
    "google.golang.org/grpc/internal/status.",
    "golang.org/x/net/http2.",
];

/// Versions of grpc-go and x/net that lie on both sides of each change of the structs golens reads.
const VERSIONS: [(&str, &str); 7] = [
    ("v1.46.2", "v0.7.0"),
    ("v1.58.3", "v0.17.0"),
    ("v1.65.0", "v0.25.0"),
    ("v1.68.1", "v0.33.0"),
    ("v1.69.4", "v0.35.0"),
    ("v1.76.0", "v0.47.0"),
    ("v1.82.1", "v0.55.0"),
];

/// Builds the program with the given versions, whole and without symbols.
fn built(grpc: &str, net: &str) -> (Built, Built) {
    let folder = output().join(format!("modules-{grpc}"));
    fs::create_dir_all(&folder).expect("the folder can be made");
    for name in ["go.mod", "main.go"] {
        fs::copy(fixture().join("modules").join(name), folder.join(name))
            .expect("files can be copied");
    }
    let require = |module: &str, version: &str| format!("-require={module}@{version}");
    let grpc = require("google.golang.org/grpc", grpc);
    let net = require("golang.org/x/net", net);
    go(&folder, &[], &["mod", "edit", &grpc, &net]);
    go(&folder, &[], &["mod", "tidy"]);
    let linked = |name: &str, flags: &str| {
        let path = folder.join(name);
        let target = path.to_str().expect("the path is text");
        go(&folder, &[], &["build", "-o", target, flags, "."]);
        Built::read(path)
    };
    (
        linked("whole", "-ldflags=-compressdwarf=false"),
        linked("stripped", "-ldflags=-s -w"),
    )
}

/// Compares every field of a struct with what `layouts` say; answers how many there are.
fn hold(layouts: &Layouts, name: &str, truth: &Struct) -> usize {
    let size = layouts.size(name).expect("known");
    assert_eq!(size.value, truth.size, "{name}");
    let named = truth.fields.iter().filter(|(field, _)| field != "_");
    let mut held = 0;
    for (field, offset) in named {
        let found = layouts.field(name, field);
        let found = found.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.value, *offset, "{name}.{field}");
        held += 1;
    }
    held
}

#[test]
fn rows_of_module_versions_are_what_programs_say() {
    for (grpc, net) in VERSIONS {
        let (whole, stripped) = built(grpc, net);
        let truth = structs(&whole);
        let ours = |name: &&str| PACKAGES.iter().any(|package| name.starts_with(package));
        let names: Vec<&str> = truth.keys().map(String::as_str).filter(ours).collect();
        let binary = GoBinary::parse(&stripped.data).expect("readable");
        let table = binary.reference_layouts(&names);
        let descriptors = binary.layouts(&names);
        let (mut rows, mut read, mut fields) = (0, 0, 0);
        for &name in names.iter().filter(|name| table.has(name)) {
            fields += hold(&table, name, &truth[name]);
            rows += 1;
            let size = descriptors.size(name).expect("the table has it");
            if size.provenance == Provenance::TypeDescriptors {
                hold(&descriptors, name, &truth[name]);
                read += 1;
            }
        }
        let version = |module: &str| {
            let built = binary.build_info().module(module).expect("it is built in");
            built.version.clone()
        };
        let (grpc, net) = (
            version("google.golang.org/grpc"),
            version("golang.org/x/net"),
        );
        say(format_args!(
            "grpc {grpc}, x/net {net}: {rows} rows, {fields} fields; {read} rows also from descriptors"
        ));
        assert!(rows >= 12 && read >= 5, "{rows} rows, {read} descriptors");
    }
}
