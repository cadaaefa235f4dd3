//! Goroutine creation, counted in budgeted windows.
//!
//! | program | function | produces |
//! |---|---|---|
//! | `goroutine_new` | `runtime.newproc1` | hits by target |

use agent_ebpf::counter::Program;
use aya_ebpf::{macros::uprobe, programs::ProbeContext};

use super::hit::run;

#[uprobe]
fn goroutine_new(context: ProbeContext) -> u32 {
    run(&context, Program::GoroutineNew, |_| Ok(()))
}
