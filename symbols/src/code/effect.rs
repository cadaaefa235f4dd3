//! What an instruction does to general registers and to the stack.

/// Registers by their number; the stack pointer of arm64 is 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Registers(pub(super) u32);

impl Registers {
    pub(super) const ALL: Self = Self(u32::MAX);

    pub(super) fn of(number: u32) -> Self {
        Self(1_u32.checked_shl(number).unwrap_or(0))
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Answers the lowest number.
    pub(super) fn first(self) -> Option<u32> {
        (self.0 != 0).then(|| self.0.trailing_zeros())
    }
}

/// All 64 bits go from one place to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Copy {
        from: u32,
        to: u32,
    },
    /// To the stack, so many bytes from the stack pointer.
    Spill {
        from: u32,
        slot: i64,
    },
    Reload {
        slot: i64,
        to: u32,
    },
}

/// What is written of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StackWrite {
    None,
    /// These bytes, counted from the stack pointer.
    Bytes {
        slot: i64,
        length: i64,
    },
    /// Somewhere, or the stack pointer itself moved.
    Anywhere,
}

/// What an instruction changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effect {
    /// Registers that are, or may be, written in part or in full.
    pub(super) written: Registers,
    pub(super) stack: StackWrite,
    /// Among the writes, those whose value is known.
    pub(super) moves: [Option<Move>; 2],
}

impl Effect {
    /// Nothing is known of the instruction.
    pub(super) const UNKNOWN: Self = Self {
        written: Registers::ALL,
        stack: StackWrite::Anywhere,
        moves: [None, None],
    };

    /// Writes registers only.
    pub(super) fn writes(written: Registers) -> Self {
        Self {
            written,
            stack: StackWrite::None,
            moves: [None, None],
        }
    }
}
