//! `uprobe_multi`: programs and links that aya 0.14 cannot make.
//!
//! The bytes that aya has loaded are parsed once more, relocated against aya's maps and loaded with
//! `expected_attach_type` 48. Delete this module when aya >= 0.15 is usable.

use std::{
    collections::{HashMap, HashSet},
    ffi::CString,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
};

use aya::{Ebpf, maps::Map};
use aya_obj::{
    Object,
    generated::{
        bpf_attach_type::BPF_TRACE_UPROBE_MULTI,
        bpf_cmd::{BPF_BTF_LOAD, BPF_LINK_CREATE, BPF_PROG_LOAD},
        bpf_prog_type::BPF_PROG_TYPE_KPROBE,
    },
};

use super::{ProbeError, syscall};

/// Bytes for the verifier's log; the end of it says why a program was refused.
const LOG_BYTES: usize = 1 << 18;

/// The object, ready to load single programs from.
pub(super) struct Programs {
    object: Object,
    btf: Option<OwnedFd>,
}

impl Programs {
    /// Parses `bytes` and points its map references at the maps that aya has created from them.
    pub(super) fn prepare(bytes: &[u8], ebpf: &Ebpf) -> Result<Self, ProbeError> {
        let mut object = Object::parse(bytes).map_err(|error| prepare("parse", error))?;
        let btf = load_btf(&mut object)?;
        let maps = std::mem::take(&mut object.maps);
        let descriptors: HashMap<&str, RawFd> = ebpf
            .maps()
            .filter_map(|(name, map)| Some((name, map_fd(map)?)))
            .collect();
        let text: HashSet<usize> = object
            .functions
            .keys()
            .map(|(section, _)| *section)
            .collect();
        let known = maps
            .iter()
            .filter_map(|(name, map)| Some((name.as_str(), *descriptors.get(name.as_str())?, map)));
        object
            .relocate_maps(known, &text)
            .map_err(|error| prepare("relocate maps", error))?;
        object
            .relocate_calls(&text)
            .map_err(|error| prepare("relocate calls", error))?;
        object.sanitize_functions(aya::features());
        Ok(Self { object, btf })
    }

    /// Loads the program that is a function called `name`.
    pub(super) fn load(&self, name: &'static str) -> Result<OwnedFd, ProbeError> {
        let refused = |verifier: String, source| ProbeError::Program {
            name,
            verifier,
            source,
        };
        let missing = || {
            refused(
                "it is not in the object".to_owned(),
                io::ErrorKind::NotFound.into(),
            )
        };
        let program = self.object.programs.get(name).ok_or_else(missing)?;
        let code = self
            .object
            .functions
            .get(&program.function_key())
            .ok_or_else(missing)?;
        let mut attributes = syscall::attributes();
        // SAFETY: every member of the union is plain C data; this is the one `BPF_PROG_LOAD` reads.
        let load = unsafe { &mut attributes.__bindgen_anon_3 };
        load.prog_type = BPF_PROG_TYPE_KPROBE as u32;
        load.expected_attach_type = BPF_TRACE_UPROBE_MULTI as u32;
        load.insns = code.instructions.as_ptr() as u64;
        load.insn_cnt = length(code.instructions.len());
        load.license = program.license.as_ptr() as u64;
        for (to, from) in load.prog_name.iter_mut().zip(name.bytes().take(15)) {
            *to = from as libc::c_char;
        }
        let (functions, lines) = (
            code.func_info.func_info_bytes(),
            code.line_info.line_info_bytes(),
        );
        if let Some(btf) = &self.btf {
            load.prog_btf_fd = btf.as_raw_fd().unsigned_abs();
            load.func_info = functions.as_ptr() as u64;
            load.func_info_cnt = length(code.func_info.len());
            load.func_info_rec_size = length(code.func_info_rec_size);
            load.line_info = lines.as_ptr() as u64;
            load.line_info_cnt = length(code.line_info.len());
            load.line_info_rec_size = length(code.line_info_rec_size);
        }
        syscall::bpf_fd(BPF_PROG_LOAD, &mut attributes).or_else(|error| {
            // Once more, now with a log: it slows a load that succeeds and may not fit.
            let mut log = vec![0u8; LOG_BYTES];
            // SAFETY: as above, the same member.
            let load = unsafe { &mut attributes.__bindgen_anon_3 };
            load.log_level = 1;
            load.log_buf = log.as_mut_ptr() as u64;
            load.log_size = length(log.len());
            syscall::bpf_fd(BPF_PROG_LOAD, &mut attributes)
                .map_err(|_same| refused(last_lines(&log), error))
        })
    }
}

fn length(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn prepare(
    step: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ProbeError {
    ProbeError::Prepare {
        step,
        source: source.into(),
    }
}

fn load_btf(object: &mut Object) -> Result<Option<OwnedFd>, ProbeError> {
    let Some(features) = aya::features().btf() else {
        return Ok(None);
    };
    let btf = object
        .fixup_and_sanitize_btf(features)
        .map_err(|error| prepare("read its BTF", error))?;
    let Some(btf) = btf else { return Ok(None) };
    let bytes = btf.to_bytes();
    let mut attributes = syscall::attributes();
    // SAFETY: every member of the union is plain C data; this is the one `BPF_BTF_LOAD` reads.
    let load = unsafe { &mut attributes.__bindgen_anon_7 };
    (load.btf, load.btf_size) = (bytes.as_ptr() as u64, length(bytes.len()));
    syscall::bpf_fd(BPF_BTF_LOAD, &mut attributes)
        .map(Some)
        .map_err(|error| prepare("load its BTF", error))
}

/// Descriptor of a map kind that uprobe programs use.
fn map_fd(map: &Map) -> Option<RawFd> {
    match map {
        Map::Array(map) | Map::PerCpuArray(map) | Map::RingBuf(map) | Map::HashMap(map) => {
            Some(map.fd().as_fd().as_raw_fd())
        }
        _ => None,
    }
}

/// The end of the verifier's log, which says why.
fn last_lines(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log);
    let lines: Vec<&str> = text.trim_end_matches('\0').trim_end().lines().collect();
    lines[lines.len().saturating_sub(6)..].join("; ")
}

/// Whose hits a link reports.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    /// Those of one process, in the registration of this generation.
    Process { pid: u32, generation: u32 },
    /// Those of every process that maps the file.
    Everybody,
}

/// Links a program to places in a file.
///
/// Dropping the returned descriptor detaches all places after one grace period (25 to 40 ms).
pub(super) fn link(
    program: &OwnedFd,
    path: &CString,
    file_offsets: &[u64],
    whose: Whose,
) -> io::Result<OwnedFd> {
    let (pid, generation) = match whose {
        Whose::Process { pid, generation } => (pid, generation),
        Whose::Everybody => (0, 0),
    };
    let cookies = vec![u64::from(generation); file_offsets.len()];
    let mut attributes = syscall::attributes();
    // SAFETY: every member of the union is plain C data; this is the one `BPF_LINK_CREATE` reads.
    let create = unsafe { &mut attributes.link_create };
    create.__bindgen_anon_1.prog_fd = program.as_raw_fd().unsigned_abs();
    create.attach_type = BPF_TRACE_UPROBE_MULTI as u32;
    // SAFETY: as above, the member for this attach type.
    let multi = unsafe { &mut create.__bindgen_anon_3.uprobe_multi };
    multi.path = path.as_ptr() as u64;
    multi.offsets = file_offsets.as_ptr() as u64;
    multi.cnt = length(file_offsets.len());
    multi.cookies = cookies.as_ptr() as u64;
    multi.pid = pid;
    syscall::bpf_fd(BPF_LINK_CREATE, &mut attributes)
}
