//! A text that appears in no output.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use zeroize::Zeroizing;

/// What stands in every output for a value that must not be seen: it tells neither length nor beginning.
pub(crate) const MASKED: &str = "***";

/// A secret text. There is one copy of it, which is cleared from memory when its last owner goes; its
/// `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes over a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The text, for the one use that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The same secret for as long as somebody else owns it.
    pub(crate) fn downgrade(&self) -> WeakSecret {
        WeakSecret(Arc::downgrade(&self.0))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASKED)
    }
}

/// A secret that somebody else owns, or owned.
pub(crate) struct WeakSecret(Weak<Zeroizing<String>>);

impl WeakSecret {
    /// The secret, if anybody still owns it.
    pub(crate) fn upgrade(&self) -> Option<Secret> {
        self.0.upgrade().map(Secret)
    }

    /// Whether nobody owns it any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}
