//! From messages to the model. What is not said has the value that the proto file names.

use std::time::Duration;

use tonic::Status as Refusal;

use super::{error::invalid, v1};
use crate::model::{
    Addition, CheckSpec, DEFAULT_NAMESPACE, HttpProbe, InstanceKey, Name, NamedPort, Probe,
    Registration, Schedule, ServiceAddress, Status, Thresholds, Tls, Weights,
};

pub(super) fn namespace(name: &str) -> Name {
    match name {
        "" => DEFAULT_NAMESPACE.into(),
        name => name.into(),
    }
}

/// An instance; on `node` unless another is named.
pub(super) fn id(id: Option<v1::InstanceId>, node: &Name) -> Result<InstanceKey, Refusal> {
    let id = id.ok_or_else(|| invalid("id", "is missing"))?;
    Ok(InstanceKey {
        namespace: namespace(&id.namespace),
        node: match id.node.as_str() {
            "" => Name::clone(node),
            other => other.into(),
        },
        id: id.id.into(),
    })
}

pub(super) fn registration(
    request: v1::RegisterRequest,
    node: &Name,
) -> Result<Registration, Refusal> {
    let said = request.instance;
    let said = said.ok_or_else(|| invalid("instance", "is missing"))?;
    let key = id(said.id, node)?;
    let is_only = request.checks.len() == 1;
    let checks = request.checks.into_iter().zip(1..).map(|(check, number)| {
        let default = match is_only {
            true => format!("service:{}", key.id),
            false => format!("service:{}:{number}", key.id),
        };
        addition(check, default)
    });
    let checks = checks.collect::<Result<_, _>>()?;
    let ports = said.ports.into_iter().map(|said| {
        Ok(NamedPort {
            name: said.name,
            port: port(said.port)?,
            default: said.default,
        })
    });
    let tagged = said.tagged_addresses.into_iter().map(|(name, said)| {
        let (address, port) = (said.address, port(said.port)?);
        Ok((name, ServiceAddress { address, port }))
    });
    let weights = said.weights.map(|said| Weights {
        passing: said.passing,
        warning: said.warning,
    });
    Ok(Registration {
        address: said.address,
        port: port(said.port)?,
        ports: ports.collect::<Result<_, Refusal>>()?,
        socket_path: said.socket_path,
        tagged_addresses: tagged.collect::<Result<_, Refusal>>()?,
        tags: said.tags,
        meta: said.metadata.into_iter().collect(),
        weights: weights.unwrap_or_default(),
        checks,
        replace_checks: request.replace_checks,
        ..Registration::new(key, said.service)
    })
}

fn port(number: u32) -> Result<u16, Refusal> {
    u16::try_from(number).map_err(|_error| invalid("port", "is greater than 65535"))
}

/// A status; `None` when it is not said.
pub(super) fn status(said: v1::Status) -> Option<Status> {
    match said {
        v1::Status::Unspecified => None,
        v1::Status::Passing => Some(Status::Passing),
        v1::Status::Warning => Some(Status::Warning),
        v1::Status::Critical => Some(Status::Critical),
    }
}

fn addition(check: v1::Check, default_id: String) -> Result<Addition, Refusal> {
    let status = status(check.status());
    let id = match check.id.is_empty() {
        true => default_id,
        false => check.id,
    };
    let name = match check.name.is_empty() {
        true => id.clone(),
        false => check.name,
    };
    let critical = check.failures_before_critical;
    let thresholds = Thresholds {
        passing: check.success_before_passing,
        warning: match check.failures_before_warning {
            0 => critical,
            warning if warning > critical => {
                let reason = "is greater than failures_before_critical";
                return Err(invalid("failures_before_warning", reason));
            }
            warning => warning,
        },
        critical,
    };
    let after = check.deregister_after.map(duration).transpose()?;
    let spec = CheckSpec {
        notes: check.notes,
        probe: probe(check.probe)?,
        thresholds,
        deregister_after: after.filter(|after| !after.is_zero()),
        ..CheckSpec::external(id, name)
    };
    Ok(Addition {
        status,
        ..Addition::new(spec)
    })
}

fn probe(said: Option<v1::check::Probe>) -> Result<Probe, Refusal> {
    use v1::check::Probe as Said;
    let said = said.ok_or_else(|| invalid("probe", "is missing"))?;
    Ok(match said {
        Said::Ttl(said) => Probe::Ttl {
            ttl: positive("ttl", said.ttl)?,
        },
        Said::Http(said) => Probe::Http(Box::new(HttpProbe {
            tls: tls(said.tls, said.url.starts_with("https:")),
            url: said.url,
            method: said.method,
            headers: said
                .headers
                .into_iter()
                .map(|(name, values)| (name, values.values))
                .collect(),
            body: said.body,
            schedule: schedule(said.schedule)?,
        })),
        Said::Tcp(said) => Probe::Tcp {
            address: said.address,
            tls: spoken(said.tls),
            schedule: schedule(said.schedule)?,
        },
        Said::Udp(said) => Probe::Udp {
            address: said.address,
            schedule: schedule(said.schedule)?,
        },
        Said::Grpc(said) => Probe::Grpc {
            target: said.target,
            tls: spoken(said.tls),
            schedule: schedule(said.schedule)?,
        },
        Said::H2Ping(said) => Probe::H2Ping {
            address: said.address,
            tls: spoken(said.tls),
            schedule: schedule(said.schedule)?,
        },
        Said::Alias(said) => Probe::Alias {
            node: said.node,
            service: said.instance,
        },
    })
}

/// TLS that is spoken when it is mentioned.
fn spoken(said: Option<v1::Tls>) -> Tls {
    let enabled = said.is_some();
    tls(said, enabled)
}

fn tls(said: Option<v1::Tls>, enabled: bool) -> Tls {
    let said = said.unwrap_or_default();
    Tls {
        enabled,
        skip_verify: said.skip_verify,
        server_name: said.server_name,
    }
}

fn schedule(said: Option<v1::Schedule>) -> Result<Schedule, Refusal> {
    let said = said.unwrap_or_default();
    let timeout = said.timeout.map(duration).transpose()?;
    Ok(Schedule {
        interval: positive("interval", said.interval)?,
        timeout: timeout.filter(|timeout| !timeout.is_zero()),
    })
}

fn positive(what: &str, said: Option<prost_types::Duration>) -> Result<Duration, Refusal> {
    let length = said.map(duration).transpose()?.unwrap_or_default();
    match length.is_zero() {
        true => Err(invalid(what, "is missing or zero")),
        false => Ok(length),
    }
}

fn duration(said: prost_types::Duration) -> Result<Duration, Refusal> {
    Duration::try_from(said).map_err(|_error| invalid("duration", "is negative"))
}
