//! Learners' programs of every kind, and that nothing of them is left.

#![cfg(unix)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use checker::program::{Ended, Exit, Launch, Limits, Program, StartError};
use mock_services::moment::Clock;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// Long enough for any machine; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// Python itself rather than a script that looks for it.
static PYTHON: LazyLock<Option<String>> = LazyLock::new(|| {
    let found = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .ok()?;
    let path = String::from_utf8(found.stdout).ok()?.trim().to_owned();
    (found.status.success() && !path.is_empty()).then_some(path)
});

/// The interpreter, or the end of the test where there is none.
macro_rules! python {
    () => {
        match PYTHON.as_deref() {
            Some(python) => python,
            None => {
                eprintln!("skipped: there is no python3");
                return;
            }
        }
    };
}

fn launch(command: &[&str]) -> Launch {
    Launch {
        command: command.iter().map(Into::into).collect(),
        env: Vec::new(),
        keeper: env!("CARGO_BIN_EXE_checker").into(),
        limits: Limits::default(),
    }
}

async fn start(command: &[&str]) -> Program {
    Program::start(&launch(command), Clock::start())
        .await
        .unwrap()
}

/// As on a kernel that has nothing to fence a program in with.
#[cfg(target_os = "linux")]
async fn unfenced(command: &[&str]) -> Program {
    let mut launch = launch(command);
    launch.limits.fence = false;
    Program::start(&launch, Clock::start()).await.unwrap()
}

async fn sh(script: &str) -> Program {
    start(&["sh", "-c", script]).await
}

/// Waits until the program has ended by itself.
async fn exit(program: &Program) -> Exit {
    let mut exit = program.exit();
    let exit = tokio::time::timeout(PATIENCE, exit.wait_for(Option::is_some)).await;
    exit.expect("it should end").unwrap().clone().unwrap()
}

/// Waits for a line `name=value` of the program's, and returns the value.
async fn told(program: &Program, name: &str) -> String {
    let mut printed = program.printed();
    let told = async {
        loop {
            printed.mark_unchanged();
            let text = program.output().text;
            let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
            let found = complete
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            if let Some(value) = found {
                return value.to_owned();
            }
            printed.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, told)
        .await
        .unwrap_or_else(|_| panic!("no {name}: {:?}", program.output()))
}

/// Waits until something is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < PATIENCE, "not so in time: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap())
}

fn learner(program: &Program) -> Pid {
    Pid::from_raw(program.pid().unwrap().try_into().unwrap())
}

/// Nothing is left of it but, at most, an entry that nobody has read yet.
fn is_gone(pid: Pid) -> bool {
    if cfg!(target_os = "linux") {
        return fs::read_to_string(format!("/proc/{pid}/stat"))
            .ok()
            .and_then(|stat| Some(stat.rsplit_once(") ")?.1.starts_with(['Z', 'X'])))
            .unwrap_or(true);
    }
    kill(pid, None).is_err()
}

async fn end(program: Program) -> Ended {
    let end = tokio::time::timeout(PATIENCE, program.end());
    end.await.expect("everything should end")
}

#[tokio::test]
async fn output_and_code_are_reported() {
    let program = sh("echo out; echo err >&2; exit 7").await;
    assert!(program.pid().is_some());
    assert_eq!(exit(&program).await, Exit::Code(7));
    let ended = end(program).await;
    assert_eq!(ended.exit, Some(Exit::Code(7)));
    assert!(ended.exited.is_some());
    assert_eq!(ended.output.text, "out\nerr\n");
    assert_eq!(ended.output.total, 8);
    assert_eq!(ended.left_behind, [""; 0]);
    assert!(!ended.killed_keeper);
}

#[tokio::test]
async fn a_signal_is_named() {
    let program = sh("kill -SEGV $$").await;
    let expected = Exit::Signal {
        number: 11,
        name: "SIGSEGV".to_owned(),
    };
    assert_eq!(exit(&program).await, expected);
    assert_eq!(end(program).await.exit, Some(expected));
}

#[tokio::test]
async fn a_program_that_is_asked_to_end_has_not_ended_by_itself() {
    let program = sh("echo ready=1; exec sleep 600").await;
    told(&program, "ready").await;
    let learner = learner(&program);
    let ended = end(program).await;
    assert_eq!((ended.exit, ended.exited), (None, None));
    assert!(is_gone(learner));
}

#[tokio::test]
async fn a_panic_is_read_from_the_output() {
    let program = sh(r#"
        echo "thread 'main' (42) panicked at src/main.rs:12:5:" >&2
        echo "no such city" >&2
        echo 'note: run with `RUST_BACKTRACE=1` environment variable' >&2
        exit 101"#)
    .await;
    exit(&program).await;
    let panic = end(program).await.output.panic().unwrap();
    assert_eq!(panic.message, "no such city");
    assert_eq!(panic.place, "src/main.rs:12:5");
    assert_eq!(panic.thread, "main");
}

#[tokio::test]
async fn a_flood_is_capped_and_never_blocks_the_program() {
    let python = python!();
    let script = "
import os
os.write(1, b'first\\n')
for _ in range(100):
    left = b'x' * 1_000_000
    while left:
        left = left[os.write(1, left):]
os.write(1, b'last\\n')
";
    let program = start(&[python, "-c", script]).await;
    assert_eq!(exit(&program).await, Exit::Code(0));
    let output = end(program).await.output;
    assert_eq!(output.total, 100_000_011);
    assert!(output.text.starts_with("first\nxxx"));
    assert!(output.text.ends_with("xxxlast\n"));
    let left_out = format!("\n… {} bytes left out …\n", 100_000_011 - 2 * 64 * 1024);
    assert!(output.text.contains(&left_out));
    assert_eq!(output.text.len(), 2 * 64 * 1024 + left_out.len());
}

#[tokio::test]
async fn a_flood_without_end_is_ended() {
    let program = sh("trap '' TERM; while :; do echo yyyyyyyyyyyyyyyyyyyyyyyy; done").await;
    let mut printed = program.printed();
    let flood = printed.wait_for(|total| *total > 1_000_000);
    tokio::time::timeout(PATIENCE, flood)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(end(program).await.exit, None);
}

#[tokio::test]
async fn the_environment_holds_what_is_promised_and_nothing_else() {
    let mut launch = launch(&["env"]);
    launch.env = vec![("PORT".to_owned(), "8080".to_owned())];
    let program = Program::start(&launch, Clock::start()).await.unwrap();
    exit(&program).await;
    let output = end(program).await.output.text;
    let mut names: Vec<&str> = output
        .lines()
        .map(|line| line.split_once('=').unwrap().0)
        .collect();
    names.sort_unstable();
    let promised = [
        "HOME", "LANG", "NO_PROXY", "PATH", "PORT", "TMPDIR", "no_proxy",
    ];
    assert_eq!(names, promised);
}

#[tokio::test]
async fn home_and_temporary_files_are_in_a_directory_that_goes() {
    let script = "echo at=$(pwd -P); touch \"$HOME/a\" \"$TMPDIR/b\"; echo ready=1; exec sleep 600";
    for polite in [true, false] {
        let program = sh(script).await;
        told(&program, "ready").await;
        let directory = PathBuf::from(told(&program, "at").await);
        assert!(directory.join("home/a").exists());
        assert!(directory.join("tmp/b").exists());
        if polite {
            end(program).await;
            assert!(!directory.exists());
        } else {
            drop(program);
            until("the directory is removed", || !directory.exists()).await;
        }
    }
}

#[tokio::test]
async fn limits_hold() {
    let mut launch = launch(&["sh", "-c", "ulimit -c; ulimit -n; ulimit -d; ulimit -f"]);
    launch.limits = Limits {
        memory: 512 << 20,
        files: 100,
        file_size: 1 << 20,
        ..Limits::default()
    };
    let program = Program::start(&launch, Clock::start()).await.unwrap();
    exit(&program).await;
    let output = end(program).await.output.text;
    let limits: Vec<&str> = output.lines().collect();
    assert_eq!(limits[..3], ["0", "100", "524288"]);
    // In blocks of 512 or of 1024 bytes, as the shell likes.
    assert!(["2048", "1024"].contains(&limits[3]), "{output}");
}

#[tokio::test]
async fn a_command_that_is_not_there_is_said() {
    for command in ["no-such-program-here", "./no/such/program"] {
        let error = Program::start(&launch(&[command]), Clock::start())
            .await
            .unwrap_err();
        assert!(
            matches!(&error, StartError::NotFound { command: named } if named == command),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_no_program_is_said() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Program::start(&launch(&[file.path().to_str().unwrap()]), Clock::start())
        .await
        .unwrap_err();
    assert!(
        matches!(error, StartError::NotExecutable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_missing_keeper_is_our_error() {
    let mut launch = launch(&["true"]);
    for keeper in ["/no/such/keeper", "/bin/true"] {
        launch.keeper = keeper.into();
        let error = Program::start(&launch, Clock::start()).await.unwrap_err();
        assert!(matches!(error, StartError::Other(_)), "{error:?}");
    }
}

#[tokio::test]
async fn ignoring_the_request_to_end_does_not_help() {
    let program = sh("trap '' TERM; echo ready=1; while :; do sleep 600; done").await;
    told(&program, "ready").await;
    let learner = learner(&program);
    let ended = end(program).await;
    assert_eq!((ended.exit, ended.left_behind.len()), (None, 0));
    assert!(is_gone(learner));
}

#[tokio::test]
async fn dropping_a_program_ends_it() {
    let program = sh("trap '' TERM; sleep 600 & echo child=$!; while :; do wait; done").await;
    let child = pid(&told(&program, "child").await);
    let learner = learner(&program);
    drop(program);
    until("both are gone", || is_gone(child) && is_gone(learner)).await;
}

#[tokio::test]
async fn giving_up_its_end_ends_it() {
    let program = sh("trap '' TERM; echo ready=1; while :; do sleep 600; done").await;
    told(&program, "ready").await;
    let learner = learner(&program);
    let ended = tokio::time::timeout(Duration::ZERO, program.end()).await;
    assert!(ended.is_err());
    until("it is gone", || is_gone(learner)).await;
}

#[tokio::test]
async fn where_a_server_listens_is_found() {
    let python = python!();
    let script = "
import socket, time
held = []
for family, host in [(socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')]:
    try:
        held.append(socket.create_server((host, 0), family=family))
        print(f'{host}={held[-1].getsockname()[1]}', flush=True)
    except OSError:
        print(f'{host}=none', flush=True)
held.append(socket.create_connection(held[0].getsockname()))
print('ready=1', flush=True)
time.sleep(600)
";
    let program = start(&[python, "-c", script]).await;
    told(&program, "ready").await;
    let mut expected = Vec::new();
    for host in ["127.0.0.1", "::1"] {
        let port = told(&program, host).await;
        if let Ok(port) = port.parse::<u16>() {
            expected.push(std::net::SocketAddr::new(host.parse().unwrap(), port));
        }
    }
    assert_eq!(program.listens_on().unwrap(), expected);
    end(program).await;
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{BufRead, BufReader};
    use std::path::Path;
    use std::process::Stdio;

    use checker::program::{adopt_orphans, containment};
    use nix::sys::signal::Signal;

    use super::*;

    fn parent(of: Pid) -> Pid {
        let stat = fs::read_to_string(format!("/proc/{of}/stat")).unwrap();
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        pid(rest.split(' ').nth(1).unwrap())
    }

    /// The command lines of all processes that hold those words.
    fn processes_mentioning(words: &str) -> Vec<String> {
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok())
            .filter(|line| line.contains(words))
            .collect()
    }

    #[tokio::test]
    async fn a_real_time_signal_is_an_ending_too() {
        let program = sh("kill -40 $$").await;
        assert!(matches!(
            exit(&program).await,
            Exit::Signal { number: 40, .. }
        ));
        end(program).await;
    }

    #[tokio::test]
    async fn the_keeper_shows_the_program_nothing() {
        let mut launch = launch(&[
            "sh",
            "-c",
            "tr '\\0' '\\n' < /proc/$PPID/cmdline; tr '\\0' '\\n' < /proc/$PPID/environ; ls /proc/self/fd",
        ]);
        launch.env = vec![("SECRET".to_owned(), "4711".to_owned())];
        let program = Program::start(&launch, Clock::start()).await.unwrap();
        exit(&program).await;
        let output = end(program).await.output.text;
        assert!(output.contains("__keep"), "{output}");
        assert!(!output.contains("4711"), "{output}");
        // Nothing open but the three, and the directory that `ls` reads.
        assert!(output.ends_with("\n0\n1\n2\n3\n"), "{output}");
    }

    #[tokio::test]
    async fn the_program_cannot_reach_our_terminal_or_process_group() {
        let python = python!();
        let script = "
import os
try:
    os.setpgid(0, int(os.environ['OURS']))
    print('joined')
except PermissionError:
    pass
try:
    open('/dev/tty')
    print('terminal')
except OSError:
    pass
";
        let mut launch = launch(&["sh", "-c", "\"$@\"", "sh", python, "-c", script]);
        launch.env = vec![("OURS".to_owned(), nix::unistd::getpgrp().to_string())];
        let program = Program::start(&launch, Clock::start()).await.unwrap();
        assert_eq!(exit(&program).await, Exit::Code(0));
        assert_eq!(end(program).await.output.text, "");
    }

    #[tokio::test]
    async fn a_child_that_outlives_the_program_is_named_and_ended() {
        let python = python!();
        let script = "
import subprocess
child = subprocess.Popen(['sleep', '600'], start_new_session=True)
print(f'child={child.pid}', flush=True)
child.wait()
";
        let program = start(&[python, "-c", script]).await;
        let child = pid(&told(&program, "child").await);
        let ended = end(program).await;
        assert_eq!(ended.left_behind, ["sleep"]);
        assert_eq!(ended.exit, None);
        assert!(is_gone(child));
    }

    #[tokio::test]
    async fn a_daemon_of_a_program_that_has_ended_is_found() {
        let python = python!();
        let script = "
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(f'daemon={os.getpid()}', flush=True)
        time.sleep(600)
    os._exit(0)
os.wait()
os._exit(3)
";
        let program = start(&[python, "-c", script]).await;
        let daemon = pid(&told(&program, "daemon").await);
        assert_eq!(exit(&program).await, Exit::Code(3));
        assert!(!is_gone(daemon));
        let ended = end(program).await;
        assert_eq!(ended.exit, Some(Exit::Code(3)));
        assert_eq!(ended.left_behind.len(), 1);
        assert!(is_gone(daemon));
    }

    #[tokio::test]
    async fn a_tree_that_keeps_forking_is_ended() {
        let python = python!();
        // Each child replaces itself every few milliseconds, in a new session.
        let script = "
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(20):
    if os.fork() == 0:
        while True:
            if os.fork():
                os._exit(0)
            os.setsid()
            time.sleep(0.003)
print('ready=1', flush=True)
time.sleep(600)
";
        let program = start(&[python, "-c", script]).await;
        told(&program, "ready").await;
        let keeper = parent(learner(&program));
        let ended = end(program).await;
        assert!(!ended.killed_keeper);
        assert!(is_gone(keeper));
        assert_eq!(processes_mentioning("time.sleep(0.003)"), [""; 0]);
    }

    /// Not a test: the owner of a program, for the test below to kill.
    #[tokio::test]
    #[ignore = "started by killing_the_owner_ends_the_program"]
    async fn owner() {
        if std::env::var_os("OWN_A_PROGRAM").is_none() {
            return;
        }
        let script = "
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    print(f'daemon={os.getpid()}', flush=True)
    time.sleep(600)
print(f'at={os.getcwd()}', flush=True)
time.sleep(600)
";
        let program = start(&[PYTHON.as_deref().unwrap(), "-c", script]).await;
        let daemon = told(&program, "daemon").await;
        let directory = told(&program, "at").await;
        println!("owned={} {daemon} {directory}", program.pid().unwrap());
        std::future::pending::<()>().await;
    }

    #[tokio::test]
    async fn killing_the_owner_ends_the_program() {
        let _ = python!();
        let mut owner = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "linux::owner"])
            .env("OWN_A_PROGRAM", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let owned = BufReader::new(owner.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("owned=")?.1.to_owned()))
            .unwrap();
        let [learner, daemon, directory] = owned.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("{owned}");
        };
        let (learner, daemon) = (pid(learner), pid(daemon));
        assert!(!is_gone(learner) && !is_gone(daemon));
        let keeper = parent(learner);
        owner.kill().unwrap();
        owner.wait().unwrap();
        until("program, daemon, keeper and directory are gone", || {
            [learner, daemon, keeper].into_iter().all(is_gone) && !Path::new(directory).exists()
        })
        .await;
    }

    #[tokio::test]
    async fn a_program_that_kills_its_keeper_is_found_out() {
        let python = python!();
        adopt_orphans().unwrap();
        let script = "
import os, signal, time
ready, go = os.pipe()
if os.fork() == 0:
    os.setsid()
    print(f'daemon={os.getpid()}', flush=True)
    os.write(go, b'.')
    time.sleep(600)
print(f'at={os.getcwd()}', flush=True)
os.read(ready, 1)
while not os.path.exists('go'):
    pass
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(600)
";
        let program = unfenced(&[python, "-c", script]).await;
        let directory = PathBuf::from(told(&program, "at").await);
        let daemon = pid(&told(&program, "daemon").await);
        let learner = learner(&program);
        fs::write(directory.join("go"), "").unwrap();
        assert!(matches!(
            exit(&program).await,
            Exit::Signal { number: 9, .. }
        ));
        let ended = end(program).await;
        assert!(ended.killed_keeper);
        assert!(is_gone(learner) && is_gone(daemon));
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn a_program_that_asks_its_keeper_to_end_is_not_heard() {
        let script = "kill -TERM $PPID; kill -HUP $PPID; kill -INT $PPID; exit 4";
        let program = unfenced(&["sh", "-c", script]).await;
        assert_eq!(exit(&program).await, Exit::Code(4));
        assert!(!end(program).await.killed_keeper);
    }

    #[tokio::test]
    async fn a_program_that_stops_its_keeper_is_ended_all_the_same() {
        adopt_orphans().unwrap();
        let script = "kill -STOP $PPID; echo ready=1; exec sleep 600";
        let program = unfenced(&["sh", "-c", script]).await;
        told(&program, "ready").await;
        let learner = learner(&program);
        end(program).await;
        assert!(is_gone(learner));
    }

    fn has(name: &str) -> bool {
        let has = containment()
            .iter()
            .any(|facility| facility.name == name && facility.available);
        if !has {
            eprintln!("skipped: this kernel has no {name}");
        }
        has
    }

    #[tokio::test]
    async fn a_fence_keeps_writes_in_the_programs_own_directory() {
        if !has("Landlock for files") {
            return;
        }
        let outside = tempfile::tempdir().unwrap();
        let file = outside.path().join("kept");
        fs::write(&file, "as it was").unwrap();
        let script = "
            echo x > \"$OUTSIDE/new\"; mkdir \"$OUTSIDE/folder\"; echo x >> \"$OUTSIDE/kept\"
            rm \"$OUTSIDE/kept\"; mv \"$OUTSIDE/kept\" \"$HOME/\"; ln -s x \"$OUTSIDE/link\"
            exec 2>&1 >/dev/null
            echo x > \"$HOME/a\" && mv \"$HOME/a\" \"$TMPDIR/b\" && rm \"$TMPDIR/b\" && echo own=1 >&2";
        let mut launch = launch(&["sh", "-c", script]);
        launch.env = vec![(
            "OUTSIDE".to_owned(),
            outside.path().to_str().unwrap().to_owned(),
        )];
        let program = Program::start(&launch, Clock::start()).await.unwrap();
        exit(&program).await;
        let ended = end(program).await;
        assert!(ended.output.text.contains("own=1"), "{}", ended.output.text);
        assert_eq!(fs::read_to_string(&file).unwrap(), "as it was");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_fence_keeps_signals_among_the_programs_own() {
        if !has("Landlock for signals") {
            return;
        }
        let script = "
            sleep 600 & kill $! && echo own=1
            kill -KILL $PPID || echo kept=1
            kill -KILL $OTHER || echo kept=2";
        let mut other = Command::new("sleep").arg("600").spawn().unwrap();
        let mut launch = launch(&["sh", "-c", script]);
        launch.env = vec![("OTHER".to_owned(), other.id().to_string())];
        let program = Program::start(&launch, Clock::start()).await.unwrap();
        assert_eq!(exit(&program).await, Exit::Code(0));
        let ended = end(program).await;
        let survived = matches!(other.try_wait(), Ok(None));
        other.kill().unwrap();
        other.wait().unwrap();
        for line in ["own=1", "kept=1", "kept=2"] {
            assert!(ended.output.text.contains(line), "{}", ended.output.text);
        }
        assert!(survived && !ended.killed_keeper);
    }

    #[tokio::test]
    async fn a_filter_keeps_priorities_and_processors_to_the_program_itself() {
        if !has("seccomp") {
            return;
        }
        let script = "
            nice -n 1 taskset -c 0 echo own=1
            taskset -c -p 0 $OTHER || echo kept=1
            renice -n 19 -p $OTHER || echo kept=2";
        let mut other = Command::new("sleep").arg("600").spawn().unwrap();
        let mut launch = launch(&["sh", "-c", script]);
        launch.env = vec![("OTHER".to_owned(), other.id().to_string())];
        let program = Program::start(&launch, Clock::start()).await.unwrap();
        assert_eq!(exit(&program).await, Exit::Code(0));
        let ended = end(program).await;
        other.kill().unwrap();
        other.wait().unwrap();
        for line in ["own=1", "kept=1", "kept=2"] {
            assert!(ended.output.text.contains(line), "{}", ended.output.text);
        }
    }

    #[tokio::test]
    async fn whether_it_was_stopped_is_told() {
        for stops in [true, false] {
            let program = sh("echo ready=1; exec sleep 600").await;
            told(&program, "ready").await;
            if stops {
                let learner = learner(&program);
                kill(learner, Signal::SIGSTOP).unwrap();
                until("it has stopped", || {
                    fs::read_to_string(format!("/proc/{learner}/stat"))
                        .is_ok_and(|stat| stat.contains(") T "))
                })
                .await;
                kill(learner, Signal::SIGCONT).unwrap();
            }
            assert_eq!(end(program).await.was_stopped, stops);
        }
    }

    #[tokio::test]
    async fn an_event_loop_is_told_from_a_plain_server() {
        let python = python!();
        let asynchronous = "
import asyncio
async def main():
    print('ready=1', flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
";
        let plain = "
import socket
server = socket.create_server(('127.0.0.1', 0))
print('ready=1', flush=True)
server.accept()
";
        for (script, has_one) in [(asynchronous, true), (plain, false)] {
            let program = start(&[python, "-c", script]).await;
            told(&program, "ready").await;
            assert_eq!(program.event_loop(), Some(has_one), "{script}");
            end(program).await;
        }
    }

    #[tokio::test]
    async fn activity_tells_work_from_waiting() {
        let python = python!();
        let script = "
import os, time
if os.fork() == 0:
    while not os.path.exists('stop'):
        pass
    print('stopped=1', flush=True)
    time.sleep(600)
print(f'at={os.getcwd()}', flush=True)
time.sleep(600)
";
        let program = start(&[python, "-c", script]).await;
        let directory = PathBuf::from(told(&program, "at").await);
        until("its child works", || {
            program
                .activity()
                .is_some_and(|seen| seen.runnable && seen.on_cpu > Duration::from_millis(50))
        })
        .await;
        fs::write(directory.join("stop"), "").unwrap();
        told(&program, "stopped").await;
        until("it rests", || {
            let before = program.activity().unwrap();
            !before.runnable && program.activity() == Some(before)
        })
        .await;
        let figures = program.figures().unwrap();
        assert_eq!((figures.processes, figures.threads), (2, 2));
        assert!(figures.resident > 1 << 20 && figures.peak >= figures.resident);
        end(program).await;
    }

    /// Not a test: what a start costs, and what a keeper takes.
    #[tokio::test]
    #[ignore = "measures; run it alone, with --nocapture"]
    async fn cost() {
        let launch = launch(&["sleep", "600"]);
        let [mut starts, mut looks, mut places, mut ends] = [const { Vec::new() }; 4];
        for _ in 0..50 {
            let begin = Instant::now();
            let program = Program::start(&launch, Clock::start()).await.unwrap();
            starts.push(begin.elapsed());
            let begin = Instant::now();
            program.activity().unwrap();
            looks.push(begin.elapsed());
            let begin = Instant::now();
            program.listens_on();
            places.push(begin.elapsed());
            let begin = Instant::now();
            program.end().await;
            ends.push(begin.elapsed());
        }
        for (what, mut times) in [
            ("start", starts),
            ("activity", looks),
            ("listens_on", places),
            ("end", ends),
        ] {
            times.sort_unstable();
            eprintln!("{what}: median {:?}, worst {:?}", times[25], times[49]);
        }
        let program = Program::start(&launch, Clock::start()).await.unwrap();
        let keeper = parent(learner(&program));
        let memory = fs::read_to_string(format!("/proc/{keeper}/smaps_rollup")).unwrap();
        for line in memory.lines() {
            if ["Rss", "Pss:", "Private"]
                .iter()
                .any(|name| line.starts_with(name))
            {
                eprintln!("keeper {line}");
            }
        }
        end(program).await;
    }
}
