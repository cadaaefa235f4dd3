//! Questions that are answered by decoding instructions: probe sites, returns, what lies behind a call.

mod after_call;
mod amd64;
mod arm64;
mod effect;
mod flow;
mod site_amd64;
mod site_arm64;
mod step;

use self::step::{Step, steps};
use crate::binary::GoBinary;
use crate::budget::MAX_FUNCTION;
use crate::error::{Reason, Unresolved};
use crate::fact::{AfterCall, Function, ProbeSite, SiteKind};
use crate::image::{Image, Machine};

impl GoBinary<'_> {
    /// Finds the instruction of a function on which a probe is cheap, exact and sees the arguments.
    ///
    /// # Errors
    /// When the prologue has no such instruction, or the release passes arguments on the stack.
    pub fn probe_site(&self, function: &Function) -> Result<ProbeSite, Unresolved> {
        self.arguments_are_in_registers()
            .and_then(|()| body(&self.image, function))
            .and_then(|body| match self.image.machine {
                Machine::Amd64 => site_amd64::find(&self.image, body),
                Machine::Arm64 => site_arm64::find(&self.image, body),
            })
            .map_err(|reason| Unresolved::new(function.name.clone(), reason))
    }

    /// Lists the addresses of a function's return instructions: none for an endless loop, or for a body
    /// that ends with a jump to another function.
    ///
    /// # Errors
    /// When the body is not in the file's code, cannot be decoded, or is too large.
    pub fn returns(&self, function: &Function) -> Result<Vec<u64>, Unresolved> {
        body(&self.image, function)
            .and_then(|body| flow::returns(&self.image, body))
            .map_err(|reason| Unresolved::new(function.name.clone(), reason))
    }

    /// Finds, behind every direct call of `callee` in `caller`, the first instruction that the kernel
    /// emulates, and where the first `results` integer results of the call are there.
    ///
    /// A probe there is passed exactly once for each call that returns, whatever the caller does next: the
    /// way from the call is straight, and no jump of the function leads into it.
    ///
    /// # Errors
    /// When there is no direct call, when one of them has no such instruction behind it (then counting
    /// would miss calls), or when the release passes results on the stack.
    pub fn after_calls(
        &self,
        caller: &Function,
        callee: &Function,
        results: usize,
    ) -> Result<Vec<AfterCall>, Unresolved> {
        self.arguments_are_in_registers()
            .and_then(|()| body(&self.image, caller))
            .and_then(|body| after_call::find(&self.image, body, callee, results))
            .map_err(|reason| Unresolved::new(caller.name.clone(), reason))
    }

    /// Says whether the release has a register calling convention on this machine.
    ///
    /// # Source     release notes of go1.17 (amd64) and go1.18 (arm64)
    fn arguments_are_in_registers(&self) -> Result<(), Reason> {
        if self.image.machine == Machine::Arm64 && !self.version.at_least(18) {
            return Err(Reason::UnsupportedVersion {
                what: "arguments in registers on arm64",
                version: self.version.to_string(),
            });
        }
        Ok(())
    }
}

/// The bytes of a function.
#[derive(Debug, Clone, Copy)]
struct Body<'d> {
    code: &'d [u8],
    address: u64,
}

impl Body<'_> {
    /// Answers the first address behind the function.
    fn end(self) -> u64 {
        self.address.saturating_add(self.code.len() as u64)
    }

    fn contains(self, address: u64) -> bool {
        (self.address..self.end()).contains(&address)
    }

    /// Takes the part from `address` on.
    fn from(self, address: u64) -> Option<Self> {
        let skipped = usize::try_from(address.checked_sub(self.address)?).ok()?;
        Some(Self {
            code: self.code.get(skipped..)?,
            address,
        })
    }
}

/// Takes a function's bytes, which must all be code in the file.
fn body<'d>(image: &Image<'d>, function: &Function) -> Result<Body<'d>, Reason> {
    let address = function.address;
    if function.size > MAX_FUNCTION {
        return Err(Reason::Limit {
            what: "bytes of one function",
            limit: MAX_FUNCTION,
        });
    }
    let code = image
        .bytes(address, function.size)
        .filter(|_| image.is_code(address))
        .ok_or(Reason::OutsideCode { address })?;
    image.budget.steps(function.size)?;
    Ok(Body { code, address })
}

/// Makes a site of an instruction.
fn site(image: &Image<'_>, step: &Step, kind: SiteKind) -> Result<ProbeSite, Reason> {
    let address = step.address;
    Ok(ProbeSite {
        address,
        file_offset: image
            .file_offset(address)
            .ok_or(Reason::OutsideCode { address })?,
        kind,
        instruction: step.text(),
    })
}
