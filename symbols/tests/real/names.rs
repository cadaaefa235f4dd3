//! Names of which there are several spellings, or several bodies.

use symbols::{Function, GoBinary, Reason};

use crate::common::{build, nm};
use crate::servers::{parse, servers};

fn address(binary: &GoBinary<'_>, name: &str) -> Result<u64, Reason> {
    let place = |function: Function| function.address;
    binary
        .function(name)
        .map(place)
        .map_err(|unresolved| unresolved.reason)
}

#[test]
fn wrappers_between_conventions_have_names_of_their_own() {
    let servers = servers();
    for built in [&servers.default, &servers.stripped] {
        let binary = parse(built);
        let mut wrappers = 0;
        for (name, found) in &servers.symbols {
            let Some(base) = name.strip_suffix(".abi0") else {
                continue;
            };
            let wrapper = found[0].address;
            match address(&binary, name) {
                Ok(found) => assert_eq!(found, wrapper, "{name} in {}", built.path.display()),
                // Alone it could follow either convention, or it is one of several.
                Err(reason) => assert!(
                    matches!(reason, Reason::Assembly | Reason::Ambiguous { .. }),
                    "{name} in {}: {reason}",
                    built.path.display()
                ),
            }
            if servers.symbols.contains_key(base) {
                wrappers += usize::from(address(&binary, name).is_ok());
            }
        }
        assert!(wrappers > 10, "{wrappers} names with both conventions");
    }
}

#[test]
fn a_dotted_import_path_is_found_as_people_write_it() {
    let full = build("names", "names", &[], &[]);
    let stripped = build("names", "names-stripped", &["-ldflags=-s -w"], &[]);
    let symbols = nm(&full.path);
    for built in [&full, &stripped] {
        let binary = parse(built);
        for method in ["Next", "abi0"] {
            let written = format!("example.test/fixture/names/dotted%2ev2.Kind.{method}");
            let said = format!("example.test/fixture/names/dotted.v2.Kind.{method}");
            let truth = symbols[&written][0].address;
            assert_eq!(address(&binary, &written), Ok(truth));
            assert_eq!(address(&binary, &said), Ok(truth));
            assert_eq!(binary.function(&said).unwrap().name, written);
        }
        let closure = symbols["main.closures.func1"][0].address;
        assert_eq!(address(&binary, "main.closures.func1"), Ok(closure));
    }
}

#[test]
fn type_arguments_may_be_left_out_where_one_body_is_meant() {
    let full = build("names", "names-generic", &[], &[]);
    let stripped = build("names", "names-generic-stripped", &["-ldflags=-s -w"], &[]);
    if !parse(&full).go_version().at_least(18) {
        assert_eq!(
            address(&parse(&full), "main.once[...]"),
            Err(Reason::NotFound)
        );
        return;
    }
    let symbols = nm(&full.path);
    let once = symbols
        .keys()
        .find(|name| name.starts_with("main.once[go.shape"));
    let once = once.expect("the fixture has one instance");
    let truth = symbols[once][0].address;
    for built in [&full, &stripped] {
        let binary = parse(built);
        assert_eq!(address(&binary, "main.once[...]"), Ok(truth));
        for name in ["main.twice[...]", "main.twice[...].func1"] {
            assert_eq!(
                address(&binary, name),
                Err(Reason::Ambiguous { count: 2 }),
                "{name}"
            );
        }
        assert_eq!(address(&binary, "main.never[...]"), Err(Reason::NotFound));
    }
    // Up to go1.20 the function table leaves type arguments out.
    let told = parse(&full).go_version().at_least(21);
    let expected = if told {
        Ok(truth)
    } else {
        Err(Reason::TypeArguments)
    };
    assert_eq!(address(&parse(&stripped), once), expected);
    assert_eq!(address(&parse(&full), once), Ok(truth));
}
