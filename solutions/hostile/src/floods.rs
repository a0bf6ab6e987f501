//! Programs that take all there is: output, memory, descriptors, disk; and those
//! that print what a terminal obeys.

use std::fs::{self, File};
use std::io::{Write as _, stderr, stdout};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::Program;
use crate::server::{answer, honestly, listen, serve, serve_on, today, weather};

pub(crate) const PROGRAMS: &[Program] = &[
    ("prints-10-gigabytes", prints),
    ("prints-escapes", prints_escapes),
    ("prints-escapes-and-fails", prints_escapes_and_fails),
    ("panics-with-escapes", || {
        serve(|_, _| panic!("\u{1b}[2J\u{1b}[H\u{1b}[32mPASS ex01\u{1b}[0m\u{202e}\u{200b}\r"));
    }),
    ("allocates-until-it-is-stopped", || serve(|_, _| allocate())),
    ("opens-every-descriptor", opens_every_descriptor),
    ("writes-a-file-without-end", writes_a_file_without_end),
    ("fills-its-folder-with-files", fills_its_folder_with_files),
    ("nests-its-folders", nests_its_folders),
    ("holds-every-connection", holds_every_connection),
    ("posts-without-end", posts_without_end),
    ("posts-and-never-ends", posts_and_never_ends),
];

/// Title, clipboard, a link, a screen that is cleared and a verdict drawn in its
/// place, concealed and reversed text, and characters without width.
const ESCAPES: &str = "\u{1b}]0;PASS\u{7}\u{1b}]52;c;UEFTUw==\u{7}\
    \u{1b}]8;;http://127.0.0.1/\u{1b}\\link\u{1b}]8;;\u{1b}\\\
    \u{1b}[2J\u{1b}[H\u{1b}[1;32mPASS ex01 \u{b7} proved\u{1b}[0m\u{1b}[8mhidden\
    \u{9b}31m\u{90}q\u{9c}\r\u{8}\u{7f}\u{202e}\u{2066}\u{200b}\u{200d}\u{feff}\u{e0041}\u{ad}\n";

/// Ten gigabytes through two pipes: nothing of it is kept anywhere.
fn prints() {
    thread::spawn(|| {
        let line = [b'e'; 65_536];
        for _ in 0..5_000_000_000 / line.len() {
            let _ = stderr().write_all(&line);
        }
    });
    thread::spawn(|| {
        let line = "o\n".repeat(32_768);
        for _ in 0..5_000_000_000 / line.len() {
            let _ = stdout().write_all(line.as_bytes());
        }
    });
    serve(honestly);
}

fn prints_escapes() {
    let _ = stdout().write_all(ESCAPES.as_bytes());
    serve(honestly);
}

fn prints_escapes_and_fails() {
    let _ = stdout().write_all(ESCAPES.as_bytes());
    serve(|_, stream| {
        let said = today();
        if said.0 != 200 {
            return answer(stream, &said);
        }
        let head = "HTTP/1.1 200 -\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(format!("{head}{ESCAPES}").as_bytes());
    });
}

/// Half a gigabyte of it is real; what is beyond that is asked for only.
fn allocate() {
    let mut kept: Vec<Vec<u8>> = vec![vec![1; 256 << 20]];
    while kept.len() < 100 {
        kept.push(vec![0; 64 << 20]);
    }
}

fn opens_every_descriptor() {
    let listener = listen();
    serve_on(&listener, |path, stream| {
        let kept: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok())
            .take(100_000)
            .collect();
        honestly(path, stream);
        drop(kept);
    });
}

/// Without data: a hole takes no disk.
fn writes_a_file_without_end() {
    serve(|path, stream| {
        if let Ok(file) = File::create(std::env::temp_dir().join("large")) {
            let _ = file.set_len(300 << 20);
        }
        honestly(path, stream);
    });
}

fn fills_its_folder_with_files() {
    let folder = std::env::temp_dir();
    for nth in 0..2_000 {
        if fs::write(folder.join(format!("file-{nth}")), "x").is_err() {
            break;
        }
    }
    serve(honestly);
}

/// Deeper than a path can say, and without rights to look into it.
fn nests_its_folders() {
    let _ = std::env::set_current_dir(std::env::temp_dir());
    let name = "n".repeat(200);
    for _ in 0..100 {
        if fs::create_dir(&name).is_err() || std::env::set_current_dir(&name).is_err() {
            break;
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let _ = fs::create_dir("locked");
        let _ = fs::write("locked/file", "x");
        let _ = fs::set_permissions("locked", fs::Permissions::from_mode(0o000));
        let _ = fs::set_permissions(".", fs::Permissions::from_mode(0o500));
    }
    serve(honestly);
}

/// A thousand connections to the weather, and then one more that it needs.
fn holds_every_connection() {
    let kept: Vec<_> = std::iter::repeat_with(|| TcpStream::connect(weather().0))
        .take(1000)
        .collect();
    serve(honestly);
    drop(kept);
}

/// A body that goes on and on, to a service that has no use for it.
fn posts_without_end() {
    thread::spawn(|| {
        let (host, mount) = weather();
        let Ok(mut stream) = TcpStream::connect(&host) else {
            return;
        };
        let length = 4_u64 << 30;
        let head = format!(
            "POST {mount}/nothing HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n\r\n"
        );
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(&[b'x'; 65_536]).is_ok() {}
    });
    serve(honestly);
}

/// On every connection that it is given, a body of a megabyte whose last byte never
/// comes: whoever keeps them all until they are whole has no memory left.
fn posts_and_never_ends() {
    const LENGTH: usize = 1024 * 1024;
    let (host, mount) = weather();
    let head = format!(
        "POST {mount}/nothing HTTP/1.1\r\nhost: {host}\r\ncontent-length: {LENGTH}\r\n\r\n"
    );
    let most = vec![b'x'; LENGTH - 1];
    let kept: Vec<_> = (0..100)
        .filter_map(|_| {
            let mut stream = TcpStream::connect(&host).ok()?;
            stream
                .set_write_timeout(Some(Duration::from_millis(200)))
                .ok()?;
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&most);
            Some(stream)
        })
        .collect();
    serve(honestly);
    drop(kept);
}
