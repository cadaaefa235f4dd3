//! The agent's proof on itself that a link with a pid sees all threads of it and nobody else.

use aya_ebpf::{helpers::bpf_get_current_pid_tgid, macros::uprobe, programs::ProbeContext};

use super::maps::{SELF_TEST, add};

#[uprobe]
fn self_test(_context: ProbeContext) -> u32 {
    if let Some(word) = SELF_TEST.get_ptr_mut(0) {
        add(word, 1);
    }
    if let Some(word) = SELF_TEST.get_ptr_mut(1) {
        // SAFETY: an 8-aligned word of the map; only the agent's own calls of the proof write it.
        unsafe { *word = bpf_get_current_pid_tgid() >> 32 };
    }
    0
}
