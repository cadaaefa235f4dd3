//! Which instances other nodes can use: what only this machine reaches is not told to them.
//!
//! Consul tells everybody every address, and whoever resolves `127.0.0.1` calls itself. Here an instance on
//! such an address stays on its node. A registration can mean it (a helper that runs on every node, or nodes
//! that are all on one machine): [`Settings::publish_loopback`](super::Settings::publish_loopback) publishes
//! those, and never what was merely found to listen there.

use std::net::IpAddr;

use crate::model::{Instance, Source};

/// Whether an instance is of use to other nodes, on a node with this address.
pub(super) fn is_for_others(instance: &Instance, node: &str, publish_loopback: bool) -> bool {
    let is_found = instance.source == Source::Discovered;
    match instance.address.as_str() {
        _ if !instance.socket_path.is_empty() => publish_loopback && !is_found,
        "" => publish_loopback || !is_loopback(node),
        address => !is_loopback(address) || (publish_loopback && !is_found),
    }
}

/// Whether a host or an address leads back to whoever uses it.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    match name.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) => ip.is_loopback() || ip.is_unspecified(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Revision,
        model::{InstanceKey, Weights},
    };

    fn instance(source: Source, address: &str) -> Instance {
        Instance {
            key: InstanceKey {
                namespace: "default".into(),
                node: "a".into(),
                id: "web-1".into(),
            },
            service: "web".into(),
            address: address.to_owned(),
            port: 80,
            ports: Vec::new(),
            socket_path: String::new(),
            tagged_addresses: Default::default(),
            tags: Vec::new(),
            meta: Default::default(),
            weights: Weights::default(),
            enable_tag_override: false,
            extra: Default::default(),
            source,
            lease: None,
            checks: Vec::new(),
            create_revision: Revision(1),
            modify_revision: Revision(1),
        }
    }

    #[test]
    fn these_lead_back_to_whoever_uses_them() {
        for host in [
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "::",
            "localhost",
            "LocalHost.",
            "db.localhost",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["10.0.0.1", "128.0.0.1", "fe80::1", "web.local", "local", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn what_only_this_machine_reaches_stays_here_unless_a_registration_means_it() {
        use Source::{Api, Discovered};
        let node = "10.0.0.1";
        for (source, address, node, by_default, when_meant) in [
            (Api, "10.0.0.7", node, true, true),
            (Discovered, "10.0.0.7", node, true, true),
            (Api, "", node, true, true),
            (Discovered, "", node, true, true),
            (Api, "127.0.0.1", node, false, true),
            (Discovered, "127.0.0.1", node, false, false),
            (Api, "", "127.0.0.1", false, true),
            (Discovered, "", "127.0.0.1", false, true),
        ] {
            let instance = instance(source, address);
            let said = [false, true].map(|meant| is_for_others(&instance, node, meant));
            assert_eq!(
                said,
                [by_default, when_meant],
                "{source:?} {address} {node}"
            );
        }
    }

    #[test]
    fn a_unix_socket_is_of_no_use_to_others() {
        let socket = Instance {
            socket_path: "/run/web.sock".to_owned(),
            ..instance(Source::Api, "")
        };
        assert!(!is_for_others(&socket, "10.0.0.1", false));
        assert!(is_for_others(&socket, "10.0.0.1", true));
    }
}
