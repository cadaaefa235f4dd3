//! Lines written to stdout and stderr.
//!
//! | program | function | reads |
//! |---|---|---|
//! | `log_write` | `os.(*File).Write` (AX `*File`, BX CX bytes) | descriptor, bytes, callers, the open span |
//!
//! The line goes out with the identity of the span that is open on the writing goroutine; whether the
//! line really belongs to it is decided by the agent, which knows the callers' names.

use agent_ebpf::{
    counter::{Counter, Program},
    event::{
        KIND_LOG,
        log::{LOG_CLASSES, LOG_HEAD_BYTES, LogHead},
    },
    limits::LOG_CALLERS,
};
use aya_ebpf::{macros::uprobe, programs::ProbeContext};

use super::{
    hit::{Hit, run},
    maps::count,
    read,
    ring::{self, Record},
    spans,
};

#[uprobe]
fn log_write(context: ProbeContext) -> u32 {
    run(&context, Program::LogWrite, write)
}

#[inline(always)]
fn write(hit: &Hit<'_>) -> Result<(), Counter> {
    let (file, data, length) = (
        hit.registers.argument::<0>(),
        hit.registers.argument::<1>(),
        hit.registers.argument::<2>(),
    );
    let inner = read::at::<u64>(file, hit.offsets.file_file)?;
    let fd = read::at::<u64>(inner, hit.offsets.file_sysfd)?;
    if fd != 1 && fd != 2 {
        return Err(Counter::LogOtherFile);
    }
    if length == 0 {
        return Ok(());
    }
    if ring::is_crowded() {
        return Err(Counter::LogsShed);
    }
    let goid = hit.goid()?;
    let head = LogHead {
        header: hit.header(KIND_LOG, LOG_HEAD_BYTES, goid),
        ids: spans::current(&hit.key(goid)),
        callers: callers(hit),
        fd: fd as u32,
        length: length as u32,
        captured: 0,
        _pad: 0,
    };
    let needed = length + LOG_HEAD_BYTES as u64;
    if needed <= LOG_CLASSES[0] as u64 {
        emit::<{ LOG_CLASSES[0] }>(head, data, length)
    } else if needed <= LOG_CLASSES[1] as u64 {
        emit::<{ LOG_CLASSES[1] }>(head, data, length)
    } else if needed <= LOG_CLASSES[2] as u64 {
        emit::<{ LOG_CLASSES[2] }>(head, data, length)
    } else if needed <= LOG_CLASSES[3] as u64 {
        emit::<{ LOG_CLASSES[3] }>(head, data, length)
    } else {
        if needed > LOG_CLASSES[4] as u64 {
            count(Counter::LogTruncated);
        }
        emit::<{ LOG_CLASSES[4] }>(head, data, length)
    }
}

/// Return addresses of the callers, innermost first. At the probe the frame of `Write` does not exist
/// yet: the first is on top of the stack, the others hang on the caller's frame pointer.
#[inline(always)]
fn callers(hit: &Hit<'_>) -> [u64; LOG_CALLERS] {
    let mut callers = [0; LOG_CALLERS];
    callers[0] = read::value(hit.registers.stack_pointer()).unwrap_or(0);
    let mut frame = hit.registers.frame_pointer();
    for caller in callers.iter_mut().skip(1) {
        let Ok([outer, returns_to]) = read::value::<[u64; 2]>(frame) else {
            break;
        };
        *caller = returns_to;
        frame = outer;
    }
    callers
}

/// A record of one size class, aligned as the ring aligns it.
#[repr(C, align(8))]
struct Class<const SIZE: usize>([u8; SIZE]);
// SAFETY: bytes only.
unsafe impl<const SIZE: usize> Record for Class<SIZE> {}

/// Writes the head and as many bytes of the line as the class holds.
#[inline(always)]
fn emit<const SIZE: usize>(mut head: LogHead, data: u64, length: u64) -> Result<(), Counter> {
    ring::emit(|record: &mut Class<SIZE>| {
        let start = record.0.as_mut_ptr();
        let room = (SIZE - LOG_HEAD_BYTES) as u32;
        head.captured = read::bytes(start.wrapping_add(LOG_HEAD_BYTES), room, data, length)?;
        head.header.size = LOG_HEAD_BYTES as u32 + head.captured;
        // SAFETY: every class is larger than the head and aligned as it is.
        unsafe { start.cast::<LogHead>().write(head) };
        Ok(())
    })
}
