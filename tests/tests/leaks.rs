//! Goroutine leaks are found in time, with their place in the source.

#[path = "scenario/leaks.rs"]
#[expect(dead_code, reason = "healthy programs take longer to show")]
mod leaks;

#[test]
fn a_leak_among_busy_goroutines_is_told_in_the_first_profiles() {
    leaks::one_site_leaks();
}

#[test]
fn a_leak_is_told_in_the_first_profiles_whatever_it_waits_for() {
    leaks::whatever_they_wait_for();
}
