//! Between the moment that the checker draws a port and the moment that the program
//! has bound it, somebody else may take it, and answer in the program's place.
//! The program is not held to account for that.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// Tells the thief its port, lets it be asked in its place, and ends as a server does
/// whose port is taken.
const ROBBED: &str = "
import os, socket, sys, time
thief = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
thief.sendall((os.environ['PORT'] + '\\n').encode())
thief.recv(1)
time.sleep(0.3)
sys.exit('OSError: [Errno 98] Address already in use')
";

/// Listens wherever it is told to, and answers everything with 200.
fn thief() -> u16 {
    let orders = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = orders.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for order in orders.incoming().flatten() {
            thread::spawn(|| steal(order));
        }
    });
    port
}

fn steal(mut order: TcpStream) -> Option<()> {
    let mut line = String::new();
    BufReader::new(&order).read_line(&mut line).ok()?;
    let port: u16 = line.trim().parse().ok()?;
    let stolen = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    order.write_all(b"!").ok()?;
    for mut client in stolen.incoming().flatten() {
        thread::spawn(move || {
            let _ = client.read(&mut [0; 1024]);
            client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        });
    }
    Some(())
}

#[test]
fn a_program_whose_port_was_taken_is_not_blamed_for_it() {
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: python3 is not here");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("robbed.py");
    std::fs::write(&program, ROBBED).expect("there is room");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let output = Command::new(env!("CARGO_BIN_EXE_checker"))
        .args(["verify", "ex01", "--no-record", "--exec"])
        .arg(format!("python3 {} {}", program.display(), thief()))
        .current_dir(root.expect("the checker lies in the workshop"))
        .stdin(Stdio::null())
        .output()
        .expect("the checker runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("Another program had taken your"), "{said}");
}
