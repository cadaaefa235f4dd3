//! Where a call's results can be read once it has returned.

use super::effect::{Effect, Move, Registers, StackWrite};
use super::flow::Targets;
use super::step::{Flow, Step};
use super::{Body, site, steps};
use crate::budget::MAX_AFTER_CALL;
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
            found.push(behind(image, body, &targets, &call, results)?);
        }
    }
    if found.is_empty() {
        return Err(Reason::NoCall {
            callee: callee.name.clone(),
        });
    }
    Ok(found)
}

/// Walks from one call to the first emulated instruction.
fn behind(
    image: &Image<'_>,
    body: Body<'_>,
    targets: &Targets,
    call: &Step,
    results: usize,
) -> Result<AfterCall, Reason> {
    let end = |instruction: String| Reason::NoSiteBehindCall {
        call: call.address,
        instruction,
    };
    if let Some(jump) = targets.unknown {
        return Err(Reason::UnknownJump { jump });
    }
    let rest = body.from(call.end()).ok_or_else(|| end(String::new()))?;
    let mut values = Values::behind_call(image.machine, results);
    for step in steps(image.machine, rest).take(MAX_AFTER_CALL) {
        let step = step?;
        if targets.contains(step.address) {
            return Err(Reason::JumpBehindCall {
                call: call.address,
                address: step.address,
            });
        }
        if step.is_emulated() {
            return Ok(AfterCall {
                call: call.address,
                site: site(image, &step, SiteKind::AfterCall)?,
                results: values.places(image.machine),
            });
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
