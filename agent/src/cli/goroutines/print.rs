//! The profile for people.

use super::GoroutinesArgs;
use crate::{
    cli::{CliError, Output},
    runtime::profile::{Group, Place, Profile},
};

/// Widest cell for a function or place; the end of a name tells more than its beginning.
const WIDEST: usize = 56;

pub(super) fn profile(
    profile: &Profile,
    hidden: &[Group],
    args: &GoroutinesArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    output.line(format_args!(
        "process {}: {} goroutines, and {} of the runtime itself",
        profile.pid, profile.goroutines, profile.system
    ))?;
    if profile.unread > 0 {
        output.line(format_args!(
            "{} entries of the runtime's list were not looked at",
            profile.unread
        ))?;
    }
    if profile.groups.is_empty() {
        return Ok(());
    }
    output.line("")?;
    if args.stacks {
        for group in &profile.groups {
            stack(group, output)?;
        }
    } else {
        let rows: Vec<[String; 6]> = profile
            .groups
            .iter()
            .map(|group| row(group, args))
            .collect();
        let heading = ["COUNT", "IDLE", "STATE", "AGE", "CREATED BY", "RUNS"];
        output.table(heading, &rows)?;
    }
    if !hidden.is_empty() {
        let count: u64 = hidden.iter().map(|group| group.count).sum();
        output.line(format_args!(
            "and {count} goroutines in {} more groups",
            hidden.len()
        ))?;
    }
    Ok(())
}

fn row(group: &Group, args: &GoroutinesArgs) -> [String; 6] {
    let idle = match args.seconds {
        Some(_) => group.unmoved.to_string(),
        None => "-".to_owned(),
    };
    [
        group.count.to_string(),
        idle,
        doing(group).to_owned(),
        age(group.wait_seconds.unwrap_or(group.age_seconds)),
        tail(&group.created_by.as_ref().map_or_else(dash, brief)),
        tail(runs(group)),
    ]
}

/// One group the way a goroutine dump shows a goroutine.
fn stack(group: &Group, output: &mut Output) -> Result<(), CliError> {
    let wait = match group.wait_seconds {
        Some(seconds) if seconds >= 1.0 => format!(", {}", age(seconds)),
        _ => String::new(),
    };
    output.line(format_args!(
        "{} goroutines [{}{wait}]; goroutine {}:",
        group.count,
        doing(group),
        group.sample
    ))?;
    for call in &group.stack {
        let inlined = if call.inlined { " (inlined)" } else { "" };
        output.line(format_args!("    {}{inlined}", call.place.function))?;
        output.line(format_args!(
            "        {}:{}",
            call.place.file, call.place.line
        ))?;
    }
    if group.stack.is_empty()
        && let Some(start) = &group.start
    {
        output.line(format_args!("    began with {}", start.function))?;
        output.line(format_args!("        {}:{}", start.file, start.line))?;
    }
    if let Some(site) = &group.created_by {
        output.line(format_args!("created by {}", site.function))?;
        output.line(format_args!("        {}:{}", site.file, site.line))?;
    }
    output.line("")
}

/// The reason to wait, else the state.
fn doing(group: &Group) -> &str {
    group.wait_reason.as_deref().unwrap_or(group.state)
}

/// The function they began with; behind one that the compiler made for a `go` statement, the one it calls.
fn runs(group: &Group) -> &str {
    let start = group.start.as_ref().map_or("-", |place| &place.function);
    let made = start
        .rsplit('.')
        .next()
        .is_some_and(|last| last.starts_with("gowrap"));
    match group.stack.as_slice() {
        [.., inner, _wrapper] if made => &inner.place.function,
        _ => start,
    }
}

/// `main.serve server.go:17`: the path is in `--stacks` and `--json`.
fn brief(place: &Place) -> String {
    let file = place.file.rsplit('/').next().unwrap_or_default();
    format!("{} {file}:{}", place.function, place.line)
}

fn dash() -> String {
    "-".to_owned()
}

/// The end of a long text.
fn tail(text: &str) -> String {
    let surplus = text.chars().count().saturating_sub(WIDEST);
    if surplus == 0 {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(surplus + 1).collect();
    format!("…{kept}")
}

fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds {
        0 => "<1s".to_owned(),
        1..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_end_and_ages_their_size() {
        assert_eq!(tail("main.main"), "main.main");
        let long = format!("{}.worker", "a".repeat(2 * WIDEST));
        assert_eq!(tail(&long).chars().count(), WIDEST);
        assert!(tail(&long).ends_with("a.worker"));
        for (seconds, text) in [
            (0.4, "<1s"),
            (119.9, "119s"),
            (120.0, "2m"),
            (90_000.0, "25h"),
        ] {
            assert_eq!(age(seconds), text);
        }
    }
}
