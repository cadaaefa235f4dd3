//! Exec and exit of processes.
//!
//! | hook | produces |
//! |---|---|
//! | raw tracepoint `sched_process_exec` | `ProcessEvent` exec; the old program is no target any more |
//! | raw tracepoint `sched_process_exit` | `ProcessEvent` exit, for the first thread of a process |

use agent_ebpf::{
    counter::Counter,
    event::process::{PROCESS_EXEC, PROCESS_EXIT, ProcessEvent},
};
use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP, helpers::bpf_get_current_pid_tgid, macros::raw_tracepoint,
    programs::RawTracePointContext,
};

use super::{
    hit::now,
    maps::{PROCESS_EVENTS, TARGETS, count},
};

#[raw_tracepoint(tracepoint = "sched_process_exec")]
fn process_exec(_context: RawTracePointContext) -> i32 {
    report(PROCESS_EXEC, (bpf_get_current_pid_tgid() >> 32) as u32);
    0
}

#[raw_tracepoint(tracepoint = "sched_process_exit")]
fn process_exit(_context: RawTracePointContext) -> i32 {
    let id = bpf_get_current_pid_tgid();
    let (process, thread) = ((id >> 32) as u32, id as u32);
    if process == thread {
        report(PROCESS_EXIT, process);
    }
    0
}

/// Ends the target's life in the kernel before the agent hears of it: no hit after this instant is
/// attributed to the old program. Exits of other processes concern nobody and are not reported.
#[inline(always)]
fn report(kind: u32, pid: u32) {
    // SAFETY: copied at once.
    let generation = match unsafe { TARGETS.get(pid) } {
        Some(target) => target.generation,
        None => 0,
    };
    if generation != 0 {
        // A second exit of the same id cannot happen; a missing entry is what is wanted.
        let _gone = TARGETS.remove(pid);
    } else if kind == PROCESS_EXIT {
        return;
    }
    match PROCESS_EVENTS.reserve::<ProcessEvent>(0) {
        Some(mut slot) => {
            slot.write(ProcessEvent {
                kind,
                pid,
                time_ns: now(),
                generation,
                _pad: 0,
            });
            slot.submit(u64::from(BPF_RB_NO_WAKEUP));
        }
        None => count(Counter::ProcessRingFull),
    }
}
