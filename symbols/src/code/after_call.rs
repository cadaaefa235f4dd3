//! Where a call's results can be read once it has returned.

use super::effect::{Effect, Move, Registers, StackWrite};
use super::flow::Targets;
use super::step::{Flow, Step};
use super::{Body, site, steps};
use crate::budget::{MAX_AFTER_CALL, MAX_CALLS};
use crate::error::Reason;
use crate::fact::{AfterCall, Function, Place, Register, SiteKind};
use crate::image::{Image, Machine};

/// Integer result registers in order: rax rbx rcx rdi rsi r8 r9 r10 r11.
const AMD64_RESULTS: [u32; 9] = [0, 3, 1, 7, 6, 8, 9, 10, 11];
/// Integer result registers in order: x0 to x15.
const ARM64_RESULTS: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// What an answer pays to keep one site with its instruction and results, in a list that grows by doubling.
const SITE_BYTES: u64 = 512;

/// Answers the site behind every direct call of `callee`, or why one of them has none.
pub(super) fn find(
    image: &Image<'_>,
    body: Body<'_>,
    callee: &Function,
    results: usize,
) -> Result<Vec<AfterCall>, Reason> {
    let machine = image.machine;
    let targets = Targets::of(machine, body)?;
    let mut answer = image.budget.answer();
    let mut found = Vec::new();
    for step in steps(machine, body) {
        let call = step?;
        if call.flow() == Flow::Call(Some(callee.address)) {
            answer.spend(SITE_BYTES)?;
            if found.len() >= MAX_CALLS {
                return Err(Reason::Limit {
                    what: "calls of one function in another",
                    limit: MAX_CALLS as u64,
                });
            }
            let (step, results) = behind(machine, body, &targets, &call, results)?;
            found.push(AfterCall {
                call: call.address,
                site: site(image, &step, SiteKind::AfterCall)?,
                results,
            });
        }
    }
    if found.is_empty() {
        return Err(Reason::NoCall {
            callee: callee.name.clone(),
        });
    }
    Ok(found)
}

/// Walks from one call to the first emulated instruction; answers it and where the results are there.
fn behind(
    machine: Machine,
    body: Body<'_>,
    targets: &Targets,
    call: &Step,
    results: usize,
) -> Result<(Step, Vec<Option<Place>>), Reason> {
    let end = |instruction: String| Reason::NoSiteBehindCall {
        call: call.address,
        instruction,
    };
    if let Some(jump) = targets.unknown {
        return Err(Reason::UnknownJump { jump });
    }
    let rest = body.from(call.end()).ok_or_else(|| end(String::new()))?;
    let mut values = Values::behind_call(machine, results);
    for step in steps(machine, rest).take(MAX_AFTER_CALL) {
        let step = step?;
        if targets.contains(step.address) {
            return Err(Reason::JumpBehindCall {
                call: call.address,
                address: step.address,
            });
        }
        if step.is_emulated() {
            return Ok((step, values.places(machine)));
        }
        if step.flow() != Flow::Next {
            return Err(end(step.text()));
        }
        values.pass(&step.effect());
    }
    Err(end(String::new()))
}

/// Where each result is.
#[derive(Debug)]
struct Values(Vec<Value>);

/// The places that hold one result.
#[derive(Debug, Clone, Default)]
struct Value {
    registers: Registers,
    slots: Vec<i64>,
}

impl Values {
    fn behind_call(machine: Machine, results: usize) -> Self {
        let registers = match machine {
            Machine::Amd64 => &AMD64_RESULTS[..],
            Machine::Arm64 => &ARM64_RESULTS[..],
        };
        let of = |result: usize| Value {
            registers: registers
                .get(result)
                .map_or(Registers::default(), |&number| Registers::of(number)),
            slots: Vec::new(),
        };
        // More results than any function has are asked for by mistake only.
        Self((0..results.min(ARM64_RESULTS.len())).map(of).collect())
    }

    /// Follows the results through one instruction.
    fn pass(&mut self, effect: &Effect) {
        for value in &mut self.0 {
            let before = value.clone();
            value.registers = value.registers.without(effect.written);
            match effect.stack {
                StackWrite::None => {}
                StackWrite::Bytes { slot, length } => value.slots.retain(|&at| {
                    at.saturating_add(8) <= slot || slot.saturating_add(length) <= at
                }),
                StackWrite::Anywhere => value.slots.clear(),
            }
            for moved in effect.moves.into_iter().flatten() {
                value.follow(&before, moved);
            }
        }
    }

    fn places(self, machine: Machine) -> Vec<Option<Place>> {
        self.0.iter().map(|value| value.place(machine)).collect()
    }
}

impl Value {
    fn follow(&mut self, before: &Self, moved: Move) {
        let held = |number: u32| before.registers.intersects(Registers::of(number));
        match moved {
            Move::Copy { from, to } if held(from) => {
                self.registers = self.registers.with(Registers::of(to));
            }
            Move::Spill { from, slot } if held(from) => self.slots.push(slot),
            Move::Reload { slot, to } if before.slots.contains(&slot) => {
                self.registers = self.registers.with(Registers::of(to));
            }
            Move::Copy { .. } | Move::Spill { .. } | Move::Reload { .. } => {}
        }
    }

    fn place(&self, machine: Machine) -> Option<Place> {
        let register = self.registers.first().and_then(|number| {
            let number = u8::try_from(number).ok()?;
            Some(Place::Register(Register { machine, number }))
        });
        let slot = || {
            self.slots
                .first()
                .and_then(|&slot| i32::try_from(slot).ok())
        };
        register.or_else(|| slot().map(Place::Stack))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 0x1000;
    /// Each body begins with this call: of 5 bytes on amd64, of 4 on arm64.
    const CALL: [u8; 5] = [0xe8, 0xfb, 0x0f, 0, 0];
    const BL: u32 = 0x9400_0400;

    /// The address of the site behind the first instruction, and where each result is.
    fn found(machine: Machine, code: &[u8]) -> Result<(u64, Vec<String>), Reason> {
        let body = Body {
            code,
            address: START,
        };
        let targets = Targets::of(machine, body)?;
        let call = steps(machine, body).next().expect("a call")?;
        assert!(matches!(call.flow(), Flow::Call(Some(_))));
        let (step, places) = behind(machine, body, &targets, &call, 2)?;
        let place = |place: Option<Place>| place.map_or("nowhere".to_owned(), |at| at.to_string());
        Ok((step.address, places.into_iter().map(place).collect()))
    }

    fn amd64(behind_call: &[&[u8]]) -> Result<(u64, Vec<String>), Reason> {
        found(Machine::Amd64, &[&CALL[..], &behind_call.concat()].concat())
    }

    fn arm64(behind_call: &[u32]) -> Result<(u64, Vec<String>), Reason> {
        let words = [BL].into_iter().chain(behind_call.iter().copied());
        let code: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        found(Machine::Arm64, &code)
    }

    const JE_AHEAD: [u8; 2] = [0x74, 0];
    const RET: [u8; 1] = [0xc3];

    #[test]
    fn results_are_followed_to_the_first_emulated_instruction() {
        let test = [0x48, 0x85, 0xc0];
        assert_eq!(
            amd64(&[&test, &JE_AHEAD, &RET]).unwrap(),
            (0x1008, vec!["rax".to_owned(), "rbx".to_owned()])
        );
        // mov %rax,0x18(%rsp); mov %rbx,%rcx; xor %eax,%eax; xor %ebx,%ebx
        let moved: [&[u8]; 6] = [
            &[0x48, 0x89, 0x44, 0x24, 0x18],
            &[0x48, 0x89, 0xd9],
            &[0x31, 0xc0],
            &[0x31, 0xdb],
            &JE_AHEAD,
            &RET,
        ];
        let (_, places) = amd64(&moved).unwrap();
        assert_eq!(places, ["+24(sp)", "rcx"]);
        // A byte of a result that changes: mov $1,%bl
        let (_, places) = amd64(&[&[0xb3, 1], &JE_AHEAD, &RET]).unwrap();
        assert_eq!(places, ["rax", "nowhere"]);
        // mov x2, x0; mov x0, #0; cbz x1
        let (site, places) = arm64(&[0xaa00_03e2, 0xd280_0000, 0xb400_0041, 0]).unwrap();
        assert_eq!(
            (site, places),
            (0x100c, vec!["x2".to_owned(), "x1".to_owned()])
        );
    }

    #[test]
    fn a_jump_into_the_way_rules_the_site_out() {
        // test %rax,%rax; je back to it: who comes by the jump has not called.
        let (test, back) = ([0x48, 0x85, 0xc0], [0x74, 0xfb]);
        let reason = Reason::JumpBehindCall {
            call: START,
            address: 0x1005,
        };
        assert_eq!(amd64(&[&test, &back, &RET]), Err(reason));
        // A jump to the site itself, from behind it.
        let to_site = [0xeb, 0xfc];
        let reason = Reason::JumpBehindCall {
            call: START,
            address: 0x1008,
        };
        assert_eq!(amd64(&[&test, &JE_AHEAD, &to_site]), Err(reason));
        // nop; cbz x0 back to the nop
        let reason = Reason::JumpBehindCall {
            call: START,
            address: 0x1004,
        };
        assert_eq!(arm64(&[0xd503_201f, 0xb4ff_ffe0]), Err(reason));
    }

    #[test]
    fn a_way_that_ends_first_has_no_site() {
        let none = |instruction: &str| {
            Err(Reason::NoSiteBehindCall {
                call: START,
                instruction: instruction.to_owned(),
            })
        };
        assert_eq!(amd64(&[&RET]), none("ret"));
        // call *%rax
        assert_eq!(amd64(&[&[0xff, 0xd0]]), none("call *%rax"));
        assert_eq!(amd64(&[&[0x0f, 0x0b]]), none("ud2"));
        // The function ends, and the way is too long.
        assert_eq!(amd64(&[]), none(""));
        let neutral = [0x48, 0x85, 0xc0].repeat(MAX_AFTER_CALL);
        assert_eq!(amd64(&[&neutral, &JE_AHEAD]), none(""));
        assert_eq!(arm64(&[0xd420_0000]), none(".inst 0xd4200000"));
    }

    #[test]
    fn a_jump_through_a_table_may_lead_anywhere() {
        // jmp *%rcx, behind the site
        let jump = Err(Reason::UnknownJump { jump: 0x1007 });
        assert_eq!(amd64(&[&JE_AHEAD, &[0xff, 0xe1]]), jump);
        // br x27
        let jump = Err(Reason::UnknownJump { jump: 0x1008 });
        assert_eq!(arm64(&[0xb400_0040, 0xd61f_0360]), jump);
    }
}
