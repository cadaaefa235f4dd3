//! Assembles the parts of a running agent.
//!
//! ```text
//! pump        both rings -> correlator -> sink (metrics, then fan-out); exec and exit -> supervisor
//! supervisor  scans, exec, exit -> adopt -> targets
//! readers     targets -> runtime readings -> metrics
//! profiles    targets -> goroutine profiles -> leaks, metrics, API
//! windows     targets -> probes attached for a short while -> metrics
//! ```

mod adopt;
mod background;
mod command;
mod error;
mod goroutines;
mod pool;
mod profiles;
mod pump;
mod readers;
mod report;
mod settings;
mod sink;
mod supervisor;
mod target;
mod turn;
mod windows;

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use ::config::Watcher;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
};

use self::{
    adopt::Adopter,
    background::Background,
    command::Stopped,
    profiles::{Profiles, Tools},
    pump::Pump,
    readers::{GcPace, Readers},
    report::Counters,
    settings::{Parts, Settings},
    sink::NodeSink,
    supervisor::{Request, Supervisor},
    target::Table,
};
use crate::{
    api,
    cli::RunArgs,
    clock::Clock,
    config::{self, Config},
    correlate::Correlator,
    discovery::{Opener, Procfs, Scanner, ScopeRules},
    documents::{self, Listeners, Serving},
    export::{Exporters, Fanout},
    identity::Node,
    probe::{Kernel, Slots},
    recent::Recent,
    resolve::Resolver,
    services::{Callers, PortUse, Services, Status, Surroundings, Targets},
    telemetry::Telemetry,
};

pub use error::NodeError;

/// Requests to the agent's own server may take this long to end with it.
const SERVER_STOP: Duration = Duration::from_secs(2);

/// Observes until interrupted, or until the command that was started ends.
///
/// # Errors
/// When the agent cannot start.
pub async fn run(args: RunArgs) -> Result<ExitCode, NodeError> {
    let telemetry = Arc::new(Telemetry::new());
    let recent = Arc::new(Recent::new(&config::Recent::default()));
    let fanout = Arc::new(Fanout::new(Arc::clone(&recent)));
    let parts = Parts {
        exporters: Arc::new(Exporters::new(Arc::clone(&fanout), Arc::clone(&telemetry))),
        recent,
        telemetry,
    };
    let settings = Settings::start(&args, parts.clone()).await?;
    let command = match args.command.as_slice() {
        [] => None,
        [program, ..] => {
            let start = Stopped::start(&args.command).await;
            Some(start.map_err(|source| NodeError::Command {
                program: program.clone(),
                source,
            })?)
        }
    };
    let rules = ScopeRules::new(&settings.live().now().scope);
    let rules = match &command {
        Some(stopped) => rules.with_family_of(stopped.pid),
        None => rules,
    };
    let mut agent = match Agent::start(settings, parts, fanout, rules, args.bpf_stats).await {
        Ok(agent) => agent,
        Err(error) => {
            if let Some(stopped) = command {
                stopped.kill().await;
            }
            return Err(error);
        }
    };
    let code = agent.wait(command).await;
    agent.stop().await;
    Ok(code)
}

/// A running agent.
struct Agent {
    stop: watch::Sender<bool>,
    requests: mpsc::Sender<Request>,
    supervisor: tokio::task::JoinHandle<()>,
    background: tokio::task::JoinSet<()>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    services: Services,
    documents: Serving,
    pump: Pump,
    exporters: Arc<Exporters>,
    /// Followed until the end.
    _settings: Settings,
}

impl Agent {
    async fn start(
        settings: Settings,
        parts: Parts,
        fanout: Arc<Fanout>,
        rules: ScopeRules,
        statistics: bool,
    ) -> Result<Self, NodeError> {
        let live = settings.live();
        // What needs a restart; all else is read from `live`.
        let config = &Arc::clone(&live.now());
        let Parts {
            exporters,
            recent,
            telemetry,
        } = parts;
        let procfs = Procfs::default();
        let node = Node::read(&procfs).map_err(NodeError::Identity)?;
        let (kernel, rings) = Kernel::load(&config.probes, statistics)?;
        let kernel = Arc::new(kernel);
        report::refused_programs(&kernel);

        let clock = Arc::new(Clock::new());
        let ports = Arc::new(PortUse::default());
        let (early, early_readings) = mpsc::channel(readers::EARLY_READINGS);
        let sink = NodeSink {
            telemetry: Arc::clone(&telemetry),
            fanout,
            recent: Arc::clone(&recent),
            pace: GcPace::new(early),
            ports: Arc::clone(&ports),
        };
        let correlator = Arc::new(Correlator::new(Arc::clone(&clock), sink));

        let (changes, changed) = mpsc::channel(pump::CHANGES);
        let pump = Pump::start(rings, Arc::clone(&correlator), changes, live.clone())
            .map_err(NodeError::Ring)?;
        if let Err(error) = kernel.watch_processes() {
            tracing::warn!(%error, "exec and exit are not reported; new processes are found by scans");
        }

        let table = Arc::new(Table::default());
        let resolver = Arc::new(Resolver::default());
        let host = node.host_name.clone();
        let adopter = Arc::new(Adopter {
            node,
            kernel: Arc::clone(&kernel),
            correlator: Arc::clone(&correlator),
            recent: Arc::clone(&recent),
            live: live.clone(),
            room: profiles::room(&config.runtime.goroutines),
            opener: Mutex::new(Opener::new(procfs.clone())),
            resolver: Arc::clone(&resolver),
            slots: Mutex::new(Slots::new()),
        });
        let scanner = Scanner::new(procfs, rules);
        let readers = Readers::start(Arc::clone(&telemetry)).map_err(NodeError::Readers)?;
        let readers = Arc::new(readers);
        let supervisor = Supervisor::new(
            adopter,
            Arc::clone(&table),
            Arc::clone(&telemetry),
            Arc::clone(&readers),
            scanner,
        );
        let abandoned = Arc::new(AtomicU64::new(0));
        let profiles = Profiles::start(
            Arc::clone(&table),
            Tools::new(
                Arc::clone(&telemetry),
                Arc::clone(&resolver),
                Arc::clone(&clock),
            ),
        )
        .map_err(NodeError::Readers)?;
        let counters = Counters {
            kernel: Arc::clone(&kernel),
            correlator,
            telemetry: Arc::clone(&telemetry),
            abandoned: Arc::clone(&abandoned),
            missed_changes: Arc::clone(&pump.missed),
            table: Arc::clone(&table),
            resolver,
        };
        let ready = Arc::clone(&supervisor.ready);

        let (stop, stopped) = watch::channel(false);
        let (requests, requested) = mpsc::channel(16);
        let work = supervisor.run(changed, requested, stopped.clone());
        let runtime = tokio::runtime::Handle::current();
        let supervisor = tokio::task::spawn_blocking(move || runtime.block_on(work));
        let background = background::start(
            &live,
            Background {
                kernel: Arc::clone(&kernel),
                table: Arc::clone(&table),
                telemetry: Arc::clone(&telemetry),
                clock,
                counters: counters.clone(),
                watcher: settings.watcher().clone(),
            },
            readers::run(readers, Arc::clone(&table), early_readings),
            profiles,
        );
        let listed = Arc::clone(&table);
        let targets = Arc::new(Targets {
            list: Box::new(move || listed.subjects()),
            changes: table.changes(),
            settled: {
                let ready = Arc::clone(&ready);
                Box::new(move || ready.load(std::sync::atomic::Ordering::Acquire))
            },
        });
        let callers = Arc::new(Callers::start(Arc::clone(&targets)));
        let services = Services::start(
            &config.registry,
            host.clone(),
            Surroundings {
                targets,
                callers: Arc::clone(&callers),
                ports,
                mount: settings.shelf().keys(&config.config),
                live: settings.live(),
            },
            Arc::clone(&telemetry),
        );
        let registry = services.status();
        let documents = Serving::start(
            settings.live(),
            settings.shelf().clone(),
            callers,
            Arc::clone(&registry),
            host,
        );
        let server = serve(
            config,
            (settings.watcher().clone(), documents.listeners().clone()),
            &table,
            kernel,
            telemetry,
            recent,
            registry,
            counters,
            ready,
            stopped,
        )
        .await?;
        Ok(Self {
            stop,
            requests,
            supervisor,
            background,
            server,
            services,
            documents,
            pump,
            exporters,
            _settings: settings,
        })
    }

    /// Waits for a signal, or for the command to end.
    async fn wait(&mut self, command: Option<Stopped>) -> ExitCode {
        let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hang_up)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
            signal(SignalKind::hangup()),
        ) else {
            tracing::error!("signals cannot be received");
            return ExitCode::FAILURE;
        };
        let Some(command) = command else {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hang_up.recv() => {}
                _ = self.requests.closed() => {
                    tracing::error!("the supervisor has ended: golens cannot go on");
                    return ExitCode::FAILURE;
                }
            }
            return ExitCode::SUCCESS;
        };
        let pid = command.pid;
        if !self.adopt(pid).await {
            tracing::warn!(
                pid,
                "the program is not instrumented; /api/v1/targets says why"
            );
        }
        let mut ended = command.resume();
        loop {
            tokio::select! {
                _ = terminate.recv() => command::signal(pid, libc::SIGTERM),
                _ = hang_up.recv() => command::signal(pid, libc::SIGHUP),
                _ = interrupt.recv() => if !command::shares_a_terminal() {
                    command::signal(pid, libc::SIGINT);
                },
                status = &mut ended => return match status {
                    Ok(Ok(status)) => command::exit_code(status),
                    Ok(Err(error)) => {
                        tracing::error!(%error, pid, "cannot wait for the program");
                        ExitCode::FAILURE
                    }
                    Err(_) => ExitCode::FAILURE,
                },
            }
        }
    }

    /// Adopts one process now; `true` when its probes are attached.
    async fn adopt(&self, pid: u32) -> bool {
        let (answer, adopted) = oneshot::channel();
        if self
            .requests
            .send(Request::Adopt(pid, answer))
            .await
            .is_err()
        {
            return false;
        }
        adopted.await.unwrap_or(false)
    }

    /// Detaches, reads what the rings still hold, sends it, and ends.
    async fn stop(mut self) {
        // First what attaches by itself, so that nothing is attached behind the supervisor's back.
        self.background.shutdown().await;
        // Before the targets go: they are not gone because golens is.
        self.services.end();
        self.documents.end();
        self.stop.send_replace(true);
        if let Err(error) = self.supervisor.await {
            tracing::error!(%error, "the supervisor ended with a panic");
        }
        let mut pump = self.pump;
        if let Err(error) = tokio::task::spawn_blocking(move || pump.stop()).await {
            tracing::error!(%error, "the event thread could not be joined");
        }
        tokio::join!(
            self.exporters.shutdown(),
            self.services.ended(),
            self.documents.ended(),
        );
        match tokio::time::timeout(SERVER_STOP, &mut self.server).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the HTTP server failed"),
            Ok(Err(error)) => tracing::error!(%error, "the HTTP server panicked"),
            Err(_) => {
                tracing::warn!("a client keeps its connection; the HTTP server is cut off");
                self.server.abort();
            }
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "assembles the parts that the routes read"
)]
async fn serve(
    config: &Config,
    (watcher, listeners): (Watcher, Listeners),
    table: &Arc<Table>,
    kernel: Arc<Kernel>,
    telemetry: Arc<Telemetry>,
    recent: Arc<Recent>,
    registry: Arc<Status>,
    counters: Counters,
    ready: Arc<std::sync::atomic::AtomicBool>,
    mut stopped: watch::Receiver<bool>,
) -> Result<tokio::task::JoinHandle<std::io::Result<()>>, NodeError> {
    let address = config.http.listen;
    let listen = |source| NodeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    announce(listener.local_addr().map_err(listen)?);
    let (table, of_goroutines) = (Arc::clone(table), Arc::clone(table));
    let state = api::State {
        telemetry,
        recent,
        targets: Box::new(move || table.reports(&kernel)),
        goroutines: Box::new(move || of_goroutines.goroutines()),
        counters: Box::new(move || counters.totals()),
        config: Box::new(move || documents::report(&watcher, &listeners)),
        registry,
        ready,
    };
    let shutdown = async move {
        // A gone sender means the agent ends, too.
        drop(stopped.wait_for(|stopped| *stopped).await);
    };
    Ok(tokio::spawn(api::serve(listener, state, shutdown)))
}

/// Tells a person, or the program that started golens, where it can be reached.
#[expect(
    clippy::print_stdout,
    reason = "the one line that golens prints for its caller"
)]
fn announce(address: std::net::SocketAddr) {
    println!("golens: listening on http://{address}");
}
