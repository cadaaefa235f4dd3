//! Healthy programs are never said to leak, and a leak is told in time.

#[path = "scenario/leaks.rs"]
#[expect(dead_code, reason = "all ways to wait are told of in every run")]
mod leaks;

use std::time::Duration;

#[test]
fn a_healthy_program_is_never_said_to_leak() {
    leaks::a_healthy_program(Duration::from_secs(600));
}

#[test]
fn a_leak_among_busy_goroutines_is_told_within_half_a_minute() {
    leaks::one_site_leaks_and_is_told_in_time();
}
