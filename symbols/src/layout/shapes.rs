//! Structs without their source: names, offsets, and which field is a struct itself.

use std::collections::HashMap;

use super::{RawStruct, TypeSource};
use crate::budget::Allowance;
use crate::error::Reason;

/// A wrapper of a wrapper of a value is the most that occurs.
const MAX_WRAPPERS: usize = 4;

/// What remembering a type costs: a place in the map, one in the pool, and the room in which both grow.
const KNOWN_BYTES: u64 = 192;

/// A pool of structs that refer to each other by number.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    pool: Vec<Shape>,
    /// Numbers of the types read so far; `None` for those that are no struct.
    known: HashMap<u64, Option<usize>>,
}

#[derive(Debug)]
struct Shape {
    size: u32,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    offset: u32,
    ty: Option<u64>,
}

impl Shapes {
    /// Reads the definitions of one name; they must agree.
    pub(super) fn same(
        &mut self,
        keys: &[u64],
        source: &impl TypeSource,
        answer: &mut Allowance<'_>,
    ) -> Result<usize, Reason> {
        let mut shapes = Vec::new();
        for &key in keys {
            shapes.extend(self.read(key, source, answer)?);
        }
        let first = *shapes.first().ok_or_else(|| source.missing())?;
        let differing = shapes
            .iter()
            .filter(|&&other| !self.alike(first, other))
            .count();
        match differing {
            0 => Ok(first),
            others => Err(Reason::Ambiguous {
                count: others.saturating_add(1),
            }),
        }
    }

    /// Reads one definition and the structs it holds by value.
    fn read(
        &mut self,
        key: u64,
        source: &impl TypeSource,
        answer: &mut Allowance<'_>,
    ) -> Result<Option<usize>, Reason> {
        let mut todo = vec![key];
        while let Some(key) = todo.pop() {
            if self.known.contains_key(&key) {
                continue;
            }
            answer.spend(KNOWN_BYTES)?;
            let raw = source.structure(key, answer)?;
            let fields = raw.iter().flat_map(|raw| &raw.fields);
            todo.extend(fields.filter_map(|field| field.ty));
            let shape = raw.map(|raw| self.add(raw));
            self.known.insert(key, shape);
        }
        Ok(self.known.get(&key).copied().flatten())
    }

    fn add(&mut self, raw: RawStruct) -> usize {
        let fields = raw.fields.into_iter();
        let mut fields: Vec<Field> = fields
            .map(|field| Field {
                name: field.name,
                offset: field.offset,
                ty: field.ty,
            })
            .collect();
        fields.shrink_to_fit();
        let number = self.pool.len();
        self.pool.push(Shape {
            size: raw.size,
            fields,
        });
        number
    }

    fn alike(&self, one: usize, other: usize) -> bool {
        let (Some(one), Some(other)) = (self.pool.get(one), self.pool.get(other)) else {
            return false;
        };
        // Stops where they differ: comparing costs no more than reading the smaller one did.
        let same =
            |(one, other): (&Field, &Field)| one.name == other.name && one.offset == other.offset;
        one.size == other.size
            && one.fields.len() == other.fields.len()
            && one.fields.iter().zip(&other.fields).all(same)
    }

    /// Answers the size of a struct.
    pub(super) fn size(&self, shape: usize) -> Option<u32> {
        self.pool.get(shape).map(|shape| shape.size)
    }

    /// Follows a dotted path and adds up the offsets.
    pub(super) fn offset(&self, structure: &str, shape: usize, path: &str) -> Result<u32, Reason> {
        let mut at = 0_u32;
        let mut current = Some(shape);
        let mut inside = structure;
        for name in path.split('.') {
            let shape = current.and_then(|number| self.pool.get(number));
            let shape = shape.ok_or_else(|| Reason::NotAStruct {
                field: inside.to_owned(),
            })?;
            let missing = || Reason::NoField {
                structure: inside.to_owned(),
                field: name.to_owned(),
            };
            let mut fields = shape.fields.iter().filter(|field| field.name == name);
            let field = fields.next().filter(|_| name != "_").ok_or_else(missing)?;
            at = at.checked_add(field.offset).ok_or_else(missing)?;
            current = self.nested(field);
            inside = name;
        }
        Ok(at.saturating_add(self.wrapped(current)))
    }

    fn nested(&self, field: &Field) -> Option<usize> {
        self.known.get(&field.ty?).copied().flatten()
    }

    /// Finds the value in wrappers such as `atomic.Uint64{_ noCopy; _ align64; value uint64}`.
    fn wrapped(&self, mut current: Option<usize>) -> u32 {
        let mut at = 0_u32;
        for _ in 0..MAX_WRAPPERS {
            let Some(shape) = current.and_then(|number| self.pool.get(number)) else {
                break;
            };
            let mut values = shape
                .fields
                .iter()
                .filter(|field| !matches!(field.name.as_str(), "_" | "noCopy"));
            let (Some(value), None) = (values.next(), values.next()) else {
                break;
            };
            if !matches!(value.name.as_str(), "value" | "u") {
                break;
            }
            at = at.saturating_add(value.offset);
            current = self.nested(value);
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Budget, Limits};
    use crate::fact::Provenance;
    use crate::layout::RawField;

    fn budget() -> Budget {
        Budget::new(Limits::default())
    }

    struct Fake(HashMap<u64, RawStruct>);

    impl TypeSource for Fake {
        fn structure(
            &self,
            key: u64,
            _answer: &mut Allowance<'_>,
        ) -> Result<Option<RawStruct>, Reason> {
            Ok(self.0.get(&key).cloned())
        }
        fn missing(&self) -> Reason {
            Reason::NotFound
        }
        fn provenance(&self, _keys: &[u64]) -> Provenance {
            Provenance::Dwarf5
        }
    }

    type Fields<'a> = &'a [(&'a str, u32, u64)];

    fn fake(structs: &[(u64, u32, Fields<'_>)]) -> Fake {
        let field = |&(name, offset, ty): &(&str, u32, u64)| RawField {
            name: name.into(),
            offset,
            ty: Some(ty),
        };
        let raw = |size, fields: Fields<'_>| RawStruct {
            size,
            fields: fields.iter().map(field).collect(),
        };
        Fake(
            structs
                .iter()
                .map(|&(key, size, fields)| (key, raw(size, fields)))
                .collect(),
        )
    }

    #[test]
    fn paths_add_up_and_wrappers_open() {
        let source = fake(&[
            (1, 64, &[("a", 0, 9), ("in", 16, 2), ("count", 48, 3)]),
            (2, 24, &[("x", 8, 9)]),
            (3, 16, &[("_", 0, 9), ("value", 8, 9)]),
        ]);
        let mut shapes = Shapes::default();
        let shape = shapes.same(&[1], &source, &mut budget().answer()).unwrap();
        assert_eq!(shapes.offset("t", shape, "in.x"), Ok(24));
        assert_eq!(shapes.offset("t", shape, "in"), Ok(16));
        assert_eq!(shapes.offset("t", shape, "count"), Ok(56));
        assert_eq!(shapes.offset("t", shape, "count.value"), Ok(56));
        assert_eq!(
            shapes.offset("t", shape, "a.b"),
            Err(Reason::NotAStruct { field: "a".into() })
        );
        let missing = Reason::NoField {
            structure: "in".into(),
            field: "y".into(),
        };
        assert_eq!(shapes.offset("t", shape, "in.y"), Err(missing));
    }

    #[test]
    fn contradicting_definitions_are_refused() {
        let source = fake(&[
            (1, 8, &[("a", 0, 9)]),
            (2, 8, &[("a", 4, 9)]),
            (3, 8, &[("a", 0, 9)]),
        ]);
        let mut shapes = Shapes::default();
        assert!(
            shapes
                .same(&[1, 3], &source, &mut budget().answer())
                .is_ok()
        );
        assert_eq!(
            shapes.same(&[1, 2], &source, &mut budget().answer()),
            Err(Reason::Ambiguous { count: 2 })
        );
    }

    #[test]
    fn a_struct_that_holds_itself_ends() {
        let source = fake(&[(1, 8, &[("value", 0, 1)])]);
        let mut shapes = Shapes::default();
        let shape = shapes.same(&[1], &source, &mut budget().answer()).unwrap();
        assert_eq!(shapes.offset("t", shape, "value"), Ok(0));
    }
}
