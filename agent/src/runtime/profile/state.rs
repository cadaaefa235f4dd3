//! What a goroutine is doing.

/// States as `runtime2.go` numbers them; they have kept their numbers since go1.17.
///
/// go-sym: runtime.g.atomicstatus 1.17..=1.27 runtime2.go
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct State(u8);

/// Set while the garbage collector looks at the goroutine's stack.
const SCAN: u32 = 0x1000;

impl State {
    pub(super) const WAITING: Self = Self(4);
    pub(super) const LEAKED: Self = Self(10);
    /// No goroutine, or one that is over: never used, ended, or of a C thread outside of Go.
    const NONE: [u8; 3] = [0, 6, 11];

    /// Reads the status word of a goroutine; `None` when there is none.
    pub(super) fn of(status: u32) -> Option<Self> {
        let number = u8::try_from(status & !SCAN).unwrap_or(u8::MAX);
        (!Self::NONE.contains(&number)).then_some(Self(number))
    }

    /// Whether the collector is at work on it.
    pub(super) fn is_scanned(status: u32) -> bool {
        status & SCAN != 0
    }

    /// Parked: it has a reason to wait, and its stack holds still.
    pub(super) fn is_parked(self) -> bool {
        self == Self::WAITING || self == Self::LEAKED
    }

    /// The runtime's own word for it.
    pub(super) fn name(self) -> &'static str {
        match self.0 {
            1 => "runnable",
            2 => "running",
            3 => "syscall",
            4 => "waiting",
            8 => "copystack",
            9 => "preempted",
            10 => "leaked",
            _ => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_no_goroutine_and_a_scanned_one_is() {
        for status in [0, 6, 11, 0x1006] {
            assert_eq!(State::of(status), None, "{status}");
        }
        assert_eq!(State::of(0x1004), Some(State::WAITING));
        assert!(State::is_scanned(0x1004) && !State::is_scanned(4));
        assert_eq!(State::of(2).map(State::name), Some("running"));
        assert!(State::of(10).is_some_and(State::is_parked));
        assert_eq!(State::of(0xffff_ffff).map(State::name), Some("unknown"));
    }
}
