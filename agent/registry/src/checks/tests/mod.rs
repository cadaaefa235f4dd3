//! Runs of checks against real servers.

mod grpc;
mod http;
mod sockets;
mod tls;

use std::time::Duration;

use super::{Outcome, ProbeOptions, Prober};
use crate::model::{Probe, Schedule, Status};

/// Far longer than anything here takes.
const SCHEDULE: Schedule = Schedule {
    interval: Duration::from_secs(10),
    timeout: Some(Duration::from_secs(60)),
};

async fn run(probe: Probe) -> Outcome {
    run_with(ProbeOptions::default(), probe).await
}

async fn run_with(options: ProbeOptions, probe: Probe) -> Outcome {
    Prober::new(options).run(&probe).await.unwrap()
}

fn passing(output: impl Into<String>) -> Outcome {
    Outcome {
        status: Status::Passing,
        output: output.into(),
    }
}

fn critical(output: impl Into<String>) -> Outcome {
    Outcome {
        status: Status::Critical,
        output: output.into(),
    }
}
