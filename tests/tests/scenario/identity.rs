//! Nothing crosses from one incarnation of a process id to the next.

use std::{collections::BTreeSet, time::Duration};

use tests::harness::{
    Cgroup, Golens, Load, LogRow, RunDir, Settings, SpanRow, Spawn, Target, field, wait_until,
};

/// What `/size` answers in generation 0, in bytes; each generation adds one.
const SIZE: u64 = 1000;

/// Every so many generations the test waits for a span of that generation; the others are replaced at
/// once, attached or not.
const PROVEN_EVERY: u32 = 10;

/// A program executes itself again and again while 8 connections ask it.
///
/// The program shows its generation in two ways golens does not interpret: in the size of its answers
/// and in its log lines. Its service name, which golens does interpret, changes along.
pub(super) fn executes_itself(times: u32) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(Target::new("httpcount").build())
        .args(["-selfexec", &times.to_string()])
        .service("count-0")
        .in_cgroup(&cgroup)
        .start(&run);
    let golens = Settings::for_cgroup(&cgroup).start(&run);
    let _row = golens.await_attached(program.pid(), &["http", "log"]);
    // A rate keeps all spans of the run within the memory of the recent store.
    let load = Load::on(program.address(), "/size")
        .connections(8)
        .rate(500)
        .tell_trace()
        .start();
    for generation in 1..=times {
        assert_eq!(program.get("/exec").body.trim(), generation.to_string());
        if generation % PROVEN_EVERY == 0 {
            let service = format!("count-{generation}");
            wait_until(
                &format!("a span of {service}"),
                Duration::from_secs(20),
                || golens.requests_of(&service) > 0,
            );
        }
    }
    assert!(load.stop().statuses["200"] > 0);

    // A span may be held until its trace is complete.
    wait_until(
        "spans of all proven generations",
        Duration::from_secs(10),
        || {
            let seen: BTreeSet<u64> = golens.spans().iter().filter_map(size).collect();
            seen.len() as u32 >= times / PROVEN_EVERY
        },
    );
    let (spans, lines) = (golens.spans(), golens.logs());
    for span in &spans {
        let size = size(span).expect("the size of the answer");
        assert_eq!(span.service, format!("count-{}", size - SIZE), "{span:?}");
        assert_eq!(span.resource("service.name"), Some(span.service.clone()));
    }
    assert_instances(&spans);
    assert_lines(&lines, &spans);
    assert_once(&lines);
    for line in lines.iter().filter(|line| line.stream == "stdout") {
        let generation = field(&line.line, "generation").expect("a generation on each line");
        assert_eq!(line.service, format!("count-{generation}"), "{line:?}");
    }
    golens.stop();
    program.stop();
}

/// A line holds the time and the trace of its request, so a second one would be a second record of it:
/// links of a former life that still report.
fn assert_once(lines: &[LogRow]) {
    let mut seen = BTreeSet::new();
    for line in lines.iter().filter(|line| line.stream == "stdout") {
        assert!(seen.insert(&line.line), "recorded twice: {line:?}");
    }
}

/// A program is killed in the middle of its requests and another one gets its process id at once.
pub(super) fn process_id_is_reused(times: u32) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let binary = Target::new("httpcount").build();
    let golens = Settings::for_cgroup(&cgroup).start(&run);
    let generation = |number: u32| {
        Spawn::new(&binary)
            .env("HTTPCOUNT_GENERATION", &number.to_string())
            .service(&format!("life-{number}"))
            .in_cgroup(&cgroup)
    };
    let mut program = generation(0).start(&run);
    let pid = program.pid();
    for number in 0..=times {
        await_attached_as(&golens, pid, &format!("life-{number}"));
        let load = Load::on(program.address(), "/size")
            .connections(8)
            .tell_trace()
            .rate(400)
            .start();
        let service = format!("life-{number}");
        wait_until("spans of this life", Duration::from_secs(10), || {
            golens.requests_of(&service) >= 20
        });
        if number == times {
            drop(load.stop());
            break;
        }
        program.kill();
        program = generation(number + 1).start_as(pid, &run);
        drop(load.stop());
    }

    wait_until("spans of the last life", Duration::from_secs(10), || {
        golens
            .spans()
            .iter()
            .any(|span| span.service == format!("life-{times}"))
    });
    let (spans, lines) = (golens.spans(), golens.logs());
    for span in &spans {
        let size = size(span).expect("the size of the answer");
        assert_eq!(span.service, format!("life-{}", size - SIZE), "{span:?}");
        assert_eq!(span.resource("process.pid"), Some(pid.to_string()));
    }
    assert_eq!(assert_instances(&spans) as u32, times + 1, "instances");
    assert_lines(&lines, &spans);
    for line in lines.iter().filter(|line| line.stream == "stdout") {
        let life = field(&line.line, "generation").expect("a generation on each line");
        assert_eq!(line.service, format!("life-{life}"), "{line:?}");
    }
    golens.stop();
    program.stop();
}

fn await_attached_as(golens: &Golens, pid: u32, service: &str) {
    wait_until(
        &format!("{service} to be attached"),
        Duration::from_secs(20),
        || {
            golens.targets().iter().any(|target| {
                target.pid == pid && target.service == service && target.state == "attached"
            })
        },
    );
}

/// Size of the answer, for spans of `/size`.
fn size(span: &SpanRow) -> Option<u64> {
    let asked = span
        .attribute("url.path")
        .is_some_and(|path| path == "/size");
    asked.then(|| {
        span.attribute("http.response.body.size")
            .and_then(|size| size.parse().ok())
            .unwrap_or_else(|| panic!("no size on {span:?}"))
    })
}

/// Each service, which is one incarnation here, has one instance id and no other has it; returns how
/// many there are.
fn assert_instances(spans: &[SpanRow]) -> usize {
    let pairs: BTreeSet<(&str, String)> = spans
        .iter()
        .map(|span| (span.service.as_str(), span.resource("service.instance.id")))
        .map(|(service, id)| (service, id.expect("an instance id")))
        .collect();
    let services: BTreeSet<_> = pairs.iter().map(|(service, _)| service).collect();
    let ids: BTreeSet<_> = pairs.iter().map(|(_, id)| id).collect();
    assert_eq!(
        (services.len(), ids.len()),
        (pairs.len(), pairs.len()),
        "{pairs:?}"
    );
    pairs.len()
}

/// A line with a trace id has the right one, and the span of that id belongs to the same service.
fn assert_lines(lines: &[LogRow], spans: &[SpanRow]) {
    let joined: BTreeSet<(&str, &str)> = spans
        .iter()
        .map(|span| (span.span_id.as_str(), span.service.as_str()))
        .collect();
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.span_id.as_str()).collect();
    for line in lines {
        let (Some(trace), Some(span)) = (&line.trace_id, &line.span_id) else {
            continue;
        };
        assert_eq!(
            field(&line.line, "expect"),
            Some(trace.as_str()),
            "{line:?}"
        );
        // A request whose process ended before its end has lines and no span.
        if ids.contains(span.as_str()) {
            assert!(joined.contains(&(span, &line.service)), "{line:?}");
        }
    }
}
