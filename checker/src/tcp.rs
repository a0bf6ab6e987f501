//! What the system tells of a TCP connection that may be another's: what lies in its
//! queues, and whether an end of it is still open.
//!
//! Linux tells it of one socket whose two ends are named (`sock_diag(7)`, with
//! `struct inet_diag_req_v2`). `/proc/net/tcp` has the same of all connections, but
//! looking through the table takes the system some ten milliseconds a time, and six
//! times that once tens of thousands of connections have lately been closed.

use std::net::SocketAddr;

/// Bytes that both ends have sent, or been sent, and nobody has taken: those that the
/// other end's system has not got and those that its program has not read. `None`
/// where the system does not know both ends, or does not say.
pub fn queued_between(one: SocketAddr, other: SocketAddr) -> Option<u64> {
    let ask = asking()?;
    let queued = |own, peer| Some(ask(own, peer)??.queued);
    Some(queued(one, other)? + queued(other, one)?)
}

/// Whether whoever has that end has it open still, to send: it has neither closed it, nor
/// sent its last. What it had sent before may be under way even so. `None` where the
/// system does not say.
pub fn is_open(own: SocketAddr, peer: SocketAddr) -> Option<bool> {
    let end = asking()?(own, peer)?;
    Some(end.is_some_and(|end| end.is_open))
}

/// One end of a connection.
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "no other system tells")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    /// It can be sent to, and sent from.
    is_open: bool,
    /// Bytes that came and were not read, and bytes that the other end has not got.
    queued: u64,
}

#[cfg(not(target_os = "linux"))]
fn asking() -> Option<impl Fn(SocketAddr, SocketAddr) -> Option<Option<End>>> {
    None::<fn(SocketAddr, SocketAddr) -> Option<Option<End>>>
}

/// Asks for one end; `Some(None)` where the system knows of none.
#[cfg(target_os = "linux")]
fn asking() -> Option<impl Fn(SocketAddr, SocketAddr) -> Option<Option<End>>> {
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
        message::end(&answer[..length])
    })
}

/// The bytes that go to the kernel and come back.
#[cfg(target_os = "linux")]
mod message {
    use std::net::{IpAddr, SocketAddr};

    use super::End;

    /// `SOCK_DIAG_BY_FAMILY`, a question and its answer.
    const BY_FAMILY: u16 = 20;
    /// `NLM_F_REQUEST`
    const REQUEST: u16 = 1;
    /// `struct nlmsghdr`
    const HEADER: usize = 16;
    /// `struct inet_diag_req_v2`
    const QUESTION: usize = 56;
    /// `NLMSG_ERROR`
    const ERROR: u16 = 2;
    /// Where its number stands, negative.
    const NUMBER: usize = HEADER;
    /// Where `idiag_state` stands, the header counted.
    const STATE: usize = HEADER + 1;
    /// `TCP_ESTABLISHED`, and `TCP_CLOSE_WAIT`: the other end has sent its last.
    const OPEN: [u8; 2] = [1, 8];
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

    /// The socket that an answer is about; `Some(None)` where it says that there is none.
    pub(super) fn end(answer: &[u8]) -> Option<Option<End>> {
        let kind = answer.get(4..6)?;
        if kind == ERROR.to_ne_bytes() {
            let number = answer.get(NUMBER..)?.first_chunk()?;
            return (i32::from_ne_bytes(*number) == -nix::libc::ENOENT).then_some(None);
        }
        if kind != BY_FAMILY.to_ne_bytes() {
            return None;
        }
        let state = answer.get(STATE)?;
        let (queues, _) = answer.get(QUEUES..)?.as_chunks::<4>();
        let [came, sent, ..] = queues else {
            return None;
        };
        Some(Some(End {
            is_open: OPEN.contains(state),
            queued: u64::from(u32::from_ne_bytes(*came)) + u64::from(u32::from_ne_bytes(*sent)),
        }))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        proptest::proptest! {
            #[test]
            fn any_answer_is_read_or_refused(answer: Vec<u8>) {
                end(&answer);
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn connection(listens_at: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(listens_at).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn lies_between(listens_at: &str) -> [Option<u64>; 3] {
        let (mut client, mut server) = connection(listens_at);
        let (one, other) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        client.write_all(&[b'.'; 1000]).unwrap();
        server.write_all(&[b'.'; 234]).unwrap();
        let both = queued_between(one, other);
        server.read_exact(&mut [0; 400]).unwrap();
        let less = queued_between(one, other);
        let nobody = queued_between(one, ([127, 0, 0, 2], 1).into());
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

    #[test]
    fn an_end_is_open_until_whoever_has_it_closes_it_whatever_is_under_way() {
        for unread in [0, 100] {
            let (mut client, mut server) = connection("127.0.0.1:0");
            let (one, other) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
            server.write_all(&[b'.'; 1000]).unwrap();
            client.write_all(&vec![b'.'; unread]).unwrap();
            assert_eq!(is_open(other, one), Some(true));
            // With something unread in it, it is reset.
            drop(server);
            assert_eq!(is_open(other, one), Some(false));
        }
        // Whoever has only heard the other's last may still send.
        let (client, server) = connection("127.0.0.1:0");
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let (one, other) = (server.local_addr().unwrap(), server.peer_addr().unwrap());
        assert_eq!(is_open(one, other), Some(true));
        assert_eq!(is_open(other, one), Some(false));
    }
}
