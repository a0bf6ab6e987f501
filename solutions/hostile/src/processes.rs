//! Programs that start others, hide them, or turn on those that started them.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Program;
use crate::server::{honestly, listen, serve_honestly, serve_on};

pub(crate) const PROGRAMS: &[Program] = &[
    ("forks-without-end", forks_without_end),
    ("leaves-a-daemon-on-its-port", leaves_a_daemon_on_its_port),
    ("leaves-a-daemon-and-stays", leaves_a_daemon_and_stays),
    ("ignores-every-signal", ignores_every_signal),
    ("listens-on-two-ports", listens_on_two_ports),
    (
        "binds-before-another-has-gone",
        binds_before_another_has_gone,
    ),
    ("kills-its-parent", || signal_checkers(1, "KILL")),
    ("kills-the-checker", || signal_checkers(2, "KILL")),
    ("stops-its-parent", || signal_checkers(1, "STOP")),
    ("stops-the-checker", || signal_checkers(2, "STOP")),
    ("stops-itself", stops_itself),
    ("limits-the-checker", limits_the_checker),
    ("slows-the-checker", slows_the_checker),
    ("leaves-kernel-objects", leaves_kernel_objects),
    ("uses-the-power-of-root", uses_the_power_of_root),
];

/// What this binary does as a child of itself.
pub(crate) fn child(name: &str) -> Option<fn()> {
    Some(match name {
        "child-that-forks" => child_that_forks,
        "child-in-a-session" => child_in_a_session,
        "child-that-serves" => serve_honestly,
        "child-that-serves-deaf" => serve_honestly,
        "child-that-holds-the-port" => child_that_holds_the_port,
        _ => return None,
    })
}

/// This binary once more, without anything of the environment that tells where
/// it comes from but the port and the weather.
fn start(name: &str, depth: u32) -> std::io::Result<std::process::Child> {
    let keep = ["PORT", "WEATHER_URL", "UPSTREAM_TIMEOUT_MS"];
    let kept = keep
        .iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let kept: Vec<_> = kept.collect();
    Command::new(std::env::current_exe()?)
        .args([name, &depth.to_string()])
        .env_clear()
        .envs(kept)
        .current_dir("/")
        .stdin(Stdio::null())
        .spawn()
}

/// Two children each, five deep: as many as the other programs on this machine
/// can bear, and enough to be in the middle of it when the end comes.
fn forks_without_end() {
    thread::spawn(|| fork(5));
    serve_honestly();
}

fn child_that_forks() {
    let depth: u32 = std::env::args()
        .nth(2)
        .and_then(|depth| depth.parse().ok())
        .unwrap_or(0);
    new_session();
    fork(depth);
    thread::sleep(Duration::from_secs(55));
}

fn fork(depth: u32) {
    if depth > 0 {
        for _ in 0..2 {
            // Nobody waits for them.
            drop(start("child-that-forks", depth - 1));
        }
    }
}

fn new_session() {
    #[cfg(unix)]
    let _ = nix::unistd::setsid();
}

/// The second half of a double fork.
fn child_in_a_session() {
    new_session();
    drop(start("child-that-serves", 0));
}

fn leaves_a_daemon_on_its_port() {
    drop(start("child-in-a-session", 0));
    thread::sleep(Duration::from_millis(300));
}

fn leaves_a_daemon_and_stays() {
    drop(start("child-in-a-session", 0));
    thread::sleep(Duration::from_secs(55));
}

/// What is ignored stays so across an exec.
fn ignores_every_signal() {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        let Ok(own) = std::env::current_exe() else {
            return;
        };
        let failed = Command::new("sh")
            .args([
                "-c",
                "trap '' HUP INT QUIT TERM USR1 USR2; exec \"$0\" child-that-serves-deaf",
            ])
            .arg(own)
            .exec();
        panic!("no shell: {failed}");
    }
}

fn listens_on_two_ports() {
    let _other = std::net::TcpListener::bind(("127.0.0.1", 0));
    serve_honestly();
}

/// The child holds the port for a while; the program comes once it has gone.
fn binds_before_another_has_gone() {
    let child = start("child-that-holds-the-port", 0);
    let began = Instant::now();
    if let Ok(mut child) = child {
        let _ = child.wait();
    }
    assert!(began.elapsed() < Duration::from_secs(20), "it never let go");
    serve_on(&listen(), honestly);
}

fn child_that_holds_the_port() {
    let _held = listen();
    thread::sleep(Duration::from_millis(300));
}

/// Sends it to that many of those above, then serves as if nothing had happened.
#[cfg(unix)]
fn signal_checkers(many: usize, name: &str) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    let signal = if name == "KILL" {
        Signal::SIGKILL
    } else {
        Signal::SIGSTOP
    };
    for pid in crate::bystander::checkers().into_iter().take(many) {
        if let Ok(pid) = i32::try_from(pid) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
    serve_honestly();
}

#[cfg(not(unix))]
fn signal_checkers(_many: usize, _name: &str) {
    serve_honestly();
}

/// Nobody makes it go on.
fn stops_itself() {
    serve_on(&listen(), |_, _| {
        #[cfg(unix)]
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
    });
}

/// Runs a command of the system's, and says whether it was let to.
fn is_let(command: &str, arguments: &[&str]) -> bool {
    let status = Command::new(command)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status
        .unwrap_or_else(|error| panic!("there is no `{command}` to try it with: {error}"))
        .success()
}

/// A checker without a descriptor to spare, or a second of the processor left,
/// cannot go on.
fn limits_the_checker() {
    for pid in crate::bystander::checkers() {
        let _ = is_let(
            "prlimit",
            &["--pid", &pid.to_string(), "--nofile=3:3", "--cpu=1:1"],
        );
    }
    serve_honestly();
}

/// Ends with code 7 where it was let to.
fn slows_the_checker() {
    for pid in crate::bystander::checkers() {
        let pid = pid.to_string();
        let attempts: [(&str, &[&str]); 4] = [
            ("renice", &["-n", "19", "-p", &pid]),
            ("chrt", &["--idle", "--pid", "0", &pid]),
            ("ionice", &["-c", "3", "-p", &pid]),
            ("taskset", &["-c", "-p", "0", &pid]),
        ];
        if attempts.iter().any(|(command, how)| is_let(command, how)) {
            std::process::exit(7);
        }
    }
    serve_honestly();
}

/// Shared memory, a semaphore and a queue outlive whoever made them. Ends with
/// code 7 where it could make one, which is removed again.
fn leaves_kernel_objects() {
    for (make, remove) in [("-M1024", "-M"), ("-S1", "-S"), ("-Q", "-Q")] {
        let made = Command::new("ipcmk")
            .arg(make)
            .output()
            .expect("there is an `ipcmk` to try it with");
        if made.status.success() {
            let said = String::from_utf8_lossy(&made.stdout).into_owned();
            let number = said.split_whitespace().last().unwrap_or_default();
            let by_number = remove.to_lowercase();
            is_let("ipcrm", &[&by_number, number]);
            std::process::exit(7);
        }
    }
    serve_honestly();
}

/// Whoever runs this as root has made a file that not even root can remove. Ends with
/// code 7 where it was let to, and undoes it.
fn uses_the_power_of_root() {
    let file = "nobody-can-remove-this";
    std::fs::write(file, "").expect("its folder is its own");
    if is_let("chattr", &["+i", file]) {
        is_let("chattr", &["-i", file]);
        std::process::exit(7);
    }
    serve_honestly();
}
