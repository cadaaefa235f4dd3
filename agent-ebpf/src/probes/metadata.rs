//! Finds incoming gRPC metadata in a stream's context.
//!
//! `metadata.NewIncomingContext` wraps the context of the stream in a `context.valueCtx` whose value is a
//! `metadata.MD`; interceptors of the transport may wrap it further. A value is known by the name of its
//! type, since types have no addresses that could be told apart otherwise in stripped programs.
//!
//! # Source go-runtime facts E.3: `valueCtx {Context, key any, val any}` 1.17..=1.27

use agent_ebpf::{counter::Counter, offsets::Offsets, target::SpanIds};

use super::{
    headers::{self, Absent},
    read,
};

/// Contexts searched, from the stream's own outwards.
const CONTEXTS: usize = 8;

/// Identity for a call: continues the caller's trace, else starts one.
#[inline(always)]
pub(super) fn identity(offsets: &Offsets, stream: u64) -> SpanIds {
    headers::identity(offsets, find(offsets, stream), headers::GRPC_NAME)
}

/// Address of the metadata's map.
#[inline(always)]
fn find(offsets: &Offsets, stream: u64) -> Result<u64, Absent> {
    if offsets.types_address == 0 {
        return Err(Absent::Counted(Counter::NoOffset));
    }
    let [_, mut context] = read::at::<[u64; 2]>(stream, offsets.stream_ctx)?;
    for _ in 0..CONTEXTS {
        if context == 0 {
            return Err(Absent::NoHeader);
        }
        // Every context of the standard library starts with its parent. One that has no value is
        // shorter than this; what lies behind it is no type.
        let [_, parent, _, _, value_type, value] = read::value::<[u64; 6]>(context)?;
        if is_metadata(offsets, value_type) {
            return Ok(value);
        }
        context = parent;
    }
    Err(Absent::Counted(Counter::ContextTooDeep))
}

/// Whether a type descriptor is that of `metadata.MD`.
///
/// # Source abi.Type: name offset i32 at +40; a name is a flag byte, its length, its bytes; names of
/// types that have a pointer type carry its star.
#[inline(always)]
fn is_metadata(offsets: &Offsets, descriptor: u64) -> bool {
    const LENGTH: u8 = 12;
    if descriptor == 0 {
        return false;
    }
    let Ok(offset) = read::value::<u32>(descriptor + 40) else {
        return false;
    };
    let name = offsets.types_address + u64::from(offset);
    match read::value::<[u8; 14]>(name) {
        Ok(name) => name[1] == LENGTH && name[2..] == *b"*metadata.MD",
        Err(_) => false,
    }
}
