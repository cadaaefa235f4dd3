//! Bytes of a Go binary in; functions, probe sites, layouts, variables and provenance out.
#![forbid(unsafe_code)]
