//! Whether programs on this machine reach each other, and no proxy comes between.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::program;
use crate::report::words;

use super::Row;

const LIMIT: Duration = Duration::from_secs(5);

/// Variables that send requests elsewhere. Small letters are what curl reads.
const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

pub(super) async fn row() -> Row {
    let tried = tokio::task::spawn_blocking(there_and_back).await;
    match tried.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
        Ok(took) => Row::ok(
            "loopback",
            format!("127.0.0.1 takes {} there and back", words(took)),
        ),
        Err(error) => Row::missing(
            "loopback",
            format!("programs cannot talk over 127.0.0.1: {error}"),
            if cfg!(target_os = "linux") {
                "sudo ip link set lo up (in a container: start it with a network)"
            } else {
                "let your firewall allow connections to 127.0.0.1"
            },
        ),
    }
}

/// A byte there, and the same byte back.
fn there_and_back() -> std::io::Result<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let began = Instant::now();
    let mut asker = TcpStream::connect_timeout(&address, LIMIT)?;
    let (mut server, peer) = listener.accept()?;
    if peer != asker.local_addr()? {
        return Err(std::io::Error::other("somebody else answers there"));
    }
    for stream in [&asker, &server] {
        stream.set_read_timeout(Some(LIMIT))?;
    }
    let mut byte = [7];
    asker.write_all(&byte)?;
    server.read_exact(&mut byte)?;
    server.write_all(&byte)?;
    asker.read_exact(&mut byte)?;
    Ok(began.elapsed())
}

pub(super) fn proxies() -> Row {
    let set: Vec<_> = PROXIES
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        .collect();
    let handed_on: Vec<_> = program::environment()
        .into_iter()
        .filter(|(name, _)| PROXIES.contains(&name.as_str()))
        .map(|(name, _)| name)
        .collect();
    let spared = program::environment()
        .into_iter()
        .any(|(name, value)| name == "NO_PROXY" && spares_loopback(&value));
    if !handed_on.is_empty() || !spared {
        return Row::missing(
            "proxies",
            format!("graded programs are handed {}", handed_on.join(", ")),
            "this is a fault of the checker's: please report it",
        );
    }
    if set.is_empty() {
        return Row::ok("proxies", "none");
    }
    let names = set.join(", ");
    let exception = ["NO_PROXY", "no_proxy"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .any(|value| spares_loopback(&value));
    let graded = "the checker and the programs that it grades go past them";
    if exception {
        Row::ok(
            "proxies",
            format!("{names}, but not for 127.0.0.1; {graded}"),
        )
    } else {
        let mend = if cfg!(windows) {
            "set NO_PROXY=127.0.0.1,localhost"
        } else {
            "export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost"
        };
        let seen = format!("{names}: {graded}, but servers that you start by hand would not");
        Row::warning("proxies", seen, mend)
    }
}

fn spares_loopback(exceptions: &str) -> bool {
    exceptions
        .split(',')
        .map(str::trim)
        .any(|one| one == "*" || one.starts_with("127.0.0."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_read_as_a_list() {
        for spares in [
            "127.0.0.1",
            "a.example, 127.0.0.0/8",
            "*",
            "localhost,127.0.0.1",
        ] {
            assert!(spares_loopback(spares), "{spares}");
        }
        for not in ["", "localhost", "10.0.0.1,a.127.0.0.1"] {
            assert!(!spares_loopback(not), "{not}");
        }
    }

    #[test]
    fn graded_programs_are_told_to_go_past_every_proxy() {
        let handed = program::environment();
        assert!(
            handed
                .iter()
                .all(|(name, _)| !PROXIES.contains(&name.as_str()))
        );
        let spared = handed.iter().find(|(name, _)| name == "NO_PROXY");
        assert!(spared.is_some_and(|(_, value)| spares_loopback(value)));
    }

    #[test]
    fn a_byte_comes_back() {
        there_and_back().expect("this machine has a loopback");
    }
}
