//! A storage engine that forgets: for programs without a folder to keep anything in.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{Engine, EngineError, Row, View, engine::Visitor};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Rows in memory. A view keeps the rows of its time; a commit beside it copies them once.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    rows: Mutex<Arc<Rows>>,
}

struct Past(Arc<Rows>);

impl MemoryEngine {
    fn lock(&self) -> MutexGuard<'_, Arc<Rows>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for MemoryEngine {
    fn view(&self) -> Result<Box<dyn View>, EngineError> {
        Ok(Box::new(Past(Arc::clone(&self.lock()))))
    }

    fn commit(
        &self,
        rows: &mut dyn Iterator<Item = (&[u8], Option<&[u8]>)>,
    ) -> Result<(), EngineError> {
        let mut kept = self.lock();
        let kept = Arc::make_mut(&mut kept);
        for (key, value) in rows {
            match value {
                Some(value) => kept.insert(key.to_vec(), value.to_vec()),
                None => kept.remove(key),
            };
        }
        Ok(())
    }

    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = Result<Row, EngineError>>,
    ) -> Result<(), EngineError> {
        let rows = rows.collect::<Result<Rows, _>>()?;
        *self.lock() = Arc::new(rows);
        Ok(())
    }
}

impl View for Past {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, from: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError> {
        for (key, value) in self.0.range(from.to_vec()..) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_stays_as_it_was() {
        let engine = MemoryEngine::default();
        let put = |key: &[u8], value: Option<&[u8]>| {
            let mut rows = [(key, value)].into_iter();
            engine.commit(&mut rows).expect("committed");
        };
        put(b"a", Some(b"1"));
        let before = engine.view().expect("a view");
        put(b"a", None);
        put(b"b", Some(b"2"));
        let after = engine.view().expect("a view");
        assert_eq!(before.get(b"a").expect("read"), Some(b"1".to_vec()));
        assert_eq!(after.get(b"a").expect("read"), None);
        assert_eq!(after.get(b"b").expect("read"), Some(b"2".to_vec()));
    }
}
