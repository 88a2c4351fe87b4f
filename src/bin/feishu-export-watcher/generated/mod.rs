//! Completions for shells and pages of the manual: made from the arguments, kept under `deploy/` so that installing
//! needs no more than copying, and compared here. For tests only: the program carries none of it.

mod man;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use feishu_export_watcher::domain::answers::{CODES, JOB_STATUSES};
use feishu_export_watcher::domain::{ErrorKind, PauseReason};

use crate::args::Arguments;

/// The folders below `deploy/` that hold these files and no others.
const FOLDERS: [&str; 2] = ["completions", "man"];

/// Set, it has the test write the files instead of comparing them.
const UPDATE: &str = "UPDATE_GENERATED";

/// Promise: what is installed from `deploy/` knows the same commands and options as the program.
#[test]
fn generated_files_are_up_to_date() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let wanted: BTreeMap<_, _> = completions().chain(man::pages()).collect();
    if std::env::var_os(UPDATE).is_some() {
        for folder in FOLDERS {
            let _ = fs::remove_dir_all(deploy.join(folder));
            fs::create_dir_all(deploy.join(folder)).unwrap();
        }
        for (path, text) in &wanted {
            fs::write(deploy.join(path), text).unwrap();
        }
        return;
    }
    let present: Vec<_> = FOLDERS.iter().flat_map(|folder| files(&deploy, folder)).collect();
    let missing = wanted.keys().filter(|path| !present.contains(path));
    let surplus = present.iter().filter(|path| !wanted.contains_key(*path));
    let changed = wanted
        .iter()
        .filter(|(path, text)| fs::read_to_string(deploy.join(path)).is_ok_and(|present| present != **text));
    let stale: Vec<_> = missing.chain(surplus).chain(changed.map(|(path, _)| path)).collect();
    assert!(
        stale.is_empty(),
        "not as the arguments have it, below deploy/: {stale:?}\n\
         to write them anew: {UPDATE}=1 cargo test --bin feishu-export-watcher generated"
    );
}

fn files(deploy: &Path, folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(deploy.join(folder)) else {
        return Vec::new();
    };
    entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name())).collect()
}

/// The file of every shell, with its path below `deploy/`.
fn completions() -> impl Iterator<Item = (PathBuf, String)> {
    [Shell::Bash, Shell::Zsh, Shell::Fish].into_iter().map(|shell| {
        let mut command = with_words();
        let name = command.get_name().to_owned();
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, &name, &mut text);
        let file = clap_complete::Generator::file_name(&shell, &name);
        (Path::new("completions").join(file), repaired(&name, &String::from_utf8(text).unwrap()))
    })
}

/// For a name with hyphens clap_complete 4.6.11 has bash note a subcommand under one label and look it up under another,
/// so that options of subcommands are never proposed (clap-rs/clap#6421). The second label becomes the first.
fn repaired(name: &str, text: &str) -> String {
    text.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}

/// Promise: bash finds the options of the subcommand it has seen.
#[test]
fn every_label_that_bash_notes_is_looked_up() {
    let (_, text) = completions().next().unwrap();
    let noted: Vec<_> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("cmd=\"")?.strip_suffix('"'))
        .filter(|label| !label.is_empty())
        .collect();
    assert!(noted.len() > Arguments::command().get_subcommands().count());
    for label in noted {
        assert!(text.lines().any(|line| line.trim() == format!("{label})")), "{label}");
    }
}

/// The arguments with the words that a shell can propose, where the program itself takes others as well, or names
/// them better when it refuses one.
fn with_words() -> Command {
    let kinds: Vec<_> = ErrorKind::all().map(ErrorKind::as_str).collect();
    let numbers = JOB_STATUSES.iter().map(|row| row.number).chain(CODES.iter().map(|row| row.number));
    let numbers: BTreeSet<_> = numbers.collect();
    // The arguments hold on to their words for ever.
    let numbers = numbers.into_iter().map(|number| &*number.to_string().leak());
    let names = kinds.iter().copied().chain(PauseReason::ALL.map(PauseReason::as_str));
    let codes = numbers.chain(names).collect();
    Arguments::command()
        .mut_subcommand("explain", |command| proposing(command, "codes", codes))
        .mut_subcommand("retry", |command| proposing(command, "kind", kinds))
}

fn proposing(command: Command, argument: &'static str, words: Vec<&'static str>) -> Command {
    command.mut_arg(argument, |argument| argument.value_parser(PossibleValuesParser::new(words)))
}
