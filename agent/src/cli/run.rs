//! `golens run`: observe until interrupted.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use super::CliError;

const EXAMPLES: &str = "\
Examples:
  golens run
  golens run --config /etc/golens/golens.yaml
  golens run --scope-cgroup /system.slice/shop.service --listen 0.0.0.0:9717
  golens run -- ./server --port 8080

Settings come from the file, and from variables of the environment over it: GOLENS__HTTP__LISTEN is
http.listen. A changed file takes effect at once; what cannot be used, or needs a restart, is refused with
the reason, and what was in force stays. With a broken file golens starts with the settings that worked last.

With a command after --, golens starts it, observes only it and its children from before its first
request, and ends when it does, with its exit status.";

/// What to observe and how.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    /// Settings, followed while golens runs; without it all have their defaults (`golens config show`).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for what outlives a restart: the settings that worked last, and documents. By default
    /// /var/lib/golens, and none with a command.
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<PathBuf>,
    /// Address of metrics, API and status page, instead of `http.listen`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Open only processes at or below this cgroup path; may be repeated; adds to `scope.cgroups`.
    #[arg(long, value_name = "PATH")]
    pub scope_cgroup: Vec<String>,
    /// Let the kernel measure run time and count of golens' eBPF programs (costs a little per hit).
    #[arg(long)]
    pub bpf_stats: bool,
    /// Program to start and observe.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Runs the node agent.
pub(super) async fn run(args: RunArgs) -> Result<ExitCode, CliError> {
    crate::node::run(args)
        .await
        .map_err(|source| CliError::Node {
            source: Box::new(source),
        })
}
