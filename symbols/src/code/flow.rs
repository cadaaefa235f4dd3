//! The way of execution through one function: its returns, and where its jumps lead.

use super::step::Flow;
use super::{Body, steps};
use crate::budget::MAX_TARGETS;
use crate::error::Reason;
use crate::image::{Image, Machine};

/// What an answer pays to keep an address in a list that grows by doubling.
const ADDRESS_BYTES: u64 = 16;

/// Lists the addresses of return instructions.
pub(super) fn returns(image: &Image<'_>, body: Body<'_>) -> Result<Vec<u64>, Reason> {
    let mut answer = image.budget.answer();
    let mut returns = Vec::new();
    for step in steps(image.machine, body) {
        let step = step?;
        if step.flow() == Flow::Return {
            answer.spend(ADDRESS_BYTES)?;
            returns.push(step.address);
        }
    }
    Ok(returns)
}

/// Where the jumps of a function lead.
#[derive(Debug)]
pub(super) struct Targets {
    /// In ascending order.
    addresses: Vec<u64>,
    /// The first jump whose targets are in a table.
    pub(super) unknown: Option<u64>,
}

impl Targets {
    /// Decodes the whole function.
    pub(super) fn of(machine: Machine, body: Body<'_>) -> Result<Self, Reason> {
        let mut addresses = Vec::new();
        let mut unknown = None;
        for step in steps(machine, body) {
            let step = step?;
            let target = match step.flow() {
                Flow::Jump(Some(target)) | Flow::Branch(target) => target,
                Flow::Jump(None) => {
                    unknown = unknown.or(Some(step.address));
                    continue;
                }
                Flow::Next | Flow::Call(_) | Flow::Return | Flow::Stop => continue,
            };
            if body.contains(target) {
                addresses.push(target);
            }
            if addresses.len() > MAX_TARGETS {
                return Err(Reason::Limit {
                    what: "branches in one function",
                    limit: MAX_TARGETS as u64,
                });
            }
        }
        addresses.sort_unstable();
        Ok(Self { addresses, unknown })
    }

    /// Says whether a jump leads to this address.
    pub(super) fn contains(&self, address: u64) -> bool {
        self.addresses.binary_search(&address).is_ok()
    }
}
