//! `golens ps`: the Go processes of this node, instrumented or not, and why.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use serde::{Deserialize, Serialize};

use super::{CliError, Output};
use crate::{
    config,
    discovery::{
        Opener, Process, Procfs, RefusedReason, Scanner, ScopeRules, TargetReport, TargetState,
    },
    identity::{GoProgram, Node, ProcessFacts, resolve},
    resolve::Resolver,
};

const EXAMPLES: &str = "\
Examples:
  golens ps                                  Ask the agent of this node
  golens ps --url http://10.0.0.7:9717       Ask another one
  golens ps --scope-cgroup /kubepods         No agent runs: what would it instrument?
  golens ps --all                            Also processes that are no Go programs";

/// Whom to ask and what to show.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PsArgs {
    /// Running agent to ask; when none answers, this command looks for itself.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9717")]
    url: String,
    /// Settings whose scope to use when no agent answers.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Cgroup path to look at when no agent answers; may be repeated.
    #[arg(long, value_name = "PATH")]
    scope_cgroup: Vec<String>,
    /// Also show processes that are no Go programs.
    #[arg(long)]
    all: bool,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// What `GET /api/v1/targets` answers.
#[derive(Debug, Serialize, Deserialize)]
struct Targets {
    targets: Vec<TargetReport>,
}

/// Runs the verb.
pub(super) async fn run(args: PsArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let (running, mut targets) = match ask(&args.url).await? {
        Some(targets) => (true, targets),
        None => (false, look(&args).await?),
    };
    targets.sort_by_key(|target| target.pid);
    if args.json {
        output.json(&serde_json::json!({ "agent": running, "targets": targets }))?;
    } else {
        print(&args, running, &targets, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks a running agent; none when nothing listens there.
async fn ask(url: &str) -> Result<Option<Vec<TargetReport>>, CliError> {
    let url = format!("{}/api/v1/targets", url.trim_end_matches('/'));
    let wrong = |detail: String| CliError::Agent {
        url: url.clone(),
        detail,
    };
    // A plain address needs no TLS, but the client wants a provider chosen before it is built.
    let _already_chosen = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .no_proxy()
        .build()
        .map_err(|error| wrong(error.to_string()))?;
    let response = match client.get(&url).send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    if !response.status().is_success() {
        return Err(wrong(response.status().to_string()));
    }
    let body = response
        .text()
        .await
        .map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str::<Targets>(&body)
        .map(|answer| Some(answer.targets))
        .map_err(|error| wrong(error.to_string()))
}

/// Looks at the processes in scope without an agent.
async fn look(args: &PsArgs) -> Result<Vec<TargetReport>, CliError> {
    let mut scope = config::load(args.config.as_deref()).await?.scope;
    scope.cgroups.extend(args.scope_cgroup.iter().cloned());
    let procfs = Procfs::default();
    let mut scanner = Scanner::new(procfs.clone(), ScopeRules::new(&scope));
    let changes = scanner.scan().map_err(|source| CliError::Scan { source })?;
    let node = Node::read(&procfs).map_err(|source| CliError::Scan { source })?;
    let mut opener = Opener::new(procfs);
    let resolver = Resolver::default();
    let mut targets = Vec::new();
    for candidate in &changes.new {
        match opener.open(candidate) {
            Ok(process) => targets.push(describe(&process, &node, &resolver)),
            Err(RefusedReason::NotGo) if !args.all => {}
            Err(RefusedReason::Exited) => {}
            Err(reason) => targets.push(TargetReport {
                executable: candidate.executable.clone(),
                ..refused(candidate.id.pid, &reason)
            }),
        }
    }
    for (pid, reason) in changes.refused {
        targets.push(refused(pid, &reason));
    }
    Ok(targets)
}

/// What the agent would make of a process.
fn describe(process: &Process, node: &Node, resolver: &Resolver) -> TargetReport {
    let facts = ProcessFacts::read(process);
    let known = TargetReport {
        service: resolve(node, &facts, &GoProgram::default()).service_name,
        executable: process.executable.clone(),
        ..TargetReport::bare(process.id.pid, TargetState::Resolving)
    };
    match resolver.resolve(&process.file) {
        Ok(binary) => TargetReport {
            go_version: binary.go_version.clone(),
            build_id: binary.build_id.clone(),
            symbol_source: binary.symbol_source.clone(),
            layout_source: binary.layout_source.clone(),
            unresolved: binary.unresolved.clone(),
            reason: Some("no agent is running".to_owned()),
            ..known
        },
        Err(error) => TargetReport {
            state: TargetState::Refused,
            reason: Some(error.to_string()),
            ..known
        },
    }
}

fn refused(pid: u32, reason: &RefusedReason) -> TargetReport {
    TargetReport {
        reason: Some(reason.to_string()),
        ..TargetReport::bare(pid, TargetState::Refused)
    }
}

fn print(
    args: &PsArgs,
    running: bool,
    targets: &[TargetReport],
    output: &mut Output,
) -> Result<(), CliError> {
    if !running {
        output.line(format_args!(
            "no agent answers at {}: this is what `golens run` would find in scope",
            args.url
        ))?;
    }
    if targets.is_empty() {
        return output.line("no Go processes in scope");
    }
    let rows: Vec<[String; 7]> = targets.iter().map(|target| row(target, running)).collect();
    let heading = [
        "PID",
        "SERVICE",
        "STATE",
        "GO",
        "PROBES",
        "EXECUTABLE",
        "WHY",
    ];
    output.table(heading, &rows)
}

fn row(target: &TargetReport, running: bool) -> [String; 7] {
    let state = match target.state {
        TargetState::Resolving if !running => "would attach",
        TargetState::Resolving => "resolving",
        TargetState::Attached => "attached",
        TargetState::Partial => "partial",
        TargetState::Refused => "refused",
    };
    let dash = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
    };
    [
        target.pid.to_string(),
        dash(&target.service),
        state.to_owned(),
        dash(&target.go_version),
        target.probes.len().to_string(),
        dash(&target.executable),
        target.reason.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
    };

    use super::*;

    /// Answers one request with a status line and a body; tells its address.
    fn agent(status: &'static str, body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("one request");
            let head = BufReader::new(&stream).lines();
            head.map_while(Result::ok).find(String::is_empty);
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
            )
            .expect("still read");
        });
        format!("http://{address}/")
    }

    #[tokio::test]
    async fn a_running_agent_is_asked() {
        let url = agent(
            "200 OK",
            r#"{"targets":[{"pid":7,"service":"orders","executable":"/o","state":"partial","reason":null,
                "go_version":"go1.26.8","build_id":"x","symbol_source":"symtab","layout_source":"dwarf5",
                "probes":[],"unresolved":[]}]}"#,
        );
        let targets = ask(&url).await.expect("answers").expect("runs");
        assert_eq!(targets[0].service, "orders");
        assert_eq!(row(&targets[0], true)[2], "partial");
    }

    #[tokio::test]
    async fn what_is_no_agent_is_an_error_and_nobody_is_none() {
        for (status, body) in [("500 Oops", "{}"), ("200 OK", "hello")] {
            let error = ask(&agent(status, body)).await.expect_err("unusable");
            assert_eq!(error.error_type(), "agent");
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let nobody = ask(&format!("http://{address}")).await.expect("no error");
        assert!(nobody.is_none());
    }
}
