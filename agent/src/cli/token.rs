//! `golens registry token`: who may do what in the registry.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use registry::{
    Caller, Options, Registry,
    consul::Settings,
    state::tokens::{NewToken, Right, Rights, Token},
};
use serde::Deserialize;
use serde_json::json;

use super::{CliError, Output};

const EXAMPLES: &str = "\
Examples:
  golens registry token create --data /var/lib/golens/registry --namespace '*' --rights admin
  golens registry token create --namespace shop --rights write --lifetime 30d --description 'shop deploys'
  golens registry token list
  golens registry token revoke 0f1c9a4e-0c4e-4f39-9b6a-3c1f0b6d2a11

The secret is shown once; the registry keeps its hash. Programs show it as X-Consul-Token, or over gRPC as
`authorization: Bearer SECRET`. Tokens count where registry.default_policy is deny.
With --data the state is changed directly, while no registry runs: the way to the first token. Otherwise a
running registry is asked, with a token that may administer everything in GOLENS_REGISTRY_TOKEN.";

/// What to do with tokens.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TokenArgs {
    /// Address of the running registry's Consul API.
    #[arg(
        long,
        value_name = "URL",
        global = true,
        default_value = "http://127.0.0.1:8500"
    )]
    address: String,
    /// Folder of the state of a registry that does not run.
    #[arg(long, value_name = "FOLDER", global = true)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    verb: TokenVerb,
}

#[derive(Debug, Subcommand)]
enum TokenVerb {
    /// Make a token and show its secret, this once.
    Create(CreateArgs),
    /// List all tokens, without their secrets.
    List,
    /// End a token.
    Revoke {
        /// The accessor that `create` and `list` show.
        accessor: String,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Namespace; with a `*` at its end, all that begin so. May be repeated; --rights is for all of them.
    #[arg(long, value_name = "NAME", required = true)]
    namespace: Vec<String>,
    /// What it allows there: read, write (and read), or admin (everything).
    #[arg(long, value_enum)]
    rights: Granted,
    /// It allows nothing any more after this time, such as 30d; without it, it does not end.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    lifetime: Option<Duration>,
    /// For people.
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
}

/// A right, as it is written on the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Granted {
    Read,
    Write,
    Admin,
}

impl From<Granted> for Right {
    fn from(granted: Granted) -> Self {
        match granted {
            Granted::Read => Self::Read,
            Granted::Write => Self::Write,
            Granted::Admin => Self::Admin,
        }
    }
}

/// A new token, as the registry answers.
#[derive(Deserialize)]
struct Made {
    secret: String,
    #[serde(flatten)]
    token: Token,
}

/// Runs the verb.
pub(super) async fn run(args: TokenArgs, output: &mut Output) -> Result<(), CliError> {
    let place = match args.data {
        Some(folder) => Place::State(open(&folder).await?),
        None => Place::Running(args.address),
    };
    match args.verb {
        TokenVerb::Create(wish) => {
            let made = place.create(wish).await?;
            output.line(format_args!("secret    {}", made.secret))?;
            output.line(format_args!("accessor  {}", made.token.accessor))?;
        }
        TokenVerb::List => {
            for token in place.list().await? {
                output.line(describe(&token))?;
            }
        }
        TokenVerb::Revoke { accessor } => {
            let token = place.revoke(accessor).await?;
            output.line(format_args!("revoked  {}", token.accessor))?;
        }
    }
    Ok(())
}

/// Where the tokens are.
enum Place {
    State(Registry),
    Running(String),
}

impl Place {
    async fn create(&self, wish: CreateArgs) -> Result<Made, CliError> {
        let right = Right::from(wish.rights);
        let rights: BTreeMap<String, Right> = wish
            .namespace
            .into_iter()
            .map(|name| (name, right))
            .collect();
        match self {
            Self::State(registry) => {
                let grant = |all: Rights, (name, right): (String, Right)| all.grant(name, right);
                let new = NewToken {
                    description: wish.description,
                    rights: rights.into_iter().fold(Rights::none(), grant),
                    lifetime: wish.lifetime,
                };
                let issued = registry.issue_token(new, &Caller::internal()).await;
                let issued = issued.map_err(|source| CliError::Token { source })?;
                Ok(Made {
                    secret: issued.secret,
                    token: issued.token,
                })
            }
            Self::Running(address) => {
                let body = json!({
                    "description": wish.description,
                    "rights": rights,
                    "lifetime_s": wish.lifetime.map(|lifetime| lifetime.as_secs()),
                });
                let client = client(address)?;
                ask(address, client.post(url(address, "")).json(&body)).await
            }
        }
    }

    async fn list(&self) -> Result<Vec<Token>, CliError> {
        match self {
            Self::State(registry) => {
                let tokens = registry.tokens(&Caller::internal());
                tokens.map_err(|source| CliError::Token { source })
            }
            Self::Running(address) => ask(address, client(address)?.get(url(address, ""))).await,
        }
    }

    async fn revoke(&self, accessor: String) -> Result<Token, CliError> {
        match self {
            Self::State(registry) => {
                let revoked = registry.revoke_token(accessor, &Caller::internal()).await;
                revoked.map_err(|source| CliError::Token { source })
            }
            Self::Running(address) => {
                let url = url(address, &format!("/{accessor}"));
                ask(address, client(address)?.delete(url)).await
            }
        }
    }
}

fn describe(token: &Token) -> String {
    let rights = serde_json::to_string(&token.rights).unwrap_or_default();
    let ends = match token.expires_ms {
        None => "never".to_owned(),
        Some(ms) => {
            let end = std::time::UNIX_EPOCH + Duration::from_millis(ms);
            humantime::format_rfc3339_seconds(end).to_string()
        }
    };
    format!(
        "{}  ends {ends}  {rights}  {}",
        token.accessor, token.description
    )
}

/// Opens a state that no registry has open.
async fn open(folder: &std::path::Path) -> Result<Registry, CliError> {
    let start = |source| CliError::Registry { source };
    registry::standalone::make_folder(folder).map_err(start)?;
    let settings = Settings::default();
    let node = registry::standalone::node(&settings).map_err(start)?;
    let options = Options {
        node,
        node_checks: vec![Settings::serf_check()],
        state: state::Options::default(),
        probes: registry::ProbeOptions::default(),
        snapshot_interval: None,
    };
    let opened = Registry::open(&folder.join(registry::standalone::STATE), options).await;
    Ok(opened.map_err(|error| start(error.into()))?.0)
}

fn url(address: &str, rest: &str) -> String {
    format!("{}/v1/golens/tokens{rest}", address.trim_end_matches('/'))
}

fn client(address: &str) -> Result<reqwest::Client, CliError> {
    // A plain address needs no TLS, but the client wants a provider chosen before it is built.
    let _already_chosen = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .no_proxy();
    client
        .build()
        .map_err(|error| unanswered(address, error.to_string()))
}

async fn ask<T: serde::de::DeserializeOwned>(
    address: &str,
    request: reqwest::RequestBuilder,
) -> Result<T, CliError> {
    let failed = |error: reqwest::Error| unanswered(address, crate::doctor::error_chain(&error));
    let request = match std::env::var("GOLENS_REGISTRY_TOKEN") {
        Ok(token) => request.header("X-Consul-Token", token),
        Err(_) => request,
    };
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    let body = response.text().await.map_err(failed)?;
    match status.is_success() {
        true => serde_json::from_str(&body).map_err(|error| unanswered(address, error.to_string())),
        false => Err(unanswered(address, format!("{status}: {}", body.trim()))),
    }
}

fn unanswered(address: &str, detail: String) -> CliError {
    CliError::Agent {
        url: address.to_owned(),
        detail,
    }
}
