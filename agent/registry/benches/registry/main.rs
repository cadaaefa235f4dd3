//! What the registry does behind real sockets, beside etcd and beside servers that do nothing.
//!
//! Each server is a process of its own; this one is the generator. Figures are one line of JSON for each
//! case; `cargo xtask bench registry` files them. `GOLENS_ETCD` names etcd's binary.
//!
//! `cargo bench -p golens-registry --bench registry -- [WORD...]` runs the groups with these names.
#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod bare;
mod case;
mod cases;
mod load;
mod process;
mod serve;

use std::path::Path;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--serve", folder] => serve::registry(Path::new(folder)),
        ["--bare"] => bare::serve(),
        words => {
            let wanted = words.iter().filter(|word| !word.starts_with("--"));
            cases::run(&wanted.copied().collect::<Vec<_>>());
        }
    }
}
