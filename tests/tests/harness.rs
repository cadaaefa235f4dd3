//! The harness itself: Go programs start where they should, count what they do, and end.

use std::fs;

use golens::config::Config;
use tests::harness::{
    Cgroup, HttpCountStats, Load, MemoryStats, RunDir, Settings, Spawn, Target, Toolchain, field,
};

#[test]
fn a_program_counts_the_requests_of_the_load_client() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    for toolchain in [Toolchain::Version("go1.21.13"), Toolchain::Installed] {
        let target = Target::new("httpcount").with(toolchain).stripped(true);
        let program = Spawn::new(target.build()).in_cgroup(&cgroup).start(&run);
        let load = Load::on(program.address(), "/log").and(program.address(), "/deep?depth=100");
        let summary = load.requests(2000).connections(64).tell_trace().run();
        summary.assert_all("200");

        let stats: HttpCountStats = program.get("/stats").json();
        assert_eq!(stats.pid, program.pid());
        assert_eq!(stats.requests["/log"], 1000);
        assert_eq!(stats.requests["/deep"], 1000);
        // One line per /log, two per /deep.
        assert_eq!(stats.log_writes, 3000);
        let output = program.stdout();
        let told = output.lines().filter_map(|line| field(line, "expect"));
        assert_eq!(told.count(), 2000);
        program.stop();
    }
}

#[test]
fn a_program_is_in_its_group_and_gone_with_it() {
    let run = RunDir::new();
    let cgroup = Cgroup::new();
    let program = Spawn::new(Target::new("gcload").build())
        .in_cgroup(&cgroup)
        .start(&run);
    let membership =
        fs::read_to_string(format!("/proc/{}/cgroup", program.pid())).expect("its groups");
    assert!(
        membership
            .lines()
            .any(|line| line.ends_with(&cgroup.scope())),
        "{membership}"
    );
    assert_eq!(cgroup.pids(), [program.pid()]);

    assert_eq!(program.get("/churn?cycles=5").status, 200);
    let stats: MemoryStats = program.get("/stats").json();
    assert!(stats.num_gc >= 5);
    assert_eq!(
        stats.last_pauses(5).len(),
        stats.last_pauses(5).iter().filter(|ns| **ns > 0).count()
    );
    let pid = program.pid();
    program.kill();
    assert!(!fs::exists(format!("/proc/{pid}")).expect("look into /proc"));
}

#[test]
fn a_process_id_can_be_used_again() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let binary = Target::new("httpcount").build();
    let first = Spawn::new(&binary).in_cgroup(&cgroup).start(&run);
    let pid = first.pid();
    first.kill();
    let second = Spawn::new(&binary)
        .env("HTTPCOUNT_GENERATION", "7")
        .in_cgroup(&cgroup)
        .start_as(pid, &run);
    assert_eq!(second.pid(), pid);
    assert_eq!(cgroup.pids(), [pid]);
    let stats: HttpCountStats = second.get("/stats").json();
    assert_eq!((stats.pid, stats.generation), (pid, 7));
    second.stop();
}

#[test]
fn a_program_executes_itself_under_the_same_process_id() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(Target::new("httpcount").build())
        .args(["-selfexec", "3"])
        .service("count-0")
        .in_cgroup(&cgroup)
        .start(&run);
    for generation in 1..=3 {
        assert_eq!(program.get("/exec").status, 200);
        let stats: HttpCountStats = program.get("/stats").json();
        assert_eq!(stats.generation, generation);
        assert_eq!(stats.pid, program.pid());
        let environment = fs::read(format!("/proc/{}/environ", program.pid())).expect("environ");
        let service = format!("OTEL_SERVICE_NAME=count-{generation}");
        assert!(
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == service.as_bytes())
        );
    }
    assert_eq!(program.get("/exec").status, 409);
    program.stop();
}

#[test]
fn the_agent_knows_every_setting_of_the_tests() {
    let cgroup = Cgroup::new();
    let settings = Settings::for_cgroup(&cgroup);
    let config: Config =
        serde_json::from_value(settings.config().clone()).expect("a configuration");
    assert_eq!(config.scope.cgroups, [cgroup.scope()]);
    assert_eq!(config.http.listen.port(), 0);
    assert!(!config.probes.net.enabled && !config.probes.goroutines.enabled);
    assert!(config.probes.http && config.probes.logs && config.probes.gc);
}
