//! A text that appears in no output.

use std::fmt;

use zeroize::Zeroizing;

/// What stands in every output for a value that must not be seen: it tells neither length nor beginning.
pub(crate) const MASKED: &str = "***";

/// A secret text. It is cleared from memory when it is dropped, and its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one use that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASKED)
    }
}
