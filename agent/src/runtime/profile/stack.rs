//! The stack of one parked goroutine, by frame pointers.
//!
//! go-sym: runtime.gopark 1.17..=1.27 proc.go
//!
//! A goroutine that parks (through `mcall` in asm_amd64.s) leaves its stack pointer, its frame pointer and
//! where it goes on in `g.sched`. At the frame pointer lies that of the caller, and behind it the address to
//! return to. The process runs on meanwhile: what was copied counts only when the goroutine is afterwards
//! what it was before.

use super::{
    facts::GoroutineFields,
    groups::{Sample, Tally},
    state::State,
    walk::span,
    window::Window,
};
use crate::runtime::{
    ReadError,
    memory::{self, Place},
};

/// Bytes of a stack that are looked at, from its innermost frame outwards.
const DEPTH: u64 = 16 << 10;
/// Frames of one stack.
const FRAMES: usize = 64;
/// No stack is larger: the runtime ends a program first.
const LARGEST: u64 = 4 << 30;
/// How often the goroutines of a group are tried until one holds still: one that waits goes on to run, or
/// the collector looks at its stack, for microseconds.
const ROUNDS: usize = 3;

/// Code of the program as run-time addresses, start and end of each part.
pub(super) type Code = [(u64, u64)];

/// Reads stacks of one process.
#[derive(Debug)]
pub(super) struct Stacks<'p> {
    pub(super) pid: u32,
    pub(super) fields: &'p GoroutineFields,
    pub(super) code: &'p Code,
}

/// What says that a goroutine is still in the same wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wait {
    id: u64,
    turns: u8,
    stack_pointer: u64,
    frame_pointer: u64,
    instruction: u64,
    low: u64,
    high: u64,
}

impl Stacks<'_> {
    /// The first stack of a group that can be read: whose it is, and its calls. `None` when each of the
    /// goroutines that were tried moved every time.
    ///
    /// # Errors
    /// When the memory of the process cannot be read.
    pub(super) fn first_of(&self, group: &Tally) -> Result<Option<(Sample, Vec<u64>)>, ReadError> {
        for _round in 0..ROUNDS {
            for sample in group.samples() {
                if let Some(calls) = self.unwind(sample.address, sample.id)? {
                    return Ok(Some((sample, calls)));
                }
            }
        }
        Ok(None)
    }

    /// Lists the addresses of the calls that a goroutine is in, innermost first; `None` when it is not
    /// parked, moved meanwhile, or shows no plausible frame.
    ///
    /// # Errors
    /// When the memory of the process cannot be read.
    fn unwind(&self, address: u64, id: u64) -> Result<Option<Vec<u64>>, ReadError> {
        let mut before = Vec::new();
        let whole = self.whole(address);
        memory::copy(self.pid, &[whole], &mut before)?;
        let Some(wait) = self.wait(&before, id) else {
            return Ok(None);
        };
        let length = usize::try_from((wait.high - wait.stack_pointer).min(DEPTH)).unwrap_or(0);
        let mut copied = Vec::new();
        let stack = (wait.stack_pointer, length);
        match memory::copy(self.pid, &[stack, whole], &mut copied) {
            Ok(()) => {}
            // It has grown or shrunk, and its old place was given up.
            Err(ReadError::Unmapped { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let (stack, after) = copied.split_at(length);
        if self.wait(after, id) != Some(wait) {
            return Ok(None);
        }
        let calls = follow(wait.stack_pointer, stack, wait.frame_pointer, |at| {
            self.is_code(at)
        });
        Ok(self.is_code(wait.instruction).then(|| {
            let outer = calls.into_iter();
            std::iter::once(wait.instruction)
                .chain(outer)
                .map(|after| after - 1)
                .collect()
        }))
    }

    fn whole(&self, address: u64) -> Place {
        let (from, width) = self.span();
        (address.wrapping_add(u64::from(from)), width)
    }

    fn span(&self) -> (u32, usize) {
        let (all, stack) = (self.fields.of_all(), self.fields.of_stack());
        let offsets: Vec<u32> = all.into_iter().chain(stack).collect();
        span(&offsets)
    }

    /// Reads a copied goroutine; `None` when it does not wait, or its stack cannot be one.
    fn wait(&self, bytes: &[u8], id: u64) -> Option<Wait> {
        let window = Window {
            bytes,
            from: self.span().0,
        };
        let fields = self.fields;
        let status = window.u32(fields.status);
        let parked = State::of(status).is_some_and(State::is_parked);
        let wait = Wait {
            id: window.u64(fields.id),
            turns: window.u8(fields.turns),
            stack_pointer: window.u64(fields.stack_pointer),
            frame_pointer: window.u64(fields.frame_pointer),
            instruction: window.u64(fields.instruction),
            low: window.u64(fields.stack_low),
            high: window.u64(fields.stack_high),
        };
        let sound = wait.low < wait.stack_pointer
            && wait.stack_pointer < wait.high
            && wait.high - wait.low <= LARGEST;
        (parked && sound && wait.id == id && !State::is_scanned(status)).then_some(wait)
    }

    fn is_code(&self, address: u64) -> bool {
        let mut parts = self.code.iter();
        // A return address may lie right behind the last call.
        parts.any(|(start, end)| *start < address && address <= *end)
    }
}

/// Follows frame pointers through the copied stack, which begins at `base`; answers return addresses.
fn follow(base: u64, stack: &[u8], first: u64, is_code: impl Fn(u64) -> bool) -> Vec<u64> {
    let mut calls = Vec::new();
    let (mut frame, mut floor) = (first, base);
    while calls.len() < FRAMES {
        let inside = frame
            .checked_sub(base)
            .filter(|_| frame >= floor && frame.is_multiple_of(8));
        let Some(at) = inside.and_then(|inside| usize::try_from(inside).ok()) else {
            break;
        };
        let (Some(caller), Some(back)) = (word(stack, at), word(stack, at.saturating_add(8)))
        else {
            break;
        };
        if !is_code(back) {
            break;
        }
        calls.push(back);
        // Callers lie further out.
        floor = frame.saturating_add(16);
        frame = caller;
    }
    calls
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_code(address: u64) -> bool {
        (0x40_0000..0x50_0000).contains(&address)
    }

    fn stack(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn frames_are_followed_outwards() {
        let bytes = stack(&[0, 0x1018, 0x40_0010, 0x1030, 0x40_0020, 7, 0, 0x40_0030]);
        assert_eq!(
            follow(0x1000, &bytes, 0x1008, is_code),
            [0x40_0010, 0x40_0020, 0x40_0030]
        );
    }

    #[test]
    fn a_chain_that_cannot_be_ends_the_walk() {
        for words in [
            // Back to itself, inwards, not aligned, outside, and to what is no code.
            [0x1000, 0x40_0010, 0, 0x40_0020],
            [0x0ff0, 0x40_0010, 0, 0x40_0020],
            [0x1011, 0x40_0010, 0, 0x40_0020],
            [0x9000, 0x40_0010, 0, 0x40_0020],
            [0x1010, 0x40_0010, 0, 0x60_0000],
        ] {
            assert_eq!(follow(0x1000, &stack(&words), 0x1000, is_code), [0x40_0010]);
        }
        assert_eq!(follow(0x1000, &[], 0x1000, is_code), [0; 0]);
        assert_eq!(follow(0x1000, &stack(&[1, 2]), 8, is_code), [0; 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), first in any::<u64>()) {
            prop_assert!(follow(0x1000, &bytes, first, |_| true).len() <= FRAMES);
            prop_assert!(follow(0x1000, &bytes, 0x1000 + first % 2_000, |_| true).len() <= FRAMES);
        }
    }
}
