//! A network namespace behind links that can be cut: packets are lost, and nobody is told.
//!
//! Needs CAP_NET_ADMIN and iproute2, as the rest of the root tests need root.

use std::process::Command;

use super::run_dir::unique;

/// A namespace with two links to this one. Removed when it goes out of scope.
#[derive(Debug)]
pub struct Network {
    namespace: String,
    links: Vec<Link>,
}

/// One link.
#[derive(Clone, Debug)]
pub struct Link {
    /// Address inside.
    pub inside: String,
    /// Address on this side.
    outside: String,
}

impl Network {
    /// Makes a namespace with as many links.
    ///
    /// # Panics
    /// When `ip` is missing or refuses.
    #[must_use]
    pub fn new(links: u8) -> Self {
        let id = std::process::id();
        let namespace = format!("golens-{}", unique());
        ip(&["netns", "add", &namespace]);
        let mut network = Self {
            namespace,
            links: Vec::new(),
        };
        network.inside(&["link", "set", "lo", "up"]);
        for number in 0..links {
            // Two ends of a cable each, in a range that is kept for tests of networks.
            let (here, there) = (format!("gl{id}h{number}"), format!("gl{id}n{number}"));
            let third = id % 256;
            let link = Link {
                outside: format!("198.18.{third}.{}", 4 * number + 1),
                inside: format!("198.18.{third}.{}", 4 * number + 2),
            };
            ip(&[
                "link",
                "add",
                &here,
                "type",
                "veth",
                "peer",
                "name",
                &there,
                "netns",
                &network.namespace,
            ]);
            ip(&["addr", "add", &format!("{}/30", link.outside), "dev", &here]);
            ip(&["link", "set", &here, "up"]);
            network.inside(&["addr", "add", &format!("{}/30", link.inside), "dev", &there]);
            network.inside(&["link", "set", &there, "up"]);
            network.links.push(link);
        }
        network
    }

    /// One of its links.
    ///
    /// # Panics
    /// When it has no such link.
    #[must_use]
    pub fn link(&self, number: usize) -> &Link {
        &self.links[number]
    }

    /// A program that will run inside.
    #[must_use]
    pub fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace])
            .arg(program);
        command
    }

    /// From now on what comes in by this link is never answered.
    ///
    /// # Panics
    /// When `ip` refuses.
    pub fn cut(&self, number: usize) {
        self.inside(&["route", "add", "blackhole", &self.links[number].outside]);
    }

    /// Packets pass again.
    ///
    /// # Panics
    /// When `ip` refuses.
    pub fn mend(&self, number: usize) {
        self.inside(&["route", "del", "blackhole", &self.links[number].outside]);
    }

    fn inside(&self, arguments: &[&str]) {
        let namespace = ["-n", &self.namespace];
        ip(&[&namespace, arguments].concat());
    }
}

impl Drop for Network {
    /// The links go with the namespace, once what runs in it has ended.
    fn drop(&mut self) {
        let removed = Command::new("ip")
            .args(["netns", "del", &self.namespace])
            .status();
        if !std::thread::panicking() {
            let status = removed.expect("ip runs");
            assert!(status.success(), "ip netns del: {status}");
        }
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("these tests need iproute2: cannot start `ip`: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "ip {}: {said}(these tests need CAP_NET_ADMIN and CAP_SYS_ADMIN)",
        arguments.join(" ")
    );
}
