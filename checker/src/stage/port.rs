//! The port that the program is to listen on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use super::Unset;

/// What programs print where an address is taken, in any language we know of.
pub(super) fn in_use(output: &str) -> bool {
    let output = output.to_lowercase();
    [
        "address already in use",
        "address in use",
        "addrinuse",
        "only one usage of each socket",
    ]
    .iter()
    .any(|words| output.contains(words))
}

/// Where a program is to listen: a port outside the range that the system draws
/// from for outgoing connections, so that none of those can take it meanwhile.
///
/// From the moment that it is drawn until the program has bound it, it is anybody's.
/// So that no other checker draws it then, this one holds the UDP port of the same
/// number, which is of no use to a server of the exercises.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) address: SocketAddr,
    _token: UdpSocket,
}

impl Port {
    /// A port that nobody listens on, and no other checker has drawn.
    pub(super) fn draw() -> Result<Self, Unset> {
        static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(fastrand::u16(..)));
        for _ in 0..200 {
            let number = 15_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 17_000;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
            let Ok(token) = UdpSocket::bind(address) else {
                continue;
            };
            let port = Self {
                address,
                _token: token,
            };
            if port.is_free() {
                return Ok(port);
            }
        }
        Err(Unset::Fault(anyhow::anyhow!(
            "no free port between 15000 and 32000 on 127.0.0.1 for the program; \
             what listens on all of them?"
        )))
    }

    /// Whether nobody listens there.
    pub(super) fn is_free(&self) -> bool {
        TcpListener::bind(self.address).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_drawn_once_while_it_is_held() {
        let ports: Vec<_> = (0..50).map(|_| Port::draw().expect("a port")).collect();
        for port in &ports {
            assert!(UdpSocket::bind(port.address).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_output_can_be_asked_for_a_taken_address(text: String) {
            in_use(&text);
        }
    }
}
