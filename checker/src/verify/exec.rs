//! The command of `--exec`: what it names, found from the folder that the learner is in.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// A program of `--exec` is found now, from the folder that the learner is in:
/// it will run in a folder of its own.
pub(super) fn found(command: &[OsString]) -> anyhow::Result<Vec<OsString>> {
    let Some(program) = command.first() else {
        anyhow::bail!("--exec is empty; give it a command, such as --exec 'python3 my_app.py'");
    };
    let here = std::env::current_dir()?;
    if let Some(script) = script(command) {
        let path = resolved(&here, script);
        anyhow::ensure!(
            path.exists(),
            "--exec: there is no file {} for {}",
            path.display(),
            program.to_string_lossy()
        );
    }
    let mut whole = Vec::with_capacity(command.len());
    if Path::new(program).components().count() > 1 {
        let path = resolved(&here, program);
        anyhow::ensure!(
            path.is_file(),
            "--exec: there is no program {}",
            path.display()
        );
        whole.push(path.into_os_string());
    } else {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let exists = std::env::split_paths(&paths).any(|folder| {
            folder.join(program).is_file()
                || cfg!(windows) && folder.join(program).with_extension("exe").is_file()
        });
        anyhow::ensure!(
            exists,
            "--exec: there is no program `{}` on the PATH",
            program.to_string_lossy()
        );
        whole.push(program.clone());
    }
    // Files named on the command line are named from here, too.
    whole.extend(command[1..].iter().map(|part| {
        let path = resolved(&here, part);
        if path.is_file() {
            path.into_os_string()
        } else {
            part.clone()
        }
    }));
    Ok(whole)
}

/// `path` as seen from `here`, without the `.` that nobody needs to read.
fn resolved(here: &Path, path: &OsStr) -> PathBuf {
    here.join(path).components().collect()
}

/// The script that an interpreter is to run, where the command cannot mean anything
/// else: the first word after it, named as a file of that language.
fn script(command: &[OsString]) -> Option<&OsStr> {
    const INTERPRETERS: [(&str, &[&str]); 6] = [
        ("python", &["py", "pyw", "pyz"]),
        ("node", &["js", "mjs", "cjs", "ts"]),
        ("ruby", &["rb"]),
        ("perl", &["pl"]),
        ("php", &["php"]),
        ("lua", &["lua"]),
    ];
    let [program, first, ..] = command else {
        return None;
    };
    let name = Path::new(program).file_stem()?.to_str()?;
    let (_, extensions) = INTERPRETERS
        .iter()
        .find(|(interpreter, _)| name.starts_with(interpreter))?;
    let extension = Path::new(first).extension()?.to_str()?;
    let is_option = first.to_str().is_some_and(|first| first.starts_with('-'));
    (!is_option && extensions.contains(&extension)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script_of(words: &str) -> Option<String> {
        let command: Vec<_> = words.split(' ').map(OsString::from).collect();
        script(&command).map(|script| script.to_string_lossy().into_owned())
    }

    #[test]
    fn a_script_is_what_can_be_nothing_else() {
        for (words, is) in [
            ("python3 app.py", Some("app.py")),
            ("/usr/bin/python3.11 ./app.py --log x.py", Some("./app.py")),
            ("node server.mjs", Some("server.mjs")),
            ("python3 -m http.server", None),
            ("python3 -c print.py", None),
            ("python3", None),
            ("node server", None),
            ("java app.py", None),
            ("./serve out.py", None),
        ] {
            assert_eq!(script_of(words).as_deref(), is, "{words}");
        }
    }
}
