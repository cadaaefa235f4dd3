//! The eBPF programs of golens. Built for the BPF target by `cargo xtask build`.
//!
//! Each uprobe program sits at one instruction that the kernel emulates (`push %rbp`, else `jbe`),
//! never on a return. Entry points fetch the context and call one function of `probes`.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
mod probes;

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier rejects a program that can reach this loop: no panic ever loads.
    loop {}
}

/// The kernel gives the helpers used here to GPL programs only, and knows licences by a few fixed
/// names; of this crate's two licences this is the one it takes.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
