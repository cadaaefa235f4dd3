//! Inputs of `symbols_fuzz::targets::pclntab`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    symbols_fuzz::ask(&symbols_fuzz::targets::pclntab(input));
});
