//! `.symtab`: functions with their exact sizes, and the only source of variables.

use std::sync::{Arc, OnceLock};

use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader, Sym, SymbolTable};

use super::index::NameIndex;
use super::names;
use crate::budget::{Budget, Exhausted, MAX_FUNCTIONS, MAX_NAME};
use crate::bytes;
use crate::error::Reason;
use crate::fact::{Function, Provenance, Variable};
use crate::image::Image;

type Table<'d> = SymbolTable<'d, FileHeader64<LittleEndian>>;
type Symbol = elf::Sym64<LittleEndian>;
const LE: LittleEndian = LittleEndian;

/// The symbol table with its indexes, which are built when first asked for.
#[derive(Debug)]
pub(crate) struct Symtab<'d> {
    table: Table<'d>,
    strings: &'d [u8],
    budget: Arc<Budget>,
    names: OnceLock<Result<NameIndex, Exhausted>>,
    /// Rows of functions ordered by address.
    addresses: OnceLock<Result<Vec<u32>, Exhausted>>,
}

impl<'d> Symtab<'d> {
    /// Finds a symbol table that covers Go code; `strip` and `-s` leave none.
    pub(crate) fn find(image: &Image<'d>) -> Result<Option<Self>, Exhausted> {
        let Some(symtab) = Self::read(image) else {
            return Ok(None);
        };
        let covers_go = only(symtab.named("runtime.text")?).is_ok();
        Ok(covers_go.then_some(symtab))
    }

    fn read(image: &Image<'d>) -> Option<Self> {
        let header = FileHeader64::<LittleEndian>::parse(image.data).ok()?;
        let sections = header.sections(LE, image.data).ok()?;
        let table = sections.symbols(LE, image.data, elf::SHT_SYMTAB).ok()?;
        if table.is_empty() || table.len() > MAX_FUNCTIONS {
            return None;
        }
        let link = sections.section(table.string_section()).ok()?;
        let strings = link.data(LE, image.data).ok()?;
        Some(Self {
            table,
            strings,
            budget: Arc::clone(&image.budget),
            names: OnceLock::new(),
            addresses: OnceLock::new(),
        })
    }

    /// Finds the one function body of this name.
    pub(crate) fn function(&self, image: &Image<'_>, name: &str) -> Result<Function, Reason> {
        let is_body = |symbol: &&Symbol| {
            symbol.st_type() == elf::STT_FUNC && image.is_code(symbol.st_value(LE))
        };
        let mut hits = Vec::new();
        for spelling in names::spellings(name) {
            hits.extend(self.named(&spelling)?.filter(is_body));
        }
        if hits.is_empty() && names::is_shortened(name) {
            for symbol in self.table.iter().filter(is_body) {
                let full = self.name(symbol);
                self.budget.name(full.map_or(MAX_NAME, <[u8]>::len))?;
                hits.extend(
                    full.filter(|full| names::shortens_to(full, name))
                        .map(|_| symbol),
                );
            }
        }
        let symbol = only(hits.into_iter())?;
        let name = self.name(symbol).ok_or(Reason::NotFound)?;
        Ok(function(String::from_utf8_lossy(name).into_owned(), symbol))
    }

    /// Finds the one variable of this name.
    pub(crate) fn variable(&self, name: &str) -> Result<Variable, Reason> {
        let hits = self
            .named(name)?
            .filter(|symbol| symbol.st_type() == elf::STT_OBJECT);
        let symbol = only(hits)?;
        Ok(Variable {
            address: symbol.st_value(LE),
            size: symbol.st_size(LE),
        })
    }

    /// Finds the address of a symbol of any kind, such as the marker `runtime.text`.
    pub(crate) fn address_of(&self, name: &str) -> Option<u64> {
        only(self.named(name).ok()?)
            .ok()
            .map(|symbol| symbol.st_value(LE))
    }

    /// Finds the function that covers `address`.
    pub(crate) fn function_at(&self, address: u64) -> Option<Function> {
        let order = self.addresses.get_or_init(|| self.order_by_address());
        let order = order.as_ref().ok()?;
        let before = order
            .partition_point(|&row| self.start(row) <= address)
            .checked_sub(1)?;
        let symbol = self.symbol(*order.get(before)?)?;
        let start = symbol.st_value(LE);
        let name = self.name(symbol)?;
        let covered = address.checked_sub(start)? < symbol.st_size(LE);
        covered.then(|| function(String::from_utf8_lossy(name).into_owned(), symbol))
    }

    /// Says whether a function of this name prefix exists.
    pub(crate) fn any_function(&self, prefix: &[u8]) -> Result<bool, Exhausted> {
        self.budget.steps(self.table.len() as u64)?;
        let starts = |symbol: &Symbol| {
            let at = usize::try_from(symbol.st_name(LE)).ok();
            let name = at.and_then(|at| self.strings.get(at..));
            name.is_some_and(|name| name.starts_with(prefix))
        };
        let mut symbols = self.table.iter();
        Ok(symbols.any(|symbol| symbol.st_type() == elf::STT_FUNC && starts(symbol)))
    }

    /// Lists the functions whose name satisfies `matches`.
    pub(crate) fn functions_where(
        &self,
        matches: impl Fn(&str) -> bool,
    ) -> Result<Vec<Function>, Exhausted> {
        let mut answer = self.budget.answer();
        let mut found = Vec::new();
        for symbol in self
            .table
            .iter()
            .filter(|symbol| symbol.st_type() == elf::STT_FUNC && !symbol.is_undefined(LE))
        {
            let name = self.name(symbol);
            self.budget.name(name.map_or(MAX_NAME, <[u8]>::len))?;
            let name = name.and_then(|name| str::from_utf8(name).ok());
            if let Some(name) = name.filter(|name| matches(name)) {
                answer.spend(Function::cost(name.len()))?;
                found.push(function(name.to_owned(), symbol));
            }
        }
        Ok(found)
    }

    fn named<'n>(
        &self,
        name: &'n str,
    ) -> Result<impl Iterator<Item = &'d Symbol> + use<'_, 'n, 'd>, Exhausted> {
        let index = self
            .names
            .get_or_init(|| NameIndex::build(self.rows(), self.strings.len(), &self.budget))
            .as_ref()
            .map_err(|&exhausted| exhausted)?;
        let symbols = index
            .candidates(name.as_bytes())
            .filter_map(|row| self.symbol(row));
        Ok(symbols.filter(move |symbol| self.name(symbol) == Some(name.as_bytes())))
    }

    fn rows(&self) -> impl Iterator<Item = (u32, Option<&'d [u8]>)> {
        let defined = self.table.enumerate();
        let defined = defined.filter(|(_, symbol)| !symbol.is_undefined(LE));
        defined.filter_map(|(row, symbol)| Some((u32::try_from(row.0).ok()?, self.name(symbol))))
    }

    fn order_by_address(&self) -> Result<Vec<u32>, Exhausted> {
        self.budget.steps(self.table.len() as u64)?;
        let sized = |symbol: &Symbol| symbol.st_type() == elf::STT_FUNC && symbol.st_size(LE) > 0;
        let functions = self.table.enumerate().filter(|(_, symbol)| sized(symbol));
        let rows = functions.filter_map(|(row, _)| u32::try_from(row.0).ok());
        let mut order: Vec<u32> = rows.collect();
        self.budget.sort(order.len())?;
        order.sort_unstable_by_key(|&row| (self.start(row), row));
        Ok(order)
    }

    fn start(&self, row: u32) -> u64 {
        self.symbol(row)
            .map_or(u64::MAX, |symbol| symbol.st_value(LE))
    }

    fn symbol(&self, row: u32) -> Option<&'d Symbol> {
        self.table.symbols().get(usize::try_from(row).ok()?)
    }

    fn name(&self, symbol: &Symbol) -> Option<&'d [u8]> {
        let at = usize::try_from(symbol.st_name(LE)).ok()?;
        bytes::c_str(self.strings, at, MAX_NAME)
    }
}

fn function(name: String, symbol: &Symbol) -> Function {
    Function {
        name,
        address: symbol.st_value(LE),
        size: symbol.st_size(LE),
        provenance: Provenance::Symtab,
    }
}

/// Takes the one symbol; several of the same address and size count as one.
fn only<'d>(mut symbols: impl Iterator<Item = &'d Symbol>) -> Result<&'d Symbol, Reason> {
    let first = symbols.next().ok_or(Reason::NotFound)?;
    let place = |symbol: &Symbol| (symbol.st_value(LE), symbol.st_size(LE));
    let others = symbols
        .filter(|symbol| place(symbol) != place(first))
        .count();
    if others > 0 {
        Err(Reason::Ambiguous {
            count: others.saturating_add(1),
        })
    } else {
        Ok(first)
    }
}
