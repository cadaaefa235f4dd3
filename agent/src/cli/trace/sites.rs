//! What the traces of goroutines and of the scheduler share: counts by creation site, every so often, until
//! the time is over or the hits are used up.

use std::{
    collections::{HashMap, HashSet},
    fmt, thread,
    time::{Duration, Instant},
};

use agent_ebpf::{
    counter::{Counter, Program},
    goroutine::{DURATIONS, SiteStats, duration_bound},
};
use serde::Serialize;

use super::session::Session;
use crate::{
    cli::{CliError, Output},
    probe::{Feature, Sites},
};

/// Between two looks at the budget.
const CHECK: Duration = Duration::from_millis(20);

/// How long to trace, and how to print.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SiteArgs {
    /// Process id.
    pub(super) pid: u32,
    /// End after this time, such as `30s`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) duration: Option<Duration>,
    /// Time between two tables.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(super) interval: Duration,
    /// Remove the probes after this many hits, each of which costs the process about 1 us. They leave within
    /// a tenth of a second, so that some more hits follow, which count no more.
    #[arg(long, value_name = "HITS", default_value_t = 1_000_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) budget: u64,
    /// Rows of a table; the busiest sites come first.
    #[arg(long, value_name = "SITES", default_value_t = 20)]
    pub(super) limit: usize,
    /// Print each table as a JSON object in a line, with all sites.
    #[arg(long)]
    pub(super) json: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match time >= Duration::from_millis(100) {
        true => Ok(time),
        false => Err("at least 100ms".to_owned()),
    }
}

/// Why a trace ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// Its time is over.
    Duration,
    /// Its hits are used up.
    Budget,
    /// The process has ended, or runs another program.
    ProcessEnded,
    /// Ctrl-C or SIGTERM.
    Interrupted,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duration => "the time is over",
            Self::Budget => "the budget of hits is used up",
            Self::ProcessEnded => "the process has ended",
            Self::Interrupted => "interrupted",
        })
    }
}

/// What was counted in some time.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    /// For how long, in seconds.
    pub(super) seconds: f64,
    /// Hits of the probes since the beginning.
    pub(super) hits: u64,
    /// The sites at which something happened, with what happened there, the busiest first.
    pub(super) sites: Vec<Site<'a>>,
    /// Set in the last one, which covers the whole trace.
    pub(super) end: Option<End>,
}

/// One creation site.
#[derive(Debug)]
pub(super) struct Site<'a> {
    /// `main.serve (server.go:41)`.
    pub(super) name: &'a str,
    /// What happened in the time.
    pub(super) now: SiteStats,
    /// What has happened since the beginning.
    pub(super) all: SiteStats,
}

/// A trace under way.
pub(super) struct Trace {
    session: Session,
    args: SiteArgs,
    names: HashMap<u64, String>,
    known: Sites,
}

impl Trace {
    /// Attaches the probes and starts to count.
    pub(super) fn start(
        args: &SiteArgs,
        feature: Feature,
        others: &[Program],
    ) -> Result<Self, CliError> {
        let session = Session::attach_with(args.pid, feature, others)?;
        let watched = session.goroutines().watch(session.target());
        watched.map_err(|error| CliError::Probe {
            pid: args.pid,
            source: Box::new(error),
        })?;
        Ok(Self {
            session,
            args: args.clone(),
            names: HashMap::new(),
            known: Sites::new(),
        })
    }

    /// Whether begins of goroutines are seen.
    pub(super) fn sees_births(&self) -> bool {
        self.session.has(Program::GoroutineBorn)
    }

    /// Hands what was counted to `print`: after each interval, and at the end all together.
    pub(super) fn run(
        mut self,
        output: &mut Output,
        print: impl Fn(&SiteArgs, &Counted<'_>, &mut Output) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let begun = Instant::now();
        let mut last = begun;
        loop {
            let end = self.wait(begun, last + self.args.interval);
            let now = match end {
                Some(_) => self.stop()?,
                None => Instant::now(),
            };
            let counted = self.counted();
            let before = std::mem::take(&mut self.known);
            self.show(now - last, &before, &counted, None, output, &print)?;
            if end.is_some() {
                self.show(now - begun, &Sites::new(), &counted, end, output, &print)?;
                self.tell_losses();
                return Ok(());
            }
            (self.known, last) = (counted, now);
        }
    }

    /// What was counted since the beginning.
    fn counted(&self) -> Sites {
        let target = self.session.target();
        let counted = self.session.goroutines().read(&HashSet::from([target]));
        counted.into_values().next().unwrap_or_default()
    }

    /// Waits for the next table; answers why the trace ends, if it does before.
    fn wait(&self, begun: Instant, due: Instant) -> Option<End> {
        loop {
            let now = Instant::now();
            let over = self.args.duration.map(|duration| begun + duration);
            if self.session.is_interrupted() {
                return Some(End::Interrupted);
            }
            if !self.session.is_alive() {
                return Some(End::ProcessEnded);
            }
            if self.session.hits() >= self.args.budget {
                return Some(End::Budget);
            }
            if over.is_some_and(|over| now >= over) {
                return Some(End::Duration);
            }
            if now >= due {
                return None;
            }
            let next = over.map_or(due, |over| over.min(due));
            thread::sleep(CHECK.min(next - now));
        }
    }

    /// Counts no more, and removes the probes. Answers when counting ended.
    fn stop(&mut self) -> Result<Instant, CliError> {
        let ignored = self.session.goroutines().ignore(self.session.target());
        let now = Instant::now();
        self.session.detach();
        ignored.map(|()| now).map_err(|error| CliError::Probe {
            pid: self.args.pid,
            source: Box::new(error),
        })
    }

    fn show(
        &mut self,
        time: Duration,
        before: &Sites,
        counted: &Sites,
        end: Option<End>,
        output: &mut Output,
        print: impl Fn(&SiteArgs, &Counted<'_>, &mut Output) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        self.name(counted);
        let mut sites: Vec<Site<'_>> = counted
            .iter()
            .map(|(pc, all)| Site {
                name: self.names.get(pc).map_or("?", String::as_str),
                now: before.get(pc).map_or(*all, |earlier| all.since(earlier)),
                all: *all,
            })
            .filter(|site| site.now != SiteStats::ZERO)
            .collect();
        let activity = |stats: &SiteStats| stats.begun + stats.ended;
        sites.sort_by(|a, b| {
            let busiest = activity(&b.now).cmp(&activity(&a.now));
            busiest.then_with(|| a.name.cmp(b.name))
        });
        let counted = Counted {
            seconds: time.as_secs_f64(),
            hits: self.session.hits(),
            sites,
            end,
        };
        print(&self.args, &counted, output)?;
        // Whoever reads along waits for it.
        output.flush()
    }

    /// Asks for the names of sites that are new.
    fn name(&mut self, counted: &Sites) {
        let unknown = counted.keys().filter(|pc| !self.names.contains_key(pc));
        let unknown: Vec<u64> = unknown.copied().collect();
        if !unknown.is_empty() {
            self.names.extend(self.session.site_names(&unknown));
        }
    }

    /// Says what is missing in the tables.
    fn tell_losses(&self) {
        for counter in [
            Counter::GoroutineSitesFull,
            Counter::GoroutineMarksFull,
            Counter::ReadFailed,
        ] {
            let hits = self.session.lost(counter);
            if hits > 0 {
                tracing::warn!(hits, reason = counter.name(), "not everything was counted");
            }
        }
    }
}

/// Durations as they are told in JSON.
#[derive(Debug, Serialize)]
pub(super) struct Durations {
    count: u64,
    sum_ns: u64,
    p50_ns: Option<u64>,
    p90_ns: Option<u64>,
    p99_ns: Option<u64>,
    /// Bound in nanoseconds, null for the last, and how many are not above it but above the one before.
    buckets: Vec<(Option<u64>, u64)>,
}

impl Durations {
    pub(super) fn of(stats: &SiteStats) -> Self {
        let used = (0..DURATIONS).filter(|bucket| stats.durations[*bucket] > 0);
        Self {
            count: stats.timed(),
            sum_ns: stats.duration_ns,
            p50_ns: stats.duration_at(500),
            p90_ns: stats.duration_at(900),
            p99_ns: stats.duration_at(990),
            buckets: used
                .map(|bucket| (duration_bound(bucket), stats.durations[bucket]))
                .collect(),
        }
    }
}

/// Prints a value as JSON in one line.
pub(super) fn json_line(value: &impl Serialize, output: &mut Output) -> Result<(), CliError> {
    let line = serde_json::to_string(value).map_err(|source| CliError::Encode {
        format: "JSON",
        source: Box::new(source),
    })?;
    output.line(line)
}

/// The line above a table.
pub(super) fn heading(
    args: &SiteArgs,
    counted: &Counted<'_>,
    output: &mut Output,
) -> Result<(), CliError> {
    let (seconds, hits, budget) = (counted.seconds, counted.hits, args.budget);
    match counted.end {
        None => output.line(format_args!("{seconds:.2} s, {hits} of {budget} hits used")),
        Some(end) => output.line(format_args!(
            "all {seconds:.2} s, {hits} of {budget} hits used: {end}"
        )),
    }
}

/// The line below a table that has not all sites.
pub(super) fn rest(
    args: &SiteArgs,
    counted: &Counted<'_>,
    output: &mut Output,
) -> Result<(), CliError> {
    match counted.sites.len().saturating_sub(args.limit) {
        0 => output.line(""),
        more => output.line(format_args!("and {more} more sites; see --limit\n")),
    }
}

/// How often in a second.
pub(super) fn rate(count: u64, counted: &Counted<'_>) -> String {
    format!("{:.1}", count as f64 / counted.seconds.max(1e-9))
}

/// `850ns`, `1.3ms`, `12s`; a dash for none.
pub(super) fn duration(ns: Option<u64>) -> String {
    let Some(ns) = ns else { return "-".to_owned() };
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{:.1}us", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}ms", value / 1e6),
        _ => format!("{:.1}s", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_at_their_scale() {
        let shown = [850, 1_300, 20_000_000, 12_000_000_000].map(|ns| duration(Some(ns)));
        assert_eq!(shown, ["850ns", "1.3us", "20.0ms", "12.0s"]);
        assert_eq!(duration(None), "-");
    }

    #[test]
    fn an_interval_leaves_time_to_read() {
        assert!(interval("99ms").is_err() && interval("soon").is_err());
        assert_eq!(interval("2s"), Ok(Duration::from_secs(2)));
    }
}
