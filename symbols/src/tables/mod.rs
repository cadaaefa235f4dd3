//! Reference tables: what builds of known releases and module versions say, for binaries that say less.
//!
//! `cargo xtask codegen` writes the tables from real toolchains and modules. Each is text in sorted lines,
//! so that a change shows in a diff, and a reader finds a line by bisection.
//!
//! # Layout      `releases.txt`: release, machine, ids of its structs.
//!               `modules.txt`: module path, version, ids of its structs.
//!               `structs.txt`: id, name (`-` without one), size, and `field:offset` or `field:offset:id` of the
//!               field's own struct, in decimal; the id is a hash of the rest of its line.
//!               `signatures.txt`: function, hash of its code, and for its operands, counted from 0,
//!               `operand=variable+addend:size`, or `operand=variable+addend@id` with the struct's id when the
//!               variable is one; `runtime.` is left out, `:size` when releases differ in it

mod code;
mod lines;
pub mod reference;
mod structs;
mod votes;

pub(crate) use code::Signature;
pub(crate) use structs::StructTable;
pub(crate) use votes::Votes;

use lines::Lines;

use crate::fact::Function;
use crate::image::Image;

static RELEASES: Lines = Lines::new(include_str!("../../data/releases.txt"));
static MODULES: Lines = Lines::new(include_str!("../../data/modules.txt"));
static STRUCTS: Lines = Lines::new(include_str!("../../data/structs.txt"));
static SIGNATURES: Lines = Lines::new(include_str!("../../data/signatures.txt"));

/// Takes the addresses out of a function's code.
pub(crate) fn signature_of(image: &Image<'_>, function: &Function) -> Option<Signature> {
    let code = votes::body(image, function)?;
    image.budget.steps(code.len() as u64).ok()?;
    code::signature(image.machine, function.address, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables are part of every golens.
    const MOST_BYTES: usize = 1_000_000;

    #[test]
    fn every_row_is_found_where_the_header_says() {
        let mut bytes = 0;
        for (table, words) in [(RELEASES, 2), (MODULES, 2), (STRUCTS, 1), (SIGNATURES, 2)] {
            let mut count = 0;
            let mut last = "";
            for line in table.all() {
                assert!(last < line, "{line} is out of order");
                (last, count, bytes) = (line, count + 1, bytes + line.len() + 1);
                let at = line.match_indices(' ').nth(words - 1).unwrap().0;
                let (key, rest) = line.split_at(at);
                assert_eq!(table.find(key), rest.strip_prefix(' '));
            }
            assert!(table.header().contains(&format!("Format 1, {count} rows:")));
        }
        assert!(bytes < MOST_BYTES, "{bytes} bytes");
    }

    #[test]
    fn rows_name_only_structs_that_exist_and_ids_are_their_hashes() {
        let known = |id: &str| assert!(STRUCTS.find(id).is_some(), "{id}");
        for line in RELEASES.all().chain(MODULES.all()) {
            line.split(' ').skip(2).for_each(known);
        }
        for line in STRUCTS.all() {
            let (id, rest) = line.split_once(' ').unwrap();
            assert_eq!(id, reference::row_id(rest));
            rest.split(' ')
                .filter_map(|field| field.split(':').nth(2))
                .for_each(known);
        }
        for line in SIGNATURES.all() {
            line.split(' ')
                .filter_map(|operand| Some(operand.split_once('@')?.1))
                .for_each(known);
        }
    }
}
