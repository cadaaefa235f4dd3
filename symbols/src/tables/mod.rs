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
    code::signature(image.machine, function.address, code)
}
