//! What all goroutines of a process do and who began them, read without probes and without stopping it.
//!
//! ```text
//! walk      runtime.allgs -> some 170 bytes of each goroutine, 1,024 per call
//! slots     was it seen before, and did it run since?
//! groups    by state, wait reason, creation site and first function
//! stack     of one parked goroutine per group, by frame pointers
//! name      addresses -> functions and lines, asked of the child that reads binaries
//! leaks     creation sites whose goroutines only grow in number and never run
//! ```

mod facts;
mod groups;
mod named;
mod pprof;
mod profiler;
mod reasons;
mod room;
mod slots;
mod stack;
mod state;
mod walk;
mod window;

pub use facts::{GoroutineFields, PROFILE_STRUCTS, ProfileFacts, WaitReasons};
pub(crate) use facts::{wanted_fields, wanted_variables};
pub use named::{Call, Group, Place, Profile, ProfileError};
pub use profiler::Profiler;
pub use room::Room;
