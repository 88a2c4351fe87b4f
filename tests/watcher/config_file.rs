//! Which `watcher.toml` is taken where `--config` is left out, and that it is said.

use std::path::Path;
use std::time::Duration;

use export_simulator::Job;

use crate::call::{BINARY, Call};
use crate::harness::Bench;
use crate::outputs::{stderr, stdout};

/// A command without `--config`, given in that folder.
fn call(bench: &Bench, folder: &Path, arguments: &[&str]) -> Call {
    let mut call = bench.call(BINARY);
    call.args(arguments).current_dir(folder);
    call
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70").succeeds_after(Duration::ZERO)]);
    bench
}

/// Promise: every command works without `--config` in the folder of a configuration, and says which it took; the
/// variable names another.
#[test]
fn the_configuration_may_be_left_out() {
    let bench = bench();
    let elsewhere = tempfile::tempdir().unwrap();
    let expected =
        format!("configuration: {}\n", bench.path("watcher.toml").canonicalize().unwrap().display());
    for (arguments, code) in [
        (&["check"][..], 0),
        (&["run", "--until-done"], 0),
        (&["status"], 0),
        (&["retry", "70", "--dry-run"], 0),
        (&["health"], 1),
    ] {
        let here = call(&bench, bench.folder.path(), arguments).output();
        assert_eq!(here.status.code(), Some(code), "{arguments:?}: {}", stderr(&here));
        assert!(stderr(&here).starts_with(&expected), "{arguments:?}: {}", stderr(&here));
        let mut named = call(&bench, elsewhere.path(), arguments);
        let named = named.env("FEISHU_EXPORT_WATCHER_CONFIG", bench.path("watcher.toml")).output();
        assert_eq!(named.status.code(), Some(code), "{arguments:?}: {}", stderr(&named));
        assert!(stderr(&named).starts_with(&expected), "{arguments:?}: {}", stderr(&named));
    }
    let check = bench.output("check", &[]);
    assert_eq!(stderr(&check), "", "what the command line names needs no word");
}

/// Promise: where there is no configuration, the places that were looked at are named.
#[test]
fn no_configuration_is_reported() {
    if Path::new("/etc/feishu-export-watcher/watcher.toml").exists() {
        return;
    }
    let (bench, elsewhere) = (bench(), tempfile::tempdir().unwrap());
    for (command, code) in [("check", 78), ("run", 78), ("status", 78), ("health", 1)] {
        let output = call(&bench, elsewhere.path(), &[command]).output();
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(code), ""), "{command}");
        assert_eq!(
            stderr(&output),
            "error: no configuration: there is neither watcher.toml in this folder nor \
             /etc/feishu-export-watcher/watcher.toml; name one with --config or in FEISHU_EXPORT_WATCHER_CONFIG, \
             change to its folder, or write one with `feishu-export-watcher init`\n"
        );
    }
}

/// Promise: the command that a refused start names looks at the same configuration, given as it stands.
#[test]
fn a_named_command_runs_as_it_is_printed() {
    let bench = bench();
    bench.write("it's broken.toml", "nonsense = 1\n");
    let path = bench.path("it's broken.toml").display().to_string();
    let refused = call(&bench, Path::new("/"), &["run", "--config", &path]).output();
    let said = stderr(&refused);
    let command = said.split('`').rfind(|part| part.starts_with("feishu-export-watcher check ")).unwrap();
    let line = command.replacen("feishu-export-watcher", BINARY, 1);
    let check = bench.call("sh").args(["-c", &line]).output();
    assert_eq!(check.status.code(), Some(78), "{line}");
    assert!(stdout(&check).contains("it's broken.toml:1:1: error: unknown key"), "{}", stdout(&check));
}
