//! Finds processes in scope: all of /proc, or one pid that an exec event names.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    io,
};

use crate::config;

use super::{BinaryKey, OutOfScope, ProcessId, Procfs, RefusedReason, ScopeRules};

/// A process that passed the scope rules; nothing of it has been opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Identity.
    pub id: ProcessId,
    /// Path of the executable as the process sees it.
    pub executable: String,
    /// Cgroup paths on all hierarchies.
    pub cgroups: Vec<String>,
    /// The program that runs, as opposed to the process that runs it.
    pub incarnation: Incarnation,
}

/// Tells a process after exec from the same process before it.
///
/// Two are equal when they run the same file with the same stack. Times of the file do not count: a deploy
/// that replaces a running program's file, a link to it, or its removal changes them, and not what runs.
#[derive(Clone, Copy, Debug)]
pub struct Incarnation {
    /// Executable file.
    pub binary: BinaryKey,
    /// Bottom of the main stack, drawn anew at each exec; 0 without rights to see it.
    pub stack_start: u64,
}

impl PartialEq for Incarnation {
    fn eq(&self, other: &Self) -> bool {
        // An inode is not used again while a process runs it.
        let what = |it: &Self| (it.binary.device, it.binary.inode, it.stack_start);
        what(self) == what(other)
    }
}

impl Eq for Incarnation {}

/// What a look at one process gave.
#[derive(Debug)]
pub enum Verdict {
    /// In scope.
    Candidate(Candidate),
    /// Outside of the scope: leave it alone.
    Out(OutOfScope),
    /// In scope as far as golens can tell, but it cannot be looked at.
    Refused(RefusedReason),
}

/// What changed since the last look.
#[derive(Debug, Default)]
pub struct Changes {
    /// Processes in scope that were not there.
    pub new: Vec<Candidate>,
    /// Known processes that run another program now; whatever was attached belongs to the old one.
    pub changed: Vec<Candidate>,
    /// Known processes that have ended or left the scope.
    pub gone: Vec<ProcessId>,
    /// Processes that could not be looked at; each is told once.
    pub refused: Vec<(u32, RefusedReason)>,
}

/// Remembers what it saw, so that each process is reported once.
#[derive(Debug)]
pub struct Scanner {
    procfs: Procfs,
    rules: ScopeRules,
    known: HashMap<u32, (ProcessId, Incarnation)>,
    /// Pids that could not be looked at, told already.
    refused: HashSet<u32>,
}

impl Scanner {
    /// A scanner that has seen nothing.
    #[must_use]
    pub fn new(procfs: Procfs, rules: ScopeRules) -> Self {
        Self {
            procfs,
            rules,
            known: HashMap::new(),
            refused: HashSet::new(),
        }
    }

    /// Goes by other rules from now on. The next scan tells what that changes, and only that.
    pub fn change_scope(&mut self, scope: &config::Scope) {
        self.rules = self.rules.changed_to(scope);
    }

    /// Looks at all processes.
    ///
    /// # Errors
    /// When /proc cannot be listed; single processes never fail a scan.
    pub fn scan(&mut self) -> io::Result<Changes> {
        let mut changes = Changes::default();
        let pids = self.procfs.pids()?;
        let present: HashSet<u32> = pids.iter().copied().collect();
        self.refused.retain(|pid| present.contains(pid));
        let ended: Vec<u32> = self
            .known
            .keys()
            .copied()
            .filter(|pid| !present.contains(pid))
            .collect();
        for pid in ended {
            self.forget(pid, &mut changes);
        }
        for pid in pids {
            self.look(pid, &mut changes);
        }
        Ok(changes)
    }

    /// Looks at one process, after the kernel told of an exec.
    pub fn check(&mut self, pid: u32) -> Changes {
        let mut changes = Changes::default();
        self.look(pid, &mut changes);
        changes
    }

    /// Whether a candidate is still what was last seen under its pid.
    #[must_use]
    pub fn is_current(&self, candidate: &Candidate) -> bool {
        self.known.get(&candidate.id.pid) == Some(&(candidate.id, candidate.incarnation))
    }

    /// Whether a process exists, in scope or not.
    #[must_use]
    pub fn exists(&self, pid: u32) -> bool {
        self.procfs.path(pid, "stat").exists()
    }

    /// Takes note of an end that was seen elsewhere; true when the process was known.
    pub fn exited(&mut self, id: ProcessId) -> bool {
        match self.known.entry(id.pid) {
            Entry::Occupied(entry) if entry.get().0 == id => {
                entry.remove();
                true
            }
            _ => false,
        }
    }

    /// Applies the rules to one process, cheapest first, and opens nothing of it.
    #[must_use]
    pub fn examine(&self, pid: u32) -> Verdict {
        match self.try_examine(pid) {
            Ok(verdict) => verdict,
            Err(error) => Verdict::Refused(RefusedReason::from_io("look at it", error)),
        }
    }

    fn try_examine(&self, pid: u32) -> io::Result<Verdict> {
        let stat = self.procfs.stat(pid)?;
        if let Err(out) = self.rules.check_stat(&stat) {
            return Ok(Verdict::Out(out));
        }
        let parent_of = |pid| self.procfs.stat(pid).ok().map(|stat| stat.parent);
        if let Err(out) = self.rules.check_family(&stat, parent_of) {
            return Ok(Verdict::Out(out));
        }
        let cgroups = self.procfs.cgroups(pid)?;
        if let Err(out) = self.rules.check_cgroups(&cgroups) {
            return Ok(Verdict::Out(out));
        }
        let executable = self.procfs.executable(pid)?;
        if let Err(out) = self.rules.check_executable(&executable) {
            return Ok(Verdict::Out(out));
        }
        let binary = self.procfs.binary_key(pid)?;
        Ok(Verdict::Candidate(Candidate {
            id: stat.id,
            executable,
            cgroups,
            incarnation: Incarnation {
                binary,
                stack_start: stat.stack_start,
            },
        }))
    }

    fn look(&mut self, pid: u32, changes: &mut Changes) {
        match self.examine(pid) {
            Verdict::Candidate(candidate) => self.found(candidate, changes),
            Verdict::Out(_) | Verdict::Refused(RefusedReason::Exited) => self.forget(pid, changes),
            // What fails once, such as for want of a descriptor, says nothing of a process that is known.
            Verdict::Refused(RefusedReason::Failed { .. }) if self.known.contains_key(&pid) => {}
            Verdict::Refused(reason) => {
                self.forget(pid, changes);
                if self.refused.insert(pid) {
                    changes.refused.push((pid, reason));
                }
            }
        }
    }

    fn found(&mut self, candidate: Candidate, changes: &mut Changes) {
        self.refused.remove(&candidate.id.pid);
        let now = (candidate.id, candidate.incarnation);
        match self.known.insert(candidate.id.pid, now) {
            Some(before) if before == now => {}
            Some((id, _)) if id == candidate.id => changes.changed.push(candidate),
            Some((reused, _)) => {
                changes.gone.push(reused);
                changes.new.push(candidate);
            }
            None => changes.new.push(candidate),
        }
    }

    fn forget(&mut self, pid: u32, changes: &mut Changes) {
        if let Some((id, _)) = self.known.remove(&pid) {
            changes.gone.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::FakeProc;
    use super::*;
    use crate::config::Scope;

    fn scanner(fake: &FakeProc, scope: &Scope) -> Scanner {
        Scanner::new(fake.procfs(), ScopeRules::new(scope))
    }

    fn pids(candidates: &[Candidate]) -> Vec<u32> {
        let mut pids: Vec<u32> = candidates.iter().map(|found| found.id.pid).collect();
        pids.sort_unstable();
        pids
    }

    #[test]
    fn a_process_is_reported_once_and_its_end_too() {
        let fake = FakeProc::new("once");
        fake.process(100, 1, "/shop", "one");
        fake.process(101, 2, "/shop", "two");
        let mut scanner = scanner(&fake, &Scope::default());
        assert_eq!(pids(&scanner.scan().expect("listed").new), [100, 101]);
        let second = scanner.scan().expect("listed");
        assert!(second.new.is_empty() && second.gone.is_empty() && second.changed.is_empty());
        fake.end(100);
        let third = scanner.scan().expect("listed");
        assert_eq!(
            third.gone,
            [ProcessId {
                pid: 100,
                start_time_ticks: 1
            }]
        );
    }

    #[test]
    fn another_scope_changes_only_what_it_is_about() {
        let fake = FakeProc::new("rescope");
        fake.process(100, 1, "/shop", "one");
        fake.process(101, 2, "/bank", "two");
        fake.process(102, 3, "/club", "three");
        let of = |cgroups: &[&str]| Scope {
            cgroups: cgroups.iter().map(ToString::to_string).collect(),
            ..Scope::default()
        };
        let mut scanner = scanner(&fake, &of(&["/shop", "/bank"]));
        assert_eq!(pids(&scanner.scan().expect("listed").new), [100, 101]);
        scanner.change_scope(&of(&["/bank", "/club"]));
        let changes = scanner.scan().expect("listed");
        assert_eq!(pids(&changes.new), [102]);
        let gone: Vec<u32> = changes.gone.iter().map(|id| id.pid).collect();
        assert_eq!(gone, [100]);
        assert!(changes.changed.is_empty());
    }

    #[test]
    fn a_reused_pid_is_an_end_and_a_start() {
        let fake = FakeProc::new("reused");
        fake.process(100, 1, "/", "one");
        let mut scanner = scanner(&fake, &Scope::default());
        assert_eq!(scanner.scan().expect("listed").new.len(), 1);
        fake.process(100, 9, "/", "one");
        let changes = scanner.scan().expect("listed");
        assert_eq!(
            changes.gone,
            [ProcessId {
                pid: 100,
                start_time_ticks: 1
            }]
        );
        assert_eq!(changes.new[0].id.start_time_ticks, 9);
    }

    #[test]
    fn exec_of_another_and_of_the_same_program_are_changes() {
        let fake = FakeProc::new("exec");
        fake.process(100, 1, "/", "one");
        let mut scanner = scanner(&fake, &Scope::default());
        assert_eq!(scanner.check(100).new.len(), 1);
        fake.process(100, 1, "/", "two");
        assert_eq!(pids(&scanner.check(100).changed), [100]);
        fake.stack(100, 1, 0x7000);
        assert_eq!(pids(&scanner.check(100).changed), [100]);
        assert!(scanner.check(100).changed.is_empty());
    }

    #[test]
    fn what_becomes_of_a_running_programs_file_is_no_change() {
        let fake = FakeProc::new("replaced");
        fake.process(100, 1, "/", "one");
        let mut scanner = scanner(&fake, &Scope::default());
        assert_eq!(scanner.check(100).new.len(), 1);
        let times = |scanner: &Scanner| match scanner.examine(100) {
            Verdict::Candidate(found) => found.incarnation.binary.changed_ns,
            other => panic!("{other:?}"),
        };
        let before = times(&scanner);
        fake.link_to("one", "other name");
        assert_ne!(times(&scanner), before, "the kernel noted the link");
        let changes = scanner.check(100);
        assert!(changes.changed.is_empty() && changes.gone.is_empty());
    }

    #[test]
    fn a_failed_look_ends_no_process_that_is_known() {
        let fake = FakeProc::new("failed");
        fake.process(100, 1, "/", "one");
        let mut scanner = scanner(&fake, &Scope::default());
        assert_eq!(scanner.check(100).new.len(), 1);
        fake.unreadable_link(100);
        let changes = scanner.scan().expect("listed");
        assert!(changes.gone.is_empty() && changes.refused.is_empty());
        fake.process(100, 1, "/", "one");
        let changes = scanner.scan().expect("listed");
        assert!(changes.new.is_empty() && changes.changed.is_empty());
    }

    #[test]
    fn outside_of_the_scope_not_even_the_link_is_needed() {
        let fake = FakeProc::new("outside");
        fake.process(100, 1, "/shop/a", "one");
        fake.process(101, 1, "/shopping", "one");
        fake.unreadable_link(101);
        let scope = Scope {
            cgroups: vec!["/shop".into()],
            ..Scope::default()
        };
        let mut scanner = scanner(&fake, &scope);
        let changes = scanner.scan().expect("listed");
        assert_eq!(pids(&changes.new), [100]);
        assert!(changes.refused.is_empty(), "{:?}", changes.refused);
        assert!(matches!(
            scanner.examine(101),
            Verdict::Out(OutOfScope::Cgroup)
        ));
    }

    #[test]
    fn what_cannot_be_looked_at_is_told_once() {
        let fake = FakeProc::new("refused");
        fake.process(100, 1, "/", "one");
        fake.unreadable_link(100);
        let mut scanner = scanner(&fake, &Scope::default());
        assert_eq!(scanner.scan().expect("listed").refused.len(), 1);
        assert!(scanner.scan().expect("listed").refused.is_empty());
        fake.process(100, 1, "/", "one");
        assert_eq!(pids(&scanner.scan().expect("listed").new), [100]);
    }

    #[test]
    fn golens_itself_and_the_dead_are_left_alone() {
        let fake = FakeProc::new("itself");
        fake.process(std::process::id(), 1, "/", "one");
        fake.state(200, 1, 'Z');
        let scanner = scanner(&fake, &Scope::default());
        let itself = scanner.examine(std::process::id());
        assert!(
            matches!(itself, Verdict::Out(OutOfScope::Itself)),
            "{itself:?}"
        );
        let dead = scanner.examine(200);
        assert!(matches!(dead, Verdict::Out(OutOfScope::Dead)), "{dead:?}");
    }
}
