//! Programs that try to fool, hang or harm the checker. Each is graded by a
//! checker of its own, whose death would be noticed, and whose memory is watched.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Deserialize;
use tokio::process::Command;

use super::Say;
use super::aftermath::{Belongings, Family, memory_peak};
use super::busy::Load;
use super::soak::{Options, pace, quantile, tell, whole};
use crate::compile::{self, Built, Target};
use crate::interrupt;
use crate::program::containment;
use crate::progress::Progress;
use crate::render::clean;
use crate::report::{Verdict, words};
use crate::workshop::Workshop;

/// Where they are, in `solutions/`; also their package and their binary.
pub const FOLDER: &str = "hostile";

/// The most memory that a checker may have had, whatever it was shown.
const MOST_MEMORY: u64 = 96 << 20;

/// An ending may be this much later than it says.
const GRACE: Duration = Duration::from_secs(2);

/// How often a checker's memory is looked at: its own record of the most it has
/// had, so that only what came after the last look can be missed.
const LOOK: Duration = Duration::from_millis(25);

/// What `hostile.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Corpus {
    program: Vec<Attack>,
}

/// A program, and how it has to end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    /// What `hostile` calls it.
    name: String,
    /// Whose contract it is graded by.
    exercise: String,
    /// A diagnosis, `pass` or `inconclusive`; several where each is right.
    ends: Vec<String>,
    /// Seconds that its verdict may take.
    within: u64,
    /// The facility of this machine without which it cannot be contained.
    #[serde(default)]
    needs: Option<String>,
}

/// What was counted for one program.
#[derive(Clone, Debug, Default)]
struct Tally {
    right: u32,
    undecided: u32,
    wrong: u32,
    times: Vec<Duration>,
    memory: u64,
    endings: Vec<String>,
    complaints: Vec<String>,
}

/// What came of one grading.
#[derive(Debug)]
struct Ending {
    name: String,
    took: Duration,
    memory: u64,
    complaints: Vec<String>,
}

/// Grades all of them; 0 where each ended as it has to and left nothing, else 1.
///
/// # Errors
/// Faults that are not theirs.
pub async fn run(workshop: &Workshop, options: &Options, say: Say<'_>) -> anyhow::Result<u8> {
    let program = built(workshop).await?;
    let corpus = corpus(workshop, &program).await?;
    let has = |needed: &String| {
        let mut facilities = containment().into_iter();
        facilities.any(|facility| facility.name == needed && facility.available)
    };
    let mut attacks = Vec::new();
    for attack in corpus {
        let wanted = options.only.as_ref();
        if wanted.is_some_and(|only| !attack.name.contains(only)) {
            continue;
        }
        match attack.needs.clone().filter(|needed| !has(needed)) {
            Some(needed) => say(&format!(
                "skipped: {} ({needed} is not there, so it is not contained on this machine)\n",
                attack.name
            ))?,
            None => attacks.push(attack),
        }
    }
    anyhow::ensure!(
        !attacks.is_empty(),
        "no hostile program has that in its name"
    );
    say(&format!("{} hostile programs\n", attacks.len()))?;

    let progress = Progress::on_stderr();
    let load = Load::start(options.load, options.fitful)?;
    let family = Family::new(load.pids());
    let belongings = Belongings::of(&workshop.root);
    let began = Instant::now();
    let mut tallies = vec![Tally::default(); attacks.len()];
    let order = (0..options.runs).flat_map(|_| 0..attacks.len());
    let mut graded = stream::iter(order.map(|index| {
        let (attack, family, belongings) = (&attacks[index], &family, &belongings);
        let (program, root) = (&program, &workshop.root);
        async move {
            let ending = grade(root, program, attack, family, belongings).await;
            (index, ending)
        }
    }))
    .buffer_unordered(options.jobs.max(1));
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut tick = tokio::time::interval(pace(&progress));
    tick.tick().await;
    let was_stopped = loop {
        let (index, ending) = tokio::select! {
            biased;
            _ = &mut interrupted => break true,
            _ = tick.tick() => {
                tell(&progress, &standing(&tallies, options.runs, began.elapsed()));
                continue;
            }
            next = graded.next() => match next {
                Some(graded) => graded,
                None => break false,
            },
        };
        tallies[index].take(&attacks[index], ending?);
    };
    drop(graded);
    drop(load);
    progress.clear();
    say(&table(&attacks, &tallies))?;
    let sum = |count: fn(&Tally) -> u32| tallies.iter().map(count).sum::<u32>();
    let wrong = sum(|tally| tally.wrong);
    say(&format!(
        "{} gradings in {}, {} busy processes per core: {} right, {wrong} wrong, {} inconclusive; \
         the checker's memory was {} MiB at most\n\
         (Where an attack ends as `pass`, it came to nothing: the exercise was graded as ever.)\n",
        sum(|tally| tally.right + tally.wrong + tally.undecided),
        words(began.elapsed()),
        options.load,
        sum(|tally| tally.right),
        sum(|tally| tally.undecided),
        tallies.iter().map(|tally| tally.memory).max().unwrap_or(0) >> 20,
    ))?;
    if was_stopped {
        return Ok(interrupt::stopped());
    }
    Ok(u8::from(wrong > 0))
}

async fn built(workshop: &Workshop) -> anyhow::Result<PathBuf> {
    let target = Target::new(FOLDER, FOLDER);
    match compile::build(&workshop.root, &target, &|_, _| {}).await?.0 {
        Built::Program { path, .. } => Ok(path),
        Built::Broken { rendered } => bail!("the hostile programs do not compile:\n{rendered}"),
    }
}

/// Reads what is to come of them, and sees that none is missing.
async fn corpus(workshop: &Workshop, program: &Path) -> anyhow::Result<Vec<Attack>> {
    let file = workshop
        .root
        .join("solutions")
        .join(FOLDER)
        .join("hostile.toml");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let Corpus { program: attacks } = toml::from_str(&text)
        .with_context(|| format!("cannot make sense of {}", file.display()))?;
    let listed = Command::new(program)
        .arg("--list")
        .output()
        .await
        .with_context(|| format!("cannot run {}", program.display()))?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for name in listed.lines() {
        let count = attacks.iter().filter(|attack| attack.name == name).count();
        anyhow::ensure!(
            count == 1,
            "{} has {count} entries for `{name}` instead of one",
            file.display()
        );
    }
    for attack in &attacks {
        anyhow::ensure!(
            listed.lines().any(|name| name == attack.name),
            "{}: there is no hostile program `{}`",
            file.display(),
            attack.name
        );
        workshop.exercise(&attack.exercise)?;
    }
    Ok(attacks)
}

/// One verdict by a checker of its own, and what is left after it.
async fn grade(
    root: &Path,
    program: &Path,
    attack: &Attack,
    family: &Family,
    belongings: &Belongings,
) -> anyhow::Result<Ending> {
    // All that it starts has this in its environment or its working directory.
    let folder = tempfile::Builder::new()
        .prefix("hostile-")
        .tempdir()
        .context("no folder for a hostile program")?;
    let line = shell_words::join([&*program.to_string_lossy(), &attack.name]);
    let began = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .args([
            "verify",
            &attack.exercise,
            "--color",
            "never",
            "--exec",
            &line,
        ])
        .current_dir(root)
        .env("TMPDIR", folder.path())
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the checker cannot start itself")?;
    let pid = child.id().unwrap_or_default();
    let member = family.member(pid);
    let limit = Duration::from_secs(attack.within) + GRACE;
    let mut memory = 0;
    let watching = async {
        loop {
            memory = memory_peak(pid).unwrap_or(memory);
            tokio::time::sleep(LOOK).await;
        }
    };
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let ending = async {
        let (out, err) = tokio::join!(read(&mut stdout), read(&mut stderr));
        Ok::<_, std::io::Error>(Output {
            status: child.wait().await?,
            stdout: out,
            stderr: err,
        })
    };
    let output = tokio::select! {
        output = tokio::time::timeout(limit, ending) => output,
        () = watching => unreachable!("watching does not end"),
    };
    let took = began.elapsed();
    let mut complaints = Vec::new();
    let name = match output {
        Ok(output) => {
            let output = output.context("a checker was lost")?;
            complaints.extend(raw(&output));
            complaints.extend(failed_itself(&output));
            name(&output)
        }
        Err(_) => {
            child.kill().await.context("a checker cannot be ended")?;
            format!("nothing within {}", words(limit))
        }
    };
    drop(member);
    complaints.extend(family.survivors(folder.path()).await);
    complaints.extend(left_in(folder.path()));
    complaints.extend(belongings.changed());
    if memory > MOST_MEMORY {
        complaints.push(format!("the checker took {} MiB", memory >> 20));
    }
    Ok(Ending {
        name,
        took,
        memory,
        complaints,
    })
}

async fn read(pipe: &mut Option<impl tokio::io::AsyncRead + Unpin>) -> Vec<u8> {
    use tokio::io::AsyncReadExt as _;
    let mut all = Vec::new();
    if let Some(pipe) = pipe {
        // What was read until then is told all the same.
        let _ = pipe.read_to_end(&mut all).await;
    }
    all
}

/// `pass`, a diagnosis, `inconclusive`; or what else a checker came to.
fn name(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let is = |verdict: Verdict| output.status.code() == Some(i32::from(verdict.exit_code()));
    // The one line that always has it whole.
    let code = || {
        let more = text
            .lines()
            .find_map(|line| line.trim_start().strip_prefix("more "))?;
        Some(more.trim().strip_prefix("checker explain ")?.to_owned())
    };
    if is(Verdict::Pass) {
        "pass".to_owned()
    } else if is(Verdict::Inconclusive) {
        "inconclusive".to_owned()
    } else if let (true, Some(code)) = (is(Verdict::Fail), code()) {
        code
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{} ({})", output.status, said.trim().replace('\n', " "))
    }
}

/// What would have acted on the terminal, or hidden in it.
fn raw(output: &Output) -> Option<String> {
    let text = [&*output.stdout, &*output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| clean(line) != *line)?;
    Some(format!("printed as it came: {}", clean(line)))
}

/// A fault of ours that nobody was meant to see, whatever the verdict.
fn failed_itself(output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| line.contains("itself failed"))?;
    Some(format!("said: {}", clean(line)))
}

fn left_in(folder: &Path) -> Option<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    (!names.is_empty()).then(|| format!("left files behind: {}", names.join(", ")))
}

impl Tally {
    fn take(&mut self, attack: &Attack, ending: Ending) {
        let is_expected = attack.ends.contains(&ending.name);
        match (is_expected, ending.complaints.is_empty()) {
            (true, true) => self.right += 1,
            (false, true) if ending.name == "inconclusive" => self.undecided += 1,
            _ => self.wrong += 1,
        }
        if !is_expected {
            self.complaints.push(format!(
                "ended as {} instead of {}",
                ending.name,
                attack.ends.join(" or ")
            ));
        }
        self.complaints.extend(ending.complaints);
        self.times.push(ending.took);
        self.memory = self.memory.max(ending.memory);
        if !self.endings.contains(&ending.name) {
            self.endings.push(ending.name);
        }
    }
}

fn standing(tallies: &[Tally], runs: u32, elapsed: Duration) -> String {
    let done: usize = tallies.iter().map(|tally| tally.times.len()).sum();
    let wrong: u32 = tallies.iter().map(|tally| tally.wrong).sum();
    format!(
        "{done} of {} gradings in {}, {wrong} wrong",
        tallies.len() * runs as usize,
        whole(elapsed)
    )
}

fn table(attacks: &[Attack], tallies: &[Tally]) -> String {
    let widest = attacks.iter().map(|a| a.name.len()).max().unwrap_or(0);
    let mut text = format!(
        "\n{:widest$}  {:>6} {:>6} {:>6}  {:>8} {:>8} {:>7}  ended as\n",
        "program", "right", "wrong", "incon.", "median", "longest", "MiB"
    );
    for (attack, tally) in attacks.iter().zip(tallies) {
        text += &format!(
            "{:widest$}  {:>6} {:>6} {:>6}  {:>8} {:>8} {:>7}  {}\n",
            attack.name,
            tally.right,
            tally.wrong,
            tally.undecided,
            words(quantile(&tally.times, 0.5)),
            words(quantile(&tally.times, 1.0)),
            tally.memory >> 20,
            tally.endings.join(", ")
        );
        for complaint in tally.complaints.iter().take(3) {
            text += &format!("    {}\n", clean(complaint).replace('\n', " "));
        }
    }
    text
}
