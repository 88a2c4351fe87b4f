//! `retry --hook`: has the events of a hook sent again, and prints how many these are.

use std::io::{self, Write as _};

use feishu_export_watcher::domain::words::grouped;
use feishu_export_watcher::{HookRetry, StateFile};

use crate::messages::{eprint_escaped, refuse};
use crate::status::OTHERWISE;
use crate::{config_file, exit};

/// Has the events of that hook sent again; returns the exit code.
pub(crate) fn retry_hook(file: &StateFile, name: &str, dry_run: bool) -> u8 {
    let retry = match HookRetry::plan(file, name) {
        Ok(retry) => retry,
        Err(error) => return refuse(&error, OTHERWISE),
    };
    if retry.events == 0 {
        eprint_escaped(&format!("nothing to send again: no event waits for hook {}", retry.hook));
        return exit::FINE;
    }
    // A closed stdout changes nothing.
    let announce = || drop(io::stdout().write_all(announcement(&retry, dry_run).as_bytes()));
    if dry_run {
        announce();
        eprint_escaped("nothing was changed (--dry-run)");
        return exit::FINE;
    }
    match retry.submit() {
        Ok(watcher) => {
            announce();
            eprint_escaped(&outcome(&retry, watcher.is_some(), file));
            exit::FINE
        }
        Err(error) => refuse(&error, OTHERWISE),
    }
}

/// "3 events of hook archive will be sent again".
fn announcement(retry: &HookRetry, dry_run: bool) -> String {
    let will = if dry_run { "would" } else { "will" };
    let plural = if retry.events == 1 { "" } else { "s" };
    format!("{} event{plural} of hook {} {will} be sent again\n", grouped(retry.events), retry.hook)
}

fn outcome(retry: &HookRetry, is_watched: bool, file: &StateFile) -> String {
    if !is_watched {
        let next = config_file::command_to_run(file).map(|run| format!("; to start one:\n  {run}"));
        return format!("asked: no watcher runs, the next start sends them{}", next.unwrap_or_default());
    }
    if retry.is_ended {
        return "asked, but its receiver said that it is gone (410): they are sent once the watcher is \
                started again"
            .to_owned();
    }
    "done: the watcher sends them within 5 s".to_owned()
}
