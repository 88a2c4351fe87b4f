//! The command line as it is parsed, and the files in `deploy/` that are made of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use feishu_export_watcher::domain::{Failure, PauseReason};

use super::*;

#[test]
fn the_arguments_are_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn a_deadline_belongs_to_a_batch() {
    let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
    assert!(parse("watcher run --config f --deadline 30m").is_err());
    let Command::Run(run) = parse("watcher run --config f --until-done --deadline 30m").unwrap().command
    else {
        panic!("not run");
    };
    assert_eq!(run.deadline, Some(Duration::from_secs(1800)));
}

/// Promise: events of a hook are sent again by themselves, not along with tickets.
#[test]
fn a_hook_is_retried_alone() {
    let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
    for line in ["w retry --hook a 70", "w retry --hook a --failed", "w retry --hook a --app b", "w retry"] {
        assert!(parse(line).is_err(), "{line}");
    }
    let Command::Retry(retry) = parse("w retry --hook archive --dry-run").unwrap().command else {
        panic!("not retry")
    };
    assert_eq!((retry.hook.as_deref(), retry.dry_run), (Some("archive"), true));
}

/// Promise: a command that a hint names can be given as it stands.
#[test]
fn hints_name_commands_that_exist() {
    let of_kind = |kind: &ErrorKind| [kind.hint(), Failure::new(*kind).hint_for_document()];
    let kinds = ErrorKind::ALL.iter().flat_map(of_kind);
    let hints: Vec<_> = kinds.chain(PauseReason::ALL.iter().map(|reason| reason.hint())).collect();
    let quoted = hints.iter().flat_map(|hint| hint.split('`').skip(1).step_by(2));
    let commands: Vec<_> = quoted.filter(|quoted| quoted.starts_with("feishu-export-watcher ")).collect();
    assert!(!commands.is_empty());
    for command in commands {
        assert!(Arguments::try_parse_from(command.split(' ')).is_ok(), "{command}");
    }
}

#[test]
fn states_are_spelled_as_in_the_state_file() {
    let parsed =
        Arguments::try_parse_from("w status --config f --state failed,timed_out".split(' ')).unwrap();
    let Command::Status(status) = parsed.command else { panic!("not status") };
    assert_eq!(status.state, [TicketState::Failed, TicketState::TimedOut]);
    assert!(Arguments::try_parse_from("w status --config f --state done".split(' ')).is_err());
}

const NAME: &str = env!("CARGO_PKG_NAME");

/// The folders below `deploy/` that hold these files and no others.
const FOLDERS: [&str; 2] = ["completions", "man"];

/// Set, it has the test write the files instead of comparing them.
const UPDATE: &str = "UPDATE_GENERATED";

/// Promise: the files in `deploy/` have the same commands and options as the program.
#[test]
fn generated_files_are_up_to_date() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    if std::env::var_os(UPDATE).is_some() {
        FOLDERS.iter().for_each(|folder| fs::remove_dir_all(deploy.join(folder)).unwrap());
        generate(&deploy);
    }
    let wanted = tempfile::tempdir().unwrap();
    generate(wanted.path());
    for folder in FOLDERS {
        assert!(
            files(&deploy.join(folder)) == files(&wanted.path().join(folder)),
            "deploy/{folder} is not as the arguments have it; to write it anew: \
             {UPDATE}=1 cargo test --bin {NAME} generated"
        );
    }
}

fn generate(deploy: &Path) {
    let [completions, man] = FOLDERS.map(|folder| deploy.join(folder));
    [&completions, &man].into_iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Arguments::command(), NAME, &completions).unwrap();
    }
    // Of a name with hyphens clap_complete 4.6.11 notes a subcommand under one label and looks it up under another
    // (clap-rs/clap#6421), so that bash proposes none of its options.
    let bash = completions.join(format!("{NAME}.bash"));
    let text = fs::read_to_string(&bash).unwrap();
    fs::write(bash, text.replace(&NAME.replace('-', "__subcmd__"), &NAME.replace('-', "__"))).unwrap();
    clap_mangen::generate_to(Arguments::command(), man).unwrap();
}

fn files(folder: &Path) -> BTreeMap<OsString, String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name(), fs::read_to_string(entry.path()).unwrap())).collect()
}
