//! Asks the kernel for one TCP socket by its two ends, over netlink: what it costs does not depend on how many
//! sockets there are.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    os::fd::{FromRawFd as _, OwnedFd},
};

/// Length of a netlink header, of the request behind it, and of the answer's fixed part.
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
const ANSWER: usize = HEADER + 72;
/// Where the answer has the inode.
const INODE: usize = HEADER + 68;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
/// Matches a socket whatever its cookie.
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// Inode of the connected socket of this network namespace with these two ends.
///
/// # Errors
/// When the kernel has no such interface, or does not answer.
pub(super) fn inode(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<u64>> {
    let mut netlink = open()?;
    netlink.write_all(&request(local, remote))?;
    let mut answer = [0; 1_024];
    let length = netlink.read(&mut answer)?;
    Ok(parse(answer.get(..length).unwrap_or_default()))
}

fn open() -> io::Result<File> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: takes numbers only.
    let descriptor = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was opened just now and belongs to nobody else.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

/// `nlmsghdr`, then `inet_diag_req_v2`.
fn request(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let family = match local {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let mut bytes = Vec::with_capacity(REQUEST);
    bytes.extend((REQUEST as u32).to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(local.port().to_be_bytes());
    bytes.extend(remote.port().to_be_bytes());
    bytes.extend(address(local.ip()));
    bytes.extend(address(remote.ip()));
    bytes.extend([0; 4]);
    bytes.extend(NO_COOKIE);
    bytes
}

fn address(ip: IpAddr) -> [u8; 16] {
    let mut bytes = [0; 16];
    match ip {
        IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes = ip.octets(),
    }
    bytes
}

fn parse(answer: &[u8]) -> Option<u64> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    if kind != SOCK_DIAG_BY_FAMILY || answer.len() < ANSWER {
        return None;
    }
    let inode = u32::from_ne_bytes(answer.get(INODE..INODE + 4)?.try_into().ok()?);
    Some(u64::from(inode)).filter(|inode| *inode != 0)
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        os::fd::AsRawFd as _,
    };

    use super::*;

    #[test]
    fn a_connection_is_found_by_its_two_ends() {
        for own in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(own) else {
                assert_ne!(
                    own, "127.0.0.1:0",
                    "a machine may have no IPv6, but has IPv4"
                );
                continue;
            };
            let client =
                TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
            let (_server, remote) = listener.accept().expect("accepted");
            let local = client.peer_addr().expect("connected");
            let link = format!("/proc/self/fd/{}", client.as_raw_fd());
            let link = std::fs::read_link(link).expect("a link");
            let found = inode(remote, local).expect("answered").expect("found");
            assert_eq!(link.to_string_lossy(), format!("socket:[{found}]"));
            drop(client);
        }
    }

    #[test]
    fn what_is_no_answer_is_no_inode() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[0; ANSWER]), None);
    }
}
