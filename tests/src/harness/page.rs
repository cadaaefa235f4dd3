//! Pages of results in `docs/`: a test writes what it found, or holds what it found against the page.

use std::{env, fmt::Write as _, fs, path::Path};

/// A page with one table.
#[derive(Debug)]
pub struct Page {
    file: &'static str,
    text: String,
}

impl Page {
    /// A page with what stands before its table, and the table's head.
    #[must_use]
    pub fn new(file: &'static str, introduction: &str, columns: &[&str]) -> Self {
        let mut page = Self {
            file,
            text: format!("{introduction}\n"),
        };
        page.row(columns);
        page.row(&vec!["---"; columns.len()]);
        page
    }

    /// Adds a row.
    ///
    /// # Panics
    /// Never: a String takes everything.
    pub fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
        writeln!(self.text, "| {} |", cells.join(" | ")).expect("a String takes everything");
    }

    /// Adds a paragraph, or a part of one, behind the table.
    ///
    /// # Panics
    /// Never: a String takes everything.
    pub fn text(&mut self, text: &str) {
        if self.text.ends_with("|\n") {
            self.text.push('\n');
        }
        writeln!(self.text, "{text}").expect("a String takes everything");
    }

    /// Writes the page with `GOLENS_UPDATE` set; else compares it with the one that is there.
    ///
    /// How much was compared differs from run to run, what came of it does not: numbers other than 0 are equal,
    /// and so are `=` and `between`.
    ///
    /// # Panics
    /// When the page says something else.
    pub fn file(self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs")
            .join(self.file);
        if env::var_os("GOLENS_UPDATE").is_some() {
            fs::write(&path, self.text).unwrap_or_else(|e| panic!("write {path:?}: {e}"));
            return;
        }
        let filed = fs::read_to_string(&path).unwrap_or_else(|e| panic!("read {path:?}: {e}"));
        let (known, found) = (findings(&filed), findings(&self.text));
        for (known, found) in known.iter().zip(&found) {
            assert_eq!(found, known, "{path:?} says something else");
        }
        assert_eq!(found.len(), known.len(), "rows of {path:?}");
    }
}

/// Rows of the table without what differs from run to run.
fn findings(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').map(str::trim).map(finding).collect())
        .collect()
}

fn finding(cell: &str) -> &str {
    match cell {
        "between" => "=",
        "0" => cell,
        _ if cell.parse::<u64>().is_ok() => "some",
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_was_compared_may_differ_and_what_came_of_it_may_not() {
        let filed = findings("# Page\n\n| go1.27.4 | 312 | 0 | between |\n");
        assert_eq!(filed, findings("| go1.27.4 | 9 | 0 | = |"));
        assert_ne!(filed, findings("| go1.27.4 | 312 | 1 | = |"));
        assert_ne!(filed, findings("| go1.27.4 | 312 | 0 | unknown |"));
    }
}
