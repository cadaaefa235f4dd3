//! Lays a trace out: one row per span, children below parents, a bar by time, log lines below.

use super::api::{Log, Nanos, Span, Trace};

/// One line of the waterfall.
#[derive(Debug)]
pub(super) enum Row<'a> {
    /// A span: depth in the tree, first cell of its bar and number of cells.
    Span {
        span: &'a Span,
        depth: usize,
        from: usize,
        cells: usize,
    },
    /// A log line written during the span above: depth and nanoseconds since the trace began.
    Log {
        log: &'a Log,
        depth: usize,
        at_ns: u64,
    },
}

/// Rows for a bar area of `width` cells.
///
/// A span whose parent is not in the trace is a root: callers outside the node have no span here.
pub(super) fn rows(trace: &Trace, width: usize) -> Vec<Row<'_>> {
    let start = trace.spans.iter().map(|span| span.start_unix_nano).min();
    let end = trace.spans.iter().map(|span| span.end_unix_nano).max();
    let (Some(Nanos(start)), Some(Nanos(end))) = (start, end) else {
        return Vec::new();
    };
    let mut layout = Layout {
        trace,
        scale: Scale {
            start,
            length: end.saturating_sub(start).max(1),
            width,
        },
        rows: Vec::new(),
    };
    for root in layout.sorted(|span| is_root(trace, span)) {
        layout.add(root, 0);
    }
    layout.rows
}

fn is_root(trace: &Trace, span: &Span) -> bool {
    let parent = span.parent_span_id.as_deref();
    !trace
        .spans
        .iter()
        .any(|other| parent == Some(other.span_id.as_str()))
}

struct Layout<'a> {
    trace: &'a Trace,
    scale: Scale,
    rows: Vec<Row<'a>>,
}

impl<'a> Layout<'a> {
    fn add(&mut self, span: &'a Span, depth: usize) {
        let (from, cells) = self.scale.bar(span.start_unix_nano.0, span.end_unix_nano.0);
        self.rows.push(Row::Span {
            span,
            depth,
            from,
            cells,
        });
        let mut logs: Vec<_> = self
            .trace
            .logs
            .iter()
            .filter(|log| log.span_id.as_ref() == Some(&span.span_id))
            .collect();
        logs.sort_by_key(|log| log.time_unix_nano);
        for log in logs {
            let at_ns = log.time_unix_nano.0.saturating_sub(self.scale.start);
            self.rows.push(Row::Log { log, depth, at_ns });
        }
        // A span cannot be its own ancestor in a tree that starts at roots, so this ends.
        for child in self.sorted(|other| other.parent_span_id.as_ref() == Some(&span.span_id)) {
            self.add(child, depth + 1);
        }
    }

    fn sorted(&self, wanted: impl Fn(&Span) -> bool) -> Vec<&'a Span> {
        let mut spans: Vec<_> = self
            .trace
            .spans
            .iter()
            .filter(|span| wanted(span))
            .collect();
        spans.sort_by_key(|span| span.start_unix_nano);
        spans
    }
}

struct Scale {
    start: u64,
    length: u64,
    width: usize,
}

impl Scale {
    /// First cell and number of cells, at least one, inside the width.
    fn bar(&self, from: u64, to: u64) -> (usize, usize) {
        let last = self.width.saturating_sub(1);
        let first = self.cell(from).min(last);
        let end = self.cell(to).clamp(first + 1, self.width.max(1));
        (first, end - first)
    }

    fn cell(&self, time: u64) -> usize {
        let offset = u128::from(time.saturating_sub(self.start).min(self.length));
        let cells = offset * self.width as u128 / u128::from(self.length);
        usize::try_from(cells).unwrap_or(self.width)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn span(id: &str, parent: Option<&str>, start: u64, end: u64) -> Span {
        Span {
            trace_id: "t".to_owned(),
            span_id: id.to_owned(),
            parent_span_id: parent.map(str::to_owned),
            name: id.to_owned(),
            kind: "server".to_owned(),
            service: "s".to_owned(),
            start_unix_nano: Nanos(start),
            end_unix_nano: Nanos(end),
            error_type: None,
            attributes: BTreeMap::new(),
        }
    }

    fn log(span: &str, at: u64) -> Log {
        Log {
            time_unix_nano: Nanos(at),
            line: format!("{span} at {at}"),
            level: None,
            service: "s".to_owned(),
            span_id: Some(span.to_owned()),
        }
    }

    fn picture(trace: &Trace, width: usize) -> Vec<String> {
        rows(trace, width)
            .iter()
            .map(|row| match row {
                Row::Span {
                    span,
                    depth,
                    from,
                    cells,
                } => format!(
                    "{}{} {}{}",
                    "  ".repeat(*depth),
                    span.name,
                    ".".repeat(*from),
                    "#".repeat(*cells)
                ),
                Row::Log { depth, at_ns, .. } => format!("{}log {at_ns}", "  ".repeat(*depth)),
            })
            .collect()
    }

    #[test]
    fn children_follow_their_parent_and_logs_their_span() {
        let trace = Trace {
            trace_id: "t".to_owned(),
            spans: vec![
                span("late", Some("root"), 1_050, 1_100),
                span("root", Some("caller elsewhere"), 1_000, 1_100),
                span("early", Some("root"), 1_010, 1_050),
            ],
            logs: vec![log("root", 1_099), log("root", 1_001), log("early", 1_020)],
        };
        assert_eq!(
            picture(&trace, 10),
            [
                "root ##########",
                "log 1",
                "log 99",
                "  early .####",
                "  log 20",
                "  late .....#####",
            ]
        );
    }

    #[test]
    fn bars_have_at_least_one_cell_and_stay_inside() {
        let trace = Trace {
            trace_id: "t".to_owned(),
            spans: vec![
                span("a", None, 0, 1_000_000),
                span("b", None, 1_000_000, 1_000_000),
                span("c", None, 5, 6),
            ],
            logs: Vec::new(),
        };
        assert_eq!(picture(&trace, 4), ["a ####", "c #", "b ...#"]);
        assert_eq!(picture(&trace, 0).len(), 3);
    }

    #[test]
    fn an_empty_trace_has_no_rows() {
        let trace = Trace {
            trace_id: "t".to_owned(),
            spans: Vec::new(),
            logs: Vec::new(),
        };
        assert!(rows(&trace, 10).is_empty());
    }
}
