//! Prints the rows that a binary with symbols and debugging information gives to the reference tables:
//! `reference BINARY [STRUCT...]`, without structs those of the runtime and its signatures.
//!
//! `cargo xtask codegen` runs it. Debugging information must not be compressed (`-ldflags=-compressdwarf=false`).

mod signatures;
mod structs;

use std::error::Error;
use std::io::{Write as _, stdout};

use symbols::{GoBinary, reference};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("reference BINARY [STRUCT...]")?;
    let asked: Vec<String> = arguments.collect();
    let data = std::fs::read(&path)?;
    let mut lines = Vec::new();
    if asked.is_empty() {
        let structs = structs::write(&data, reference::STRUCTS, &mut lines)?;
        signatures::write(&GoBinary::parse(&data)?, &structs, &mut lines);
    } else {
        let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
        structs::write(&data, &asked, &mut lines)?;
    }
    writeln!(stdout(), "{}", lines.join("\n"))?;
    Ok(())
}
