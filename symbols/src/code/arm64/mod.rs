//! What the crate asks of arm64 instructions, read from their bits.
//!
//! Where an instruction is not told apart from its neighbours it counts for more than it does: more
//! registers written, more of the stack.
//!
//! # Source     Arm Architecture Reference Manual, C4.1 (groups); `arch/arm64/kernel/probes/decode-insn.c`

mod effect;

pub(super) use effect::effect;

use super::step::Flow;

/// Conditions in the order of their numbers.
const CONDITIONS: [&str; 16] = [
    "eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv",
];
/// What Go's assembler writes for code that is never reached.
const GO_UNDEFINED: u32 = 0xbea7_1700;

/// The instructions that may go, or point, elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Jump {
        link: bool,
        target: u64,
    },
    Condition {
        condition: u32,
        target: u64,
    },
    /// `cbz`, `cbnz`.
    Compare {
        target: u64,
    },
    /// `tbz`, `tbnz`.
    Test {
        target: u64,
    },
    /// `br`, `blr`, `ret`.
    Register(Indirect),
    /// `adr`, `adrp`.
    Address {
        target: u64,
    },
    /// Other ways to change the program counter.
    OtherJump,
    Trap,
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Indirect {
    Jump,
    Call,
    Return,
}

fn kind(word: u32, address: u64) -> Kind {
    let far = |shift: u32, bits: u32| address.wrapping_add_signed(signed(word, shift, bits) << 2);
    match word {
        _ if word & 0x7c00_0000 == 0x1400_0000 => Kind::Jump {
            link: word >> 31 == 1,
            target: far(0, 26),
        },
        _ if word & 0xff00_0010 == 0x5400_0000 => Kind::Condition {
            condition: word & 15,
            target: far(5, 19),
        },
        _ if word & 0x7e00_0000 == 0x3400_0000 => Kind::Compare { target: far(5, 19) },
        _ if word & 0x7e00_0000 == 0x3600_0000 => Kind::Test { target: far(5, 14) },
        _ if word & 0xffff_fc1f == 0xd61f_0000 => Kind::Register(Indirect::Jump),
        _ if word & 0xffff_fc1f == 0xd63f_0000 => Kind::Register(Indirect::Call),
        _ if word & 0xffff_fc1f == 0xd65f_0000 => Kind::Register(Indirect::Return),
        _ if word & 0xfe00_0000 == 0xd600_0000 => Kind::OtherJump,
        _ if word & 0x1f00_0000 == 0x1000_0000 => {
            let low = i64::from(word >> 29 & 3);
            let distance = signed(word, 5, 19) << 2 | low;
            let target = if word >> 31 == 1 {
                (address & !0xfff).wrapping_add_signed(distance << 12)
            } else {
                address.wrapping_add_signed(distance)
            };
            Kind::Address { target }
        }
        // `svc` is no trap of the program's own.
        _ if word & 0xffe0_001f == 0xd400_0001 => Kind::Plain,
        _ if word & 0xff00_0000 == 0xd400_0000 => Kind::Trap,
        _ if word & 0xffff_0000 == 0 || word == GO_UNDEFINED => Kind::Trap,
        _ => Kind::Plain,
    }
}

/// Takes `bits` bits from `shift` on as a signed number.
fn signed(word: u32, shift: u32, bits: u32) -> i64 {
    let up = 32_u32.saturating_sub(shift).saturating_sub(bits);
    let number = word.wrapping_shl(up).cast_signed();
    i64::from(number.wrapping_shr(32_u32.saturating_sub(bits)))
}

/// Says where execution goes.
pub(super) fn flow(word: u32, address: u64) -> Flow {
    match kind(word, address) {
        Kind::Jump { link: true, target } => Flow::Call(Some(target)),
        Kind::Jump {
            link: false,
            target,
        } => Flow::Jump(Some(target)),
        Kind::Condition { target, .. } | Kind::Compare { target } | Kind::Test { target } => {
            Flow::Branch(target)
        }
        Kind::Register(Indirect::Jump) | Kind::OtherJump => Flow::Jump(None),
        Kind::Register(Indirect::Call) => Flow::Call(None),
        Kind::Register(Indirect::Return) => Flow::Return,
        Kind::Trap => Flow::Stop,
        Kind::Address { .. } | Kind::Plain => Flow::Next,
    }
}

/// Says whether the kernel simulates the instruction. `ldr` of a literal is refused by newer kernels, and
/// `nop` single-stepped by older ones, so these do not count.
pub(super) fn is_simulated(word: u32) -> bool {
    !matches!(kind(word, 0), Kind::OtherJump | Kind::Trap | Kind::Plain)
}

/// Answers the condition of a conditional branch.
pub(super) fn condition(word: u32) -> Option<u32> {
    match kind(word, 0) {
        Kind::Condition { condition, .. } => Some(condition),
        _ => None,
    }
}

/// Recognises `subs x17, sp, ...`.
pub(super) fn subtracts_from_stack(word: u32) -> bool {
    let immediate = word & 0xff80_03ff == 0xf100_03f1;
    let register = word & 0xffe0_03ff == 0xeb20_03f1;
    immediate || register
}

/// Writes a branch in GNU syntax, with its target's address; other instructions as their bits.
pub(super) fn text(word: u32, address: u64) -> String {
    let width = |bit: u32| if word >> bit & 1 == 1 { 'x' } else { 'w' };
    let register = |shift: u32| match word >> shift & 31 {
        31 => "zr".to_owned(),
        number => number.to_string(),
    };
    let negated = |bit: u32| if word >> bit & 1 == 1 { "n" } else { "" };
    match kind(word, address) {
        Kind::Jump { link, target } => format!("b{} {target:#x}", if link { "l" } else { "" }),
        Kind::Condition { condition, target } => {
            let index = usize::try_from(condition).unwrap_or(0);
            format!("b.{} {target:#x}", CONDITIONS.get(index).unwrap_or(&"nv"))
        }
        Kind::Compare { target } => {
            format!(
                "cb{}z {}{}, {target:#x}",
                negated(24),
                width(31),
                register(0)
            )
        }
        Kind::Test { target } => {
            let bit = word >> 31 << 5 | word >> 19 & 31;
            format!(
                "tb{}z {}{}, #{bit}, {target:#x}",
                negated(24),
                width(31),
                register(0)
            )
        }
        Kind::Register(Indirect::Return) if word >> 5 & 31 == 30 => "ret".to_owned(),
        Kind::Register(Indirect::Return) => format!("ret x{}", register(5)),
        Kind::Register(Indirect::Jump) => format!("br x{}", register(5)),
        Kind::Register(Indirect::Call) => format!("blr x{}", register(5)),
        Kind::Address { target } => {
            let page = if word >> 31 == 1 { "p" } else { "" };
            format!("adr{page} x{}, {target:#x}", register(0))
        }
        Kind::OtherJump | Kind::Trap | Kind::Plain => format!(".inst {word:#010x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_and_their_targets() {
        for (word, expected, flow_expected) in [
            (0x1400_0004, "b 0x1010", Flow::Jump(Some(0x1010))),
            (0x97ff_ffff, "bl 0xffc", Flow::Call(Some(0xffc))),
            (0x5400_2749, "b.ls 0x14e8", Flow::Branch(0x14e8)),
            (0x54ff_ffe3, "b.cc 0xffc", Flow::Branch(0xffc)),
            (0xb400_2560, "cbz x0, 0x14ac", Flow::Branch(0x14ac)),
            (0x3500_0041, "cbnz w1, 0x1008", Flow::Branch(0x1008)),
            (0x3600_0042, "tbz w2, #0, 0x1008", Flow::Branch(0x1008)),
            (0xb7ff_fff0, "tbnz x16, #63, 0xffc", Flow::Branch(0xffc)),
            (0xd61f_0360, "br x27", Flow::Jump(None)),
            (0xd63f_0040, "blr x2", Flow::Call(None)),
            (0xd65f_03c0, "ret", Flow::Return),
            (0xd65f_0100, "ret x8", Flow::Return),
            (0x9000_001b, "adrp x27, 0x1000", Flow::Next),
            (0x70ff_ffe0, "adr x0, 0xfff", Flow::Next),
        ] {
            assert_eq!(text(word, 0x1000), expected);
            assert_eq!(flow(word, 0x1000), flow_expected, "{expected}");
            assert!(is_simulated(word), "{expected}");
        }
    }

    #[test]
    fn traps_and_unknown_jumps_end_a_way() {
        for (word, expected) in [
            (0, Flow::Stop),
            (GO_UNDEFINED, Flow::Stop),
            (0xd420_0000, Flow::Stop),       // brk
            (0xd71f_0800, Flow::Jump(None)), // braa
            (0xd69f_03e0, Flow::Jump(None)), // eret
            (0xd400_0001, Flow::Next),       // svc
            (0xd503_201f, Flow::Next),       // nop
            (0x5800_0040, Flow::Next),       // ldr x0, literal
        ] {
            assert_eq!(flow(word, 0x1000), expected, "{word:#x}");
            assert!(!is_simulated(word), "{word:#x}");
        }
    }
}
