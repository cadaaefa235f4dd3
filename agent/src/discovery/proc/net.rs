//! /proc/PID/net: sockets and addresses of the network namespace that a process is in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// State of a socket that listens.
const LISTEN: &str = "0A";

/// A TCP socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listening {
    /// Where.
    pub address: SocketAddr,
    /// Its inode, which descriptors of the processes that have it open show.
    pub inode: u64,
}

/// Listening sockets of a `tcp` or `tcp6` table. The kernel lists them before all others.
#[must_use]
pub(super) fn listening(table: &str) -> Vec<Listening> {
    let rows = table.lines().skip(1).map_while(row);
    rows.take_while(|row| row.state == LISTEN)
        .map(|row| Listening {
            address: row.local,
            inode: row.inode,
        })
        .collect()
}

/// Inode of the connected socket with these two ends in a `tcp` or `tcp6` table.
#[must_use]
pub(super) fn connected(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u64> {
    let mut rows = table.lines().skip(1).filter_map(row);
    let row = rows.find(|row| row.local == local && row.remote == remote)?;
    Some(row.inode).filter(|inode| *inode != 0)
}

/// Own IPv4 addresses in a `fib_trie`, each once.
#[must_use]
pub(super) fn local_v4(trie: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in trie.lines() {
        let line = line.trim_start();
        if let Some(leaf) = line.strip_prefix("|-- ") {
            last = leaf.trim().parse().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(address) = last
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

/// Own IPv6 addresses in an `if_inet6`.
#[must_use]
pub(super) fn local_v6(table: &str) -> Vec<Ipv6Addr> {
    let address = |line: &str| {
        let digits = line.split_whitespace().next()?;
        (digits.len() == 32).then_some(())?;
        u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from)
    };
    table.lines().filter_map(address).collect()
}

struct Row<'a> {
    local: SocketAddr,
    remote: SocketAddr,
    state: &'a str,
    inode: u64,
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...`
fn row(line: &str) -> Option<Row<'_>> {
    let mut words = line.split_whitespace().skip(1);
    let (local, remote) = (end(words.next()?)?, end(words.next()?)?);
    let state = words.next()?;
    let inode = words.nth(5)?.parse().ok()?;
    Some(Row {
        local,
        remote,
        state,
        inode,
    })
}

/// `0100007F:1F90`: 32-bit words in the byte order of the machine, the port in that of people.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = address.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let address = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let mut bytes = [0; 16];
            for (at, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(at)?);
            }
            // A version 6 socket in a version 4 connection.
            IpAddr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 100 0 0 10 0
   2: 0100007F:1F90 0100007F:CAFE 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 20 4 30 10 -1
";

    fn socket(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn listening_sockets_come_first() {
        let found: Vec<_> = listening(TABLE)
            .into_iter()
            .map(|row| (row.address, row.inode))
            .collect();
        assert_eq!(
            found,
            [
                (socket("127.0.0.1:8080"), 4711),
                (socket("0.0.0.0:80"), 4712)
            ]
        );
    }

    #[test]
    fn a_connection_is_found_by_both_ends() {
        let (local, remote) = (socket("127.0.0.1:8080"), socket("127.0.0.1:51966"));
        assert_eq!(connected(TABLE, local, remote), Some(4713));
        assert_eq!(connected(TABLE, remote, local), None);
    }

    #[test]
    fn version_6_addresses_are_read() {
        assert_eq!(
            end("00000000000000000000000001000000:0001"),
            Some(socket("[::1]:1"))
        );
        assert_eq!(
            end("0000000000000000FFFF00000100007F:0001"),
            Some(socket("127.0.0.1:1"))
        );
        assert_eq!(end("0100007F"), None);
        assert_eq!(end("0100007:0001"), None);
    }

    #[test]
    fn own_addresses_are_those_of_hosts() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.2.0\n        /24 link UNICAST\n     |-- 10.1.2.3\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\nLocal:\n     |-- 10.1.2.3\n        /32 host LOCAL\n";
        assert_eq!(
            local_v4(trie),
            [Ipv4Addr::new(10, 1, 2, 3), Ipv4Addr::LOCALHOST]
        );
        let table = "00000000000000000000000000000001 01 80 10 80       lo\nx y\n";
        assert_eq!(local_v6(table), [Ipv6Addr::LOCALHOST]);
    }

    proptest! {
        #[test]
        fn any_text_gives_an_answer(text in ".{0,300}") {
            let _answers = (listening(&text), local_v4(&text), local_v6(&text));
        }
    }
}
