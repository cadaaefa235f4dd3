//! Values of the Go runtime, read from outside, are those that the program itself knows.

#[path = "scenario/runtime/mod.rs"]
mod runtime;

use std::time::Duration;

use golens::runtime::{Distribution, Figure};
use runtime::{
    Build, Cell, ROWS,
    beside::{BESIDE, Relation},
    compare,
    load::under_load,
    rows::Value,
    truth,
};
use serde_json::json;
use tests::harness::{
    Golens, Metrics, RunDir, Settings,
    Toolchain::{Installed, Version},
    wait_for,
};

const OLD: &str = "go1.21.13";

/// The newest releases have every name, and what is not read of them has its reason.
#[test]
fn every_value_equals_the_programs_own_with_the_installed_go() {
    let checked = compare(Build::new(Installed).peeking());
    assert!(!checked.rows.contains(&Cell::NotRead));
    for (beside, cell) in BESIDE.iter().zip(&checked.beside) {
        let expected = match beside.relation {
            Relation::NotRead(reason) => !reason.is_empty() && *cell == Cell::NotRead,
            _ => [Cell::Equal, Cell::Between].contains(cell),
        };
        assert!(expected, "{}: {cell:?}", beside.name);
    }
}

#[test]
fn every_value_equals_the_programs_own_when_it_is_loaded_anywhere_and_calls_c() {
    compare(Build::new(Installed).with(&["-buildmode=pie"]));
    compare(Build::new(Installed).with(&["-tags=withc"]));
}

#[test]
fn every_value_equals_the_programs_own_without_symbols() {
    compare(Build::new(Installed).stripped());
}

#[test]
fn every_value_equals_the_programs_own_with_go_1_21() {
    compare(Build::new(Version(OLD)));
    compare(Build::new(Version(OLD)).stripped());
}

#[test]
fn what_a_busy_program_counts_only_rises_and_lies_between_its_own_values() {
    for build in [
        Build::new(Installed),
        Build::new(Installed).stripped(),
        Build::new(Version(OLD)),
    ] {
        let found = under_load(build, 50);
        assert!(found.readings >= 250, "{found:?}");
        assert!(found.between >= 20 * found.readings, "{found:?}");
        assert!(found.processors > 1, "{found:?}");
    }
}

/// A value without a row would be published unchecked.
#[test]
fn every_value_has_a_row() {
    let has = |value| ROWS.iter().filter(|row| row.value == value).count() == 1;
    for figure in Figure::ALL {
        assert!(has(Value::Number(*figure)), "{figure:?}");
    }
    for distribution in Distribution::ALL {
        assert!(has(Value::Times(*distribution)), "{distribution:?}");
    }
    assert!(has(Value::Allocated) && has(Value::Freed));
}

/// Classic name, and the program's own value for it in this many parts of its unit.
const CLASSIC: [(&str, &str, f64); 24] = [
    ("go_goroutines", "runtime.goroutines", 1.0),
    ("go_threads", "runtime.threads", 1.0),
    ("go_sched_gomaxprocs_threads", "runtime.procs", 1.0),
    ("go_gc_duration_seconds_count", "MemStats.NumGC", 1.0),
    ("go_gc_duration_seconds_sum", "MemStats.PauseTotalNs", 1e9),
    ("go_memstats_alloc_bytes", "MemStats.Alloc", 1.0),
    ("go_memstats_alloc_bytes_total", "MemStats.TotalAlloc", 1.0),
    ("go_memstats_sys_bytes", "MemStats.Sys", 1.0),
    ("go_memstats_mallocs_total", "MemStats.Mallocs", 1.0),
    ("go_memstats_frees_total", "MemStats.Frees", 1.0),
    ("go_memstats_heap_alloc_bytes", "MemStats.HeapAlloc", 1.0),
    ("go_memstats_heap_sys_bytes", "MemStats.HeapSys", 1.0),
    ("go_memstats_heap_idle_bytes", "MemStats.HeapIdle", 1.0),
    ("go_memstats_heap_inuse_bytes", "MemStats.HeapInuse", 1.0),
    (
        "go_memstats_heap_released_bytes",
        "MemStats.HeapReleased",
        1.0,
    ),
    ("go_memstats_heap_objects", "MemStats.HeapObjects", 1.0),
    ("go_memstats_stack_inuse_bytes", "MemStats.StackInuse", 1.0),
    ("go_memstats_stack_sys_bytes", "MemStats.StackSys", 1.0),
    ("go_memstats_mspan_sys_bytes", "MemStats.MSpanSys", 1.0),
    ("go_memstats_mcache_sys_bytes", "MemStats.MCacheSys", 1.0),
    (
        "go_memstats_buck_hash_sys_bytes",
        "MemStats.BuckHashSys",
        1.0,
    ),
    ("go_memstats_gc_sys_bytes", "MemStats.GCSys", 1.0),
    ("go_memstats_other_sys_bytes", "MemStats.OtherSys", 1.0),
    ("go_memstats_next_gc_bytes", "MemStats.NextGC", 1.0),
];

#[test]
fn classic_names_show_what_the_program_would_show_itself() {
    let run = RunDir::new();
    let mut program = Build::new(Installed).start();
    assert_eq!(program.ask("work 20"), "done");
    assert_eq!(program.ask("still"), "still");
    let golens = Settings::open()
        .set("scope.pids", json!([program.pid()]))
        .set("runtime.interval", json!("100ms"))
        .set("metrics.classic_names", json!(true))
        .start(&run);
    let page = page_at_rest(&golens);
    let truth = truth(&mut program);
    golens.stop();

    for (name, known, parts) in CLASSIC {
        let value = one(&page, name, &[]);
        let expected = truth.number(known).expect("noted");
        assert_eq!((value * parts).round(), expected, "{name} and {known}");
    }
    let version = page.find("go_info", &[]);
    assert!(
        version[0].labels["version"].starts_with("go1."),
        "{version:?}"
    );
    let used: f64 = page
        .find("go_memory_used_bytes", &[])
        .iter()
        .map(|one| one.value)
        .sum();
    let released = one(&page, "golens_go_memory_released_bytes", &[]);
    assert_eq!(Some(used + released), truth.number("MemStats.Sys"));
    assert!(one(&page, "process_resident_memory_bytes", &[]) > 1e6);
    assert!(
        one(
            &page,
            "golens_runtime_readings_total",
            &[("outcome", "complete")]
        ) > 0.0
    );
}

/// The page once it shows a program at rest.
fn page_at_rest(golens: &Golens) -> Metrics {
    wait_for("a program at rest", Duration::from_secs(20), || {
        let page = golens.metrics();
        let idle = [("golens_go_processor_state", "idle")];
        let idle = page.find("golens_go_processor_count", &idle).first()?.value;
        let limit = page.find("go_processor_limit", &[]).first()?.value;
        (idle == limit).then_some(page)
    })
}

fn one(page: &Metrics, name: &str, labels: &[(&str, &str)]) -> f64 {
    let found = page.find(name, labels);
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0].value
}
