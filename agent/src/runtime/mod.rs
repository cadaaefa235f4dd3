//! Reads the Go runtime's own variables from outside.
