//! The generator: one thread, requests at their time, whatever became of those before.
//!
//! Open loop: the time of an answer counts from when its request was due, so that a server that stalls is
//! charged for all requests that had to wait.

mod dns;
mod fleet;
mod grpc;
mod http1;
mod template;
mod wire;

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

pub(crate) use self::{
    dns::Dns,
    fleet::{Fleet, Transport},
    grpc::{Call, Grpc},
    http1::Http1,
    template::{GROUP, NUMBER, Template},
    wire::{Answer, Wire},
};

/// How long answers are waited for when the time is over.
const GRACE: Duration = Duration::from_secs(2);

/// How often is asked.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// So many requests per second, each at its time.
    PerSecond(f64),
    /// The next one as soon as an answer comes: what the server can do at most.
    Most,
}

/// One kind of load.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) transport: Transport,
    pub(crate) connections: usize,
    /// Requests of one connection that may be under way.
    pub(crate) depth: usize,
    pub(crate) pace: Pace,
    pub(crate) time: Duration,
    /// Number of the first request.
    pub(crate) first: u64,
    /// The most requests.
    pub(crate) most: u64,
}

/// What became of it.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) asked: u64,
    pub(crate) good: u64,
    /// From the first request to the last answer.
    pub(crate) time: Duration,
    /// Of good answers, in microseconds, sorted.
    pub(crate) latencies: Vec<u32>,
}

impl Load {
    /// Puts the load on a server.
    pub(crate) fn run<W: Wire>(
        &self,
        address: SocketAddr,
        wire: impl Fn(usize) -> W,
    ) -> io::Result<Outcome> {
        let mut fleet = Fleet::connect(address, self.transport, self.connections, wire)?;
        let mut outcome = Outcome::default();
        let mut answered = 0;
        let begun = Instant::now();
        let end = begun + self.time;
        let due = |number: u64| match self.pace {
            Pace::PerSecond(rate) => begun + Duration::from_secs_f64(number as f64 / rate),
            Pace::Most => end,
        };
        if matches!(self.pace, Pace::Most) {
            for connection in fleet.connections() {
                for _ in 0..self.depth {
                    connection.send(self.first + outcome.asked, begun)?;
                    outcome.asked += 1;
                }
                connection.flush()?;
            }
        }
        loop {
            let now = Instant::now();
            while due(outcome.asked) <= now && now < end && outcome.asked < self.most {
                let place = outcome.asked as usize % self.connections;
                let connection = &mut fleet.connections()[place];
                connection.queue(self.first + outcome.asked, due(outcome.asked));
                connection.advance(self.depth)?;
                outcome.asked += 1;
            }
            let is_over = now >= end || outcome.asked >= self.most;
            if is_over && (answered >= outcome.asked || now >= end + GRACE) {
                break;
            }
            let until = match now < end {
                true => due(outcome.asked).min(end),
                false => now + Duration::from_millis(2),
            };
            fleet.turn(until, &mut |connection, answer| {
                let Some(due) = connection.due(answer.id) else {
                    return Ok(());
                };
                let now = Instant::now();
                answered += 1;
                outcome.take(answer, now - due);
                outcome.time = now - begun;
                if matches!(self.pace, Pace::Most) && now < end && outcome.asked < self.most {
                    connection.queue(self.first + outcome.asked, now);
                    outcome.asked += 1;
                }
                connection.advance(self.depth)
            })?;
        }
        outcome.latencies.sort_unstable();
        Ok(outcome)
    }
}

impl Outcome {
    /// Takes an answer that took so long.
    pub(crate) fn take(&mut self, answer: Answer, latency: Duration) {
        if answer.good {
            self.good += 1;
            let microseconds = latency.as_micros();
            self.latencies
                .push(u32::try_from(microseconds).unwrap_or(u32::MAX));
        }
    }

    /// Good answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.good as f64 / self.time.as_secs_f64()
    }

    /// Share of requests that had a good answer.
    pub(crate) fn share(&self) -> f64 {
        self.good as f64 / self.asked.max(1) as f64
    }

    /// Mean time of an answer, ms.
    pub(crate) fn mean_ms(&self) -> f64 {
        let sum: u64 = self.latencies.iter().map(|us| u64::from(*us)).sum();
        sum as f64 / self.latencies.len().max(1) as f64 / 1e3
    }

    /// The time that a share of the answers did not exceed, ms.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let place = (last as f64 * share).round() as usize;
        self.latencies
            .get(place)
            .map_or(0.0, |us| f64::from(*us) / 1e3)
    }
}
