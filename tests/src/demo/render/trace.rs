//! A trace as a waterfall.

use std::io::Write;

use anyhow::Result;

use crate::demo::{
    api::{Log, Span, Trace},
    paint::{Paint, Tone, cut, nanos},
    waterfall::{self, Row},
};

/// Columns for indent, service and name.
const NAME: usize = 40;
/// Columns for the duration after the bar.
const TIME: usize = 12;

/// Writes the trace, indented by two.
pub(super) fn write(out: &mut impl Write, paint: Paint, trace: &Trace) -> Result<()> {
    let width = paint.width.saturating_sub(2 + NAME + TIME).max(10);
    for row in waterfall::rows(trace, width) {
        match row {
            Row::Span {
                span,
                depth,
                from,
                cells,
            } => {
                let bar = format!("{}{}", " ".repeat(from), "█".repeat(cells));
                let rest = " ".repeat(width.saturating_sub(from + cells));
                let tone = Tone::Service(colour(trace, span));
                let took = span.end_unix_nano.0.saturating_sub(span.start_unix_nano.0);
                writeln!(
                    out,
                    "  {}{}{rest} {:>10}{}",
                    name(paint, span, depth),
                    paint.tone(tone, &bar),
                    nanos(took),
                    error(paint, span),
                )?;
            }
            Row::Log { log, depth, at_ns } => line(out, paint, log, depth, at_ns)?,
        }
    }
    Ok(())
}

/// Service and name in a field of [`NAME`] columns; the service stands out.
fn name(paint: Paint, span: &Span, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let room = NAME.saturating_sub(indent.len() + span.service.chars().count() + 2);
    let name = cut(&span.name, room);
    let blank = " ".repeat(room.saturating_sub(name.chars().count()) + 1);
    let service = paint.tone(Tone::Heading, &span.service);
    format!("{indent}{service} {name}{blank}")
}

fn error(paint: Paint, span: &Span) -> String {
    match &span.error_type {
        Some(error) if !error.is_empty() => format!(" {}", paint.tone(Tone::Bad, error)),
        _ => String::new(),
    }
}

fn line(out: &mut impl Write, paint: Paint, log: &Log, depth: usize, at_ns: u64) -> Result<()> {
    let indent = "  ".repeat(depth + 1);
    let at = format!("{indent}+{}", nanos(at_ns));
    let text = cut(
        log.line.trim_end(),
        paint.width.saturating_sub(at.len() + 5),
    );
    let tone = match log.level.as_deref() {
        Some("error") => Tone::Bad,
        Some("warn") => Tone::Warn,
        _ => Tone::Quiet,
    };
    Ok(writeln!(
        out,
        "  {} {}",
        paint.tone(Tone::Quiet, &at),
        paint.tone(tone, &text)
    )?)
}

/// Services get colours in the order in which they appear.
fn colour(trace: &Trace, span: &Span) -> usize {
    let mut services = Vec::new();
    for other in &trace.spans {
        if !services.contains(&&other.service) {
            services.push(&other.service);
        }
    }
    let place = services
        .iter()
        .position(|service| **service == span.service);
    place.unwrap_or(0)
}
