//! The agent does its work with four capabilities and nothing more.

use tests::harness::{Cgroup, Load, RunDir, Settings, Spawn, Target};

/// Those of `deploy/`; setpriv takes all others away for good.
const CAPABILITIES: &str = "--bounding-set=-all,+bpf,+perfmon,+sys_ptrace,+dac_read_search";

#[test]
fn four_capabilities_are_enough() {
    let wrapper = ["setpriv", CAPABILITIES, "--inh-caps=-all", "--no-new-privs"];
    observes_under(&wrapper, &[]);
}

/// As a service manager starts it: no root, and no folder that it may write to.
#[test]
fn neither_root_nor_a_writable_folder_is_needed() {
    let wrapper = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        CAPABILITIES,
        "--inh-caps=-all,+bpf,+perfmon,+sys_ptrace,+dac_read_search",
        "--ambient-caps=-all,+bpf,+perfmon,+sys_ptrace,+dac_read_search",
        "--no-new-privs",
    ];
    observes_under(&wrapper, &[("TMPDIR", "/proc")]);
}

fn observes_under(wrapper: &[&str], environment: &[(&str, &str)]) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(Target::new("httpcount").build())
        .service("count")
        .in_cgroup(&cgroup)
        .start(&run);
    let settings = Settings::for_cgroup(&cgroup)
        .under(wrapper.iter().copied())
        .without_statistics();
    let golens = environment
        .iter()
        .fold(settings, |settings, (name, value)| {
            settings.env(name, value)
        })
        .start(&run);
    let row = golens.await_attached(program.pid(), &["http", "log", "gc"]);
    assert_eq!(row.state, "attached");

    let load = Load::on(program.address(), "/log").requests(500);
    load.connections(8).run().assert_all("200");
    golens.await_requests("count", 500);
    let readings = golens.runtime();
    assert!(
        readings.iter().any(|row| row.pid == program.pid()),
        "the runtime is read: {readings:?}"
    );
    assert_eq!(golens.drops(), [].into());
    golens.stop();
    program.stop();
}
