//! The agent's proof on itself that a link with a pid sees all threads of it and nobody else.

use aya_ebpf::{macros::uprobe, programs::ProbeContext};

use super::maps::{SELF_TEST, add};

#[uprobe]
fn self_test(_context: ProbeContext) -> u32 {
    if let Some(word) = SELF_TEST.get_ptr_mut(0) {
        add(word, 1);
    }
    0
}
