//! Programs that leak, and healthy ones that look as if they did.

use super::*;

/// Seconds between two readings, as agents take them by default.
const EVERY: u64 = 4;

/// What a program has of one kind of goroutines at a second: reason to wait, all, and those that had not
/// run since the reading before.
type Kind = (&'static str, u64, u64);

/// Goroutines that began at an even rate from a second on, until another, and stay.
#[derive(Clone, Copy)]
struct Coming {
    reason: &'static str,
    from: u64,
    until: u64,
    rate: f64,
}

impl Coming {
    fn at(self, second: u64) -> Kind {
        let begun = |second: u64| {
            let passed = second.min(self.until).saturating_sub(self.from);
            (passed as f64 * self.rate) as u64
        };
        let unmoved = begun(second.saturating_sub(EVERY));
        (self.reason, begun(second), unmoved)
    }
}

/// Goroutines that come from the start on and stay.
fn coming(reason: &'static str, rate: f64) -> Coming {
    Coming {
        reason,
        from: 0,
        until: u64::MAX,
        rate,
    }
}

fn group(site: usize, (reason, count, unmoved): Kind) -> Group {
    Group {
        count,
        known: unmoved,
        unmoved,
        state: "waiting",
        wait_reason: Some(reason.to_owned()),
        system: false,
        age_seconds: 0.0,
        wait_seconds: None,
        created_by: None,
        start: None,
        stack: Vec::new(),
        sample: 1,
        creator: 0x1000 + site as u64,
        entry: 0x2000,
    }
}

/// A profile `second` seconds after the start.
fn profile(second: u64, groups: Vec<Group>) -> Profile {
    Profile {
        pid: 1,
        taken: MonotonicNanos((1_000 + second) * 1_000_000_000),
        goroutines: groups.iter().map(|group| group.count).sum(),
        system: 0,
        unread: 0,
        unremembered: 0,
        ungrouped: 0,
        groups,
    }
}

/// The second in which a program is said to leak, and what.
fn detected(until: u64, program: impl Fn(u64) -> Vec<Kind>) -> Option<(u64, String)> {
    let mut leaks = Leaks::default();
    (0..=until).step_by(EVERY as usize).find_map(|second| {
        let kinds = program(second).into_iter().enumerate();
        let groups = kinds.map(|(site, kind)| group(site, kind)).collect();
        let found = leaks.observe(&profile(second, groups));
        found.first().map(|leak| (second, leak.wait_reason.clone()))
    })
}

/// The second in which goroutines that come at this rate are called a leak.
fn found(reason: &'static str, rate: f64) -> Option<u64> {
    let found = detected(7_200, |second| vec![coming(reason, rate).at(second)]);
    found.map(|(second, _)| second)
}

#[test]
fn the_faster_a_leak_the_sooner_it_is_found() {
    assert_eq!(found("chan receive", 100.0), Some(24));
    assert_eq!(found("chan receive", 10.0), Some(124));
    assert_eq!(found("chan receive", 1.0), Some(324));
    let slow = found("chan receive", 0.1);
    assert!(slow.is_some_and(|second| second < 900), "{slow:?}");
    assert_eq!(found("chan receive", 0.0), None);
}

/// The second in which they are called a leak where one goroutine of the site has ended before.
fn found_where_some_end(reason: &'static str, rate: f64) -> Option<u64> {
    let found = detected(7_200, |second| match second {
        0 => vec![(reason, 1, 0)],
        _ => vec![coming(reason, rate).at(second - 4)],
    });
    found.map(|(second, _)| second - 4)
}

#[test]
fn what_is_known_to_end_takes_longer_where_it_may_end_by_itself() {
    for reason in [
        "select (no cases)",
        "select",
        "sync.Mutex.Lock",
        "sync.WaitGroup.Wait",
        "sync.Cond.Wait",
        "semacquire",
    ] {
        assert_eq!(found(reason, 100.0), Some(24), "{reason}");
    }
    assert_eq!(found("select", 1.0), Some(324));
    let found_again = found_where_some_end;
    assert_eq!(found_again("select (no cases)", 100.0), Some(24));
    assert_eq!(found_again("chan receive", 100.0), Some(24));
    assert_eq!(found_again("select", 100.0), Some(96));
    assert_eq!(found_again("sync.Mutex.Lock", 100.0), Some(96));
    assert_eq!(found_again("select", 1.0), Some(324));
}

/// What reads from the network may be an idle connection, which nobody has seen to end either.
#[test]
fn what_waits_for_the_network_takes_longest() {
    for network in ["IO wait", "reason 7"] {
        let found = found(network, 100.0);
        assert!(
            found.is_some_and(|it| (600..640).contains(&it)),
            "{found:?}"
        );
    }
}

/// Growth of 100 a second is found within 30 s wherever the readings fall, among others that come and go
/// and beside a pool of connections.
#[test]
fn a_leak_of_100_a_second_is_found_within_30_seconds() {
    for from in 60..60 + EVERY {
        let leak = Coming {
            from,
            ..coming("chan receive", 100.0)
        };
        let found = detected(200, |second| {
            // As many as there are, some of which were here before, in no order.
            let noise = second * 7_919 % 200;
            vec![
                ("select", 5_000 + noise, 2_000 + noise),
                ("chan receive", 10_000 - noise, 3_000 - noise),
                ("IO wait", 2_000 + noise, 1_500 + noise / 2),
                leak.at(second),
            ]
        });
        let (second, reason) = found.expect("a leak");
        assert!(second <= from + 28, "{from}: {second}");
        assert_eq!(reason, "chan receive");
    }
}

/// What grew along with connections is judged by itself when no more connections come.
#[test]
fn connections_do_not_hide_a_leak_for_long() {
    let connections = Coming {
        until: 60,
        ..coming("IO wait", 100.0)
    };
    let leak = coming("chan send", 100.0);
    let (second, _) = detected(7_200, |second| {
        vec![connections.at(second), leak.at(second)]
    })
    .expect("a leak");
    assert!((64..=88).contains(&second), "{second}");
}

/// Each connection has a goroutine that reads and one that waits for what is to be written.
#[test]
fn connections_that_come_are_no_leak() {
    for writer in ["select", "chan receive", "sync.Cond.Wait"] {
        for (rate, until) in [(60.0, 20), (60.0, 28), (100.0, 120), (20.0, 500)] {
            let of = |reason| Coming {
                until: 60 + until,
                from: 60,
                ..coming(reason, rate)
            };
            let program = |second| vec![of("IO wait").at(second), of(writer).at(second)];
            assert_eq!(detected(7_200, program), None, "{writer} {rate} {until}");
            // Peers that talk all the time: readers run, writers do not.
            let talking = |second| {
                let (reason, count, _) = of("IO wait").at(second);
                vec![(reason, count, 0), of(writer).at(second)]
            };
            assert_eq!(detected(7_200, talking), None, "{writer} {rate} {until}");
        }
    }
}

/// A leak of pairs, one of which waits for the other, and one of a site that had its goroutines end before.
#[test]
fn a_leak_is_found_whatever_it_waits_for() {
    for (one, other) in [
        ("chan receive", "select"),
        ("sync.WaitGroup.Wait", "sync.Mutex.Lock"),
    ] {
        let pair = |second| [one, other].map(|reason| coming(reason, 100.0).at(second));
        let (second, _) = detected(200, |second| pair(second).to_vec()).expect("a leak");
        assert_eq!(second, 24, "{one} {other}");
    }
}

/// Requests end soon; then they come and find no back end: all of them stay until it is back, or until they
/// give up.
#[test]
fn an_outage_is_no_leak() {
    let requests = |reason, length: u64, timeout: u64| {
        move |second: u64| {
            let end = 60 + length;
            let waiting = |second: u64, since: u64| {
                let oldest = second.saturating_sub(timeout).max(60);
                let newest = if second >= end { 0 } else { second };
                newest.min(since).saturating_sub(oldest) * 100
            };
            let all = waiting(second, second);
            // Before and after it, a few are under way whenever anybody looks.
            let soon_over = if (60..end).contains(&second) { 0 } else { 3 };
            let stay = waiting(second, second.saturating_sub(EVERY));
            (reason, all + soon_over, stay)
        }
    };
    for (length, timeout) in [(30, 3_600), (30, 30), (30, 10), (600, 30), (600, 60)] {
        for reason in ["select", "sync.Mutex.Lock", "semacquire"] {
            let waits = requests(reason, length, timeout);
            assert_eq!(detected(2_000, |second| vec![waits(second)]), None);
        }
        // The handler waits at a channel for one that has a timeout, or for the network.
        for reason in ["select", "sleep", "IO wait"] {
            let (handler, worker) = (
                requests("chan receive", length, timeout),
                requests(reason, length, timeout),
            );
            let program = |second| vec![handler(second), worker(second)];
            assert_eq!(
                detected(2_000, program),
                None,
                "{reason} {length} {timeout}"
            );
        }
    }
}

/// Goroutines that came fast enough for long enough, but do not come any more.
#[test]
fn what_has_just_stopped_is_no_leak() {
    let came = Coming {
        from: 0,
        until: 20,
        ..coming("chan receive", 80.0)
    };
    assert_eq!(detected(7_200, |second| vec![came.at(second)]), None);
}

#[test]
fn what_healthy_programs_do_is_no_leak() {
    let pool = |reason, size: f64, rate: f64| {
        let until = (size / rate) as u64;
        let pool = Coming {
            until,
            ..coming(reason, rate)
        };
        move |second: u64| pool.at(second)
    };
    let steady = |reason, count: fn(u64) -> u64| {
        move |second: u64| (reason, count(second) + 7, count(second))
    };
    for (name, kind) in [
        (
            "a large pool",
            Box::new(pool("chan receive", 1_000.0, 40.0)) as Box<dyn Fn(u64) -> Kind>,
        ),
        ("a slow pool", Box::new(pool("select", 200.0, 2.0))),
        ("idle connections", Box::new(pool("IO wait", 5_000.0, 50.0))),
        ("workers", Box::new(steady("chan receive", |_| 3_000))),
        (
            "bursts",
            Box::new(steady("sync.WaitGroup.Wait", |second| {
                if second % 60 < 20 { 4_000 } else { 0 }
            })),
        ),
        (
            "a tide",
            Box::new(steady("select", |second| {
                2_000 + ((second as f64 / 50.0).sin() * 1_000.0) as u64
            })),
        ),
        (
            "steps",
            Box::new(steady("chan receive", |second| second / 600 * 500)),
        ),
        ("sleepers", Box::new(pool("sleep", 1e6, 100.0))),
    ] {
        assert_eq!(detected(7_200, |second| vec![kind(second)]), None, "{name}");
    }
}

/// The collector looks at some of the stacks: their state is another one, and nothing else is.
#[test]
fn groups_that_differ_in_state_alone_are_one() {
    let mut leaks = Leaks::default();
    let leak = coming("chan receive", 100.0);
    let found: Vec<Leak> = (0..=24)
        .step_by(EVERY as usize)
        .flat_map(|second| {
            let (reason, count, unmoved) = leak.at(second);
            let scanned = Group {
                state: "scan waiting",
                ..group(0, (reason, count / 3, unmoved / 3))
            };
            let rest = group(0, (reason, count - count / 3, unmoved - unmoved / 3));
            leaks.observe(&profile(second, vec![rest, scanned]))
        })
        .collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].count, 2_000);
}

#[test]
fn a_leak_is_told_once_and_forgotten_when_it_has_gone() {
    let mut leaks = Leaks::default();
    let at = |second, kind| profile(second, vec![group(0, kind)]);
    let leak = coming("chan receive", 200.0);
    let mut told = 0;
    for second in (0..=60).step_by(4) {
        told += leaks.observe(&at(second, leak.at(second))).len();
    }
    assert_eq!(told, 1);
    let leak = &leaks.current()[0];
    assert_eq!((leak.count, leak.growing), (11_200, true));
    assert!((leak.per_second - 200.0).abs() < 20.0, "{leak:?}");
    for second in (64..=200).step_by(4) {
        let kind = ("chan receive", 11_200, 11_200);
        assert_eq!(leaks.observe(&at(second, kind)), []);
    }
    assert!(!leaks.current()[0].growing);
    leaks.observe(&at(204, ("chan receive", 5_000, 5_000)));
    assert_eq!(leaks.current(), []);
}
