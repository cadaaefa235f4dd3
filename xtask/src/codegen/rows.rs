//! What the reader prints of one program.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// The rows of one program.
#[derive(Default)]
pub(super) struct Rows {
    /// Definitions by id.
    pub(super) structs: BTreeMap<String, String>,
    /// Ids of the wanted structs by name.
    pub(super) roots: BTreeMap<String, String>,
    /// Operands by function and hash.
    pub(super) signatures: Vec<(String, Operands)>,
}

/// What each operand of a function names, by number.
pub(super) type Operands = BTreeMap<u32, Operand>;

/// The variable an operand names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operand {
    /// `variable` or `variable+addend`; `?` when builds with equal code name different ones.
    pub(super) place: String,
    /// `None` when releases with equal code differ in it.
    pub(super) size: Option<u64>,
}

impl Rows {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut rows = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            rows.add(line).with_context(|| format!("row {line:?}"))?;
        }
        Ok(rows)
    }

    fn add(&mut self, line: &str) -> Result<()> {
        let (kind, rest) = line.split_once(' ').context("no kind")?;
        let (name, value) = rest.split_once(' ').context("no value")?;
        match kind {
            "struct" => {
                self.structs.insert(name.to_owned(), value.to_owned());
            }
            "root" => {
                self.roots.insert(name.to_owned(), value.to_owned());
            }
            "signature" => {
                let (hash, words) = value.split_once(' ').context("no operands")?;
                self.signatures
                    .push((format!("{name} {hash}"), parse_operands(words)?));
            }
            _ => bail!("unknown kind"),
        }
        Ok(())
    }
}

/// Reads `0=sched+16:6872 3=?`.
pub(super) fn parse_operands(words: &str) -> Result<Operands> {
    words.split(' ').map(parse_operand).collect()
}

fn parse_operand(word: &str) -> Result<(u32, Operand)> {
    let (number, rest) = word.split_once('=').context("no operand number")?;
    let (place, size) = match rest.split_once(':') {
        Some((place, size)) => (place, Some(size.parse()?)),
        None => (rest, None),
    };
    let place = place.to_owned();
    Ok((number.parse()?, Operand { place, size }))
}

/// Writes operands as [`parse_operands`] reads them.
pub(super) fn show_operands(operands: &Operands) -> String {
    let words = operands.iter().map(|(number, operand)| {
        let size = operand
            .size
            .map_or_else(String::new, |size| format!(":{size}"));
        format!("{number}={}{size}", operand.place)
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Joins what two builds with equal code say; the order in which builds come does not matter.
pub(super) fn merge(known: &mut Operands, other: &Operands) {
    for (number, operand) in other {
        let Some(place) = known.get_mut(number) else {
            known.insert(*number, operand.clone());
            continue;
        };
        if place.place != operand.place {
            *place = Operand {
                place: "?".to_owned(),
                size: None,
            };
        } else if place.size != operand.size {
            place.size = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_read_as_they_are_written() {
        let text = "0=sched+16:6872 3=? 5=allp:24 7=work";
        assert_eq!(show_operands(&parse_operands(text).unwrap()), text);
    }

    #[test]
    fn contradictions_stay_in_whatever_order() {
        let [one, two, three] = [
            "0=sched:8 1=work+8:16 2=allp:24",
            "0=allp:24 1=work+8:24 4=allm:8",
            "0=sched:8 1=work+8:16",
        ]
        .map(|text| parse_operands(text).unwrap());
        for order in [
            [&one, &two, &three],
            [&three, &one, &two],
            [&two, &three, &one],
        ] {
            let mut known = Operands::new();
            for operands in order {
                merge(&mut known, operands);
            }
            assert_eq!(show_operands(&known), "0=? 1=work+8 2=allp:24 4=allm:8");
        }
    }
}
