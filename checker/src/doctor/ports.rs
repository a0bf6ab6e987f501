//! The ports of those who try a server by hand. Grading needs none of them.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use crate::program;

use super::Row;

/// Whose each is.
const PORTS: [(u16, &str); 4] = [
    (8080, "your server"),
    (7001, "the weather"),
    (7002, "auth"),
    (7003, "the noise parent"),
];

pub(super) fn rows() -> Vec<Row> {
    let taken: Vec<_> = PORTS
        .into_iter()
        .filter_map(|(port, whose)| Some((port, whose, why_not(port)?)))
        .collect();
    if taken.is_empty() {
        let all = PORTS.map(|(port, _)| port.to_string()).join(", ");
        return vec![Row::ok("ports", format!("{all} are free"))];
    }
    taken
        .into_iter()
        .map(|(port, whose, why)| {
            let mend = match port {
                8080 => "end it, or give your server another: PORT=8081 cargo run -p ex01",
                _ => "end it, if it is not mock-services of your own",
            };
            Row::warning("ports", format!("{port}, for {whose}: {why}"), mend)
        })
        .collect()
}

/// Why nobody can listen there; `None` where it is free.
fn why_not(port: u16) -> Option<String> {
    let error = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).err()?;
    if error.kind() != ErrorKind::AddrInUse {
        return Some(error.to_string());
    }
    Some(match program::holder(port) {
        Some((pid, name)) => format!("taken by {name} (process {pid})"),
        None => "taken, by whom this system does not say".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_holder() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let why = why_not(port).expect("it is taken");
        assert!(why.starts_with("taken"), "{why}");
        if cfg!(target_os = "linux") {
            assert!(why.contains(&std::process::id().to_string()), "{why}");
        }
    }
}
