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

/// What the operands of a function name, by number and the id of the struct that the variable is.
///
/// Fields move, so that an operand has an address of its own in each definition of a struct.
pub(super) type Operands = BTreeMap<(u32, Option<String>), Operand>;

/// The variable an operand names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operand {
    /// `variable` or `variable+addend`; `?` when builds with equal code name different ones.
    pub(super) place: String,
    /// `None` when releases with equal code differ in it, and for structs, whose id tells it.
    pub(super) size: Option<u64>,
}

impl Operand {
    fn variable(&self) -> &str {
        self.place.split('+').next().unwrap_or(&self.place)
    }

    fn contradiction() -> Self {
        Self {
            place: "?".to_owned(),
            size: None,
        }
    }
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

/// Reads `0=sched+16@6e25aff745 1=allp:24 3=?`.
pub(super) fn parse_operands(words: &str) -> Result<Operands> {
    words.split(' ').map(parse_operand).collect()
}

fn parse_operand(word: &str) -> Result<((u32, Option<String>), Operand)> {
    let (number, rest) = word.split_once('=').context("no operand number")?;
    let (rest, id) = match rest.split_once('@') {
        Some((rest, id)) => (rest, Some(id.to_owned())),
        None => (rest, None),
    };
    let (place, size) = match rest.split_once(':') {
        Some((place, size)) => (place, Some(size.parse()?)),
        None => (rest, None),
    };
    let place = place.to_owned();
    Ok(((number.parse()?, id), Operand { place, size }))
}

/// Writes operands as [`parse_operands`] reads them.
pub(super) fn show_operands(operands: &Operands) -> String {
    let words = operands.iter().map(|((number, id), operand)| {
        let size = operand.size.map(|size| format!(":{size}"));
        let id = id.as_ref().map(|id| format!("@{id}"));
        let end = size.or(id).unwrap_or_default();
        format!("{number}={}{end}", operand.place)
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Joins what two builds with equal code say; the order in which builds come does not matter.
pub(super) fn merge(known: &mut Operands, other: &Operands) {
    for (key, operand) in other {
        let of_number = |known: &Operands, differs: &dyn Fn(&Operand) -> bool| {
            let mut all = known.iter().filter(|((number, _), _)| *number == key.0);
            all.any(|(_, operand)| differs(operand))
        };
        let variable = operand.variable();
        if of_number(known, &|known| known.variable() != variable) {
            known.retain(|(number, _), _| *number != key.0);
            known.insert((key.0, None), Operand::contradiction());
            continue;
        }
        let Some(place) = known.get_mut(key) else {
            known.insert(key.clone(), operand.clone());
            continue;
        };
        if place.place != operand.place {
            known.retain(|(number, _), _| *number != key.0);
            known.insert((key.0, None), Operand::contradiction());
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
        let text = "0=sched+16@6e25aff745 0=sched+8@7e25aff745 3=? 5=allp:24 7=work@0123456789";
        assert_eq!(show_operands(&parse_operands(text).unwrap()), text);
    }

    #[test]
    fn contradictions_stay_in_whatever_order() {
        let [one, two, three] = [
            "0=sched@a 1=allgs+8:16 2=allp:24 3=work+8@a 4=work@a",
            "0=allp:24 1=allgs+8:24 3=work+16@b 4=work+8@a 5=allm:8",
            "0=sched@a 1=allgs+8:16 3=work+24@c",
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
            assert_eq!(
                show_operands(&known),
                "0=? 1=allgs+8 2=allp:24 3=work+8@a 3=work+16@b 3=work+24@c 4=? 5=allm:8"
            );
        }
    }
}
