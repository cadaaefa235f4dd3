//! HTTP/1 server requests.
//!
//! | program | function | reads |
//! |---|---|---|
//! | `http_server_start` | `net/http.serverHandler.ServeHTTP` (DI `*Request`) | protocol, `traceparent` |
//! | `http_server_end` | `net/http.(*response).finishRequest` (AX `*response`) | status, size, request line, pattern |
//!
//! Go 1.17 to 1.27. A handler that panics or hijacks never reaches the end; `100-continue` refusals
//! reach it without a start. Both are counted.

use agent_ebpf::{
    counter::{Counter, Program},
    event::{KIND_HTTP_SERVER, http::HttpServerEvent},
    offsets::UNKNOWN,
    target::{OPEN_HTTP_SERVER, OpenSpan},
};
use aya_ebpf::{macros::uprobe, programs::ProbeContext};

use super::{
    gc,
    headers::{self, Absent},
    hit::{Hit, now, run},
    read, ring, spans,
};

#[uprobe]
fn http_server_start(context: ProbeContext) -> u32 {
    run(&context, Program::HttpServerStart, start)
}

#[uprobe]
fn http_server_end(context: ProbeContext) -> u32 {
    run(&context, Program::HttpServerEnd, end)
}

#[inline(always)]
fn start(hit: &Hit<'_>) -> Result<(), Counter> {
    let goid = hit.goid()?;
    let request = hit.registers.argument::<3>();
    if read::at::<u64>(request, hit.offsets.request_proto_major)? != 1 {
        return Err(Counter::Http2Unsupported);
    }
    let map = read::at::<u64>(request, hit.offsets.request_header).map_err(Absent::from);
    let ids = headers::identity(hit.offsets, map, headers::HTTP_NAME);
    let span = OpenSpan {
        ids,
        start_ns: now(),
        object: request,
        kind: OPEN_HTTP_SERVER,
        gc_cycles: gc::at_span_start(hit),
    };
    spans::open(&hit.key(goid), &span)
}

#[inline(always)]
fn end(hit: &Hit<'_>) -> Result<(), Counter> {
    let goid = hit.goid()?;
    let response = hit.registers.argument::<0>();
    let request = read::at::<u64>(response, hit.offsets.response_req)?;
    let span = spans::close(&hit.key(goid), OPEN_HTTP_SERVER, request)?;
    ring::emit(|event: &mut HttpServerEvent| {
        event.header = hit.header(KIND_HTTP_SERVER, size_of::<HttpServerEvent>(), goid);
        event.ids = span.ids;
        event.start_ns = span.start_ns;
        event.gc = gc::at_span_end(hit, span.gc_cycles);
        fill(event, hit, response, request)
    })
}

/// Copies what response and request say.
#[inline(always)]
fn fill(
    event: &mut HttpServerEvent,
    hit: &Hit<'_>,
    response: u64,
    request: u64,
) -> Result<(), Counter> {
    let offsets = hit.offsets;
    event.status = read::at::<u64>(response, offsets.response_status)? as u32;
    event.written = read::at::<i64>(response, offsets.response_written)?;
    event.tls = u32::from(read::at::<u64>(request, offsets.request_tls)? != 0);
    event._pad = 0;
    event.method_length = read::text(&mut event.method, request, offsets.request_method);
    event.uri_length = read::text(&mut event.uri, request, offsets.request_request_uri);
    event.host_length = read::text(&mut event.host, request, offsets.request_host);
    event.remote_length = read::text(&mut event.remote, request, offsets.request_remote_addr);
    event.pattern_length = match offsets.request_pattern {
        UNKNOWN => u32::MAX,
        pattern => read::text(&mut event.pattern, request, pattern),
    };
    Ok(())
}
