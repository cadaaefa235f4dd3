//! Trace ids on log lines.

#[path = "scenario/logs.rs"]
mod logs;

use tests::harness::Toolchain;

#[test]
fn every_line_of_a_request_carries_its_trace_and_no_other_line_does() {
    logs::direct(Toolchain::Installed, false, 3000);
}

#[test]
fn lines_of_a_stripped_go_1_21_program_carry_their_trace() {
    logs::direct(Toolchain::Version("go1.21.13"), true, 3000);
}

#[test]
fn a_shared_buffer_or_a_held_line_leads_to_no_wrong_trace() {
    logs::buffered(Toolchain::Installed, 1500);
}
