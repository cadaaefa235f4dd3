//! Inputs of `symbols_fuzz::targets::buildinfo`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    symbols_fuzz::ask(&symbols_fuzz::targets::buildinfo(input));
});
