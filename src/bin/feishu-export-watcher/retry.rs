//! `retry`: prints which tickets are to be polled again, makes the request, and prints its outcome.

use std::io::{self, Write as _};

use feishu_export_watcher::domain::words::grouped;
use feishu_export_watcher::domain::{FileState, TicketRecord, escape};
use feishu_export_watcher::{RetryOutcome, RetryPlan, RetrySelection, plan_retry};

use crate::args::RetryArguments;
use crate::messages::{eprint_escaped, refuse};
use crate::status::OTHERWISE;
use crate::{config_file, exit};

/// Tickets that are named one by one; the rest is counted.
const SHOWN: usize = 20;

/// Asks for tickets to be polled again; returns the exit code.
pub(crate) fn retry(arguments: RetryArguments) -> u8 {
    let RetryArguments { file, tickets, failed, kind, app, dry_run } = arguments;
    let Some(file) = config_file::find_state(file) else { return exit::CONFIG };
    let plan = match plan_retry(&file, &RetrySelection { tickets, failed, kind, app }) {
        Ok(plan) => plan,
        Err(error) => return refuse(&error, OTHERWISE),
    };
    if !plan.exists {
        eprint_escaped(&format!("no state yet: {}", plan.path.display()));
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
            eprint_escaped(&outcome_in_words(&outcome));
            exit::FINE
        }
        Err(error) => refuse(&error, OTHERWISE),
    }
}

fn print_left_out(plan: &RetryPlan) {
    for ticket in &plan.pending {
        eprint_escaped(&format!("ticket {ticket} is pending already"));
    }
    if plan.unlisted > 0 {
        eprint_escaped(&format!(
            "{} more left the watch list, or their app watcher.toml; list them again to have them polled",
            grouped(plan.unlisted)
        ));
    }
}

/// The effect of the request, ticket by ticket.
fn announcement(tickets: &[TicketRecord], dry_run: bool) -> String {
    let will = if dry_run { "would" } else { "will" };
    let plural = if tickets.len() == 1 { "" } else { "s" };
    let mut text = format!("{} ticket{plural} {will} be polled again:\n", grouped(tickets.len()));
    for ticket in tickets.iter().take(SHOWN) {
        let label =
            ticket.entry.label.as_deref().map(|label| format!("  {}", escape(label))).unwrap_or_default();
        let (app, id) = (escape(ticket.entry.key.app.as_str()), escape(ticket.entry.key.id.as_str()));
        text += &format!("  {app}  {id}  {}{label}\n", in_words(ticket));
    }
    if tickets.len() > SHOWN {
        text += &format!("  … and {} more\n", grouped(tickets.len() - SHOWN));
    }
    text
}

fn in_words(ticket: &TicketRecord) -> String {
    match ticket.file_state() {
        Some(FileState::Saved) => {
            return format!("{}; its file is saved and would be fetched once more", ticket.state);
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

fn outcome_in_words(outcome: &RetryOutcome) -> String {
    match outcome {
        RetryOutcome::TakenUp => "done: the watcher has taken the request up".to_owned(),
        RetryOutcome::NotYet(watcher) => format!(
            "asked, but the watcher ({watcher}) has not taken it up yet; it does once it can write its state \
             file and log, which its log and `health --ready` show"
        ),
        RetryOutcome::AtNextStart => "asked: no watcher runs, the next start takes it up".to_owned(),
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
