//! Functions with the function they call.

use anyhow::{Context as _, Result};
use symbols_fuzz::parts::join;

use crate::program::{Program, half, set};

/// Caller and callee.
const PAIRS: [(&str, &str); 8] = [
    ("runtime.newproc.func1", "runtime.newproc1"),
    ("runtime.schedule", "runtime.findRunnable"),
    ("runtime.mallocgc", "runtime.nextFreeFast"),
    ("os.(*File).Write", "internal/poll.(*FD).Write"),
    ("runtime.gcStart", "runtime.stopTheWorldWithSema"),
    ("runtime.memequal", "runtime.memequal_varlen"),
    ("runtime.goexit0", "runtime.schedule"),
    ("main.main", "os.(*File).WriteString"),
];
/// A longer function is cut: an input should be small.
const MOST_CODE: u64 = 1500;

/// Cuts those pairs that the program has.
pub(crate) fn cut(program: &Program<'_>) -> Vec<Vec<u8>> {
    PAIRS
        .iter()
        .filter_map(|&(caller, callee)| pair(program, caller, callee).ok())
        .collect()
}

fn pair(program: &Program<'_>, caller: &str, callee: &str) -> Result<Vec<u8>> {
    let (start, size) = program.symbol(caller)?;
    let (target, target_size) = program.symbol(callee)?;
    let mut code = program.bytes(start, size.min(MOST_CODE))?.to_vec();
    let called = program.bytes(target, target_size.min(64))?;
    let length = code.len();
    if program.build()[1] == 0 {
        relink_amd64(&mut code, target.wrapping_sub(start), length)?;
    } else {
        relink_arm64(&mut code, target.wrapping_sub(start), length)?;
    }
    Ok(join(&[&program.build(), &code, called]))
}

/// Makes `call`s of a function `from` bytes away calls of the one behind the code.
fn relink_amd64(code: &mut [u8], from: u64, length: usize) -> Result<()> {
    for at in 0..length.saturating_sub(4) {
        let next = at + 5;
        let there = (from as u32).wrapping_sub(next as u32);
        if code.get(at) == Some(&0xe8) && half(code, at + 1)? as u32 == there {
            set(code, at + 1, &((length - next) as u32).to_le_bytes())?;
        }
    }
    Ok(())
}

fn relink_arm64(code: &mut [u8], from: u64, length: usize) -> Result<()> {
    const BL: u32 = 0x9400_0000;
    for at in (0..length.saturating_sub(3)).step_by(4) {
        let branch = |to: u64| BL | (to.wrapping_sub(at as u64) >> 2) as u32 & 0x03ff_ffff;
        if half(code, at)? as u32 == branch(from) {
            set(code, at, &branch(length as u64).to_le_bytes()).context("a branch is inside")?;
        }
    }
    Ok(())
}
