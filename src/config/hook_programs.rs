//! Whether the commands of hooks exist and may be run, before the first event finds out. Nothing is run.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::problem::{Position, Problem, shown_path};
use super::settings::Config;
use super::text_file;
use crate::domain::{Hook, HookTarget};

/// Where programs are looked for if `PATH` is not set, as execvp(3) does.
const USUAL_PATH: &str = "/bin:/usr/bin";

/// Looks for the program of every hook that is a command.
#[must_use]
pub fn check_hook_programs(config: &Config) -> Vec<Problem> {
    let path = search_path();
    let check = |(hook, place): (&Hook, &Position)| {
        let HookTarget::Command(words) = &hook.target else { return None };
        let message = trouble_with(words.first()?, &path)?;
        let message = format!("command of hook `{}`: {message}", hook.name);
        Some(Problem::error(&config.path, Some(*place), message))
    };
    config.hooks.iter().zip(&config.hook_places).filter_map(check).collect()
}

fn trouble_with(program: &str, path: &OsString) -> Option<String> {
    if program.contains('/') {
        let why = trouble_with_file(Path::new(program))?;
        return Some(format!("{}: {why}", shown_path(Path::new(program))));
    }
    let why = "no such program in a folder of PATH; name it with its whole path";
    find_in(program, path).is_none().then(|| format!("{}: {why}", shown_path(Path::new(program))))
}

/// Where a program lies that is looked for in `PATH`; none if it is not found, or is a path itself.
#[must_use]
pub fn find_program(program: &str) -> Option<PathBuf> {
    find_in(program, &search_path()).filter(|_| !program.contains('/'))
}

fn search_path() -> OsString {
    env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into())
}

fn find_in(program: &str, path: &OsString) -> Option<PathBuf> {
    let mut candidates = env::split_paths(path).map(|folder| folder.join(program));
    candidates.find(|candidate| trouble_with_file(candidate).is_none())
}

/// Why a file can't be run; none if it can.
fn trouble_with_file(path: &Path) -> Option<String> {
    match path.metadata() {
        Err(error) => Some(text_file::describe(&error)),
        Ok(found) if !found.is_file() => Some("is no file".to_owned()),
        // Also on a file system that is mounted to run nothing.
        Ok(_) if accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_err() => {
            Some("may not be run by this user; chmod +x it, look at the folders above it, and as a service: docs/hooks.md".to_owned())
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Promise: a command that would fail each time is found before the first event, with the reason.
    #[test]
    fn what_can_not_be_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (runs, plain) = (folder.path().join("runs"), folder.path().join("plain"));
        for (path, mode) in [(&runs, 0o755), (&plain, 0o644)] {
            fs::write(path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = env::join_paths(["/no/such".as_ref(), folder.path()]).unwrap();
        let trouble = |program: &str| trouble_with(program, &path);
        assert_eq!(trouble(runs.to_str().unwrap()), None);
        assert_eq!(trouble("runs"), None);
        for (program, expected) in [
            ("plain", "no such program in a folder of PATH"),
            ("other", "no such program in a folder of PATH"),
            (plain.to_str().unwrap(), "may not be run by this user"),
            ("/no/such", "no such file"),
            (folder.path().to_str().unwrap(), "is no file"),
        ] {
            let message = trouble(program).unwrap();
            assert!(message.starts_with(&format!("{program}: ")) && message.contains(expected), "{message}");
        }
    }
}
