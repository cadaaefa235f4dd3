//! gRPC server calls.
//!
//! | program | function | reads |
//! |---|---|---|
//! | `grpc_server_start` | `google.golang.org/grpc.(*Server).handleStream` (DI stream) | `traceparent` |
//! | `grpc_server_end` | `(*http2Server).writeStatus` / `WriteStatus` (BX stream, CX status) | method, code |
//! | `grpc_handler_end` | the same of `*serverHandlerTransport`, behind net/http's HTTP/2 | method, code |
//!
//! grpc-go 1.40 to 1.82.

use agent_ebpf::{
    counter::{Counter, Program},
    event::{KIND_GRPC_SERVER, grpc::GrpcServerEvent},
    target::{OPEN_GRPC_SERVER, OpenSpan},
};
use aya_ebpf::{macros::uprobe, programs::ProbeContext};

use super::{
    gc,
    hit::{Hit, now, run},
    metadata, read, ring, spans,
};

#[uprobe]
fn grpc_server_start(context: ProbeContext) -> u32 {
    run(&context, Program::GrpcServerStart, start)
}

#[uprobe]
fn grpc_server_end(context: ProbeContext) -> u32 {
    run(&context, Program::GrpcServerEnd, end)
}

#[uprobe]
fn grpc_handler_end(context: ProbeContext) -> u32 {
    run(&context, Program::GrpcHandlerEnd, end)
}

#[inline(always)]
fn start(hit: &Hit<'_>) -> Result<(), Counter> {
    let goid = hit.goid()?;
    let stream = hit.registers.argument::<3>();
    let span = OpenSpan {
        ids: metadata::identity(hit.offsets, common(hit, stream)?),
        start_ns: now(),
        object: stream,
        kind: OPEN_GRPC_SERVER,
        gc_cycles: gc::at_span_start(hit),
    };
    spans::open(&hit.key(goid), &span)
}

#[inline(always)]
fn end(hit: &Hit<'_>) -> Result<(), Counter> {
    let goid = hit.goid()?;
    let (stream, status) = (hit.registers.argument::<1>(), hit.registers.argument::<2>());
    let span = spans::close(&hit.key(goid), OPEN_GRPC_SERVER, stream)?;
    ring::emit(|event: &mut GrpcServerEvent| {
        event.header = hit.header(KIND_GRPC_SERVER, size_of::<GrpcServerEvent>(), goid);
        event.ids = span.ids;
        event.start_ns = span.start_ns;
        event.gc = gc::at_span_end(hit, span.gc_cycles);
        fill(event, hit, stream, status)
    })
}

/// Copies method and status code.
#[inline(always)]
fn fill(
    event: &mut GrpcServerEvent,
    hit: &Hit<'_>,
    stream: u64,
    status: u64,
) -> Result<(), Counter> {
    let offsets = hit.offsets;
    let common = common(hit, stream)?;
    event.method_length = read::text(&mut event.method, common, offsets.stream_method);
    event.status = code(hit, status)?;
    Ok(())
}

/// The part of a server's stream that clients have as well.
#[inline(always)]
fn common(hit: &Hit<'_>, stream: u64) -> Result<u64, Counter> {
    if hit.offsets.stream_indirect == 1 {
        read::value(stream)
    } else {
        Ok(stream)
    }
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
