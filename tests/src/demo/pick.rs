//! Chooses what to show.

use super::api::{Span, Trace, TraceSummary};

/// The trace with most spans, then most log lines, without errors before with; of these a typical one.
pub(super) fn best(traces: &[TraceSummary]) -> Option<&TraceSummary> {
    let rank = |trace: &TraceSummary| (trace.spans, trace.logs, trace.errors == 0);
    let top = traces.iter().map(rank).max()?;
    let mut best: Vec<_> = traces.iter().filter(|trace| rank(trace) == top).collect();
    best.sort_by(|a, b| a.duration_seconds.total_cmp(&b.duration_seconds));
    best.get(best.len() / 2).copied()
}

/// The first span that lies within a span of orders in the trace.
pub(super) fn inside<'a>(trace: &Trace, spans: &'a [Span]) -> Option<&'a Span> {
    let orders = trace.spans.iter().find(|span| span.service == "orders")?;
    spans.iter().find(|span| {
        span.start_unix_nano >= orders.start_unix_nano && span.end_unix_nano <= orders.end_unix_nano
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(id: &str, spans: u64, logs: u64, errors: u64, seconds: f64) -> TraceSummary {
        TraceSummary {
            trace_id: id.to_owned(),
            duration_seconds: seconds,
            spans,
            errors,
            logs,
        }
    }

    #[test]
    fn spans_come_before_logs_and_health_before_speed() {
        let traces = [
            summary("few spans", 1, 9, 0, 1.0),
            summary("failed", 2, 3, 1, 1.0),
            summary("fast", 2, 3, 0, 0.001),
            summary("typical", 2, 3, 0, 0.002),
            summary("slow", 2, 3, 0, 0.02),
        ];
        assert_eq!(best(&traces).unwrap().trace_id, "typical");
        assert!(best(&[]).is_none());
    }
}
