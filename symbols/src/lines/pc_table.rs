//! Tables from program counters to values: source lines, files, places in the inline tree.
//!
//! # Layout      pairs of varints: zigzag difference of the value, distance to the next run in units of
//!               the instruction size; values start from -1, a difference of 0 ends all but the first run

use crate::budget::Allowance;
use crate::bytes;
use crate::error::Reason;

/// A value that holds up to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) value: i32,
    /// First address at which it no longer holds.
    pub(crate) end: u64,
}

/// What is left of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PcTable<'d> {
    data: &'d [u8],
    at: usize,
    quantum: u8,
    reached: Run,
}

impl<'d> PcTable<'d> {
    /// Begins a table whose first run starts at `entry`.
    pub(crate) fn new(data: &'d [u8], entry: u64, quantum: u8) -> Self {
        let reached = Run {
            value: -1,
            end: entry,
        };
        Self {
            data,
            at: 0,
            quantum,
            reached,
        }
    }

    /// Reads the next run; `None` at the end of the table.
    pub(crate) fn next_run(&mut self) -> Result<Option<Run>, Reason> {
        let torn = Reason::Malformed {
            section: "pc table",
            offset: self.reached.end,
        };
        self.read_run().ok_or(torn)
    }

    /// Answers the value at `pc`; `None` where the table says nothing.
    pub(crate) fn value_at(
        mut self,
        pc: u64,
        steps: &mut Allowance<'_>,
    ) -> Result<Option<u32>, Reason> {
        while let Some(run) = self.next_run()? {
            steps.spend(1)?;
            if pc < run.end {
                return Ok(u32::try_from(run.value).ok());
            }
        }
        Ok(None)
    }

    fn read_run(&mut self) -> Option<Option<Run>> {
        let (difference, length) = bytes::varint(self.data, self.at)?;
        if difference == 0 && self.at > 0 {
            return Some(None);
        }
        let at = self.at.checked_add(length)?;
        let (distance, length) = bytes::varint(self.data, at)?;
        self.at = at.checked_add(length)?;
        let distance = u64::from(distance).checked_mul(u64::from(self.quantum))?;
        self.reached = Run {
            value: self.reached.value.wrapping_add(unzigzag(difference)),
            end: self.reached.end.checked_add(distance)?,
        };
        Some(Some(self.reached))
    }
}

/// Turns 0, 1, 2, 3 into 0, -1, 1, -2.
fn unzigzag(value: u32) -> i32 {
    let magnitude = (value >> 1).cast_signed();
    if value & 1 == 0 {
        magnitude
    } else {
        !magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Budget, Limits};

    /// -1 + 11 = 10 for 4 units, 9 for 1 unit, end.
    const TABLE: [u8; 5] = [22, 4, 1, 1, 0];

    fn value(data: &[u8], pc: u64) -> Result<Option<u32>, Reason> {
        PcTable::new(data, 0x1000, 4)
            .value_at(pc, &mut Budget::new(Limits::default()).allow("steps", 8))
    }

    #[test]
    fn values_hold_up_to_the_next_run() {
        assert_eq!(value(&TABLE, 0x1000), Ok(Some(10)));
        assert_eq!(value(&TABLE, 0x100f), Ok(Some(10)));
        assert_eq!(value(&TABLE, 0x1010), Ok(Some(9)));
        assert_eq!(value(&TABLE, 0x1014), Ok(None));
        // A first difference of 0 is a run of -1, which stands for nothing.
        assert_eq!(value(&[0, 2, 4, 1, 0], 0x1007), Ok(None));
        assert_eq!(value(&[0, 2, 4, 1, 0], 0x1008), Ok(Some(1)));
    }

    #[test]
    fn torn_tables_are_malformed_and_long_ones_bounded() {
        for length in 0..TABLE.len() {
            assert!(value(&TABLE[..length], 0x1014).is_err(), "{length}");
        }
        let endless = [2; 64];
        let limit = Reason::Limit {
            what: "steps",
            limit: 8,
        };
        assert_eq!(value(&endless, u64::MAX), Err(limit));
        let far = [2, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(PcTable::new(&far, u64::MAX, 1).next_run().is_err());
    }

    #[test]
    fn differences_are_zigzag() {
        assert_eq!(
            [0, 1, 2, 3, u32::MAX].map(unzigzag),
            [0, -1, 1, -2, i32::MIN]
        );
    }
}
