//! /proc/PID/stat: one line, whose second field may hold anything.

use super::ProcessId;

/// `PF_KTHREAD` of the kernel's task flags.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// What golens needs of the status line of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Identity.
    pub id: ProcessId,
    /// Name of the main thread.
    pub name: String,
    /// `R`, `S`, `Z`, ...
    pub state: char,
    /// Parent process.
    pub parent: u32,
    /// Runs in the kernel only.
    pub kernel_thread: bool,
    /// Bottom of the main stack; 0 without rights to see it.
    ///
    /// It is drawn anew at each exec (address space randomisation), and so tells a process from the
    /// one it was before exec even when pid, start time and executable stayed.
    pub stack_start: u64,
}

impl Stat {
    /// Takes a line apart; the name ends at the last `)`, because it may contain others.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let open = line.iter().position(|byte| *byte == b'(')?;
        let close = line.iter().rposition(|byte| *byte == b')')?;
        let name = line.get(open + 1..close)?;
        let pid = text(line.get(..open)?)?.trim().parse().ok()?;
        let rest: Vec<&str> = text(line.get(close + 1..)?)?.split_whitespace().collect();
        // Fields are counted from 1 in proc(5); `rest` begins with field 3.
        let field = |number: usize| rest.get(number - 3).copied();
        Some(Self {
            id: ProcessId {
                pid,
                start_time_ticks: field(22)?.parse().ok()?,
            },
            name: String::from_utf8_lossy(name).into_owned(),
            state: field(3)?.chars().next()?,
            parent: field(4)?.parse().ok()?,
            kernel_thread: field(9)?.parse::<u64>().ok()? & KERNEL_THREAD != 0,
            stack_start: field(28)?.parse().ok()?,
        })
    }

    /// Ended, and only its parent has not noticed yet.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(name: &[u8]) -> Vec<u8> {
        let mut line = b"42 (".to_vec();
        line.extend_from_slice(name);
        line.extend_from_slice(
            b") S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 998877 11 12 13 1 2 140736 0 0 0\n",
        );
        line
    }

    #[test]
    fn a_name_may_look_like_the_rest_of_the_line() {
        for name in [
            b"server".as_slice(),
            b"a) S 1 2 (b",
            b") R 0",
            b"",
            b"\xff\xfe\n",
        ] {
            let stat = Stat::parse(&line(name)).expect("well formed");
            assert_eq!(
                stat.id,
                ProcessId {
                    pid: 42,
                    start_time_ticks: 998_877
                }
            );
            assert_eq!((stat.state, stat.parent), ('S', 7));
            assert_eq!(stat.stack_start, 140_736);
            assert!(!stat.kernel_thread);
        }
    }

    #[test]
    fn cut_lines_are_refused() {
        let whole = line(b"server");
        let last_field = whole
            .windows(6)
            .position(|part| part == b"140736")
            .expect("there");
        for end in 0..last_field {
            assert_eq!(Stat::parse(&whole[..end]), None, "{end} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _answer = Stat::parse(&bytes);
        }

        #[test]
        fn any_name_leaves_the_numbers_alone(name in proptest::collection::vec(any::<u8>(), 0..64)) {
            let stat = Stat::parse(&line(&name)).expect("well formed");
            prop_assert_eq!(stat.id.start_time_ticks, 998_877);
        }
    }
}
