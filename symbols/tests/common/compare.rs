//! Holds every answer of the crate against the toolchain's.

use std::collections::BTreeMap;
use std::fmt;

use symbols::{FunctionSource, GoBinary, Machine, Module, Unresolved, reference};

use super::truth::{Struct, Symbol, Truth};
use super::{Built, code, version_m};

/// Equal answers, and how many there are none of, by reason.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) right: usize,
    pub(crate) unresolved: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn missed(&mut self, reason: &'static str) {
        *self.unresolved.entry(reason).or_default() += 1;
    }
}

/// What came of one binary.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// Functions by name, each with address and size.
    pub(crate) functions: Tally,
    /// Functions by address, each with name and size.
    pub(crate) addresses: Tally,
    /// Structs, each with its size.
    pub(crate) structs: Tally,
    /// Fields of these structs.
    pub(crate) fields: Tally,
    /// Fields of the structs that the reference tables hold, as these alone say.
    pub(crate) tables: Tally,
    /// Runtime variables.
    pub(crate) variables: Tally,
    /// Source lines of addresses, with the function around them.
    pub(crate) lines: Tally,
    /// Functions, each with the addresses of its return instructions.
    pub(crate) returns: Tally,
    /// Pairs of functions of which one calls the other, each with a place for a probe behind every call.
    pub(crate) calls: Tally,
    /// Answers that differ from the toolchain's, in words.
    pub(crate) wrong: Vec<String>,
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, tally) in [
            ("functions", &self.functions),
            ("addresses", &self.addresses),
            ("structs", &self.structs),
            ("fields", &self.fields),
            ("fields in tables", &self.tables),
            ("variables", &self.variables),
            ("lines", &self.lines),
            ("returns", &self.returns),
            ("calls", &self.calls),
        ] {
            write!(f, "{} {what} {:?}, ", tally.right, tally.unresolved)?;
        }
        write!(f, "{} wrong", self.wrong.len())
    }
}

impl Compared {
    pub(crate) fn check<T: PartialEq + fmt::Debug>(
        &mut self,
        tally: fn(&mut Self) -> &mut Tally,
        what: &str,
        answer: Result<T, Unresolved>,
        truth: &T,
    ) {
        match answer {
            Ok(answer) if answer == *truth => tally(self).right += 1,
            Ok(answer) => self
                .wrong
                .push(format!("{what} is {truth:x?}, not {answer:x?}")),
            Err(unresolved) => tally(self).missed(unresolved.error_type()),
        }
    }
}

/// Asks a binary everything the truth knows.
pub(crate) fn compare(built: &Built, truth: &Truth) -> Compared {
    let mut compared = Compared::default();
    if !truth.is_of(built) {
        compared
            .wrong
            .push("its code is not that of the twin".into());
    }
    match GoBinary::parse(&built.data) {
        Ok(binary) => {
            functions(&mut compared, &binary, truth);
            structs(&mut compared, &binary, truth);
            tables(&mut compared, &binary, truth);
            variables(&mut compared, &binary, truth);
            code::compare(&mut compared, &binary, &truth.code);
            build_info(&mut compared, &binary, built);
        }
        Err(error) => compared.wrong.push(format!("refused: {error}")),
    }
    compared
}

fn functions(compared: &mut Compared, binary: &GoBinary<'_>, truth: &Truth) {
    let spelling = Spelling::of(binary);
    let mut names = BTreeMap::<String, Vec<Symbol>>::new();
    let mut addresses = BTreeMap::<u64, Vec<(String, u64)>>::new();
    let padded = spelling == Spelling::default() || binary.machine() == Machine::Amd64;
    for (name, symbols) in truth.functions() {
        let spelled = spelling.spell(name);
        for symbol in symbols {
            let mut symbol = *symbol;
            if !padded {
                symbol.size = truth.unpadded(&symbol);
            }
            let at = addresses.entry(symbol.address).or_default();
            at.push((spelled.clone(), symbol.size));
            if !name.ends_with(".abi0") {
                names.entry(spelled.clone()).or_default().push(symbol);
            }
        }
    }
    for (name, symbols) in &names {
        let found = binary
            .function(name)
            .map(|found| (found.address, found.size));
        match (symbols.as_slice(), found) {
            ([Symbol { address, size, .. }], found) => {
                compared.check(|all| &mut all.functions, name, found, &(*address, *size));
            }
            (_, Err(unresolved)) => compared.functions.missed(unresolved.error_type()),
            (_, Ok(found)) => compared
                .wrong
                .push(format!("{name} is {symbols:x?}, and {found:x?} is taken")),
        }
    }
    for (address, names) in &addresses {
        let Some(found) = binary.function_at(*address) else {
            compared.addresses.missed("not_found");
            continue;
        };
        if found.address == *address && names.contains(&(found.name.clone(), found.size)) {
            compared.addresses.right += 1;
        } else {
            compared
                .wrong
                .push(format!("{address:#x} is {names:x?}, not {found:x?}"));
        }
    }
}

/// How a binary without symbols writes the names of the symbol table.
#[derive(Default, PartialEq)]
struct Spelling {
    joins_conventions: bool,
    shortens_arguments: bool,
    /// Names with a middle dot, by their form in the symbol table, which has full stops there.
    dotted: BTreeMap<String, String>,
}

impl Spelling {
    /// Reads the names the compiler made from the function table itself; the rest follows from the release.
    fn of(binary: &GoBinary<'_>) -> Self {
        if binary.sources().functions == FunctionSource::Symtab {
            return Self::default();
        }
        let dotted = binary.functions_where(|name| name.contains('·'));
        let dotted = dotted.expect("every fixture has a function table");
        let dotted = dotted.into_iter();
        Self {
            joins_conventions: true,
            shortens_arguments: matches!(binary.go_version().minor, 18..=20),
            dotted: dotted
                .map(|function| (function.name.replace('·', "."), function.name))
                .collect(),
        }
    }

    fn spell(&self, name: &str) -> String {
        let name = match name.strip_suffix(".abi0") {
            Some(base) if self.joins_conventions => base,
            _ => name,
        };
        let name = match (name.split_once('['), name.rsplit_once(']')) {
            (Some((before, _)), Some((_, after))) if self.shortens_arguments => {
                format!("{before}[...]{after}")
            }
            _ => name.to_owned(),
        };
        self.dotted.get(&name).cloned().unwrap_or(name)
    }
}

fn structs(compared: &mut Compared, binary: &GoBinary<'_>, truth: &Truth) {
    let names: Vec<&str> = truth.structs.keys().map(String::as_str).collect();
    let layouts = binary.layouts(&names);
    for (name, Struct { size, fields }) in &truth.structs {
        let found = layouts.size(name).map(|fact| fact.value);
        let known = found.is_ok();
        compared.check(|all| &mut all.structs, name, found, size);
        // Fields the compiler adds to closures (`.F`) cannot be asked for.
        let named = fields
            .iter()
            .filter(|(field, _)| field != "_" && !field.contains('.'));
        for (field, offset) in named.filter(|_| known) {
            let found = layouts.field(name, field).map(|fact| fact.value);
            let what = format!("{name}.{field}");
            compared.check(|all| &mut all.fields, &what, found, offset);
        }
    }
}

fn tables(compared: &mut Compared, binary: &GoBinary<'_>, truth: &Truth) {
    let layouts = binary.reference_layouts(reference::STRUCTS);
    for name in reference::STRUCTS {
        let Some(Struct { fields, .. }) = truth.structs.get(*name) else {
            continue;
        };
        for (field, offset) in fields.iter().filter(|(field, _)| field != "_") {
            let found = layouts.field(name, field).map(|fact| fact.value);
            let what = format!("{name}.{field} in the tables");
            compared.check(|all| &mut all.tables, &what, found, offset);
        }
    }
}

fn variables(compared: &mut Compared, binary: &GoBinary<'_>, truth: &Truth) {
    for &name in reference::VARIABLES {
        // Not every release has all of them.
        let Some([Symbol { address, .. }]) = truth.symbols.get(name).map(Vec::as_slice) else {
            continue;
        };
        let found = binary.variable(name).map(|fact| fact.value.address);
        compared.check(|all| &mut all.variables, name, found, address);
    }
}

/// Compares with the lines that `go version -m` prints.
fn build_info(compared: &mut Compared, binary: &GoBinary<'_>, built: &Built) {
    let (version, lines) = version_m(&built.path);
    let info = binary.build_info();
    let mut told = Vec::new();
    if !info.path.is_empty() {
        told.push(vec!["path".to_owned(), info.path.clone()]);
    }
    let kinds = info.main.iter().map(|main| ("mod", main));
    for (kind, module) in kinds.chain(info.deps.iter().map(|dep| ("dep", dep))) {
        told.push(module_line(kind, module));
        told.extend(
            module
                .replace
                .iter()
                .map(|module| module_line("=>", module)),
        );
    }
    told.extend(info.settings.iter().map(|(key, value)| {
        let value = if value.contains(' ') {
            format!("{value:?}")
        } else {
            value.clone()
        };
        vec!["build".to_owned(), format!("{key}={value}")]
    }));
    // A fourth word is the sum of the module, which is not kept.
    let printed = lines
        .into_iter()
        .map(|words| words.into_iter().take(3).collect());
    let answer = (binary.go_version().text.clone(), told);
    let truth = (version, printed.collect::<Vec<_>>());
    if answer != truth {
        compared
            .wrong
            .push(format!("{truth:?} is read as {answer:?}"));
    }
}

fn module_line(kind: &str, module: &Module) -> Vec<String> {
    [kind, &module.path, &module.version]
        .map(str::to_owned)
        .to_vec()
}
