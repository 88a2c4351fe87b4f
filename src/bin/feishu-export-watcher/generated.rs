//! Completions for shells and pages of the manual: made from the arguments, kept under `deploy/` so that installing
//! needs no more than copying, and compared here. For tests only: the program carries none of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Arguments;

const NAME: &str = env!("CARGO_PKG_NAME");

/// The folders below `deploy/` that hold these files and no others.
const FOLDERS: [&str; 2] = ["completions", "man"];

/// Set, it has the test write the files instead of comparing them.
const UPDATE: &str = "UPDATE_GENERATED";

/// Promise: what is installed from `deploy/` knows the same commands and options as the program.
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
