//! Exact counts of HTTP requests: every other Go version at hand, and more load.

#[path = "scenario/http_count.rs"]
mod http_count;

use tests::harness::{
    Cgroup, Load, RunDir, Settings, Spawn, Target,
    Toolchain::{Installed, Version},
};

const VERSIONS: [&str; 5] = [
    "go1.22.12",
    "go1.23.12",
    "go1.24.13",
    "go1.25.14",
    "go1.27.4",
];

#[test]
fn every_request_is_counted_with_every_go() {
    for version in VERSIONS {
        http_count::exact(Version(version), false, 4000, &[1, 64]);
    }
}

#[test]
fn every_request_is_counted_with_every_go_stripped() {
    for version in VERSIONS {
        http_count::exact(Version(version), true, 4000, &[1, 64]);
    }
}

#[test]
fn every_request_is_counted_under_more_load() {
    http_count::exact(Installed, false, 50_000, &[1, 16, 64]);
}

/// More requests panic than open spans can be remembered; each leaves one that never ends.
#[test]
fn a_service_whose_handlers_panic_takes_no_spans_of_others() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let binary = Target::new("httpcount").build();
    let start = |name: &str| {
        Spawn::new(&binary)
            .service(name)
            .in_cgroup(&cgroup)
            .start(&run)
    };
    let (bad, good) = (start("bad"), start("good"));
    let golens = Settings::for_cgroup(&cgroup).start(&run);
    for program in [&bad, &good] {
        let _row = golens.await_attached(program.pid(), &["http"]);
    }
    let panics = Load::on(bad.address(), "/panic")
        .requests(80_000)
        .connections(16)
        .start();
    let load = Load::on(good.address(), "/hello")
        .requests(20_000)
        .connections(4);
    load.run().assert_all("200");
    drop(panics.stop());
    let load = Load::on(good.address(), "/hello")
        .requests(200)
        .connections(4);
    load.run().assert_all("200");
    golens.await_requests("good", 20_200);
    golens.stop();
    good.stop();
    bad.stop();
}
