//! Columns as wide as their widest cell.

use std::io::Write;

use anyhow::Result;

/// A table of text cells.
#[derive(Debug)]
pub(super) struct Table {
    indent: &'static str,
    /// `<` or `>` per column.
    alignment: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(indent: &'static str, alignment: &'static [&'static str]) -> Self {
        Self {
            indent,
            alignment,
            rows: Vec::new(),
        }
    }

    pub(super) fn head<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(str::to_owned).to_vec());
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    pub(super) fn write(&self, out: &mut impl Write) -> Result<()> {
        let widths: Vec<usize> = (0..self.alignment.len())
            .map(|column| self.width(column))
            .collect();
        for row in &self.rows {
            let mut line = self.indent.to_owned();
            for ((cell, alignment), width) in row.iter().zip(self.alignment).zip(&widths) {
                let blank = " ".repeat(width.saturating_sub(cell.chars().count()));
                match *alignment {
                    ">" => line.extend([blank.as_str(), cell]),
                    _ => line.extend([cell, blank.as_str()]),
                }
                line.push_str("  ");
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_line_up() {
        let mut table = Table::new(" ", &["<", ">"]);
        table.head(["name", "n"]);
        table.row(["añejo".to_owned(), "123".to_owned()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            " name     n\n añejo  123\n"
        );
    }
}
