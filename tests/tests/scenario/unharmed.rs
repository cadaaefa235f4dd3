//! A target runs on unharmed while it is watched and after golens has gone.

use std::{fs::File, os::unix::fs::FileExt, path::Path, time::Duration};

use tests::harness::{
    Cgroup, HttpCountStats, Load, Program, RunDir, Settings, Spawn, Target, Toolchain, wait_until,
};

/// The instruction a breakpoint is.
const INT3: u8 = 0xcc;

/// Half of `requests` run under recursion that makes the stack grow while probes fire, the other half
/// after golens has ended.
///
/// That no trap is left is read from the program's own memory: a uprobe is a breakpoint byte in its
/// code, so the byte at each probed address must be `int3` while attached, and what the file holds
/// once golens is gone. That needs no help from the kernel's or golens's own accounts.
pub(super) fn detach(toolchain: Toolchain, requests: u64) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let binary = Target::new("httpcount").with(toolchain).build();
    let mut program = Spawn::new(&binary)
        .service("deep")
        .in_cgroup(&cgroup)
        .start(&run);
    let golens = Settings::for_cgroup(&cgroup).start(&run);
    let row = golens.await_attached(program.pid(), &["http", "log", "gc"]);
    let sites: Vec<Site> = row
        .probes
        .iter()
        .map(|probe| Site::find(&program, &binary, &probe.function, probe.address))
        .collect();
    for site in &sites {
        assert_eq!(site.now(), INT3, "{} is not probed", site.function);
        assert_ne!(site.original, INT3, "{}", site.function);
    }

    grow_stacks(&program, requests);
    golens.await_requests("deep", requests);
    for (traps, expected) in [
        ("http_server_start", requests),
        ("http_server_end", requests),
        // One line at the bottom of each of two stacks.
        ("log_write", 2 * requests),
    ] {
        assert_eq!(golens.kernel_runs(traps), expected, "{traps}");
    }
    golens.stop();
    wait_until(
        "every breakpoint to be gone",
        Duration::from_secs(5),
        || sites.iter().all(|site| site.now() == site.original),
    );

    grow_stacks(&program, requests);
    for site in &sites {
        assert_eq!(site.now(), site.original, "{} is probed", site.function);
    }
    assert!(program.exited().is_none());
    let truth: HttpCountStats = program.get("/stats").json();
    assert_eq!(truth.requests["/deep"], 2 * requests);
    assert_eq!(truth.log_writes, 4 * requests);
    // Nothing but the line that announced the address.
    assert_eq!(program.stderr().lines().count(), 1, "{}", program.stderr());
    program.stop();
}

/// Requests whose stack grows by different amounts, on old and on fresh goroutines.
fn grow_stacks(program: &Program, requests: u64) {
    let address = program.address();
    Load::on(address, "/deep?depth=300")
        .and(address, "/deep?depth=3&close=1")
        .and(address, "/deep?depth=40&close=1")
        .and(address, "/deep?depth=1000")
        .and(address, "/deep?depth={n}")
        .requests(requests)
        .connections(16)
        .run()
        .assert_all("200");
}

/// One probed instruction.
struct Site {
    function: String,
    memory: File,
    address: u64,
    original: u8,
}

impl Site {
    /// Finds the byte in the file behind an address. The Go programs here are not position
    /// independent, so an address in the file is one in memory.
    fn find(program: &Program, binary: &Path, function: &str, address: u64) -> Self {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", program.pid()))
            .expect("read the program's mappings");
        let offset = maps
            .lines()
            .find_map(|line| file_offset(line, address))
            .unwrap_or_else(|| panic!("{function} at {address:#x} is not mapped:\n{maps}"));
        let file = File::open(binary).expect("open the binary");
        let memory = File::open(format!("/proc/{}/mem", program.pid())).expect("open its memory");
        Self {
            function: function.to_owned(),
            memory,
            address,
            original: byte(&file, offset),
        }
    }

    /// The byte in memory.
    fn now(&self) -> u8 {
        byte(&self.memory, self.address)
    }
}

fn byte(file: &File, offset: u64) -> u8 {
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset)
        .expect("read one byte");
    byte[0]
}

/// Offset in the mapped file of an address, when this line of `/proc/PID/maps` covers it.
fn file_offset(line: &str, address: u64) -> Option<u64> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let offset = words.nth(1)?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let start = hex(start)?;
    (start..hex(end)?)
        .contains(&address)
        .then(|| Some(hex(offset)? + address - start))?
}
