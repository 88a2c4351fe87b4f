//! `retry`: prints which tickets are to be polled and which documents exported again, makes the request, and prints its
//! outcome.

use std::io::{self, Write as _};

use feishu_export_watcher::domain::words::grouped;
use feishu_export_watcher::domain::{FileState, TicketRecord, escape};
use feishu_export_watcher::{RetryOutcome, RetryPlan, RetrySelection, StateFile, plan_retry};

use crate::args::RetryArguments;
use crate::messages::{eprint_escaped, refuse};
use crate::retry_hook::retry_hook;
use crate::status::{OTHERWISE, nothing_ran};
use crate::{config_file, exit};

/// Tickets that are named one by one; the rest is counted.
const SHOWN: usize = 20;

/// Asks for tickets to be polled and documents to be exported again; returns the exit code.
pub(crate) fn retry(arguments: RetryArguments) -> u8 {
    let RetryArguments { file, names, failed, kind, app, hook, dry_run } = arguments;
    let Some(file) = config_file::find_state(file) else { return exit::CONFIG };
    if let Some(hook) = hook {
        return retry_hook(&file, &hook, dry_run);
    }
    let plan = match plan_retry(&file, &RetrySelection { names, failed, kind, app }) {
        Ok(plan) => plan,
        Err(error) => return refuse(&error, OTHERWISE),
    };
    if !plan.exists {
        eprint_escaped(&nothing_ran(&plan.path, &file));
    }
    print_left_out(&plan);
    if plan.tickets.is_empty() {
        eprint_escaped("nothing to retry");
        return exit::FINE;
    }
    // A closed stdout does not stop the request.
    let _ = io::stdout().write_all(announcement(&plan.tickets, dry_run).as_bytes());
    if dry_run {
        eprint_escaped("nothing was changed (--dry-run)");
        return exit::FINE;
    }
    match plan.submit() {
        Ok(outcome) => {
            eprint_escaped(&outcome_in_words(&outcome, &file));
            exit::FINE
        }
        Err(error) => refuse(&error, OTHERWISE),
    }
}

fn print_left_out(plan: &RetryPlan) {
    for ticket in &plan.pending {
        eprint_escaped(&format!("{} is pending already", ticket.entry.in_words()));
    }
    if plan.unlisted > 0 {
        eprint_escaped(&format!(
            "{} more left the watch list, or their app watcher.toml; list them again to have them taken up",
            grouped(plan.unlisted)
        ));
    }
}

/// The effect of the request, one by one.
fn announcement(tickets: &[TicketRecord], dry_run: bool) -> String {
    let mut text = head(tickets, dry_run);
    for ticket in tickets.iter().take(SHOWN) {
        let entry = &ticket.entry;
        let label = entry.label.as_deref().map(|label| format!("  {}", escape(label))).unwrap_or_default();
        // A document is named without the label, which stands at the end.
        let subject = match ticket.export {
            Some(_) => entry.key.id.in_words(entry.url()),
            None => entry.key.id.to_string(),
        };
        let (app, subject) = (escape(entry.key.app.as_str()), escape(&subject));
        text += &format!("  {app}  {subject}  {}{label}\n", in_words(ticket));
    }
    if tickets.len() > SHOWN {
        text += &format!("  … and {} more\n", grouped(tickets.len() - SHOWN));
    }
    text
}

/// "1 ticket will be polled again, 2 documents will be exported again:".
fn head(tickets: &[TicketRecord], dry_run: bool) -> String {
    let will = if dry_run { "would" } else { "will" };
    let documents = tickets.iter().filter(|ticket| ticket.export.is_some()).count();
    let part = |number: usize, what: &str, done: &str| {
        let plural = if number == 1 { "" } else { "s" };
        (number > 0).then(|| format!("{} {what}{plural} {will} be {done} again", grouped(number)))
    };
    let parts =
        [part(tickets.len() - documents, "ticket", "polled"), part(documents, "document", "exported")];
    format!("{}:\n", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn in_words(ticket: &TicketRecord) -> String {
    match ticket.file_state() {
        Some(FileState::Saved) => {
            let done = if ticket.export.is_some() { "made" } else { "fetched" };
            return format!("{}; its file is saved and would be {done} once more", ticket.state);
        }
        Some(state) => {
            let kind = ticket.file_error().map(|error| error.kind.as_str());
            let kind = kind.filter(|kind| *kind != state.as_str()).map(|kind| format!(": {kind}"));
            return format!("{}; file {state}{}", ticket.state, kind.unwrap_or_default());
        }
        None => {}
    }
    match ticket.error.as_deref() {
        Some(error) => format!("{}: {}", ticket.state, error.kind),
        None if ticket.artefact.is_some() => {
            format!("{}; its file token is forgotten until the answer comes", ticket.state)
        }
        None => ticket.state.to_string(),
    }
}

fn outcome_in_words(outcome: &RetryOutcome, file: &StateFile) -> String {
    match outcome {
        RetryOutcome::TakenUp => "done: the watcher has taken the request up".to_owned(),
        RetryOutcome::NotYet(watcher) => format!(
            "asked, but the watcher ({watcher}) has not taken it up yet; it does once it can write its state \
             file and log, which its log and `health --ready` show"
        ),
        RetryOutcome::AtNextStart => {
            let next = config_file::command_to_run(file).map(|run| format!("; to start one:\n  {run}"));
            format!("asked: no watcher runs, the next start takes it up{}", next.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status_output::fixtures;

    /// Promise: the effect is printed before the request is made, within few lines and escaped.
    #[test]
    fn the_announcement_names_a_few_and_counts_the_rest() {
        let [_, failed, ..] = fixtures::tickets();
        assert_eq!(
            announcement(std::slice::from_ref(&failed), true),
            "1 ticket would be polled again:\n  lark  7000000000000000001  failed: document_deleted  =1+1\n"
        );
        let [uncreated, created, ..] = fixtures::documents();
        assert_eq!(
            announcement(&[uncreated, created, failed.clone()], false),
            "1 ticket will be polled again, 2 documents will be exported again:\n  \
             default  document https://acme.feishu.cn/sheets/shtcnAAAA as csv of 0b1e2f  pending\n  \
             default  document wikcnBBBB as pdf  failed: no_permission  minutes\n  \
             lark  7000000000000000001  failed: document_deleted  =1+1\n"
        );
        let [_, saved, expired, wrong] = fixtures::with_files();
        assert_eq!(
            [saved, expired, wrong].map(|ticket| in_words(&ticket)),
            [
                "completed; its file is saved and would be fetched once more",
                "completed; file expired",
                "completed; file failed: wrong_content"
            ]
        );
        let mut hostile = failed;
        hostile.entry.label = Some("\u{1b}[2J\u{202e}".into());
        let text = announcement(&vec![hostile; 1_234], false);
        assert!(text.starts_with("1,234 tickets will be polled again:\n"), "{text}");
        assert!(text.ends_with("\n  … and 1,214 more\n"), "{text}");
        assert_eq!(text.lines().count(), SHOWN + 2);
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }
}
