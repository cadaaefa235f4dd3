//! A check's definition to the registry's terms.

use crate::{
    consul::{error::ApiError, types::CheckDefinition},
    model::{Addition, CheckSpec, HttpProbe, Name, Probe, Schedule, Status, Thresholds, Tls},
};

const BAD_STATUS: &str = "Status for checks must 'passing', 'warning', 'critical'";
const NO_SCRIPTS: &str = "Invalid check: checks that start programs (script, docker, OS service) do not exist here; \
     use an HTTP, TCP, gRPC or TTL check";

impl CheckDefinition {
    /// What is to be added, under `id` and with `name` for people.
    ///
    /// # Errors
    /// The definition contradicts itself or wants what does not exist here.
    pub(crate) fn addition(&self, id: impl Into<Name>, name: String) -> Result<Addition, ApiError> {
        let status = match self.status.as_str() {
            "" => None,
            text => Some(Status::parse(text).ok_or_else(|| ApiError::bad_request(BAD_STATUS))?),
        };
        let spec = CheckSpec {
            id: id.into(),
            name,
            notes: self.notes.clone(),
            probe: self.probe()?,
            thresholds: self.thresholds()?,
            deregister_after: Some(self.deregister_critical_service_after.to_std())
                .filter(|after| !after.is_zero()),
        };
        Ok(Addition {
            status,
            ..Addition::new(spec)
        })
    }

    fn thresholds(&self) -> Result<Thresholds, ApiError> {
        let warning = self
            .failures_before_warning
            .unwrap_or(self.failures_before_critical);
        if warning > self.failures_before_critical {
            return Err(invalid(
                "FailuresBeforeWarning can't be higher than FailuresBeforeCritical",
            ));
        }
        Ok(Thresholds {
            passing: self.success_before_passing,
            warning,
            critical: self.failures_before_critical,
        })
    }

    fn probe(&self) -> Result<Probe, ApiError> {
        let starts_a_program = !self.script.is_empty()
            || !self.args.is_empty()
            || !self.script_args.is_empty()
            || !self.docker_container_id.is_empty()
            || !self.os_service.is_empty();
        if starts_a_program {
            return Err(ApiError::bad_request(NO_SCRIPTS));
        }
        let is_alias = !self.alias_node.is_empty() || !self.alias_service.is_empty();
        let active = self.active_probe();
        self.check_times(active.is_some(), is_alias)?;
        Ok(match active {
            Some(probe) => probe,
            None if is_alias => Probe::Alias {
                node: self.alias_node.clone(),
                service: self.alias_service.clone(),
            },
            None => Probe::Ttl {
                ttl: self.ttl.to_std(),
            },
        })
    }

    /// Consul's rules on which times go with which check.
    fn check_times(&self, is_active: bool, is_alias: bool) -> Result<(), ApiError> {
        let has_interval = self.interval.nanos() > 0;
        let has_ttl = self.ttl.nanos() > 0;
        if has_interval && has_ttl {
            return Err(invalid("Interval and TTL cannot both be specified"));
        }
        if is_active && !has_interval {
            return Err(invalid(
                "Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks",
            ));
        }
        if is_alias && has_interval {
            return Err(invalid("Interval cannot be set for Alias checks"));
        }
        if is_alias && has_ttl {
            return Err(invalid("TTL must be not be set for Alias checks"));
        }
        if !is_active && !is_alias && !has_ttl {
            return Err(invalid("TTL must be > 0 for TTL checks"));
        }
        Ok(())
    }

    /// The probe that the node itself carries out, if the definition names a target.
    pub(super) fn active_probe(&self) -> Option<Probe> {
        let schedule = Schedule {
            interval: self.interval.to_std(),
            timeout: Some(self.timeout.to_std()).filter(|timeout| !timeout.is_zero()),
        };
        if !self.grpc.is_empty() {
            return Some(Probe::Grpc {
                target: self.grpc.clone(),
                tls: self.tls(self.grpc_use_tls),
                schedule,
            });
        }
        if !self.http.is_empty() {
            return Some(Probe::Http(Box::new(HttpProbe {
                url: self.http.clone(),
                method: self.method.clone(),
                headers: self.header.clone(),
                body: self.body.clone(),
                tls: self.tls(self.http.starts_with("https:")),
                schedule,
            })));
        }
        if !self.tcp.is_empty() {
            return Some(Probe::Tcp {
                address: self.tcp.clone(),
                tls: self.tls(self.tcp_use_tls),
                schedule,
            });
        }
        if !self.udp.is_empty() {
            return Some(Probe::Udp {
                address: self.udp.clone(),
                schedule,
            });
        }
        (!self.h2_ping.is_empty()).then(|| Probe::H2Ping {
            address: self.h2_ping.clone(),
            tls: self.tls(self.h2_ping_use_tls.unwrap_or(true)),
            schedule,
        })
    }

    fn tls(&self, enabled: bool) -> Tls {
        Tls {
            enabled,
            skip_verify: self.tls_skip_verify,
            server_name: self.tls_server_name.clone(),
        }
    }
}

fn invalid(reason: &str) -> ApiError {
    ApiError::bad_request(format!("Invalid check: {reason}"))
}
