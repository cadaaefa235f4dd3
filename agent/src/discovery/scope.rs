//! Scope rules: what golens may open at all.
//!
//! A rule needs the pid, /proc/PID/stat, /proc/PID/cgroup and the text of the /proc/PID/exe link.
//! Binaries, memory, arguments and environment stay untouched until all rules have passed.

use std::collections::HashSet;

use super::proc::Stat;
use crate::config;

/// Why a process is outside of the scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OutOfScope {
    /// It has no program.
    #[error("is a kernel thread")]
    KernelThread,
    /// It has ended already.
    #[error("has ended")]
    Dead,
    /// The agent does not watch itself.
    #[error("is golens itself")]
    Itself,
    /// `scope.pids` is set and does not list it.
    #[error("scope.pids does not list it")]
    Pid,
    /// `scope.cgroups` is set and no entry is a prefix of one of its paths.
    #[error("no entry of scope.cgroups holds it")]
    Cgroup,
    /// `scope.executables` is set and no entry matches.
    #[error("no entry of scope.executables matches its executable")]
    Executable,
    /// `scope.exclude_executables` has an entry that matches.
    #[error("scope.exclude_executables matches its executable")]
    ExcludedExecutable,
}

impl OutOfScope {
    /// A word from a fixed set, for metrics and log fields.
    #[must_use]
    pub fn error_type(self) -> &'static str {
        match self {
            Self::KernelThread => "kernel_thread",
            Self::Dead => "dead",
            Self::Itself => "itself",
            Self::Pid | Self::Cgroup | Self::Executable | Self::ExcludedExecutable => {
                "out_of_scope"
            }
        }
    }
}

/// The rules of [`config::Scope`], ready to apply.
#[derive(Clone, Debug)]
pub struct ScopeRules {
    cgroups: Vec<String>,
    executables: Vec<String>,
    exclude_executables: Vec<String>,
    pids: HashSet<u32>,
    family_of: Option<u32>,
    own_pid: u32,
}

/// Generations between a process and the ancestor that brings it into scope.
const GENERATIONS: usize = 32;

impl ScopeRules {
    /// Takes over the rules of a configuration; the calling process is always excluded.
    #[must_use]
    pub fn new(scope: &config::Scope) -> Self {
        Self {
            cgroups: scope.cgroups.clone(),
            executables: scope.executables.clone(),
            exclude_executables: scope.exclude_executables.clone(),
            pids: scope.pids.iter().copied().collect(),
            family_of: None,
            own_pid: std::process::id(),
        }
    }

    /// The rules of another configuration, as narrow as these.
    #[must_use]
    pub fn changed_to(&self, scope: &config::Scope) -> Self {
        Self {
            family_of: self.family_of,
            ..Self::new(scope)
        }
    }

    /// Narrows the scope to one process and what it starts.
    #[must_use]
    pub fn with_family_of(self, pid: u32) -> Self {
        Self {
            family_of: Some(pid),
            ..self
        }
    }

    /// Checks whether a process descends from the one that the scope is narrowed to.
    ///
    /// # Errors
    /// `Pid` when it does not.
    pub fn check_family(
        &self,
        stat: &Stat,
        parent_of: impl Fn(u32) -> Option<u32>,
    ) -> Result<(), OutOfScope> {
        let Some(root) = self.family_of else {
            return Ok(());
        };
        let line = std::iter::successors(Some(stat.id.pid), |pid| parent_of(*pid));
        let belongs = line.take(GENERATIONS).any(|pid| pid == root);
        if belongs {
            Ok(())
        } else {
            Err(OutOfScope::Pid)
        }
    }

    /// Checks what the status line tells.
    ///
    /// # Errors
    /// The rule that does not let it pass.
    pub fn check_stat(&self, stat: &Stat) -> Result<(), OutOfScope> {
        if stat.id.pid == self.own_pid {
            Err(OutOfScope::Itself)
        } else if stat.kernel_thread {
            Err(OutOfScope::KernelThread)
        } else if stat.is_dead() {
            Err(OutOfScope::Dead)
        } else if !self.pids.is_empty() && !self.pids.contains(&stat.id.pid) {
            Err(OutOfScope::Pid)
        } else {
            Ok(())
        }
    }

    /// Checks the cgroup paths of a process.
    ///
    /// # Errors
    /// The rule that does not let it pass.
    pub fn check_cgroups(&self, paths: &[String]) -> Result<(), OutOfScope> {
        let inside = |path: &String| self.cgroups.iter().any(|prefix| holds(prefix, path));
        if self.cgroups.is_empty() || paths.iter().any(inside) {
            Ok(())
        } else {
            Err(OutOfScope::Cgroup)
        }
    }

    /// Checks the path of an executable.
    ///
    /// # Errors
    /// The rule that does not let it pass.
    pub fn check_executable(&self, path: &str) -> Result<(), OutOfScope> {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, path));
        if any(&self.exclude_executables) {
            Err(OutOfScope::ExcludedExecutable)
        } else if self.executables.is_empty() || any(&self.executables) {
            Ok(())
        } else {
            Err(OutOfScope::Executable)
        }
    }
}

/// Tells whether a cgroup path lies at or below a prefix, by whole components.
fn holds(prefix: &str, path: &str) -> bool {
    let mut path = components(path);
    components(prefix).all(|part| path.next() == Some(part))
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// Matches a text against a pattern in which `*` stands for any run of characters.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.as_bytes(), path.as_bytes());
    let (mut at, mut in_path) = (0, 0);
    // Where to go on after the last `*` when what follows it did not fit.
    let mut retry: Option<(usize, usize)> = None;
    while in_path < path.len() {
        if pattern.get(at) == Some(&b'*') {
            retry = Some((at + 1, in_path));
            at += 1;
        } else if pattern.get(at) == path.get(in_path) {
            at += 1;
            in_path += 1;
        } else if let Some((after_star, taken)) = retry {
            retry = Some((after_star, taken + 1));
            (at, in_path) = (after_star, taken + 1);
        } else {
            return false;
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_a_process_and_what_descends_from_it() {
        let rules = ScopeRules::new(&config::Scope::default()).with_family_of(10);
        let parents = |pid| {
            [(30, 20), (20, 10), (10, 1), (40, 1)]
                .iter()
                .find(|(child, _)| *child == pid)
                .map(|(_, parent)| *parent)
        };
        let stat = |pid: u32| {
            let line = format!("{pid} (x) S 1 {}", "0 ".repeat(40));
            Stat::parse(line.as_bytes()).expect("a whole line")
        };
        for pid in [10, 20, 30] {
            assert_eq!(rules.check_family(&stat(pid), parents), Ok(()), "{pid}");
        }
        assert_eq!(rules.check_family(&stat(40), parents), Err(OutOfScope::Pid));
    }
    use proptest::prelude::*;

    #[test]
    fn cgroups_match_by_whole_components_on_any_hierarchy() {
        assert!(holds("/kubepods", "/kubepods/burstable/pod1/c1"));
        assert!(holds("/kubepods/", "/kubepods"));
        assert!(holds("/", "/anything"));
        assert!(!holds("/kubepods", "/kubepods-besteffort/pod1"));
        assert!(!holds("/kubepods/burstable", "/kubepods"));
        let rules = ScopeRules::new(&config::Scope {
            cgroups: vec!["/shop".into()],
            ..config::Scope::default()
        });
        assert_eq!(rules.check_cgroups(&["/".into(), "/shop/a".into()]), Ok(()));
        assert_eq!(rules.check_cgroups(&["/".into()]), Err(OutOfScope::Cgroup));
        assert_eq!(rules.check_cgroups(&[]), Err(OutOfScope::Cgroup));
    }

    #[test]
    fn patterns_match_whole_paths() {
        for (pattern, path, expected) in [
            ("/usr/local/bin/*", "/usr/local/bin/a/b", true),
            ("*/server", "/srv/server", true),
            ("*/server", "/srv/server2", false),
            ("/a*b*c", "/aXbYbZc", true),
            ("/a*b*c", "/aXbYbZ", false),
            ("*", "", true),
            ("/x", "/x", true),
            ("/x", "/xy", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn an_exclusion_wins() {
        let rules = ScopeRules::new(&config::Scope {
            executables: vec!["/srv/*".into()],
            exclude_executables: vec!["*/shell".into()],
            ..config::Scope::default()
        });
        assert_eq!(rules.check_executable("/srv/a"), Ok(()));
        assert_eq!(
            rules.check_executable("/bin/a"),
            Err(OutOfScope::Executable)
        );
        assert_eq!(
            rules.check_executable("/srv/shell"),
            Err(OutOfScope::ExcludedExecutable)
        );
    }

    proptest! {
        #[test]
        fn a_path_matches_itself_and_its_stars(path in "[a-z/]{0,20}", cut in 0usize..20) {
            prop_assert!(matches(&path, &path));
            let (head, tail) = path.split_at(cut.min(path.len()));
            let starred = format!("{head}*{tail}");
            prop_assert!(matches(&starred, &path));
        }
    }
}
