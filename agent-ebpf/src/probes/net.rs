//! Network reads and writes, counted in budgeted windows.
//!
//! | program | function | produces |
//! |---|---|---|
//! | `net_read` | `net.(*netFD).Read` | hits by target |
//! | `net_write` | `net.(*netFD).Write` | hits by target |

use agent_ebpf::counter::Program;
use aya_ebpf::{macros::uprobe, programs::ProbeContext};

use super::hit::run;

#[uprobe]
fn net_read(context: ProbeContext) -> u32 {
    run(&context, Program::NetRead, |_| Ok(()))
}

#[uprobe]
fn net_write(context: ProbeContext) -> u32 {
    run(&context, Program::NetWrite, |_| Ok(()))
}
