//! Log lines carry the trace of the request that wrote them, and no other.

use std::{collections::BTreeSet, time::Duration};

use tests::harness::{
    Cgroup, Golens, Load, LogRow, Program, RunDir, Settings, SpanRow, Spawn, Target, Toolchain,
    field, wait_for,
};

/// Lines written straight to stdout by 64 requests at a time, beside lines of other goroutines.
pub(super) fn direct(toolchain: Toolchain, stripped: bool, requests: u64) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let (program, golens) = start(&run, &cgroup, toolchain, stripped);
    let load = Load::on(program.address(), "/logs?n=3")
        .and(program.address(), "/log")
        .and(program.address(), "/deep?depth=60");
    let summary = load.requests(requests).connections(64).tell_trace().run();
    summary.assert_all("200");

    let written = expecting(&program);
    let lines = await_lines(&golens, written);
    for line in &lines {
        assert_eq!(
            line.trace_id.as_deref(),
            field(&line.line, "expect"),
            "{line:?}"
        );
        assert_eq!(line.trace_id.is_some(), line.span_id.is_some(), "{line:?}");
        assert_eq!((line.stream.as_str(), line.pid), ("stdout", program.pid()));
    }
    // Lines that belong to no request were there to be told apart.
    for stranger in ["msg=background", "msg=\"bottom beside\""] {
        assert!(
            lines.iter().any(|line| line.line.contains(stranger)),
            "no {stranger}"
        );
    }
    assert_spans_exist(&golens.await_spans(requests), &lines);
    assert_eq!(golens.drops(), [].into());
    golens.stop();
    program.stop();
}

/// Lines that go through a buffer shared by all requests and are written by whoever flushes it, often
/// exactly one line of another request, or through a writer of the program's own that always writes
/// exactly the line before.
pub(super) fn buffered(toolchain: Toolchain, requests: u64) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let (program, golens) = start(&run, &cgroup, toolchain, false);
    for path in [
        "/buffered?k=1",
        "/buffered?k=7",
        "/buffered?k=0",
        "/delayed",
    ] {
        let load = Load::on(program.address(), path)
            .requests(requests)
            .connections(64);
        load.tell_trace().run().assert_all("200");
    }
    golens.await_requests("logger", 4 * requests);
    // A last direct line tells that everything before it has been read.
    let last = Load::on(program.address(), "/log").tell_trace().run_one();
    let lines = wait_for("the last line", Duration::from_secs(10), || {
        let lines = golens.logs();
        let found = lines
            .iter()
            .any(|line| field(&line.line, "expect") == Some(&last));
        found.then_some(lines)
    });
    let wrong: Vec<&LogRow> = lines
        .iter()
        .filter(|line| line.trace_id.is_some())
        .filter(|line| line.trace_id.as_deref() != field(&line.line, "expect"))
        .collect();
    assert_eq!(wrong.len(), 0, "wrong ids: {:?}", wrong.first());
    let with = |message: &str| {
        let found = lines.iter().filter(|line| line.line.contains(message));
        found.count() as u64
    };
    assert!(with("msg=buffered") > requests, "lines of the buffer");
    assert!(with("msg=delayed") > requests / 2, "lines held back");
    golens.stop();
    program.stop();
}

fn start(run: &RunDir, cgroup: &Cgroup, toolchain: Toolchain, stripped: bool) -> (Program, Golens) {
    let target = Target::new("httpcount").with(toolchain).stripped(stripped);
    let program = Spawn::new(target.build())
        .args(["-background", "2ms"])
        .service("logger")
        .in_cgroup(cgroup)
        .start(run);
    let golens = Settings::for_cgroup(cgroup).start(run);
    let _row = golens.await_attached(program.pid(), &["http", "log"]);
    (program, golens)
}

/// How many lines of requests the program wrote.
fn expecting(program: &Program) -> usize {
    let output = program.stdout();
    output
        .lines()
        .filter(|line| field(line, "expect").is_some())
        .count()
}

/// Waits until as many lines of requests were read as were written, and no more.
fn await_lines(golens: &Golens, written: usize) -> Vec<LogRow> {
    let mut read = 0;
    let lines = wait_for("all lines of requests", Duration::from_secs(20), || {
        let lines = golens.logs();
        read = lines
            .iter()
            .filter(|line| field(&line.line, "expect").is_some())
            .count();
        (read >= written).then_some(lines)
    });
    assert_eq!(read, written);
    lines
}

/// Every id on a line is that of a span.
fn assert_spans_exist(spans: &[SpanRow], lines: &[LogRow]) {
    let spans: BTreeSet<(&String, &String)> = spans
        .iter()
        .map(|span| (&span.trace_id, &span.span_id))
        .collect();
    for line in lines {
        if let (Some(trace), Some(span)) = (&line.trace_id, &line.span_id) {
            assert!(spans.contains(&(trace, span)), "no span of {line:?}");
        }
    }
}
