//! Shows that a copy is of the program that was opened, by bytes of the copy itself.
//!
//! At each restart of the world the runtime notes the time, and adds the time since the last restart to a sum,
//! once per processor. So `sum - processors * time` stays what it was when the program began, to the nanosecond,
//! until the number of processors is changed. One call copies from one address space: where this number is the
//! same, all others are of the same program. Another program that takes the process over, or the same one
//! executed anew, has another number there.
//!
//! Asking /proc after each reading tells the same and costs as much as a third of the reading.

use super::{cells::Cell, copies::Copies, memory::Copied};

/// What only one execution of a program has, as long as it has so many processors.
///
/// # Source   go-sym: runtime.procresize 1.17..=1.27 proc.go
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    processors: u64,
    begun: u64,
}

impl Witness {
    /// What a copy shows; none before the runtime has begun, or where the binary does not tell its place.
    pub(super) fn of(copies: &Copies, copied: Copied<'_>) -> Option<Self> {
        let get = |cell| copies.get(copied, cell);
        let (restarted, sum) = (get(Cell::Restarted)?, get(Cell::ProcessorTime)?);
        let processors = get(Cell::MaxProcs)?;
        (restarted != 0).then(|| Self {
            processors,
            begun: sum.wrapping_sub(processors.wrapping_mul(restarted)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(restarted: u64, sum: u64, processors: u32) -> Option<Witness> {
        let mut bytes = [restarted.to_le_bytes(), sum.to_le_bytes()].concat();
        bytes.extend(processors.to_le_bytes());
        let cells = [
            (Cell::Restarted, 0),
            (Cell::ProcessorTime, 8),
            (Cell::MaxProcs, 16),
        ];
        Witness::of(&Copies::new(cells), Copied(&bytes))
    }

    #[test]
    fn it_stays_over_restarts_of_the_world_and_tells_two_starts_apart() {
        let begun = shown(1_000, 0, 4).expect("begun");
        assert_eq!(shown(1_700, 4 * 700, 4), Some(begun));
        assert_ne!(shown(1_701, 0, 4), Some(begun), "begun later");
        assert_ne!(shown(1_800, 4 * 700 + 100, 1), Some(begun), "unknown anew");
    }

    #[test]
    fn before_the_runtime_has_begun_there_is_none() {
        assert_eq!(shown(0, 0, 0), None);
        assert_eq!(Witness::of(&Copies::new([]), Copied(&[])), None);
    }
}
