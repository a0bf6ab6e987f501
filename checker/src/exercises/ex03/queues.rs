//! What lies in the queues of a TCP connection that may be another's.
//!
//! Linux tells it of one connection whose ends are named (`sock_diag(7)`, with
//! `struct inet_diag_req_v2`). `/proc/net/tcp` has the same of all connections, but
//! looking through the table takes the system some ten milliseconds a time, and six
//! times that once tens of thousands of connections have lately been closed.

use std::net::SocketAddr;

/// Bytes that both ends have sent, or been sent, and nobody has taken: those that the
/// other end's system has not got and those that its program has not read. `None`
/// where the system does not know both ends, or does not say.
pub(super) fn between(one: SocketAddr, other: SocketAddr) -> Option<u64> {
    let ask = asking()?;
    Some(ask(one, other)? + ask(other, one)?)
}

#[cfg(not(target_os = "linux"))]
fn asking() -> Option<impl Fn(SocketAddr, SocketAddr) -> Option<u64>> {
    None::<fn(SocketAddr, SocketAddr) -> Option<u64>>
}

#[cfg(target_os = "linux")]
fn asking() -> Option<impl Fn(SocketAddr, SocketAddr) -> Option<u64>> {
    use std::io::{Read as _, Write as _};
    use std::time::Duration;

    use socket2::{Domain, Protocol, Socket, Type};

    let kind = Type::RAW.cloexec();
    let protocol = Protocol::from(nix::libc::NETLINK_SOCK_DIAG);
    let socket = Socket::new(Domain::from(nix::libc::AF_NETLINK), kind, Some(protocol)).ok()?;
    // It answers before the question has returned; this is for one that never does.
    let limit = Duration::from_millis(100);
    socket.set_read_timeout(Some(limit)).ok()?;
    Some(move |own: SocketAddr, peer: SocketAddr| {
        let mut answer = [0; 1024];
        (&socket).write_all(&message::question(own, peer)?).ok()?;
        let length = (&socket).read(&mut answer).ok()?;
        message::queued(&answer[..length])
    })
}

/// The bytes that go to the kernel and come back.
#[cfg(target_os = "linux")]
mod message {
    use std::net::{IpAddr, SocketAddr};

    /// `SOCK_DIAG_BY_FAMILY`, a question and its answer.
    const BY_FAMILY: u16 = 20;
    /// `NLM_F_REQUEST`
    const REQUEST: u16 = 1;
    /// `struct nlmsghdr`
    const HEADER: usize = 16;
    /// `struct inet_diag_req_v2`
    const QUESTION: usize = 56;
    /// Where `idiag_rqueue` and `idiag_wqueue` stand, the header counted.
    const QUEUES: usize = HEADER + 56;

    /// For the socket whose own end is the first. Of a socket of IPv6 that speaks IPv4,
    /// too: the system has them in one table.
    pub(super) fn question(own: SocketAddr, peer: SocketAddr) -> Option<Vec<u8>> {
        let (IpAddr::V4(source), IpAddr::V4(target)) = (own.ip(), peer.ip()) else {
            return None;
        };
        let mut bytes = Vec::with_capacity(HEADER + QUESTION);
        bytes.extend(u32::try_from(HEADER + QUESTION).ok()?.to_ne_bytes());
        bytes.extend(BY_FAMILY.to_ne_bytes());
        bytes.extend(REQUEST.to_ne_bytes());
        bytes.extend([0; 8]); // one question at a time needs no number, and no sender
        let family = u8::try_from(nix::libc::AF_INET).ok()?;
        let protocol = u8::try_from(nix::libc::IPPROTO_TCP).ok()?;
        bytes.extend([family, protocol, 0, 0]);
        bytes.extend(u32::MAX.to_ne_bytes()); // in whatever state
        bytes.extend(own.port().to_be_bytes());
        bytes.extend(peer.port().to_be_bytes());
        for address in [source, target] {
            bytes.extend(address.octets());
            bytes.extend([0; 12]);
        }
        bytes.extend([0; 4]); // through whatever interface
        bytes.extend([0xff; 8]); // no cookie is known
        Some(bytes)
    }

    /// What is in the queues of the socket that an answer is about.
    pub(super) fn queued(answer: &[u8]) -> Option<u64> {
        let kind = answer.get(4..6)?;
        if kind != BY_FAMILY.to_ne_bytes() {
            return None; // there is no such socket
        }
        let (queues, _) = answer.get(QUEUES..)?.as_chunks::<4>();
        let [came, sent, ..] = queues else {
            return None;
        };
        Some(u64::from(u32::from_ne_bytes(*came)) + u64::from(u32::from_ne_bytes(*sent)))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        proptest::proptest! {
            #[test]
            fn any_answer_is_read_or_refused(answer: Vec<u8>) {
                queued(&answer);
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn lies_between(listens_at: &str) -> [Option<u64>; 3] {
        let listener = TcpListener::bind(listens_at).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let (one, other) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        client.write_all(&[b'.'; 1000]).unwrap();
        server.write_all(&[b'.'; 234]).unwrap();
        let both = between(one, other);
        server.read_exact(&mut [0; 400]).unwrap();
        let less = between(one, other);
        let nobody = between(one, ([127, 0, 0, 2], 1).into());
        [both, less, nobody]
    }

    #[test]
    fn what_nobody_has_read_is_counted_at_both_ends() {
        assert_eq!(lies_between("127.0.0.1:0"), [Some(1234), Some(834), None]);
    }

    #[test]
    fn a_socket_of_both_families_is_found_by_the_one_that_it_speaks() {
        assert_eq!(lies_between("[::]:0"), [Some(1234), Some(834), None]);
    }
}
