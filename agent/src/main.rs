//! The `golens` command.

/// Secrets leave no copies in freed memory.
#[global_allocator]
static HEAP: golens::heap::Clearing = golens::heap::Clearing;

fn main() -> std::process::ExitCode {
    golens::cli::main()
}
