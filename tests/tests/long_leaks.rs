//! Healthy programs are never said to leak.

#[path = "scenario/leaks.rs"]
#[expect(dead_code, reason = "leaks are found in the short tests")]
mod leaks;

use std::time::Duration;

#[test]
fn a_healthy_program_is_never_said_to_leak() {
    leaks::a_healthy_program(Duration::from_secs(600));
}
