//! One decoded instruction, whatever the machine.

use iced_x86::{Decoder, DecoderOptions, Instruction};

use super::effect::Effect;
use super::{Body, amd64, arm64};
use crate::error::Reason;
use crate::image::Machine;

/// Where execution goes after an instruction; `None` for a target in a register or in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    /// Goes to the target.
    Jump(Option<u64>),
    /// Goes to the target or on.
    Branch(u64),
    /// Goes to the target and comes back.
    Call(Option<u64>),
    Return,
    /// Goes nowhere: a trap, or no instruction.
    Stop,
}

/// An instruction at its address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) address: u64,
    raw: Raw,
}

#[derive(Debug, Clone, Copy)]
enum Raw {
    Amd64(Instruction),
    Arm64(u32),
}

impl Step {
    /// Answers the address behind the instruction.
    pub(super) fn end(&self) -> u64 {
        let length = match self.raw {
            Raw::Amd64(instruction) => instruction.len() as u64,
            Raw::Arm64(_) => 4,
        };
        self.address.saturating_add(length)
    }

    pub(super) fn flow(&self) -> Flow {
        match &self.raw {
            Raw::Amd64(instruction) => amd64::flow(instruction),
            Raw::Arm64(word) => arm64::flow(*word, self.address),
        }
    }

    /// Says whether a uprobe here is emulated by every kernel since 5.8, not single-stepped.
    pub(super) fn is_emulated(&self) -> bool {
        match &self.raw {
            Raw::Amd64(instruction) => amd64::is_emulated(instruction),
            Raw::Arm64(word) => arm64::is_simulated(*word),
        }
    }

    /// Says what the instruction does to registers and stack.
    pub(super) fn effect(&self) -> Effect {
        match &self.raw {
            Raw::Amd64(instruction) => amd64::effect(instruction),
            Raw::Arm64(word) => arm64::effect(*word),
        }
    }

    pub(super) fn text(&self) -> String {
        match &self.raw {
            Raw::Amd64(instruction) => amd64::text(instruction),
            Raw::Arm64(word) => arm64::text(*word, self.address),
        }
    }

    /// The bits of an arm64 instruction.
    pub(super) fn word(&self) -> Option<u32> {
        match self.raw {
            Raw::Amd64(_) => None,
            Raw::Arm64(word) => Some(word),
        }
    }

    /// An amd64 instruction in full.
    pub(super) fn amd64(&self) -> Option<&Instruction> {
        match &self.raw {
            Raw::Amd64(instruction) => Some(instruction),
            Raw::Arm64(_) => None,
        }
    }
}

/// Decodes one instruction after the other.
pub(super) fn steps(
    machine: Machine,
    body: Body<'_>,
) -> impl Iterator<Item = Result<Step, Reason>> {
    let (amd64, arm64) = match machine {
        Machine::Amd64 => (Some(body), None),
        Machine::Arm64 => (None, Some(body)),
    };
    let amd64 = amd64.into_iter().flat_map(amd64_steps);
    amd64.chain(arm64.into_iter().flat_map(arm64_steps))
}

fn amd64_steps(body: Body<'_>) -> impl Iterator<Item = Result<Step, Reason>> {
    let mut decoder = Decoder::with_ip(64, body.code, body.address, DecoderOptions::NONE);
    std::iter::from_fn(move || {
        if !decoder.can_decode() {
            return None;
        }
        let instruction = decoder.decode();
        let address = instruction.ip();
        Some(if instruction.is_invalid() {
            Err(Reason::Undecodable { address })
        } else {
            Ok(Step {
                address,
                raw: Raw::Amd64(instruction),
            })
        })
    })
}

fn arm64_steps(body: Body<'_>) -> impl Iterator<Item = Result<Step, Reason>> {
    let words = body
        .code
        .chunks_exact(4)
        .filter_map(|word| word.try_into().ok());
    let addresses = (body.address..).step_by(4);
    words.zip(addresses).map(|(word, address)| {
        Ok(Step {
            address,
            raw: Raw::Arm64(u32::from_le_bytes(word)),
        })
    })
}
