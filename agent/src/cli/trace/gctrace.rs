//! The line that `GODEBUG=gctrace=1` prints of a cycle.

use crate::runtime::gc::{GcCycle, Observed};

/// Writes a cycle as the runtime does; what is not known is `?`.
///
/// # Source     go-sym: runtime.gcMarkTermination 1.17..=1.27 mgc.go
pub(super) fn line(cycle: &GcCycle) -> String {
    let none = Observed::default();
    let observed = cycle.observed.as_ref().unwrap_or(&none);
    let since = observed
        .since_start_ns
        .map(|ns| with_decimals(ns / 1_000_000, 3));
    let percent = observed
        .cpu_fraction
        .map(|fraction| (fraction * 100.0).trunc());
    let procs = observed.procs;
    let scanned = match (observed.stack_bytes, observed.globals_bytes) {
        (Some(stack), Some(globals)) => {
            format!("{} MB stacks, {} MB globals, ", stack >> 20, globals >> 20)
        }
        // Go 1.17 does not scan them apart.
        _ => String::new(),
    };
    let forced = match observed.forced {
        Some(true) => " (forced)",
        Some(false) | None => "",
    };
    format!(
        "gc {} @{}s {}%: {} ms clock, {} ms cpu, {} MB, {} MB goal, {scanned}{} P{forced}",
        cycle.number,
        or_unknown(since),
        or_unknown(percent),
        clock(observed),
        cpu(observed),
        heap(observed),
        or_unknown(observed.goal_bytes.map(|bytes| bytes >> 20)),
        or_unknown(procs),
    )
}

fn or_unknown(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// Lengths of the phases.
fn clock(observed: &Observed) -> String {
    let Some(phases) = observed.phases else {
        return "?".to_owned();
    };
    phases.lengths_ns().map(milliseconds).join("+")
}

/// CPU time: the stopped Ps, assists, workers, idle workers, the stopped Ps.
fn cpu(observed: &Observed) -> String {
    let (Some(phases), Some(mark), Some(procs)) =
        (observed.phases, observed.mark_cpu, observed.stop_procs)
    else {
        return "?".to_owned();
    };
    let [sweep_termination, _, mark_termination] = phases.lengths_ns();
    let stopped = |length: u64| milliseconds(length.saturating_mul(u64::from(procs)));
    format!(
        "{}+{}/{}/{}+{}",
        stopped(sweep_termination),
        milliseconds(mark.assist_ns),
        milliseconds(mark.dedicated_ns.saturating_add(mark.fractional_ns)),
        milliseconds(mark.idle_ns),
        stopped(mark_termination),
    )
}

fn heap(observed: &Observed) -> String {
    let Some(bytes) = observed.heap_bytes else {
        return "?".to_owned();
    };
    bytes.map(|bytes| (bytes >> 20).to_string()).join("->")
}

/// Whole milliseconds from 10 on, else two digits with at most three decimals, cut off.
fn milliseconds(nanoseconds: u64) -> String {
    if nanoseconds >= 10_000_000 {
        return (nanoseconds / 1_000_000).to_string();
    }
    let (mut digits, mut decimals) = (nanoseconds / 1_000, 3);
    if digits == 0 {
        return "0".to_owned();
    }
    while digits >= 100 {
        digits /= 10;
        decimals -= 1;
    }
    with_decimals(digits, decimals)
}

/// A number of thousandths, hundredths or tenths.
fn with_decimals(number: u64, decimals: usize) -> String {
    let digits = format!("{number:0>width$}", width = decimals + 1);
    let (whole, rest) = digits.split_at(digits.len() - decimals);
    match rest {
        "" => whole.to_owned(),
        rest => format!("{whole}.{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::MonotonicNanos,
        runtime::gc::{MarkCpu, Phases},
    };

    #[test]
    fn times_are_cut_as_the_runtime_cuts_them() {
        for (nanoseconds, text) in [
            (0, "0"),
            (999, "0"),
            (1_000, "0.001"),
            (38_087, "0.038"),
            (99_999, "0.099"),
            (100_000, "0.10"),
            (197_597, "0.19"),
            (1_259_000, "1.2"),
            (9_999_999, "9.9"),
            (10_000_000, "10"),
            (123_456_789, "123"),
        ] {
            assert_eq!(milliseconds(nanoseconds), text, "{nanoseconds}");
        }
    }

    #[test]
    fn a_cycle_is_the_line_of_the_runtime() {
        let at = |nanoseconds: u64| MonotonicNanos(1_000 + nanoseconds);
        let cycle = GcCycle {
            number: 9,
            pause_ns: 116_696,
            end: None,
            observed: Some(Observed {
                phases: Some(Phases {
                    sweep_termination: at(0),
                    mark: at(114_542),
                    mark_termination: at(255_884),
                    end: at(258_248),
                }),
                forced: Some(true),
                heap_bytes: Some([4_366_120, 4_366_120, 171_816]),
                goal_bytes: Some(8_969_538),
                stack_bytes: Some(29_224),
                globals_bytes: Some(195_978),
                mark_cpu: Some(MarkCpu {
                    assist_ns: 0,
                    dedicated_ns: 0,
                    fractional_ns: 79_020,
                    idle_ns: 116_125,
                }),
                stop_procs: Some(2),
                procs: Some(2),
                cpu_fraction: Some(0.029),
                since_start_ns: Some(3_580_881_103),
                ..Observed::default()
            }),
        };
        let expected = "gc 9 @3.580s 2%: 0.11+0.14+0.002 ms clock, 0.22+0/0.079/0.11+0.004 ms cpu, \
                        4->4->0 MB, 8 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)";
        assert_eq!(line(&cycle), expected);
    }

    #[test]
    fn what_is_not_known_is_no_number() {
        let cycle = GcCycle {
            number: 1,
            pause_ns: 7,
            end: None,
            observed: None,
        };
        let expected = "gc 1 @?s ?%: ? ms clock, ? ms cpu, ? MB, ? MB goal, ? P";
        assert_eq!(line(&cycle), expected);
    }
}
