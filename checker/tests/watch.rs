//! `checker watch` as a person meets it: a real terminal is typed into, and what
//! its screen shows is read.

#![cfg(unix)]

mod mini;

use std::fs;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use mini::{Mini, root, target};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

const COLUMNS: u16 = 60;

/// As many editors do it: a file beside it, then a rename.
fn save(mini: &Mini, file: &str, text: &str) {
    let aside = format!("{file}~");
    mini.write(&aside, text);
    fs::rename(mini.root.join(aside), mini.root.join(file)).expect("it is renamed");
}

fn answer(of: &str) -> String {
    let path = root().join("solutions").join(of).join("src/main.rs");
    fs::read_to_string(path).expect("an answer")
}

/// A terminal with a checker in it.
struct Terminal {
    master: Box<dyn MasterPty + Send>,
    input: Box<dyn std::io::Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    checker: Box<dyn Child + Send + Sync>,
}

impl Terminal {
    fn run(mini: &Mini, arguments: &[&str]) -> Self {
        let size = PtySize {
            rows: 45,
            cols: COLUMNS,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_checker"));
        command.args(arguments);
        command.cwd(&mini.root);
        for (name, value) in [
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
            ("LC_ALL", ""),
        ] {
            command.env(name, value);
        }
        command.env("CARGO_TARGET_DIR", target());
        command.env("CARGO_NET_OFFLINE", "true");
        let checker = pair.slave.spawn_command(command).expect("it starts");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (tell, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            input: pair.master.take_writer().expect("a writer"),
            master: pair.master,
            output,
            screen: vt100::Parser::new(self::size(45), self::size(COLUMNS), 0),
            checker,
        }
    }

    fn press(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).expect("it is read");
        self.input.flush().expect("it is read");
    }

    fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits until the screen shows all of these.
    fn shows(&mut self, words: &[&str]) -> String {
        let until = Instant::now() + PATIENCE;
        while !words.iter().all(|word| self.text().contains(word)) {
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(_) => panic!("{words:?} never came; the screen shows:\n{}", self.text()),
            }
        }
        self.text()
    }

    /// Waits until it ends; its exit code. The terminal has to be as it was.
    fn ends(mut self, modes: &str) -> u32 {
        let began = Instant::now();
        let code = loop {
            if let Some(status) = self.checker.try_wait().expect("it can be waited for") {
                break status.exit_code();
            }
            let waited = self.output.recv_timeout(Duration::from_millis(20));
            self.screen.process(&waited.unwrap_or_default());
            let text = self.text();
            assert!(began.elapsed() < PATIENCE, "it does not end:\n{text}");
        };
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(200)) {
            self.screen.process(&bytes);
        }
        let screen = self.screen.screen();
        assert!(
            !screen.alternate_screen(),
            "the other screen is still there"
        );
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        assert_eq!(self.modes(), modes);
        code
    }

    /// Echo, lines, signals and the like.
    fn modes(&self) -> String {
        format!("{:?}", self.master.get_termios().expect("a terminal"))
    }

    fn signal(&self, name: &str) {
        let id = self.checker.process_id().expect("it runs").to_string();
        let sent = Command::new("kill")
            .args([name, &id])
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.checker.kill(); // only a test that failed leaves one behind
    }
}

fn size(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a size")
}

/// What the terminal is like before anybody has changed it.
fn fresh_modes() -> String {
    let size = PtySize::default();
    let pair = native_pty_system().openpty(size).expect("a terminal");
    format!("{:?}", pair.master.get_termios().expect("a terminal"))
}

#[test]
fn a_learner_saves_until_it_passes_and_goes_on() {
    let mini = Mini::new("learner");
    let main = "exercises/ex01-weather-client/src/main.rs";
    let mut terminal = Terminal::run(&mini, &["watch"]);
    terminal.shows(&[
        "FAIL ex01 · sequential",
        "next step",
        "waiting for a save",
        "q quit",
    ]);

    save(&mini, main, "fn main() { let wrong: u8 = \"words\"; }\n");
    let screen = terminal.shows(&["FAIL ex01 · not-compiling", "now: not-compiling"]);
    assert!(screen.contains("mismatched types"), "{screen}");
    assert!(screen.contains("Mend the first error"), "{screen}");
    assert!(!screen.contains("checker watch"), "{screen}"); // this is it

    // What is no part of the program changes nothing.
    mini.write("exercises/ex01-weather-client/README.md", "text");
    mini.write("exercises/ex02-parallel/src/main.rs~", "text");
    mini.write("notes.txt", "text");

    // A burst: the last one counts.
    for half in ["fn main() {", "fn main() { panic!() }"] {
        mini.write(main, half);
    }
    save(&mini, main, &answer("ex01-weather-client"));
    let screen = terminal.shows(&["PASS ex01", "was: not-compiling; now: kept"]);
    assert!(screen.contains("n goes on to ex02"), "{screen}");

    // There is nothing left to hint at; whoever wants a hint gets it.
    terminal.press("h");
    terminal.shows(&["ex01 · Weather client has passed", "goes on to Today"]);
    terminal.press("m");
    terminal.shows(&["hint 1 of 3", "Draw a line"]);
    terminal.press("l");
    let list = terminal.shows(&["ex01 Weather", "passed", "not tried"]);
    assert!(
        list.lines()
            .all(|line| line.chars().count() <= usize::from(COLUMNS))
    );
    terminal.press("?");
    terminal.shows(&["scroll by a line"]);
    terminal.press("n");
    let screen = terminal.shows(&["FAIL ex02 · sequential", "waiting for a save"]);
    assert!(
        !screen.contains("was:"),
        "nothing can have changed: {screen}"
    );

    terminal.press("n");
    terminal.shows(&["no other exercise"]);
    terminal.press("r");
    terminal.shows(&["nothing changed since the last run"]);
    let attempts = mini.attempts();
    let attempts: Vec<_> = attempts
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_deref()))
        .collect();
    assert_eq!(
        attempts,
        [
            ("ex01", Some("sequential")),
            ("ex01", Some("not-compiling")),
            ("ex01", None),
            ("ex02", Some("sequential")),
            ("ex02", Some("sequential")),
        ]
    );

    terminal.press("q");
    assert_eq!(terminal.ends(&fresh_modes()), 0);
}

#[test]
fn a_bonus_is_watched_like_any_other_program() {
    let mini = Mini::new("bonus");
    let described = "exercises/ex01-weather-client/exercise.toml";
    let description = fs::read_to_string(mini.root.join(described)).expect("a description");
    let bonus = "\n[bonus]\ntitle = \"The same again\"\nbinary = \"bonus-extra\"\n\
                 solution_binary = \"none\"\nstarter_fails_with = \"exited\"\n";
    mini.write(described, &(description + bonus));
    let program = "exercises/ex01-weather-client/src/bin/bonus-extra.rs";
    mini.write(program, "fn main() {}\n");

    let mut terminal = Terminal::run(&mini, &["watch", "--bonus"]);
    terminal.shows(&["FAIL ex01 · bonus · exited", "waiting for a save"]);
    terminal.press("h");
    terminal.shows(&["hint 1 of 3", "The bonus has no hints of its own"]);
    save(&mini, program, &answer("ex01-weather-client"));
    terminal.shows(&["PASS ex01 · bonus", "the bonus of ex01 passed. n goes on"]);
    // What comes next is an exercise, not its bonus.
    terminal.press("n");
    terminal.shows(&["FAIL ex02 · sequential", "waiting for a save"]);
    terminal.press("q");
    assert_eq!(terminal.ends(&fresh_modes()), 0);
    assert_eq!(mini.attempts().len(), 3);
}

#[test]
fn a_save_ends_the_build_in_flight_with_all_that_it_has_started() {
    let mini = Mini::new("cancel");
    let exercise = "exercises/ex02-parallel";
    // Known to everybody: a build that never ends, and says who it is.
    let told = mini.root.join("pid");
    mini.write(
        &format!("{exercise}/build.rs"),
        &format!(
            "fn main() {{
                std::fs::write({told:?}, std::process::id().to_string()).unwrap();
                std::thread::sleep(std::time::Duration::from_secs(600));
            }}"
        ),
    );
    let mut terminal = Terminal::run(&mini, &["watch", "2"]);
    terminal.shows(&["building cancel-ex02"]);
    let pid = until("the build script runs", || {
        fs::read_to_string(&told).ok()?.parse::<u32>().ok()
    });
    assert!(is_alive(pid));
    save(&mini, &format!("{exercise}/build.rs"), "fn main() {}");
    until("it is gone", || (!is_alive(pid)).then_some(()));
    terminal.shows(&["FAIL ex02 · sequential", "waiting for a save"]);

    // The whole folder is another one now.
    let folder = mini.root.join(exercise);
    let aside = mini.root.join("aside");
    fs::rename(&folder, &aside).expect("it is renamed");
    fs::write(aside.join("src/main.rs"), answer("ex02-parallel")).expect("a file");
    fs::rename(&aside, &folder).expect("it is renamed");
    terminal.shows(&["PASS ex02"]);
    save(&mini, &format!("{exercise}/src/main.rs"), "fn main() {}");
    terminal.shows(&["FAIL ex02 · exited"]);

    // All exercises are, as after a checkout of another branch.
    let exercises = mini.root.join("exercises");
    let gone = mini.root.join("gone");
    fs::rename(&exercises, &gone).expect("it is renamed");
    let copied = Command::new("cp")
        .arg("-r")
        .args([&gone, &exercises])
        .status();
    assert!(copied.expect("cp runs").success());
    save(
        &mini,
        &format!("{exercise}/src/main.rs"),
        &answer("ex02-parallel"),
    );
    terminal.shows(&["PASS ex02"]);
    save(&mini, &format!("{exercise}/src/main.rs"), "fn main() {}");
    terminal.shows(&["FAIL ex02 · exited"]);

    terminal.press("\u{3}");
    assert_eq!(terminal.ends(&fresh_modes()), 130);
}

#[test]
fn the_terminal_is_given_back_whoever_ends_it() {
    let mini = Mini::new("signals");
    for signal in ["-TERM", "-INT", "-HUP"] {
        let mut terminal = Terminal::run(&mini, &["watch", "ex01"]);
        terminal.shows(&["building signals-ex01"]);
        assert_ne!(terminal.modes(), fresh_modes());
        terminal.signal(signal);
        assert_eq!(terminal.ends(&fresh_modes()), 130, "{signal}");
    }
}

#[test]
fn another_size_is_another_picture() {
    let mini = Mini::new("sizes");
    mini.write(
        "exercises/ex01-weather-client/src/main.rs",
        "fn main() {}\n",
    );
    let mut terminal = Terminal::run(&mini, &["watch", "ex01"]);
    terminal.shows(&["FAIL ex01 · exited", "waiting for a save"]);
    for (rows, cols) in [(12, 60), (50, 120), (3, 20)] {
        let size = PtySize {
            rows,
            cols,
            ..PtySize::default()
        };
        terminal
            .screen
            .screen_mut()
            .set_size(self::size(rows), self::size(cols));
        terminal.master.resize(size).expect("it is resized");
        let words: &[&str] = match rows {
            12 => &["FAIL ex01 · exited", "more lines above", "q quit"],
            50 => &["FAIL ex01 · exited", "ex01/ready", "next step", "q quit"],
            _ => &["waiting for a save"],
        };
        terminal.shows(words);
    }
    terminal.press("q");
    assert_eq!(terminal.ends(&fresh_modes()), 0);
}

#[test]
fn without_a_terminal_there_are_plain_lines() {
    let mini = Mini::new("plain");
    let main = "exercises/ex01-weather-client/src/main.rs";
    mini.write(main, "fn main() {}\n");
    let mut checker = mini
        .checker(&["watch"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let (tell, told) = mpsc::channel();
    let mut out = checker.stdout.take().expect("a pipe");
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = out.read(&mut bytes) {
            let _ = tell.send(String::from_utf8_lossy(&bytes[..count]).into_owned());
        }
    });
    let mut said = String::new();
    let mut hear = |words: &str| {
        while !said.contains(words) {
            said += &told
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("{words:?}: {said}"));
        }
    };
    hear("FAIL ex01 · exited");
    save(&mini, main, "fn main() { wrong }\n");
    hear("ex01/ready was: exited; now: not-compiling");
    assert!(!said.contains('\u{1b}'), "{said}");
    let killed = Command::new("kill")
        .args(["-INT", &checker.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(killed.success());
    assert_eq!(checker.wait().expect("it ends").code(), Some(130));
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let mini = Mini::new("pipe");
    mini.write(
        "exercises/ex01-weather-client/src/main.rs",
        "fn main() { wrong }\n",
    );
    let mut checker = mini
        .checker(&["watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(checker.stdout.take());
    let output = checker.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""));
}

fn is_alive(pid: u32) -> bool {
    Command::new("kill")
        .args(["-0", &pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .expect("kill runs")
        .success()
}

fn until<T>(what: &str, so: impl Fn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = so() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
