//! `golens trace gc` prints the lines that the program's own runtime prints.

use std::{
    env,
    fs::{self, File},
    process::Command,
    time::Duration,
};

use tests::harness::{RunDir, Spawn, Target, Toolchain, wait_until};

/// Collections of each run.
const CYCLES: u32 = 40;

/// Compares each line with that of `GODEBUG=gctrace=1`, number for number. A stripped binary does not
/// tell when its runtime started.
pub(super) fn equal(toolchain: Toolchain, stripped: bool) {
    let run = RunDir::new();
    let target = Target::new("gcload").with(toolchain).stripped(stripped);
    let program = Spawn::new(target.build())
        .env("GODEBUG", "gctrace=1")
        .start(&run);
    let (lines, messages) = (run.path().join("trace.out"), run.path().join("trace.err"));
    let golens = env::var_os("GOLENS_BIN").expect("GOLENS_BIN names the agent");
    let mut trace = Command::new(golens)
        .args(["trace", "gc", &program.pid().to_string()])
        .args(["--count", &CYCLES.to_string()])
        .stdout(File::create(&lines).expect("created"))
        .stderr(File::create(&messages).expect("created"))
        .spawn()
        .expect("started");
    wait_until("the probe to be attached", Duration::from_secs(20), || {
        assert!(trace.try_wait().expect("a child").is_none(), "it ended");
        let text = fs::read_to_string(&messages).expect("written");
        text.contains("tracing gc")
    });
    let churn = format!("/churn?cycles={CYCLES}&gap=1");
    assert_eq!(program.get(&churn).status, 200);
    assert!(trace.wait().expect("a child").success());

    let traced = fs::read_to_string(&lines).expect("written");
    let traced: Vec<&str> = traced.lines().collect();
    let first = number(traced.first().expect("cycles"));
    let stderr = program.stderr();
    let printed = stderr.lines().filter(|line| line.starts_with("gc "));
    // The program may have collected before the probe was there.
    let printed: Vec<String> = printed
        .skip_while(|line| number(line) != first)
        .take(CYCLES as usize)
        .map(|line| {
            if stripped {
                without_time(line)
            } else {
                line.to_owned()
            }
        })
        .collect();
    assert_eq!(printed.len(), CYCLES as usize);
    assert_eq!(traced, printed);
    program.stop();
}

/// The cycle of a line.
fn number(line: &str) -> u64 {
    let word = line.split(' ').nth(1).expect("a line of gctrace");
    word.parse().expect("a number")
}

/// `gc 7 @?s 2%: ...` of `gc 7 @3.412s 2%: ...`.
fn without_time(line: &str) -> String {
    let (number, rest) = line.split_once('@').expect("a line of gctrace");
    let (_, rest) = rest.split_once('s').expect("seconds");
    format!("{number}@?s{rest}")
}
