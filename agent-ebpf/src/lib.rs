//! Wire types shared by the eBPF programs and the agent.
//!
//! Everything here is `repr(C)`, made of integers and byte arrays only, with explicit padding and
//! compile-time asserts on size and offsets, so that both sides agree whatever compiled them.
//! Enums cross as integers and come back through `TryFrom` on the user side.

#![cfg_attr(target_arch = "bpf", no_std)]

pub mod counter;
pub mod event;
pub mod goroutine;
pub mod limits;
pub mod offsets;
pub mod target;

/// Marks wire types as plain bytes for aya's maps. The only `unsafe impl` of the crate.
#[cfg(feature = "user")]
macro_rules! pod {
    ($($ty:ty),* $(,)?) => {$(
        // SAFETY: `repr(C)`, integers and arrays only, padding explicit (asserted beside the type).
        unsafe impl aya::Pod for $ty {}
    )*};
}

#[cfg(feature = "user")]
pod!(
    goroutine::SiteKey,
    goroutine::SiteStats,
    offsets::Offsets,
    target::TargetRef,
    target::GoroutineKey,
    target::OpenSpan,
);
