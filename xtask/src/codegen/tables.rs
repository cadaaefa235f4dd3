//! The tables as files: read, added to, written in one order, compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
};

use anyhow::{Context, Result, ensure};

use super::rows::{Operands, Rows, merge, parse_operands, show_operands};

/// The files, and what stands at their top.
const FILES: [(&str, &str); 4] = [
    (
        "releases.txt",
        "release, machine, ids of its structs in structs.txt",
    ),
    (
        "modules.txt",
        "module path, version, ids of its structs in structs.txt",
    ),
    (
        "structs.txt",
        "id, name or -, size, field:offset or field:offset:id of the field's struct",
    ),
    (
        "signatures.txt",
        "function, hash of its code, operand=variable+addend:size",
    ),
];

/// Well under the size at which the tables would weigh on the agent.
const MOST_BYTES: usize = 1_000_000;

/// All rows by their keys.
#[derive(Clone, Default)]
pub(super) struct Tables {
    releases: BTreeMap<String, String>,
    modules: BTreeMap<String, String>,
    structs: BTreeMap<String, String>,
    signatures: BTreeMap<String, Operands>,
}

impl Tables {
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let [releases, modules, structs, signatures] = FILES.map(|(file, _)| {
            let path = directory.join(file);
            fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
        });
        let rows = |text: &str, words: usize| {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let split = lines.map(|line| {
                let mut spaces = line.match_indices(' ').map(|(at, _)| at);
                let at = spaces
                    .nth(words - 1)
                    .with_context(|| format!("row {line:?}"))?;
                let (key, rest) = line.split_at(at);
                Ok((key.to_owned(), rest.trim_start().to_owned()))
            });
            split.collect::<Result<BTreeMap<String, String>>>()
        };
        let signatures = rows(&signatures?, 2)?.into_iter();
        Ok(Self {
            releases: rows(&releases?, 2)?,
            modules: rows(&modules?, 2)?,
            structs: rows(&structs?, 1)?,
            signatures: signatures
                .map(|(key, words)| Ok((key, parse_operands(&words)?)))
                .collect::<Result<_>>()?,
        })
    }

    /// Sets the structs of a release and machine.
    pub(super) fn set_release(&mut self, key: &str, rows: &Rows) -> Result<()> {
        let ids = self.add_structs(rows)?;
        self.releases.insert(key.to_owned(), ids);
        Ok(())
    }

    /// Sets the structs of a module version.
    pub(super) fn set_module(&mut self, key: &str, rows: &Rows) -> Result<()> {
        let ids = self.add_structs(rows)?;
        self.modules.insert(key.to_owned(), ids);
        Ok(())
    }

    fn add_structs(&mut self, rows: &Rows) -> Result<String> {
        for (id, rest) in &rows.structs {
            let known = self.structs.insert(id.clone(), rest.clone());
            ensure!(
                known.is_none_or(|known| known == *rest),
                "two structs have the id {id}; use more bits of the hash"
            );
        }
        let ids: Vec<&str> = rows.roots.values().map(String::as_str).collect();
        Ok(ids.join(" "))
    }

    pub(super) fn add_signatures(&mut self, rows: &Rows) {
        for (key, operands) in &rows.signatures {
            merge(self.signatures.entry(key.clone()).or_default(), operands);
        }
    }

    /// Writes all files; structs that nothing refers to are left out.
    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        let texts = self.texts();
        let size: usize = texts.iter().map(String::len).sum();
        ensure!(size < MOST_BYTES, "the tables have {size} bytes");
        for ((file, _), text) in FILES.iter().zip(texts) {
            let path = directory.join(file);
            let unfinished = path.with_extension("tmp");
            fs::write(&unfinished, text)?;
            fs::rename(&unfinished, &path)?;
        }
        Ok(())
    }

    fn texts(&self) -> [String; 4] {
        let used = self.used();
        let structs = self
            .structs
            .iter()
            .filter(|(id, _)| used.contains(id.as_str()));
        let lines = [
            join(self.releases.iter()),
            join(self.modules.iter()),
            join(structs),
            join(
                self.signatures
                    .iter()
                    .map(|(key, operands)| (key, show_operands(operands))),
            ),
        ];
        let mut lines = lines.into_iter();
        FILES.map(|(_, form)| {
            let lines = lines.next().unwrap_or_default();
            let count = lines.lines().count();
            format!("# Written by `cargo xtask codegen`. Format 1, {count} rows: {form}\n{lines}")
        })
    }

    /// Ids that a release or module refers to, directly or through another struct.
    fn used(&self) -> BTreeSet<&str> {
        let roots = self.releases.values().chain(self.modules.values());
        let mut todo: Vec<&str> = roots.flat_map(|ids| ids.split(' ')).collect();
        let mut used = BTreeSet::new();
        while let Some(id) = todo.pop() {
            if used.insert(id)
                && let Some(rest) = self.structs.get(id)
            {
                todo.extend(rest.split(' ').filter_map(|field| field.split(':').nth(2)));
            }
        }
        used
    }

    /// Lists the lines that only one of two sets of tables has.
    pub(super) fn differences(&self, fresh: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for ((file, _), (old, new)) in FILES.iter().zip(self.texts().iter().zip(&fresh.texts())) {
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
            let (old, new) = (lines(old), lines(new));
            found.extend(old.difference(&new).map(|line| format!("{file}: - {line}")));
            found.extend(new.difference(&old).map(|line| format!("{file}: + {line}")));
        }
        found
    }
}

fn join<K: fmt::Display, V: fmt::Display>(rows: impl Iterator<Item = (K, V)>) -> String {
    rows.map(|(key, rest)| format!("{key} {rest}\n")).collect()
}

impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: usize = self.texts().iter().map(String::len).sum();
        write!(
            f,
            "{} releases and machines, {} module versions, {} structs, {} signatures, {bytes} bytes",
            self.releases.len(),
            self.modules.len(),
            self.used().len(),
            self.signatures.len(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same_and_unused_structs_go() {
        let rows = Rows::parse(concat!(
            "struct 01 runtime.inner 8 a:0\n",
            "struct 02 runtime.outer 16 x:0 in:8:01\n",
            "struct 03 runtime.other 4\n",
            "root runtime.outer 02\n",
            "signature runtime.f 00ff 0=sched+8:16 2=work:8\n",
        ))
        .unwrap();
        let mut tables = Tables::default();
        tables.set_release("go1.99.1 amd64", &rows).unwrap();
        tables.set_module("example.test/m v1.0.0", &rows).unwrap();
        tables.add_signatures(&rows);
        let directory = std::env::temp_dir().join(format!("tables-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        tables.write(&directory).unwrap();
        let read = Tables::read(&directory).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(tables.differences(&read), Vec::<String>::new());
        assert_eq!(read.structs.keys().collect::<Vec<_>>(), ["01", "02"]);
        let mut changed = read.clone();
        changed.releases.clear();
        assert_eq!(
            read.differences(&changed).len(),
            3,
            "the row, and the count of rows before and after"
        );
    }
}
