//! The kernel side as one value: maps, programs, rings.

use std::{
    collections::{BTreeMap, HashMap},
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use agent_ebpf::{
    counter::{Counter, PROGRAM_ROW, Program},
    limits::MAX_OPEN_SPANS,
    offsets::Offsets,
    target::{GoroutineKey, OpenSpan, TargetRef},
};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap as BpfHashMap, MapData, MapError, PerCpuArray, RingBuf},
    programs::{RawTracePoint, UProbe},
};

use super::{
    AttachMode, ProbeError,
    goroutines::Goroutines,
    links::{Links, Loaded},
    multi, proof, syscall,
};
use crate::{clock::MonotonicNanos, config};

/// The object that `cargo xtask build` compiled; empty in a build without it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/probes.o"));

/// How often the kernel has run each program, by its own statistics.
pub type ProgramRuns = BTreeMap<&'static str, u64>;

/// Loaded programs and their maps.
pub struct Kernel {
    pub(super) ebpf: Mutex<Ebpf>,
    pub(super) links: Links,
    targets: Mutex<BpfHashMap<MapData, u32, TargetRef>>,
    offsets: Mutex<Array<MapData, Offsets>>,
    open_spans: Mutex<BpfHashMap<MapData, GoroutineKey, OpenSpan>>,
    counters: PerCpuArray<MapData, u64>,
    slot_hits: Mutex<PerCpuArray<MapData, [u64; PROGRAM_ROW as usize]>>,
    goroutines: Goroutines,
    refused: Vec<(Program, ProbeError)>,
    statistics: Option<OwnedFd>,
}

/// The two rings, for the one thread that drains them.
pub struct Rings {
    /// Finished spans, log writes, stops of the world.
    pub events: RingBuf<MapData>,
    /// Exec and exit of processes.
    pub processes: RingBuf<MapData>,
}

impl Kernel {
    /// Loads everything; a program that the kernel refuses disables its feature, not the agent.
    ///
    /// # Errors
    /// `NoObject`, `Load`, `Map`, `Tracepoint` when nothing can work.
    pub fn load(settings: &config::Probes, statistics: bool) -> Result<(Self, Rings), ProbeError> {
        if OBJECT.is_empty() {
            return Err(ProbeError::NoObject);
        }
        let ring_bytes = u32::try_from(settings.ring.0).unwrap_or(u32::MAX);
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("EVENTS", ring_bytes)
            // Half full is the mark past which the agent is woken before its timer.
            .override_global("WAKE_AT_BYTES", &(u64::from(ring_bytes) / 2), true)
            .override_global(
                "HAS_COOKIES",
                &u32::from(aya::features().bpf_cookie()),
                true,
            )
            .load(OBJECT)
            .map_err(|error| ProbeError::Load(Box::new(error)))?;
        let (mode, loaded, refused) = load_programs(&mut ebpf, settings.attach)?;
        let rings = Rings {
            events: take(&mut ebpf, "EVENTS")?,
            processes: take(&mut ebpf, "PROCESS_EVENTS")?,
        };
        let statistics = statistics
            .then(|| aya::sys::enable_stats(aya::sys::Stats::RunTime))
            .transpose()
            .map_err(|error| ProbeError::Prepare {
                step: "enable statistics",
                source: Box::new(error),
            })?;
        let kernel = Self {
            targets: Mutex::new(take(&mut ebpf, "TARGETS")?),
            offsets: Mutex::new(take(&mut ebpf, "OFFSETS")?),
            open_spans: Mutex::new(take(&mut ebpf, "OPEN_SPANS")?),
            counters: take(&mut ebpf, "COUNTERS")?,
            slot_hits: Mutex::new(take(&mut ebpf, "SLOT_HITS")?),
            goroutines: Goroutines::new(&mut ebpf)?,
            links: Links::new(mode, loaded),
            ebpf: Mutex::new(ebpf),
            refused,
            statistics,
        };
        Ok((kernel, rings))
    }

    /// What the kernel side counts of goroutines.
    #[must_use]
    pub fn goroutines(&self) -> &Goroutines {
        &self.goroutines
    }

    /// Starts to report exec and exit of processes.
    ///
    /// # Errors
    /// `Tracepoint` when the kernel refuses; discovery then only scans.
    pub fn watch_processes(&self) -> Result<(), ProbeError> {
        let mut ebpf = lock(&self.ebpf);
        for (name, tracepoint) in [
            ("process_exec", "sched_process_exec"),
            ("process_exit", "sched_process_exit"),
        ] {
            attach_tracepoint(&mut ebpf, name, tracepoint).map_err(|error| {
                ProbeError::Tracepoint {
                    name,
                    source: Box::new(error),
                }
            })?;
        }
        Ok(())
    }

    /// How links are made here.
    #[must_use]
    pub fn mode(&self) -> AttachMode {
        self.links.mode
    }

    /// Programs that the kernel refused, and why.
    #[must_use]
    pub fn refused(&self) -> &[(Program, ProbeError)] {
        &self.refused
    }

    /// Makes a process a target: from now on its hits count.
    ///
    /// # Errors
    /// `Map` when the kernel refuses the entry.
    pub fn register(
        &self,
        pid: u32,
        target: TargetRef,
        offsets: &Offsets,
    ) -> Result<(), ProbeError> {
        self.set_offsets(target, offsets)?;
        let mut hits = lock(&self.slot_hits);
        let zeros = aya::maps::PerCpuValues::try_from(vec![[0; PROGRAM_ROW as usize]; cpus()?])
            .map_err(|error| ProbeError::Prepare {
                step: "count CPUs",
                source: Box::new(error),
            })?;
        hits.set(target.slot, zeros, 0)
            .map_err(|error| map("SLOT_HITS", error))?;
        lock(&self.targets)
            .insert(pid, target, 0)
            .map_err(|error| map("TARGETS", error))
    }

    /// Replaces what the programs know of a target's binary.
    ///
    /// # Errors
    /// `Map` when the kernel refuses the row.
    pub fn set_offsets(&self, target: TargetRef, offsets: &Offsets) -> Result<(), ProbeError> {
        lock(&self.offsets)
            .set(target.slot, offsets, 0)
            .map_err(|error| map("OFFSETS", error))
    }

    /// Ends a target in the kernel: removes its registration, if it is still that one. Its open spans
    /// can never be met again, for generations are not reused; [`Kernel::sweep_open_spans`] frees them.
    pub fn unregister(&self, pid: u32, target: TargetRef) {
        let mut targets = lock(&self.targets);
        if targets.get(&pid, 0).is_ok_and(|current| current == target) {
            // Exec or exit may have been faster; the entry is gone either way.
            drop(targets.remove(&pid));
        }
    }

    /// Whether the kernel still counts the hits of this incarnation of a process.
    #[must_use]
    pub fn is_registered(&self, pid: u32, target: TargetRef) -> bool {
        lock(&self.targets)
            .get(&pid, 0)
            .is_ok_and(|current| current == target)
    }

    /// Frees open spans that will never end, and returns how many there were: those of ended targets,
    /// those older than `age`, and, when the map is a quarter full, the older half of the target that
    /// has most, so that one service whose handlers panic cannot take the spans of the others.
    pub fn sweep_open_spans(
        &self,
        now: MonotonicNanos,
        age: Duration,
        is_live: impl Fn(TargetRef) -> bool,
    ) -> u64 {
        let open = self.open_spans_now();
        let oldest = now
            .0
            .saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
        let (mut doomed, rest): (Vec<_>, Vec<_>) = open
            .into_iter()
            .partition(|(key, started)| *started < oldest || !is_live(key.target));
        if rest.len() >= CROWDED {
            doomed.extend(older_half_of_the_most(rest));
        }
        let mut spans = lock(&self.open_spans);
        doomed
            .iter()
            .filter(|(key, _)| spans.remove(key).is_ok())
            .count() as u64
    }

    /// Keys and start times. The kernel starts a walk anew when the entry it stands on has gone, so the
    /// walk is bounded and may miss or repeat entries; the next sweep sees them.
    fn open_spans_now(&self) -> Vec<(GoroutineKey, u64)> {
        let spans = lock(&self.open_spans);
        let walk = spans
            .iter()
            .take(2 * MAX_OPEN_SPANS as usize)
            .filter_map(Result::ok);
        let unique: HashMap<GoroutineKey, u64> =
            walk.map(|(key, span)| (key, span.start_ns)).collect();
        unique.into_iter().collect()
    }

    /// Totals of the kernel side's counters.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<Counter, u64> {
        Counter::ALL
            .iter()
            .map(|&counter| {
                let by_cpu = self.counters.get(&(counter as u32), 0);
                (counter, by_cpu.map_or(0, |values| values.iter().sum()))
            })
            .collect()
    }

    /// Hits of each program by one target since it was registered; empty once its slot is another's.
    #[must_use]
    pub fn hits(&self, target: TargetRef) -> HashMap<Program, u64> {
        let row = lock(&self.offsets).get(&target.slot, 0);
        let by_cpu = lock(&self.slot_hits).get(&target.slot, 0);
        let (Ok(row), Ok(by_cpu)) = (row, by_cpu) else {
            return HashMap::new();
        };
        if row.generation != target.generation {
            return HashMap::new();
        }
        Program::ALL
            .iter()
            .map(|&program| {
                (
                    program,
                    by_cpu.iter().map(|row| row[program as usize]).sum(),
                )
            })
            .collect()
    }

    /// The kernel's own run counts, empty unless statistics are enabled.
    #[must_use]
    pub fn program_runs(&self) -> ProgramRuns {
        let (Loaded::Multi(programs), Some(_)) = (&self.links.loaded, &self.statistics) else {
            return ProgramRuns::new();
        };
        programs
            .iter()
            .filter_map(|(program, fd)| {
                Some((program.name(), syscall::run_count(fd.as_fd()).ok()?))
            })
            .collect()
    }
}

type LoadedPrograms = (AttachMode, Loaded, Vec<(Program, ProbeError)>);

/// Loads the uprobe programs for the best mode this kernel has.
fn load_programs(ebpf: &mut Ebpf, wanted: config::Attach) -> Result<LoadedPrograms, ProbeError> {
    let programs = multi::Programs::prepare(OBJECT, ebpf)?;
    let filter = match wanted {
        config::Attach::Perf => None,
        config::Attach::Auto | config::Attach::ByFile => prove(&programs, ebpf)?,
    };
    let mode = match (filter, wanted) {
        (None, _) => AttachMode::PerfByFile,
        (Some(proof::PidFilter::Process), config::Attach::Auto) => AttachMode::MultiByProcess,
        (Some(_), _) => AttachMode::MultiByFile,
    };
    Ok(match mode {
        AttachMode::PerfByFile => {
            let (_, refused) = partition(|program| load_perf(ebpf, program));
            (mode, Loaded::Perf, refused)
        }
        AttachMode::MultiByProcess | AttachMode::MultiByFile => {
            let (loaded, refused) = partition(|program| programs.load(program.name()));
            (mode, Loaded::Multi(loaded), refused)
        }
    })
}

/// Support for `uprobe_multi` shows only when a link is made: Linux 6.1 accepts the load.
fn prove(programs: &multi::Programs, ebpf: &Ebpf) -> Result<Option<proof::PidFilter>, ProbeError> {
    let Some(map) = ebpf.map("SELF_TEST") else {
        return Ok(None);
    };
    let words = Array::<_, u64>::try_from(map).map_err(|error| self::map("SELF_TEST", error))?;
    let word = |index: u32| words.get(&index, 0).map_err(std::io::Error::other);
    let Ok(program) = programs.load("self_test") else {
        return Ok(None);
    };
    let filter = match proof::pid_filter(&program, || word(0)) {
        Ok(filter) => filter,
        Err(error) => {
            tracing::warn!(%error, "uprobe_multi is not usable, falling back to perf uprobes");
            return Ok(None);
        }
    };
    let (own, seen) = (std::process::id(), word(1).unwrap_or(0));
    // The forked child of the proof ran last in no mode that separates processes.
    if filter == proof::PidFilter::Process && seen != u64::from(own) {
        return Err(ProbeError::PidNamespace { own, seen });
    }
    Ok(Some(filter))
}

/// Open spans at which the map counts as crowded.
pub const CROWDED: usize = MAX_OPEN_SPANS as usize / 4;

/// The older half of the open spans of the target that has most of them.
fn older_half_of_the_most(open: Vec<(GoroutineKey, u64)>) -> Vec<(GoroutineKey, u64)> {
    let mut by_target: HashMap<TargetRef, Vec<(GoroutineKey, u64)>> = HashMap::new();
    for (key, started) in open {
        by_target
            .entry(key.target)
            .or_default()
            .push((key, started));
    }
    let mut most = by_target
        .into_values()
        .max_by_key(Vec::len)
        .unwrap_or_default();
    most.sort_unstable_by_key(|(_, started)| *started);
    most.truncate(most.len() / 2);
    most
}

fn partition<T>(
    mut load: impl FnMut(Program) -> Result<T, ProbeError>,
) -> (HashMap<Program, T>, Vec<(Program, ProbeError)>) {
    let mut loaded = HashMap::new();
    let mut refused = Vec::new();
    for &program in Program::ALL {
        match load(program) {
            Ok(value) => {
                loaded.insert(program, value);
            }
            Err(error) => refused.push((program, error)),
        }
    }
    (loaded, refused)
}

fn load_perf(ebpf: &mut Ebpf, program: Program) -> Result<(), ProbeError> {
    let name = program.name();
    let refused = |error: aya::programs::ProgramError| ProbeError::Program {
        name,
        verifier: error.to_string(),
        source: std::io::Error::other(error),
    };
    let uprobe: Result<&mut UProbe, _> = ebpf
        .program_mut(name)
        .ok_or(ProbeError::Program {
            name,
            verifier: "it is not in the object".to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        })?
        .try_into();
    uprobe.map_err(refused)?.load().map_err(refused)
}

fn attach_tracepoint(
    ebpf: &mut Ebpf,
    name: &str,
    tracepoint: &str,
) -> Result<(), aya::programs::ProgramError> {
    let Some(program) = ebpf.program_mut(name) else {
        return Ok(());
    };
    let program: &mut RawTracePoint = program.try_into()?;
    program.load()?;
    program.attach(tracepoint)?;
    Ok(())
}

pub(super) fn take<T: TryFrom<aya::maps::Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<T, ProbeError> {
    let taken = ebpf
        .take_map(name)
        .ok_or(ProbeError::Map { name, source: None })?;
    T::try_from(taken).map_err(|error| map(name, error))
}

pub(super) fn map(name: &'static str, source: MapError) -> ProbeError {
    ProbeError::Map {
        name,
        source: Some(Box::new(source)),
    }
}

fn cpus() -> Result<usize, ProbeError> {
    aya::util::nr_cpus().map_err(|(_, error)| ProbeError::Prepare {
        step: "count CPUs",
        source: Box::new(error),
    })
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
