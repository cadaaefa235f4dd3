//! gRPC server calls.
//!
//! | program | function | reads |
//! |---|---|---|
//! | `grpc_server_start` | `google.golang.org/grpc.(*Server).handleStream` (DI stream) | nothing |
//! | `grpc_server_end` | `writeStatus` / `WriteStatus` of the transport (BX stream, CX status) | method, code |
//!
//! grpc-go 1.40 to 1.83. Incoming metadata is not read yet: every call starts a trace of its own.

use agent_ebpf::{
    counter::{Counter, Program},
    event::{KIND_GRPC_SERVER, grpc::GrpcServerEvent},
    target::{OPEN_GRPC_SERVER, OpenSpan},
};
use aya_ebpf::{macros::uprobe, programs::ProbeContext};

use super::{
    hit::{Hit, now, run},
    read, ring, spans,
};

#[uprobe]
fn grpc_server_start(context: ProbeContext) -> u32 {
    run(&context, Program::GrpcServerStart, start)
}

#[uprobe]
fn grpc_server_end(context: ProbeContext) -> u32 {
    run(&context, Program::GrpcServerEnd, end)
}

#[inline(always)]
fn start(hit: &Hit<'_>) -> Result<(), Counter> {
    let goid = hit.goid()?;
    let span = OpenSpan {
        ids: spans::new_trace(),
        start_ns: now(),
        object: hit.registers.argument::<3>(),
        kind: OPEN_GRPC_SERVER,
        _pad: 0,
    };
    spans::open(&hit.key(goid), &span)
}

#[inline(always)]
fn end(hit: &Hit<'_>) -> Result<(), Counter> {
    let goid = hit.goid()?;
    let (stream, status) = (hit.registers.argument::<1>(), hit.registers.argument::<2>());
    let span = spans::close(&hit.key(goid), OPEN_GRPC_SERVER, stream)?;
    ring::emit(|event: *mut GrpcServerEvent| {
        // SAFETY: the ring reserved a whole event.
        unsafe {
            (*event).header = hit.header(KIND_GRPC_SERVER, size_of::<GrpcServerEvent>(), goid);
            (*event).ids = span.ids;
            (*event).start_ns = span.start_ns;
            fill(event, hit, stream, status)
        }
    })
}

/// Copies method and status code.
///
/// # Safety
/// `event` points to a reserved event.
#[inline(always)]
unsafe fn fill(
    event: *mut GrpcServerEvent,
    hit: &Hit<'_>,
    stream: u64,
    status: u64,
) -> Result<(), Counter> {
    let offsets = hit.offsets;
    let common = if offsets.stream_indirect == 1 {
        read::value::<u64>(stream)?
    } else {
        stream
    };
    // SAFETY: the caller's reserved event; the text is bounded by the array it goes into.
    unsafe {
        (*event).method_length = read::string(
            &raw mut (*event).method,
            read::field(common, offsets.stream_method)?,
        )?;
        (*event).status = code(hit, status)?;
    }
    Ok(())
}

/// The code of a `*status.Status`; nil, inside or outside, is OK (0).
#[inline(always)]
fn code(hit: &Hit<'_>, status: u64) -> Result<u32, Counter> {
    if status == 0 {
        return Ok(0);
    }
    match read::at::<u64>(status, hit.offsets.status_proto)? {
        0 => Ok(0),
        message => read::at::<u32>(message, hit.offsets.status_code),
    }
}
