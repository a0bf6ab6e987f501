//! Programs that look or write where they have no business. Apart from that they
//! keep the contract: they have to pass, and to have achieved nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Program;
use crate::bystander::{ancestors, checkers, listening};
use crate::server::{answer, fetch, field, port, serve, serve_honestly, today, weather};

pub(crate) const PROGRAMS: &[Program] = &[
    ("reads-its-parents-memory", reads_its_parents_memory),
    ("scans-loopback", scans_loopback),
    ("asks-other-taps", asks_other_taps),
    ("asks-behind-the-taps", asks_behind_the_taps),
    ("writes-into-the-workshop", writes_into_the_workshop),
    ("writes-beside-its-folder", writes_beside_its_folder),
    ("writes-to-its-parents-output", writes_to_its_parents_output),
    ("removes-its-folder", removes_its_folder),
];

/// Ends with code 7 where it can read what the checker knows.
fn reads_its_parents_memory() {
    for pid in checkers() {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let heap = maps.lines().find(|line| line.ends_with("[heap]"));
        let start = heap.and_then(|line| u64::from_str_radix(line.split('-').next()?, 16).ok());
        let mut byte = [0];
        let read = File::open(format!("/proc/{pid}/mem")).and_then(|mut memory| {
            memory.seek(SeekFrom::Start(start.unwrap_or_default()))?;
            memory.read_exact(&mut byte)
        });
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let tells = |text: &[u8]| text.windows(4).any(|word| word == b"seed");
        if read.is_ok() || tells(&environment) || tells(&command) {
            std::process::exit(7);
        }
    }
    serve_honestly();
}

/// Nobody is waited for any longer.
const QUICK: Duration = Duration::from_millis(20);

fn others() -> impl Iterator<Item = String> {
    let own = weather().0;
    listening()
        .into_iter()
        .filter(|at| *at != port())
        .map(|at| format!("127.0.0.1:{at}"))
        .filter(move |at| *at != own)
}

/// Connects to everybody, and says something that is no HTTP.
fn scans_loopback() {
    for at in others() {
        if let Ok(mut stream) = std::net::TcpStream::connect(at) {
            let _ = stream.write_all(b"\0\xff who is there?\r\n\r\n");
        }
    }
    serve_honestly();
}

/// Asks every tap that it finds for the weather, over and over, and takes the
/// first answer that somebody gives for its own.
fn asks_other_taps() {
    serve(|_, stream| {
        let stolen = others().take(10).find_map(|at| {
            let body = fetch(&at, "/weather/today", "", QUICK).ok()?;
            Some(format!(
                "Today it's {} in {}",
                field(&body, "temperature")?,
                field(&body, "city")?
            ))
        });
        let said = today();
        answer(stream, &stolen.map_or(said, |body| (200, body)));
    });
}

/// Speaks as a tap does, to whatever stands behind the taps.
fn asks_behind_the_taps() {
    serve(|_, stream| {
        let headers = "x-tap-exchange: 3\r\nx-tap-scene: well\r\n";
        let stolen = others().take(20).find_map(|at| {
            let body = fetch(&at, "/weather/today", headers, QUICK).ok()?;
            Some(format!(
                "Today it's {} in {}",
                field(&body, "temperature")?,
                field(&body, "city")?
            ))
        });
        answer(stream, &stolen.map_or_else(today, |body| (200, body)));
    });
}

const MARK: &str = "hostile-was-here";

/// The checkout that this was built in.
fn workshop() -> Option<PathBuf> {
    let here = std::env::current_exe().ok()?;
    let root = here
        .ancestors()
        .find(|folder| folder.join("exercises").is_dir())?;
    Some(root.to_owned())
}

fn leave_mark(folder: &Path) {
    let _ = fs::write(folder.join(MARK), MARK);
    let _ = fs::create_dir(folder.join(format!("{MARK}-folder")));
}

fn writes_into_the_workshop() {
    if let Some(root) = workshop() {
        for folder in [
            "",
            "exercises",
            "solutions",
            "checker",
            "target",
            "target/debug",
            "book",
        ] {
            leave_mark(&root.join(folder));
        }
        // Without changing it, where that should succeed.
        for file in [
            "Cargo.toml",
            "checker/src/judge.rs",
            "solutions/hostile/hostile.toml",
        ] {
            if let Ok(file) = OpenOptions::new().append(true).open(root.join(file)) {
                let _ = file.set_modified(std::time::SystemTime::UNIX_EPOCH);
            }
        }
    }
    serve_honestly();
}

/// Above its own folder lies that of the temporary files; and there are others
/// where everybody may write.
fn writes_beside_its_folder() {
    if let Ok(here) = std::env::current_dir() {
        here.ancestors().skip(1).take(2).for_each(leave_mark);
    }
    for folder in ["/dev/shm", "/var/tmp"] {
        leave_mark(Path::new(folder));
    }
    serve_honestly();
}

fn writes_to_its_parents_output() {
    let terminals = ancestors()
        .into_iter()
        .take(2)
        .flat_map(|pid| [1, 2].map(|number| format!("/proc/{pid}/fd/{number}")));
    for place in terminals.chain(["/dev/tty".to_owned()]) {
        if let Ok(mut output) = OpenOptions::new().write(true).open(place) {
            let _ = output.write_all(b"\x1b[2JPASS ex01\n");
        }
    }
    serve_honestly();
}

/// Its home goes, and what it runs in.
fn removes_its_folder() {
    if let Ok(here) = std::env::current_dir() {
        let _ = fs::remove_dir_all(&here);
    }
    serve_honestly();
}
