//! Who holds the key that wraps data keys.

use std::fmt;

use futures_util::future::BoxFuture;

use super::{Kid, Locked, ProviderError};

/// Wraps and unwraps data keys: a key file, Vault's Transit API, a cloud's key service.
pub trait Provider: Send + Sync + fmt::Debug {
    /// Makes a data key of 32 bytes, and its wrapped form.
    fn generate<'a>(
        &'a self,
        kid: &'a Kid,
    ) -> BoxFuture<'a, Result<(Locked, String), ProviderError>>;

    /// Unwraps a data key.
    fn unwrap<'a>(
        &'a self,
        kid: &'a Kid,
        wrapped: &'a str,
    ) -> BoxFuture<'a, Result<Locked, ProviderError>>;

    /// Wraps a data key again with the provider's newest key; the data key stays what it is.
    fn rewrap<'a>(
        &'a self,
        kid: &'a Kid,
        wrapped: &'a str,
    ) -> BoxFuture<'a, Result<String, ProviderError>>;
}
