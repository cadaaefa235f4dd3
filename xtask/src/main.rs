//! Automation, started as `cargo xtask`.
fn main() {}
