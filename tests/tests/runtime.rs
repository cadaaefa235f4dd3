//! Values of the Go runtime, read from outside, are those that the program itself knows.

#[path = "scenario/runtime/mod.rs"]
mod runtime;

use golens::runtime::{Distribution, Figure};
use runtime::{Build, ROWS, Value, compare};
use tests::harness::Toolchain::{Installed, Version};

const OLD: &str = "go1.21.13";

#[test]
fn every_value_equals_the_programs_own_with_the_installed_go() {
    compare(Build::new(Installed));
}

#[test]
fn every_value_equals_the_programs_own_without_symbols() {
    compare(Build::new(Installed).stripped());
}

#[test]
fn every_value_equals_the_programs_own_with_go_1_21() {
    compare(Build::new(Version(OLD)));
    compare(Build::new(Version(OLD)).stripped());
}

/// A value without a row would be published unchecked.
#[test]
fn every_value_has_a_row() {
    let has = |value| ROWS.iter().filter(|row| row.value == value).count() == 1;
    for figure in Figure::ALL {
        assert!(has(Value::Number(*figure)), "{figure:?}");
    }
    for distribution in Distribution::ALL {
        assert!(has(Value::Times(*distribution)), "{distribution:?}");
    }
    assert!(has(Value::Allocated) && has(Value::Freed));
}
