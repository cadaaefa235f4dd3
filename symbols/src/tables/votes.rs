//! Variables of stripped binaries, from the code of functions that is that of a reference build.
//!
//! Code that is equal but for its addresses was compiled from the same source, whatever release the binary
//! names, so a row of any release may match. Each address such code holds is one vote. An address inside a
//! struct is the variable's plus a field's offset, which the code does not show: such votes count only when
//! the binary's exact release is known to have that very struct.

use std::collections::HashMap;

use super::reference::FUNCTIONS;
use super::{SIGNATURES, signature_of, structs};
use crate::error::Reason;
use crate::fact::{Function, Variable};
use crate::image::{Image, Machine};

/// A variable is known when this many addresses name it and none contradicts.
const ENOUGH: u32 = 2;

/// What the code of a binary says of the runtime's variables.
#[derive(Debug)]
pub(crate) struct Votes {
    variables: HashMap<&'static str, Tally>,
    matched: Vec<&'static str>,
    /// Ids of the release's structs, or why they are not known.
    release: Result<&'static str, Reason>,
}

/// The votes for one variable.
#[derive(Debug)]
struct Tally {
    address: u64,
    /// 0 when releases with this code differ in it.
    size: u64,
    votes: u32,
    /// Votes for another place.
    against: u32,
}

impl Votes {
    /// Compares the functions of a binary with the table; `release` has the ids of its release's structs.
    pub(crate) fn count(
        image: &Image<'_>,
        release: Result<&'static str, Reason>,
        find: impl Fn(&str) -> Option<Function>,
    ) -> Self {
        let mut votes = Self {
            variables: HashMap::new(),
            matched: Vec::new(),
            release,
        };
        for &name in FUNCTIONS {
            let signature = find(name).and_then(|function| signature_of(image, &function));
            let Some(signature) = signature else { continue };
            let Some(row) = SIGNATURES.find(&format!("{name} {:016x}", signature.hash)) else {
                continue;
            };
            votes.matched.push(name);
            for operand in row.split(' ').filter_map(Operand::parse) {
                if let Some(vote) = votes.vote(&operand, &signature.operands) {
                    votes.add(image, &vote);
                }
            }
        }
        votes
    }

    /// Turns an operand into a vote; `None` when the release is not known to have the operand's struct.
    fn vote(&self, operand: &Operand, targets: &[u64]) -> Option<Vote> {
        let size = match operand.id {
            None => operand.size,
            Some(id) => {
                let ids = self.release.as_ref().ok()?;
                ids.split(' ').find(|known| *known == id)?;
                structs::size(id)?
            }
        };
        let target = targets.get(operand.number)?;
        Some(Vote {
            variable: operand.variable,
            address: target.checked_sub(operand.addend)?,
            size,
        })
    }

    fn add(&mut self, image: &Image<'_>, vote: &Vote) {
        // A place outside the data shows that the code is not what it seems; it stands as a vote against.
        let sound = image.is_data(vote.address, vote.size.max(1));
        let tally = self.variables.entry(vote.variable).or_insert(Tally {
            address: vote.address,
            size: vote.size,
            votes: 0,
            against: 0,
        });
        if !sound || tally.address != vote.address {
            tally.against = tally.against.saturating_add(1);
            return;
        }
        tally.votes = tally.votes.saturating_add(1);
        if tally.size != vote.size {
            tally.size = 0;
        }
    }

    /// Answers the place of a variable and how many addresses name it.
    pub(crate) fn variable(&self, name: &str) -> Result<(Variable, u32), Reason> {
        let short = name.strip_prefix("runtime.").unwrap_or(name);
        match self.variables.get(short) {
            Some(tally) if tally.against > 0 => Err(Reason::VotesDiffer {
                votes: tally.votes,
                against: tally.against,
            }),
            Some(tally) if tally.votes >= ENOUGH => {
                let (address, size) = (tally.address, tally.size);
                Ok((Variable { address, size }, tally.votes))
            }
            _ => Err(self.too_few(short)),
        }
    }

    fn too_few(&self, short: &str) -> Reason {
        let mut wanted: Vec<&str> = Vec::new();
        let mut in_struct = false;
        for line in SIGNATURES.all() {
            let mut operands = line.split(' ').filter_map(Operand::parse);
            let found = operands.find(|operand| operand.variable == short);
            in_struct |= found.as_ref().is_some_and(|operand| operand.id.is_some());
            let function = line.split(' ').next().filter(|_| found.is_some());
            wanted.extend(function.filter(|function| wanted.last() != Some(function)));
        }
        match &self.release {
            Err(reason) if in_struct => return reason.clone(),
            _ if wanted.is_empty() => return Reason::NoSymbolTable,
            _ => {}
        }
        let matched = wanted.iter().filter(|name| self.matched.contains(name));
        Reason::NoSignature {
            matched: matched.count(),
            wanted: wanted.len(),
        }
    }
}

/// What one operand says.
#[derive(Debug, PartialEq, Eq)]
struct Vote {
    variable: &'static str,
    address: u64,
    size: u64,
}

/// An operand as the table describes it.
#[derive(Debug, PartialEq, Eq)]
struct Operand {
    number: usize,
    variable: &'static str,
    addend: u64,
    /// 0 when it is in the struct's row, or when releases differ in it.
    size: u64,
    /// Id of the struct that the variable is.
    id: Option<&'static str>,
}

impl Operand {
    /// Reads `number=variable+addend:size` or `number=variable+addend@id`; `?` is no variable.
    fn parse(word: &'static str) -> Option<Self> {
        let (number, rest) = word.split_once('=')?;
        let (rest, id) = match rest.split_once('@') {
            Some((rest, id)) => (rest, Some(id)),
            None => (rest, None),
        };
        let (place, size) = rest.split_once(':').unwrap_or((rest, "0"));
        let (variable, addend) = place.split_once('+').unwrap_or((place, "0"));
        Some(Self {
            number: number.parse().ok()?,
            variable: Some(variable).filter(|name| *name != "?")?,
            addend: addend.parse().ok()?,
            size: size.parse().ok()?,
            id,
        })
    }
}

/// Takes the bytes of a function without the padding behind it.
pub(super) fn body<'d>(image: &Image<'d>, function: &Function) -> Option<&'d [u8]> {
    let mut code = image.bytes(function.address, function.size)?;
    if image.machine == Machine::Arm64 {
        while let Some(rest) = code.strip_suffix(&[0; 4]) {
            code = rest;
        }
    }
    (!code.is_empty()).then_some(code)
}
