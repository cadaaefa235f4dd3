//! The `golens` command.

fn main() -> std::process::ExitCode {
    golens::cli::main()
}
