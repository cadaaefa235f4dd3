//! A namespace of a real Apollo as a source.

mod http;
mod source;

pub use source::{ApolloSettings, ApolloSource};
