//! Features: what a user switches, and which programs it takes.

use agent_ebpf::counter::Program;
use serde::{Deserialize, Serialize};

/// One subject of observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// HTTP/1 server requests.
    Http,
    /// gRPC server calls.
    Grpc,
    /// Lines on stdout and stderr.
    Log,
    /// Stops of the world.
    Gc,
    /// Begin and end of goroutines.
    Goroutine,
    /// Network reads and writes.
    Net,
    /// How long runnable goroutines wait for a processor.
    Sched,
}

impl Feature {
    /// Every feature.
    pub const ALL: [Self; 7] = [
        Self::Http,
        Self::Grpc,
        Self::Log,
        Self::Gc,
        Self::Goroutine,
        Self::Net,
        Self::Sched,
    ];

    /// The subject word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Log => "log",
            Self::Gc => "gc",
            Self::Goroutine => "goroutine",
            Self::Net => "net",
            Self::Sched => "sched",
        }
    }

    /// The programs a feature needs, all of them or none.
    #[must_use]
    pub const fn programs(self) -> &'static [Program] {
        match self {
            Self::Http => &[Program::HttpServerStart, Program::HttpServerEnd],
            Self::Grpc => &[Program::GrpcServerStart, Program::GrpcServerEnd],
            Self::Log => &[Program::LogWrite],
            Self::Gc => &[Program::GcStop],
            Self::Goroutine => &[Program::GoroutineNew, Program::GoroutineExit],
            Self::Net => &[Program::NetRead, Program::NetWrite],
            Self::Sched => &[Program::SchedReady, Program::SchedExecute],
        }
    }

    /// Programs that join in where the binary has their function.
    #[must_use]
    pub const fn extra_programs(self) -> &'static [Program] {
        match self {
            Self::Grpc => &[Program::GrpcHandlerEnd],
            Self::Goroutine => &[Program::GoroutineBorn, Program::CoroutineBorn],
            _ => &[],
        }
    }

    /// Whether the feature is too hot to stay attached and runs in windows.
    #[must_use]
    pub const fn windowed(self) -> bool {
        matches!(self, Self::Goroutine | Self::Net)
    }

    /// Whether the feature is attached only when somebody asks for it, by `golens trace`.
    #[must_use]
    pub const fn on_demand(self) -> bool {
        matches!(self, Self::Sched)
    }

    /// The feature a program belongs to.
    #[must_use]
    pub fn of(program: Program) -> Self {
        match program {
            Program::HttpServerStart | Program::HttpServerEnd => Self::Http,
            Program::GrpcServerStart | Program::GrpcServerEnd | Program::GrpcHandlerEnd => {
                Self::Grpc
            }
            Program::LogWrite => Self::Log,
            Program::GcStop => Self::Gc,
            Program::GoroutineNew
            | Program::GoroutineExit
            | Program::GoroutineBorn
            | Program::CoroutineBorn => Self::Goroutine,
            Program::NetRead | Program::NetWrite => Self::Net,
            Program::SchedReady | Program::SchedExecute => Self::Sched,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_belongs_to_the_feature_that_lists_it() {
        for &program in Program::ALL {
            let feature = Feature::of(program);
            let mut programs = feature.programs().iter().chain(feature.extra_programs());
            assert!(programs.any(|listed| *listed == program), "{program:?}");
        }
    }
}
