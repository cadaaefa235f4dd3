//go:build peek
// +build peek

// A file of assembly lets functions be declared without a body.
