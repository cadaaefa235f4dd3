//! Variables of stripped binaries, from the code of functions that is that of a reference build.
//!
//! Code that is equal but for its addresses was compiled from the same source, whatever release the
//! binary names; so a row of any release may match. Each address such code holds is one vote.

use std::collections::HashMap;

use super::reference::FUNCTIONS;
use super::{SIGNATURES, signature_of};
use crate::error::Reason;
use crate::fact::{Function, Variable};
use crate::image::{Image, Machine};

/// A variable is known when this many addresses name it and none contradicts.
const ENOUGH: u32 = 2;

/// What the code of a binary says of the runtime's variables.
#[derive(Debug, Default)]
pub(crate) struct Votes {
    variables: HashMap<&'static str, Tally>,
    matched: Vec<&'static str>,
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
    /// Compares the functions of a binary with the table.
    pub(crate) fn count(image: &Image<'_>, find: impl Fn(&str) -> Option<Function>) -> Self {
        let mut votes = Self::default();
        for &name in FUNCTIONS {
            let signature = find(name).and_then(|function| signature_of(image, &function));
            let Some(signature) = signature else { continue };
            let Some(row) = SIGNATURES.find(&format!("{name} {:016x}", signature.hash)) else {
                continue;
            };
            votes.matched.push(name);
            for vote in row
                .split(' ')
                .filter_map(|word| Vote::parse(word, &signature.operands))
            {
                votes.add(image, &vote);
            }
        }
        votes
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
        for line in SIGNATURES.all() {
            let mut words = line.split(' ');
            let (Some(function), Some(_)) = (words.next(), words.next()) else {
                continue;
            };
            if words.any(|word| variable_of(word) == Some(short))
                && wanted.last() != Some(&function)
            {
                wanted.push(function);
            }
        }
        if wanted.is_empty() {
            return Reason::NoSymbolTable;
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

impl Vote {
    /// Reads `operand=variable+addend:size`.
    fn parse(word: &'static str, operands: &[u64]) -> Option<Self> {
        let (operand, rest) = word.split_once('=')?;
        let (place, size) = rest.split_once(':').unwrap_or((rest, "0"));
        let (variable, addend) = place.split_once('+').unwrap_or((place, "0"));
        let target = operands.get(operand.parse::<usize>().ok()?)?;
        Some(Self {
            variable,
            address: target.checked_sub(addend.parse().ok()?)?,
            size: size.parse().ok()?,
        })
    }
}

fn variable_of(word: &str) -> Option<&str> {
    let (_, rest) = word.split_once('=')?;
    rest.split(['+', ':']).next()
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
