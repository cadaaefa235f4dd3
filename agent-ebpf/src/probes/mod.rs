//! The programs, by subject; maps, memory reads and the Go ABI they share.

mod abi_x86_64;
mod gc;
mod goroutine;
mod grpc;
mod headers;
mod hit;
mod http;
mod log;
mod maps;
mod metadata;
mod net;
mod process;
mod read;
mod ring;
mod sched;
mod self_test;
mod sites;
mod spans;
