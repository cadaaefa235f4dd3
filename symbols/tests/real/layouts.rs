//! The fields golens reads, in binaries without debugging information.

use symbols::Provenance;

use crate::servers::{parse, servers};

#[test]
fn the_fields_golens_reads_are_known_in_stripped_binaries() {
    let servers = servers();
    let wanted: &[(&str, &[&str])] = &[
        (
            "runtime.g",
            &["goid", "m", "sched.pc", "atomicstatus", "waitreason"],
        ),
        ("runtime.m", &["curg", "g0", "p"]),
        ("runtime.p", &["runqhead", "runqtail", "runnext"]),
        (
            "net/http.Request",
            &[
                "Method",
                "ProtoMajor",
                "Header",
                "Host",
                "RemoteAddr",
                "RequestURI",
                "URL",
            ],
        ),
        ("net/http.response", &["req", "status", "written"]),
        ("os.File", &["file"]),
        ("os.file", &["pfd.Sysfd"]),
        ("internal/poll.FD", &["Sysfd"]),
    ];
    let names: Vec<&str> = wanted.iter().map(|&(name, _)| name).collect();
    let reference = parse(&servers.default).layouts(&names);
    for built in [&servers.stripped, &servers.pie_stripped] {
        let layouts = parse(built).layouts(&names);
        for &(name, fields) in wanted {
            assert_eq!(
                layouts.size(name).unwrap().value,
                reference.size(name).unwrap().value,
                "{name}"
            );
            for field in fields {
                let fact = layouts.field(name, field).unwrap();
                assert_eq!(
                    fact.value,
                    reference.field(name, field).unwrap().value,
                    "{name}.{field}"
                );
                assert_eq!(fact.provenance, Provenance::TypeDescriptors);
            }
        }
    }
}
