//! Many more incarnations of a process.

#[path = "scenario/identity.rs"]
mod identity;

#[test]
fn nothing_crosses_when_a_program_executes_itself_often() {
    identity::executes_itself(1000);
}

#[test]
fn nothing_crosses_when_a_process_id_is_reused_often() {
    identity::process_id_is_reused(50);
}
