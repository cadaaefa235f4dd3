//! One way to attach a program to places in a file, whatever the kernel offers.

use std::{
    collections::HashMap,
    ffi::CString,
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use agent_ebpf::counter::Program;
use aya::{
    Ebpf,
    programs::{
        UProbe,
        uprobe::{UProbeLink, UProbeScope},
    },
};

use super::{
    ProbeError,
    multi::{self, Whose},
};

/// How links are made on this kernel, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachMode {
    /// `uprobe_multi` with the target's pid: other processes of the binary pay nothing.
    MultiByProcess,
    /// `uprobe_multi` on the file: processes of one binary share its probes.
    MultiByFile,
    /// Perf events on the file, below Linux 6.6.
    PerfByFile,
}

impl AttachMode {
    /// For `doctor` and logs.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::MultiByProcess => "uprobe_multi, one link per process",
            Self::MultiByFile => "uprobe_multi, one link per binary",
            Self::PerfByFile => "perf uprobes, one event per probe and binary",
        }
    }
}

/// A file, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// Device.
    pub device: u64,
    /// Inode on it.
    pub inode: u64,
}

/// A running attachment; dropping it detaches.
#[derive(Debug)]
pub(super) enum Link {
    /// One descriptor for all places.
    Multi { _descriptor: OwnedFd },
    /// One perf event per place.
    Perf { _events: Vec<UProbeLink> },
}

/// Programs ready to link.
pub(super) enum Loaded {
    /// By descriptor.
    Multi(HashMap<Program, OwnedFd>),
    /// Inside aya.
    Perf,
}

/// Makes links, and shares those that go by file.
pub(super) struct Links {
    pub(super) mode: AttachMode,
    pub(super) loaded: Loaded,
    by_file: Mutex<HashMap<(FileKey, Program), Weak<Link>>>,
}

impl Links {
    pub(super) fn new(mode: AttachMode, loaded: Loaded) -> Self {
        Self {
            mode,
            loaded,
            by_file: Mutex::default(),
        }
    }

    /// Attaches `program` at `offsets` of the file behind `file`.
    pub(super) fn attach(
        &self,
        ebpf: &Mutex<Ebpf>,
        program: Program,
        file: (BorrowedFd<'_>, FileKey),
        offsets: &[u64],
        pid: u32,
        generation: u32,
    ) -> Result<Arc<Link>, ProbeError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ProbeError::Attach {
            program,
            pid,
            source,
        };
        if self.mode == AttachMode::MultiByProcess {
            return self
                .make(
                    ebpf,
                    program,
                    file.0,
                    offsets,
                    Whose::Process { pid, generation },
                )
                .map(Arc::new)
                .map_err(failed);
        }
        // A second link by file would report every hit twice.
        let mut shared = self.by_file.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, link| link.strong_count() > 0);
        if let Some(link) = shared.get(&(file.1, program)).and_then(Weak::upgrade) {
            return Ok(link);
        }
        let link = Arc::new(
            self.make(ebpf, program, file.0, offsets, Whose::Everybody)
                .map_err(failed)?,
        );
        shared.insert((file.1, program), Arc::downgrade(&link));
        Ok(link)
    }

    fn make(
        &self,
        ebpf: &Mutex<Ebpf>,
        program: Program,
        file: BorrowedFd<'_>,
        offsets: &[u64],
        whose: Whose,
    ) -> Result<Link, Box<dyn std::error::Error + Send + Sync>> {
        // The very descriptor that was parsed, whatever has happened to its path since.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        match &self.loaded {
            Loaded::Multi(programs) => {
                let program = programs.get(&program).ok_or_else(not_loaded)?;
                let descriptor = multi::link(program, &CString::new(path)?, offsets, whose)?;
                Ok(Link::Multi {
                    _descriptor: descriptor,
                })
            }
            Loaded::Perf => {
                let mut ebpf = ebpf.lock().unwrap_or_else(PoisonError::into_inner);
                let uprobe: &mut UProbe = ebpf
                    .program_mut(program.name())
                    .ok_or_else(not_loaded)?
                    .try_into()?;
                let events = offsets
                    .iter()
                    .map(|&offset| {
                        let id = uprobe.attach(offset, &path, UProbeScope::AllProcesses)?;
                        uprobe.take_link(id)
                    })
                    .collect::<Result<_, _>>()?;
                Ok(Link::Perf { _events: events })
            }
        }
    }
}

fn not_loaded() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the program is not loaded")
}
