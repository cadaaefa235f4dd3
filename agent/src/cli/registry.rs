//! `golens registry`: the service registry without the rest of the agent.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{Args, Subcommand, ValueEnum};
use registry::{
    ByPeer, CertificateRule, CertificateRules, TagRule, TagRules,
    consul::Settings,
    dns,
    listen::{Address, TlsFiles},
    standalone::{Plan, Signals, Standalone, StartError},
    state::tokens::Rights,
};
use tracing::info;

use super::{CliError, Output, cluster::ClusterArgs, token};

const EXAMPLES: &str = "\
Examples:
  golens registry serve
  golens registry serve --data ./state --http 127.0.0.1:8500 --http unix:///run/golens/consul.sock
  golens registry serve --https 0.0.0.0:8501 --grpc-tls 0.0.0.0:8503 --cert node.crt --key node.key \\
      --client-ca ca.crt --default-policy deny --allow-certificate 'spiffe://prod/ns/shop/*=shop:write'
  golens registry serve --node a --address 10.0.0.1 --etcd-endpoints http://10.0.0.5:2379

Then, from any Consul client:
  curl -X PUT -d '{\"Name\":\"web\",\"Port\":8080}' http://127.0.0.1:8500/v1/agent/service/register
  curl 'http://127.0.0.1:8500/v1/health/service/web?passing'
  dig @127.0.0.1 -p 8600 web.service.consul SRV

What was registered survives a restart. SIGINT and SIGTERM answer what is under way and end with
status 0.";

/// What to do with the registry.
#[derive(Debug, Args)]
pub(super) struct RegistryArgs {
    #[command(subcommand)]
    verb: RegistryVerb,
}

#[derive(Debug, Subcommand)]
enum RegistryVerb {
    /// Serve the registry until interrupted, without observing anything.
    Serve(Box<ServeArgs>),
    /// Make, list and end tokens.
    Token(token::TokenArgs),
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct ServeArgs {
    /// Folder of the durable state; made if it is not there.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "/var/lib/golens/registry"
    )]
    data: PathBuf,
    /// Address of the Consul API, `ADDRESS:PORT` or `unix:///PATH`; may be repeated.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8500")]
    http: Vec<Address>,
    /// Address of the Consul API with encryption; may be repeated.
    #[arg(long, value_name = "ADDRESS:PORT", requires_all = ["cert", "key"])]
    https: Vec<SocketAddr>,
    /// Address of golens' own protocol with encryption; may be repeated.
    #[arg(long, value_name = "ADDRESS:PORT", requires_all = ["cert", "key"])]
    grpc_tls: Vec<SocketAddr>,
    /// Certificate chain of --https and --grpc-tls, PEM.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Private key of that certificate, PEM.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Clients of --https and --grpc-tls must show a certificate of one of these authorities, PEM.
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// What clients may do whose certificate carries NAME, a SPIFFE id, DNS name or common name; with a `*` at
    /// its end, all that begin so. May be repeated; counts where --default-policy is deny. RIGHT is read,
    /// write or admin.
    #[arg(long, value_name = "NAME=NAMESPACE:RIGHT", requires = "client_ca", value_parser = certificate_rule)]
    allow_certificate: Vec<CertificateRule>,
    /// Address of golens' own protocol, gRPC; may be repeated.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8502")]
    grpc: Vec<Address>,
    /// Serve no gRPC without encryption.
    #[arg(long, conflicts_with = "grpc")]
    no_grpc: bool,
    /// Address of DNS, by UDP and TCP; may be repeated.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8600")]
    dns: Vec<SocketAddr>,
    /// Serve no DNS.
    #[arg(long, conflicts_with = "dns")]
    no_dns: bool,
    /// Zone that DNS answers for; may be repeated. Questions for others are refused.
    #[arg(long, value_name = "ZONE", default_value = "consul")]
    dns_zone: Vec<dns::Zone>,
    /// Leave instances whose checks warn out of DNS, as those that are critical always are.
    #[arg(long)]
    dns_only_passing: bool,
    /// How long DNS answers may be kept, such as 5s.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    dns_ttl: Duration,
    /// Name of this node; by default that of the machine.
    #[arg(long, value_name = "NAME", default_value = "")]
    node: String,
    /// Address of instances that register without one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    address: IpAddr,
    /// Name of the datacenter; requests for another one are refused.
    #[arg(long, value_name = "NAME", default_value = "dc1")]
    datacenter: String,
    /// What callers without a token may do.
    #[arg(long, value_enum, default_value_t = Policy::Allow)]
    default_policy: Policy,
    /// A tag that only some callers may use, and who; with a `*` at their ends, all that begin so. May be
    /// repeated. Callers are known by their certificate's name; whoever asks by DNS is `dns`.
    #[arg(long, value_name = "TAG=CALLER,...", value_parser = tag_rule)]
    tag_rule: Vec<TagRule>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Time between snapshots beside the state, such as 1h; 0s for none.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    snapshot_interval: Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Policy {
    /// Everything: tokens are not looked at.
    Allow,
    /// Nothing.
    Deny,
}

/// Runs the verb.
pub(super) async fn run(args: RegistryArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    match args.verb {
        RegistryVerb::Serve(args) => {
            let served = serve(*args).await;
            served.map_err(|source| CliError::Registry { source })?;
        }
        RegistryVerb::Token(args) => token::run(args, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: ServeArgs) -> Result<(), StartError> {
    let signals = Signals::take()?;
    let tag_rules = TagRules(args.tag_rule.clone());
    let standalone = Standalone::open(plan(args)).await?;
    standalone.registry().set_tag_rules(tag_rules);
    for address in standalone.addresses() {
        info!(%address, "the registry answers");
    }
    standalone.serve(Arc::new(ByPeer), signals.received()).await;
    info!("the registry ended");
    Ok(())
}

fn plan(args: ServeArgs) -> Plan {
    let mut listen = args.http;
    let mut grpc = if args.no_grpc { Vec::new() } else { args.grpc };
    if let (Some(certificate), Some(key)) = (args.cert, args.key) {
        let files = TlsFiles {
            certificate,
            key,
            client_authority: args.client_ca,
        };
        let encrypted = |address| Address::Tls(address, files.clone());
        listen.extend(args.https.into_iter().map(encrypted));
        grpc.extend(args.grpc_tls.into_iter().map(encrypted));
    }
    let anonymous = Arc::new(match args.default_policy {
        Policy::Allow => Rights::all(),
        Policy::Deny => Rights::none(),
    });
    Plan {
        data: args.data,
        cluster: args.cluster.settings(),
        node: args.node,
        node_meta: Default::default(),
        listen,
        grpc,
        dns: if args.no_dns { Vec::new() } else { args.dns },
        names: dns::Options {
            zones: args.dns_zone,
            datacenter: args.datacenter.clone(),
            only_passing: args.dns_only_passing,
            ttl: args.dns_ttl,
            anonymous: Arc::clone(&anonymous),
        },
        snapshot_interval: Some(args.snapshot_interval).filter(|time| !time.is_zero()),
        settings: Settings {
            datacenter: args.datacenter,
            address: args.address,
            anonymous,
            certificates: Arc::new(CertificateRules(args.allow_certificate)),
            ..Settings::default()
        },
    }
}

/// Reads `TAG=CALLER,...`.
fn tag_rule(text: &str) -> Result<TagRule, String> {
    let parts = text.split_once('=');
    let (tag, callers) = parts.ok_or(
        "it must be TAG=CALLER or TAG=CALLER,CALLER, such as debug-john=spiffe://dev/john",
    )?;
    Ok(TagRule {
        tag: tag.to_owned(),
        callers: callers.split(',').map(str::to_owned).collect(),
    })
}

/// Reads `NAME=NAMESPACE:RIGHT`.
fn certificate_rule(text: &str) -> Result<CertificateRule, String> {
    let wanted = "it must be NAME=NAMESPACE:RIGHT, such as spiffe://prod/ns/shop/*=shop:write";
    let (name, granted) = text.rsplit_once('=').ok_or(wanted)?;
    let (namespace, right) = granted.rsplit_once(':').ok_or(wanted)?;
    if name.is_empty() || namespace.is_empty() {
        return Err(wanted.to_owned());
    }
    let right = token::Granted::from_str(right, false)
        .map_err(|_unknown| format!("`{right}` is no right: read, write or admin"))?;
    Ok(CertificateRule {
        name: name.to_owned(),
        rights: Rights::none().grant(namespace, right.into()),
    })
}
