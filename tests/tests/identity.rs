//! State of one incarnation of a process never meets the next.

#[path = "scenario/identity.rs"]
mod identity;

#[test]
fn nothing_crosses_when_a_program_executes_itself() {
    identity::executes_itself(200);
}

#[test]
fn nothing_crosses_when_a_process_id_is_reused() {
    identity::process_id_is_reused(5);
}
