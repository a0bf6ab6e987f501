//! Wherever the checker writes, the system may refuse: a file may not grow, a disk
//! is full, or takes nothing at all. Then one sentence says so, what was there
//! stays to the byte, and nobody is blamed.
//!
//! A limit on the size of files fails at any byte and needs no rights. For full and
//! read-only disks we mount some, where this system lets us.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const CHECKER: &str = env!("CARGO_BIN_EXE_checker");
const MAIN: &str = "exercises/ex02-parallel/src/main.rs";
const PROGRESS: &str = ".workshop/progress.jsonl";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the checker lies in the workshop")
}

/// All files of a folder.
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it is within");
                found.insert(name.to_owned(), fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    within(folder, &[CHECKER], arguments)
}

/// Runs the checker by way of another program.
fn within(folder: &Path, by: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new(by[0]);
    command
        .args(&by[1..])
        .args(arguments)
        .current_dir(folder)
        .env_remove("GITHUB_STEP_SUMMARY")
        .stdin(Stdio::null());
    command
}

fn ended(mut command: Command) -> Output {
    command.output().expect("it starts")
}

/// With no file larger than that; `None` where this system cannot do it.
fn limited(folder: &Path, bytes: usize, arguments: &[&str]) -> Option<Output> {
    if !Path::new("/usr/bin/prlimit").exists() {
        println!("skipped: there is no prlimit");
        return None;
    }
    let limit = format!("--fsize={bytes}");
    let by = ["/usr/bin/prlimit", &limit, CHECKER];
    Some(ended(within(folder, &by, arguments)))
}

/// After a shell's line in a world of its own, where it may mount what it likes;
/// `None` where this system does not let us.
fn mounted(folder: &Path, line: &str, arguments: &[&str]) -> Option<Output> {
    // Where we are may be another place now, of the same name.
    let line = format!("{{ {line}; }} && cd \"$PWD\" || exit 77; exec \"$@\"");
    let by = ["unshare", "-rm", "sh", "-c", &line, "sh", CHECKER];
    let output = within(folder, &by, arguments).output().ok();
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let output = output.filter(|output| {
        output.status.code() != Some(77) && !said(output).starts_with("unshare: ")
    });
    if output.is_none() {
        println!("skipped: this system does not let us mount anything");
    }
    output
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One sentence with what, and what to do, and exit code 2.
fn assert_refused(output: &Output, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("error: "), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(
        said.contains(" try again") || words.contains(&"TMPDIR"),
        "{said}"
    );
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in {said:?}");
    }
}

/// What else there was to do is done, and a warning says what is not.
fn assert_warned(output: &Output, code: i32, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.starts_with("warning: "), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.contains(" try again"), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in {said:?}");
    }
}

/// A workshop as `init` makes it, with a few records.
fn workshop() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &["init", "."][..],
        &["hint", "ex01"],
        &["hint", "ex01", "--more"],
    ] {
        let output = ended(command(folder.path(), arguments));
        assert!(output.status.success(), "{}", stderr(&output));
    }
    folder
}

/// Limits at which the writing of a file of that length fails: at its start, in its
/// middle, and at its last byte.
fn short_of(length: usize) -> [usize; 4] {
    [0, 1, length / 2, length - 1]
}

#[test]
fn a_reset_loses_nothing() {
    let workshop = workshop();
    let main = workshop.path().join(MAIN);
    let starter = fs::read(&main).expect("the starter");
    let reset = ["reset", "ex02"];
    // Neither its copy nor the starter can be written.
    let long = "// mine\n".repeat(starter.len());
    fs::write(&main, &long).expect("written");
    let before = files(workshop.path());
    for limit in short_of(long.len()) {
        let Some(output) = limited(workshop.path(), limit, &reset) else {
            return;
        };
        assert_refused(&output, &["cannot write", "main.rs.kept-1", "ulimit -f"]);
        assert_eq!(files(workshop.path()), before, "{limit}");
    }
    // The copy can be written, the starter cannot.
    fs::write(&main, "").expect("written");
    for (nth, limit) in short_of(starter.len()).into_iter().enumerate() {
        let output = limited(workshop.path(), limit, &reset).expect("it could before");
        assert_refused(&output, &["cannot write", "main.rs: "]);
        assert_eq!(fs::read(&main).expect("it is there"), b"", "{limit}");
        let copies = files(workshop.path()).len() - before.len();
        assert_eq!(copies, nth + 1, "a copy each, and nothing else");
    }
    let output = ended(command(workshop.path(), &reset));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::read(&main).expect("it is there"), starter);
}

#[test]
fn a_hint_that_is_not_remembered_is_given() {
    let workshop = workshop();
    let before = files(workshop.path());
    let length = before[Path::new(PROGRESS)].len();
    for limit in short_of(length) {
        let Some(output) = limited(workshop.path(), limit, &["hint", "ex02"]) else {
            return;
        };
        assert_warned(&output, 0, &["this hint is not remembered", PROGRESS]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("hint 1 of 3"));
        assert_eq!(files(workshop.path()), before, "{limit}");
    }
}

/// Files are as they were before, or as they are after; none is anything between.
fn assert_old_or_new(found: &Files, before: &Files, after: &Files, what: &str) {
    for (name, content) in found {
        let is_whole = [before, after].map(|files| files.get(name) == Some(content));
        assert!(is_whole.contains(&true), "{what}: {}", name.display());
    }
    for name in before.keys().filter(|name| after.contains_key(*name)) {
        assert!(found.contains_key(name), "{what}: {}", name.display());
    }
}

#[test]
fn a_course_that_is_not_written_whole_goes_on_next_time() {
    let whole = tempfile::tempdir().expect("a folder");
    let init = ["init", "here"];
    assert!(ended(command(whole.path(), &init)).status.success());
    let after = files(whole.path());
    let known = after[Path::new("here/.workshop/course.json")].len();
    for limit in [0, 1, 100, 2_000, 4_000, known - 1] {
        let folder = tempfile::tempdir().expect("a folder");
        let Some(output) = limited(folder.path(), limit, &init) else {
            return;
        };
        assert_refused(&output, &["cannot be written"]);
        let mut written = files(folder.path());
        // At first it says of no file that it is written.
        if let Some(known) = written.remove(Path::new("here/.workshop/course.json")) {
            serde_json::from_slice::<serde_json::Value>(&known).expect("it is whole");
        }
        assert_old_or_new(&written, &Files::new(), &after, &limit.to_string());
        let output = ended(command(folder.path(), &init));
        assert!(output.status.success(), "{limit}: {}", stderr(&output));
        assert!(files(folder.path()) == after, "{limit}: not all is there");
    }
}

#[test]
fn an_update_that_stops_halfway_goes_on_next_time() {
    let workshop = workshop();
    // What an older course had, and the learner has not changed, is updated.
    let after = files(workshop.path());
    let known = workshop.path().join(".workshop/course.json");
    let text = String::from_utf8(after[Path::new(".workshop/course.json")].clone()).expect("text");
    let mut course: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for name in ["README.md", MAIN] {
        let content = &after[Path::new(name)];
        let content = &content[..content.len() / 2];
        fs::write(workshop.path().join(name), content).expect("written");
        course["files"][name] = sha256(content).into();
    }
    fs::write(&known, course.to_string()).expect("written");
    let before = files(workshop.path());
    let readme = after[Path::new("README.md")].len();
    for limit in [0, 1, readme - 1, text.len() - 1] {
        let Some(output) = limited(workshop.path(), limit, &["update"]) else {
            return;
        };
        assert_refused(&output, &["cannot be written"]);
        assert_old_or_new(&files(workshop.path()), &before, &after, &limit.to_string());
    }
    let output = ended(command(workshop.path(), &["update"]));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(files(workshop.path()) == after, "not all is there");
}

fn sha256(content: &[u8]) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn man_pages_are_whole_or_as_they_were() {
    let folder = tempfile::tempdir().expect("a folder");
    let man = ["man", "."];
    fs::write(folder.path().join("checker.1"), "an older page").expect("written");
    let before = files(folder.path());
    for limit in [0, 1, 1_000] {
        let Some(output) = limited(folder.path(), limit, &man) else {
            return;
        };
        assert_refused(&output, &["man pages cannot be written"]);
        assert_eq!(files(folder.path()), before, "{limit}");
    }
    assert!(ended(command(folder.path(), &man)).status.success());
}

#[test]
fn a_standard_output_that_is_full() {
    let workshop = workshop();
    for arguments in [
        &[][..],
        &["list"],
        &["explain"],
        &["explain", "sequential"],
        &["hint", "ex01"],
        &["solution", "ex01", "--now"],
        &["reset", "ex01"],
        &["update"],
        &["completions", "bash"],
        &["man"],
    ] {
        let full = fs::File::create("/dev/full").expect("Linux has it");
        let mut command = command(workshop.path(), arguments);
        command.stdout(full);
        assert_refused(&ended(command), &["standard output cannot be written to"]);
    }
}

/// Makes of that folder, with what is in it, a disk that takes nothing any more,
/// one way and another.
fn disks_that_refuse(folder: &Path) -> [(String, &'static str); 2] {
    let place = folder.display();
    let read_only =
        format!("mount --bind '{place}' '{place}' && mount -o remount,bind,ro '{place}'");
    let full = format!(
        "cp -a '{place}' '{place}.old' && mount -t tmpfs -o size=16m none '{place}' \
         && cp -a '{place}.old/.' '{place}' && rm -r '{place}.old' \
         && {{ cat /dev/zero > '{place}/filler' 2>/dev/null; test -s '{place}/filler'; }}"
    );
    [
        (read_only, "Read-only file system"),
        (full, "No space left"),
    ]
}

#[test]
fn disks_that_are_full_or_read_only() {
    let workshop = workshop();
    fs::write(workshop.path().join(MAIN), "// mine").expect("written");
    let before = files(workshop.path());
    for (mount, why) in disks_that_refuse(workshop.path()) {
        // A folder can be made on a full disk, a file that holds something cannot.
        for arguments in [&["reset", "ex02"][..], &["init", "new"], &["man", "book"]] {
            let Some(output) = mounted(workshop.path(), &mount, arguments) else {
                return;
            };
            assert_refused(&output, &[why]);
        }
        let output = mounted(workshop.path(), &mount, &["hint", "ex02"]).expect("as before");
        assert_warned(&output, 0, &["this hint is not remembered", why]);
        assert!(
            files(workshop.path()) == before,
            "{why}: something has changed"
        );
    }
}

#[test]
fn a_verdict_stands_whatever_becomes_of_what_is_written_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let graded = |line: &str, arguments: &[&str]| {
        let all = [&["verify", "ex01", "--color", "never"], arguments].concat();
        mounted(repository(), line, &all)
    };
    let shown = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let old = folder.path().join("x.md");
    let summary = folder.path().join("summary");
    let report = old.to_str().expect("UTF-8");
    let made = ended(command(
        repository(),
        &["verify", "ex01", "--solution", "--report", report],
    ));
    assert!(made.status.success(), "{}", stderr(&made));
    // A page's worth: more needs another.
    fs::write(&summary, "before\n".repeat(4096)).expect("written");
    let before = files(folder.path());
    for (mount, why) in disks_that_refuse(folder.path()) {
        let solution = ["--solution", "--report", report];
        let Some(output) = graded(&mount, &solution) else {
            return;
        };
        assert_refused(&output, &["the verdict stands", "x.md", why]);
        assert!(shown(&output).contains("PASS ex01"), "{}", shown(&output));
        // The same folder for what GitHub shows.
        let line = format!(
            "{mount}; export GITHUB_STEP_SUMMARY='{}'",
            summary.display()
        );
        let output = graded(&line, &["--solution"]).expect("it could before");
        assert_warned(&output, 0, &["GITHUB_STEP_SUMMARY", why]);
        assert!(shown(&output).contains("PASS ex01"), "{}", shown(&output));
        // And for programs: none can be given a place to run in.
        let line = format!("{mount}; export TMPDIR='{}'", folder.path().display());
        let output = graded(&line, &["--solution"]).expect("it could before");
        if why.starts_with("Read-only") {
            assert_refused(&output, &["no folder for the program", "TMPDIR"]);
        } else {
            // Its place is made of nothing that takes room.
            assert!(!shown(&output).contains("FAIL"), "{}", shown(&output));
        }
        assert_eq!(files(folder.path()), before, "{why}");
    }
    // An attempt that cannot be remembered: what stands in this checkout is graded,
    // be it the starter or somebody's work.
    let undisturbed = ended(command(repository(), &["verify", "ex01", "--no-record"]));
    let (code, verdict) = match undisturbed.status.code() {
        Some(0) => (0, "PASS ex01"),
        _ => (1, "FAIL ex01"),
    };
    let records = repository().join(".workshop");
    fs::create_dir_all(&records).expect("a folder");
    let line = format!("mount -t tmpfs -o nr_inodes=1 none '{}'", records.display());
    let output = graded(&line, &[]).expect("it could before");
    assert_warned(
        &output,
        code,
        &["this attempt is not remembered", "No space left"],
    );
    assert!(shown(&output).contains(verdict), "{}", shown(&output));
}
