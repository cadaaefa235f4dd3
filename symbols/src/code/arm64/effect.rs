//! What an arm64 instruction writes.

use super::super::effect::{Effect, Move, Registers, StackWrite};

/// Number of the stack pointer where it can be meant, and of the zero register elsewhere.
const SP: u32 = 31;

/// Says what changes.
pub(in super::super) fn effect(word: u32) -> Effect {
    match word >> 25 & 15 {
        0b1000 | 0b1001 => immediate(word),
        0b0101 | 0b1101 => register(word),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => memory(word),
        0b0111 | 0b1111 => floating(word),
        0b1010 | 0b1011 => branch_or_system(word),
        _ => Effect::UNKNOWN,
    }
}

/// Data processing with an immediate.
fn immediate(word: u32) -> Effect {
    // add, sub, and, orr, eor may write the stack pointer; adds, subs, ands discard with the same number.
    let arithmetic = word >> 24 & 31 == 0b10001;
    let logical = word >> 23 & 63 == 0b100100;
    let sets_flags = (arithmetic && word >> 29 & 1 == 1) || (logical && word >> 29 & 3 == 3);
    to_register(rd(word), (arithmetic || logical) && !sets_flags)
}

/// Data processing between registers.
fn register(word: u32) -> Effect {
    // ccmn, ccmp: flags only.
    if word & 0x3fe0_0000 == 0x3a40_0000 {
        return Effect::writes(Registers::default());
    }
    let extended = word & 0x1f20_0000 == 0x0b20_0000;
    let mut effect = to_register(rd(word), extended && word >> 29 & 1 == 0);
    // orr xd, xzr, xm
    if word & 0xffe0_ffe0 == 0xaa00_03e0 && rd(word) != SP && rm(word) != SP {
        effect.moves[0] = Some(Move::Copy {
            from: rm(word),
            to: rd(word),
        });
    }
    effect
}

/// A result that goes to one register; `stack` says whether number 31 is the stack pointer.
fn to_register(number: u32, stack: bool) -> Effect {
    match (number, stack) {
        (SP, false) => Effect::writes(Registers::default()),
        (SP, true) => Effect {
            stack: StackWrite::Anywhere,
            ..Effect::writes(Registers::of(SP))
        },
        _ => Effect::writes(Registers::of(number)),
    }
}

/// Floating point and vectors: some move to general registers.
fn floating(word: u32) -> Effect {
    let converts = word & 0x5f00_0000 == 0x1e00_0000;
    let copies = word & 0x9f20_8400 == 0x0e00_0400;
    if converts || copies {
        return to_register(rd(word), false);
    }
    Effect::writes(Registers::default())
}

/// Branches, system registers, hints, barriers, system calls.
fn branch_or_system(word: u32) -> Effect {
    // b, b.cond, cbz, tbz; what a call changes is unknown.
    let branch = word & 0xfc00_0000 == 0x1400_0000
        || word & 0xff00_0010 == 0x5400_0000
        || word & 0x7c00_0000 == 0x3400_0000;
    // msr of an immediate, hints and barriers; msr of a register.
    let no_register = word & 0xfff8_0000 == 0xd500_0000 || word & 0xfff0_0000 == 0xd510_0000;
    let reads = word & 0xfff0_0000 == 0xd530_0000 || word & 0xfff8_0000 == 0xd528_0000;
    if reads {
        return to_register(rd(word), false);
    }
    if branch || no_register {
        return Effect::writes(Registers::default());
    }
    Effect::UNKNOWN
}

/// Loads and stores.
fn memory(word: u32) -> Effect {
    let vector = word >> 26 & 1 == 1;
    match word {
        _ if word & 0x3b00_0000 == 0x1800_0000 => literal(word, vector),
        _ if word & 0x3a00_0000 == 0x2800_0000 => pair(word, vector),
        _ if word & 0x3b00_0000 == 0x3900_0000 => {
            single(word, vector, Addressing::Offset(scaled(word, vector)))
        }
        _ if word & 0x3b20_0000 == 0x3800_0000 => {
            let offset = signed9(word);
            let addressing = match word >> 10 & 3 {
                0 | 2 => Addressing::Offset(offset),
                _ => Addressing::WriteBack,
            };
            single(word, vector, addressing)
        }
        _ if word & 0x3b20_0c00 == 0x3820_0800 => single(word, vector, Addressing::Unknown),
        // Exclusive, ordered and atomic accesses: old value or status, and value, may be written.
        _ if word & 0x3f00_0000 == 0x0800_0000 => Effect {
            written: exclusive(word),
            stack: StackWrite::Anywhere,
            moves: [None, None],
        },
        _ if word & 0x3b20_0c00 == 0x3820_0000 && !vector => Effect {
            stack: StackWrite::Anywhere,
            ..to_register(rd(word), false)
        },
        // Vector structures: at most the address register is written.
        _ if word & 0xbe00_0000 == 0x0c00_0000 => Effect {
            written: Registers::of(rn(word)),
            stack: StackWrite::Anywhere,
            moves: [None, None],
        },
        _ => Effect::UNKNOWN,
    }
}

fn exclusive(word: u32) -> Registers {
    let (status, load, ordered) = (rm(word), word >> 22 & 1 == 1, word >> 23 & 1 == 1);
    let is_pair = word >> 21 & 1 == 1;
    let mut written = Registers::default();
    if load || is_pair {
        written = written.with(general(rd(word)));
    }
    if is_pair {
        written = written.with(general(rt2(word)));
    }
    if !ordered || is_pair {
        let next = status.saturating_add(1);
        let second = if is_pair {
            general(next)
        } else {
            Registers::default()
        };
        written = written.with(general(status)).with(second);
    }
    written
}

fn literal(word: u32, vector: bool) -> Effect {
    let prefetch = word >> 30 == 3;
    if vector || prefetch {
        return Effect::writes(Registers::default());
    }
    to_register(rd(word), false)
}

/// How a load or store finds its address.
#[derive(Debug, Clone, Copy)]
enum Addressing {
    /// The base register and so many bytes.
    Offset(i64),
    /// The base register changes.
    WriteBack,
    Unknown,
}

fn single(word: u32, vector: bool, addressing: Addressing) -> Effect {
    let (size, opcode) = (word >> 30, word >> 22 & 3);
    let store = opcode == 0 || (vector && opcode == 2);
    let prefetch = !vector && size == 3 && opcode == 2;
    let whole = !vector && size == 3;
    let length = match (vector, opcode) {
        (true, 2 | 3) => 16,
        _ => 1_i64.wrapping_shl(size),
    };
    let mut effect = access(word, addressing, store.then_some(length));
    if !store && !vector && !prefetch {
        effect.written = effect.written.with(general(rd(word)));
    }
    effect.moves[0] = match (addressing, rn(word)) {
        (Addressing::Offset(slot), SP) if whole && store => spill(rd(word), slot),
        (Addressing::Offset(slot), SP) if whole && opcode == 1 => reload(rd(word), slot),
        _ => None,
    };
    effect
}

fn pair(word: u32, vector: bool) -> Effect {
    let store = word >> 22 & 1 == 0;
    let whole = !vector && word >> 30 == 2;
    let length = match (vector, word >> 30) {
        (true, width) => 4_i64.wrapping_shl(width),
        (false, 2) => 8,
        (false, _) => 4,
    };
    let offset = signed7(word).saturating_mul(length);
    let addressing = match word >> 23 & 3 {
        0 | 2 => Addressing::Offset(offset),
        _ => Addressing::WriteBack,
    };
    let (first, second) = (rd(word), rt2(word));
    let mut effect = access(word, addressing, store.then_some(length.saturating_mul(2)));
    if !store && !vector {
        effect.written = effect.written.with(general(first)).with(general(second));
    }
    if let (Addressing::Offset(slot), SP, true) = (addressing, rn(word), whole) {
        let other = slot.saturating_add(8);
        effect.moves = if store {
            [spill(first, slot), spill(second, other)]
        } else {
            [reload(first, slot), reload(second, other)]
        };
    }
    effect
}

/// What an access does to its base register and to the stack; `stored` bytes are written.
fn access(word: u32, addressing: Addressing, stored: Option<i64>) -> Effect {
    let base = rn(word);
    let mut effect = Effect::writes(Registers::default());
    effect.stack = match (stored, addressing, base) {
        (None, _, _) => StackWrite::None,
        (Some(length), Addressing::Offset(slot), SP) => StackWrite::Bytes { slot, length },
        (Some(_), _, _) => StackWrite::Anywhere,
    };
    if matches!(addressing, Addressing::WriteBack) {
        effect.written = Registers::of(base);
        if base == SP {
            effect.stack = StackWrite::Anywhere;
        }
    }
    effect
}

fn spill(from: u32, slot: i64) -> Option<Move> {
    (from != SP).then_some(Move::Spill { from, slot })
}

fn reload(to: u32, slot: i64) -> Option<Move> {
    (to != SP).then_some(Move::Reload { slot, to })
}

/// A register operand; number 31 is the zero register.
fn general(number: u32) -> Registers {
    if number < SP {
        Registers::of(number)
    } else {
        Registers::default()
    }
}

fn scaled(word: u32, vector: bool) -> i64 {
    let quad = vector && word >> 23 & 1 == 1;
    let shift = if quad { 4 } else { word >> 30 };
    i64::from(word >> 10 & 0xfff).wrapping_shl(shift)
}

fn signed9(word: u32) -> i64 {
    i64::from((word << 11).cast_signed() >> 23)
}

fn signed7(word: u32) -> i64 {
    i64::from((word << 10).cast_signed() >> 25)
}

fn rd(word: u32) -> u32 {
    word & 31
}

fn rn(word: u32) -> u32 {
    word >> 5 & 31
}

fn rt2(word: u32) -> u32 {
    word >> 10 & 31
}

fn rm(word: u32) -> u32 {
    word >> 16 & 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers(numbers: &[u32]) -> Registers {
        let each = numbers.iter().map(|&number| Registers::of(number));
        each.fold(Registers::default(), Registers::with)
    }

    #[test]
    fn written_registers_are_seen() {
        for (word, expected, text) in [
            (0x9100_0442, &[2][..], "add x2, x2, #1"),
            (0xeb01_005f, &[], "cmp x2, x1"),
            (0xd100_23fd, &[29], "sub x29, sp, #8"),
            (0x9100_83ff, &[31], "add sp, sp, #32"),
            (0xf940_1b80, &[0], "ldr x0, [x28,#48]"),
            (0xf818_0ffe, &[31], "str x30, [sp,#-128]!"),
            (0xa940_07e0, &[0, 1], "ldp x0, x1, [sp]"),
            (0xfa41_0820, &[], "ccmp x1, x1, #0, eq"),
            (0x885f_fc41, &[1], "ldaxr w1, [x2]"),
            (0x8803_fc41, &[3], "stlxr w3, w1, [x2]"),
            (0x889f_fc41, &[], "stlr w1, [x2]"),
            (0xf823_0041, &[1], "ldadd x3, x1, [x2]"),
            (0x9e66_0001, &[1], "fmov x1, d0"),
            (0xd53b_d040, &[0], "mrs x0, tpidr_el0"),
            (0xd503_201f, &[], "nop"),
            (0x5400_0403, &[], "b.cc"),
            (0x3dc0_0be0, &[], "ldr q0, [sp,#32]"),
        ] {
            assert_eq!(effect(word).written, registers(expected), "{text}");
        }
        assert_eq!(effect(0xd400_0001), Effect::UNKNOWN, "svc #0");
        assert_eq!(effect(0x0400_0000), Effect::UNKNOWN, "sve");
    }

    #[test]
    fn the_stack_is_followed() {
        let bytes = |slot, length| StackWrite::Bytes { slot, length };
        let spill = |from, slot| Some(Move::Spill { from, slot });
        let reload = |to, slot| Some(Move::Reload { slot, to });
        let copy = |from, to| Some(Move::Copy { from, to });
        for (word, stack, moves, text) in [
            (
                0xf900_07e0,
                bytes(8, 8),
                [spill(0, 8), None],
                "str x0, [sp,#8]",
            ),
            (
                0xf81f_83fd,
                bytes(-8, 8),
                [spill(29, -8), None],
                "stur x29, [sp,#-8]",
            ),
            (0xb900_0be0, bytes(8, 4), [None, None], "str w0, [sp,#8]"),
            (
                0xa901_07e0,
                bytes(16, 16),
                [spill(0, 16), spill(1, 24)],
                "stp x0, x1, [sp,#16]",
            ),
            (
                0xf940_0be3,
                StackWrite::None,
                [reload(3, 16), None],
                "ldr x3, [sp,#16]",
            ),
            (
                0xaa00_03e5,
                StackWrite::None,
                [copy(0, 5), None],
                "mov x5, x0",
            ),
            (
                0xf900_0020,
                StackWrite::Anywhere,
                [None, None],
                "str x0, [x1]",
            ),
            (
                0xf84207fe,
                StackWrite::Anywhere,
                [None, None],
                "ldr x30, [sp],#32",
            ),
            (0x3d80_0be0, bytes(32, 16), [None, None], "str q0, [sp,#32]"),
        ] {
            let found = effect(word);
            assert_eq!((found.stack, found.moves), (stack, moves), "{text}");
        }
    }
}
