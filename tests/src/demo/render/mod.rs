//! The report on a terminal.

mod table;
mod trace;

use std::io::Write;

use anyhow::Result;

use self::table::Table;
use super::{
    Report,
    api::{RuntimeRow, ServiceRow, Target},
    paint::{Paint, Tone, bytes, cut, duration, nanos},
};
use crate::backends::pivot::{Found, Pivot};

/// Writes everything, top down: who, how much, how well, and one request in detail.
pub(super) fn render(out: &mut impl Write, report: &Report) -> Result<()> {
    let paint = Paint::for_stdout();
    load(out, paint, report)?;
    for target in &report.targets {
        found(out, paint, target)?;
    }
    requests(out, paint, &report.services)?;
    runtime(out, paint, &report.runtime)?;
    traces(out, paint, report)?;
    if let Some(pivot) = &report.pivot {
        proof(out, paint, pivot)?;
    }
    Ok(())
}

fn heading(out: &mut impl Write, paint: Paint, text: &str) -> Result<()> {
    Ok(writeln!(out, "\n{}", paint.tone(Tone::Heading, text))?)
}

fn load(out: &mut impl Write, paint: Paint, report: &Report) -> Result<()> {
    let load = &report.load;
    let statuses: Vec<_> = load
        .statuses
        .iter()
        .map(|(status, count)| format!("{count} x {status}"))
        .collect();
    heading(out, paint, "LOAD")?;
    writeln!(
        out,
        "  {} requests in {}, answered {}",
        load.requests,
        duration(load.duration_seconds),
        statuses.join(", ")
    )?;
    heading(out, paint, "SERVICES FOUND, no line of their code changed")?;
    Ok(())
}

fn found(out: &mut impl Write, paint: Paint, target: &Target) -> Result<()> {
    let state = match target.state.as_str() {
        "attached" => Tone::Good,
        "partial" => Tone::Warn,
        _ => Tone::Bad,
    };
    writeln!(
        out,
        "  {}  pid {}  {}  build {}  {}",
        paint.tone(Tone::Heading, &target.service),
        target.pid,
        target.go_version,
        cut(&target.build_id, 17),
        paint.tone(state, &target.state),
    )?;
    let sources = format!(
        "symbols from {}, layouts from {}",
        target.symbol_source, target.layout_source
    );
    writeln!(out, "    {}", paint.tone(Tone::Quiet, &sources))?;
    if let Some(reason) = &target.reason {
        writeln!(out, "    {}", paint.tone(Tone::Warn, reason))?;
    }
    let mut table = Table::new("    ", &["<", "<", "<", ">", ">"]);
    for probe in &target.probes {
        table.row([
            probe.feature.clone(),
            short(&probe.function),
            probe.instruction.clone(),
            format!("{:#x}", probe.address),
            format!("{} hits", probe.hits),
        ]);
    }
    table.write(out)
}

/// Long functions without the folders of their package: `transport.(*http2Server).writeStatus`.
fn short(function: &str) -> String {
    match function.rsplit_once('/') {
        Some((_, name)) if function.len() > 40 => name.to_owned(),
        _ => function.to_owned(),
    }
}

fn requests(out: &mut impl Write, paint: Paint, rows: &[ServiceRow]) -> Result<()> {
    heading(out, paint, "REQUESTS")?;
    let mut table = Table::new("  ", &["<", "<", "<", ">", ">", ">", ">", ">"]);
    table.head([
        "service", "", "route", "requests", "errors", "per s", "p50", "p99",
    ]);
    for row in rows {
        // A route pattern may begin with its method.
        let route = match row.route.starts_with(&row.method) {
            true => row.route.clone(),
            false => format!("{} {}", row.method, row.route),
        };
        let quantile = |seconds: Option<f64>| seconds.map_or("-".to_owned(), duration);
        table.row([
            row.service.clone(),
            row.protocol.clone(),
            cut(route.trim(), 44),
            row.requests.to_string(),
            row.errors.to_string(),
            format!("{:.1}", row.requests_per_second),
            quantile(row.p50_seconds),
            quantile(row.p99_seconds),
        ]);
    }
    table.write(out)
}

fn runtime(out: &mut impl Write, paint: Paint, rows: &[RuntimeRow]) -> Result<()> {
    heading(out, paint, "GO RUNTIME, read from memory")?;
    let mut table = Table::new("  ", &["<", ">", ">", ">", ">", ">", ">", ">"]);
    table.head([
        "service",
        "goroutines",
        "GC cycles",
        "paused",
        "last pause",
        "longest",
        "live heap",
        "heap goal",
    ]);
    let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    let size = |value: Option<u64>| value.map_or("-".to_owned(), bytes);
    for row in rows {
        let pauses = &row.last_pauses_ns;
        table.row([
            row.service.clone(),
            number(row.goroutines),
            number(row.gc_cycles),
            row.gc_pause_total_seconds.map_or("-".to_owned(), duration),
            pauses.last().map_or("-".to_owned(), |last| nanos(*last)),
            pauses
                .iter()
                .max()
                .map_or("-".to_owned(), |most| nanos(*most)),
            size(row.heap_live_bytes),
            size(row.heap_goal_bytes),
        ]);
    }
    table.write(out)
}

fn traces(out: &mut impl Write, paint: Paint, report: &Report) -> Result<()> {
    let Some(trace) = &report.trace else {
        heading(out, paint, "ONE TRACE")?;
        return Ok(writeln!(
            out,
            "  {}",
            paint.tone(Tone::Bad, "no trace has two spans")
        )?);
    };
    heading(out, paint, &format!("ONE TRACE  {}", trace.trace_id))?;
    trace::write(out, paint, trace)?;
    if report.inventory_joined {
        return Ok(());
    }
    let Some(call) = &report.inventory_trace else {
        let note = "golens has no span of inventory's gRPC call";
        return Ok(writeln!(out, "\n  {}", paint.tone(Tone::Warn, note))?);
    };
    let note = "inventory's gRPC span is not in this trace: no traceparent reached its metadata";
    writeln!(out, "\n  {}", paint.tone(Tone::Warn, note))?;
    writeln!(out, "  a call from that time  {}", call.trace_id)?;
    trace::write(out, paint, call)
}

fn proof(out: &mut impl Write, paint: Paint, pivot: &Pivot) -> Result<()> {
    let title = format!("ONE TRACE ID IN THREE BACK ENDS  {}", pivot.trace_id);
    heading(out, paint, &title)?;
    answer(out, paint, "Prometheus", &pivot.exemplar)?;
    answer(out, paint, "Loki", &pivot.logs)?;
    answer(out, paint, "Tempo", &pivot.trace)
}

fn answer(out: &mut impl Write, paint: Paint, name: &str, found: &Found) -> Result<()> {
    writeln!(
        out,
        "  {} {}",
        paint.tone(Tone::Heading, &format!("{name:<10}")),
        found.query
    )?;
    for line in &found.answer {
        let line = cut(line, paint.width.saturating_sub(15));
        writeln!(out, "  {:<10} {} {line}", "", paint.tone(Tone::Good, "->"))?;
    }
    Ok(())
}
