//! The tickets that a batch names at its end: those that failed, or whose files could not be saved or may be gone, and
//! advice.

use std::io::{self, Write};

use feishu_export_watcher::domain::{Availability, TicketRecord, TicketState, WallTime, escape};

use crate::status_output::columns::{GAP, write_padded};
use crate::status_output::{Report, cells, closing, style};
use feishu_export_watcher::domain::words::grouped;
use feishu_export_watcher::log::columns::{cut, width};

/// Columns of the longest state.
const STATE: usize = 9;

/// Columns of the screen that a name may take at most …
const NAME_MAX: usize = 32;

/// … and at least.
const NAME_MIN: usize = 8;

/// Prints a row a ticket, the number of others with the command that shows them, then advice.
///
/// # Errors
/// Those of `out`.
pub(crate) fn print_batch(out: &mut impl Write, report: &Report<'_>, more: &str) -> io::Result<()> {
    let results: Vec<_> = report.tickets.iter().map(|ticket| result(ticket, report.now)).collect();
    let widest = results.iter().map(|result| width(result)).max().unwrap_or_default();
    let room = report.screen.width.map(|screen| screen.saturating_sub(STATE + widest + 3 * GAP));
    let names: Vec<_> = report.tickets.iter().map(|ticket| name(ticket, room)).collect();
    let widest = names.iter().map(|name| width(name)).max().unwrap_or_default();
    for ((ticket, name), result) in report.tickets.iter().zip(&names).zip(&results) {
        let state = cells::state(ticket).replace('_', " ");
        write!(out, "{:GAP$}", "")?;
        write_padded(out, &state, report.style(style::for_state(ticket)), STATE + GAP)?;
        write_padded(out, name, style::PLAIN, widest + GAP)?;
        writeln!(out, "{result}")?;
    }
    if report.omitted > 0 {
        writeln!(out, "{:GAP$}and {} more: {more}", "", grouped(report.omitted))?;
    }
    closing::print_advice(out, report)
}

/// The name, cut to that many columns of the screen, and for a document with a label, which several may bear, whole
/// kind and token of its link.
fn name(ticket: &TicketRecord, room: Option<usize>) -> String {
    let entry = &ticket.entry;
    let kind = entry.request.as_deref().and_then(|request| request.doc_type.as_deref());
    let kind = kind.filter(|_| entry.key.id.is_document() && entry.label.is_some());
    let link = kind.map(|kind| format!(" ({kind} {})", entry.token)).unwrap_or_default();
    let link = escape(&link);
    let room = room.map_or(NAME_MAX, |room| room.saturating_sub(width(&link)).clamp(NAME_MIN, NAME_MAX));
    format!("{}{link}", cut(cells::name(ticket), room))
}

/// The file token with a note on the artefact, else the reason.
fn result(ticket: &TicketRecord, now: WallTime) -> String {
    let result = cells::result(ticket);
    match ticket.state {
        TicketState::Completed if ticket.file.is_some() => result.into_owned(),
        TicketState::Completed => match Availability::new(ticket, now) {
            Availability::Over(_) if ticket.export.is_some() => format!("{result}, gone: retry it"),
            Availability::Over(_) => format!("{result}, gone: export again"),
            _ => format!("{result}, may be gone"),
        },
        TicketState::TimedOut if ticket.error.is_none() => "no result within give_up_after".to_owned(),
        _ => result.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status_output::fixtures::{self, NOW, after, ended, tickets};
    use crate::terminal::Screen;

    /// Promise: at its end a batch names its failures by label, with advice, on eighty columns.
    #[test]
    fn what_failed_is_named() {
        let [completed, failed, ..] = tickets();
        let doubtful = TicketRecord { download_by: Some(after(-5.0)), ..completed.clone() };
        let gone = TicketRecord { download_by: None, finished_at: Some(after(-700.0)), ..completed };
        let named = [failed, ended("9", TicketState::TimedOut, -5.0), doubtful, gone];
        let screen = Screen { is_terminal: true, width: Some(80), colour: false };
        let report = Report { omitted: 12, screen, now: NOW, ..fixtures::report(&named) };
        let mut out = Vec::new();
        print_batch(&mut out, &report, "feishu-export-watcher status").unwrap();
        let said = String::from_utf8(out).unwrap();
        assert_eq!(
            said,
            "  failed     =1+1        document_deleted (111)
  timed out  doxcn       no result within give_up_after
  completed  周报, \"Q4\"  boxcnxe5OdjlAkNgSNdsJvabcef, may be gone
  completed  周报, \"Q4\"  boxcnxe5OdjlAkNgSNdsJvabcef, gone: export again
  and 12 more: feishu-export-watcher status

What to do
  document_deleted  restore the document, then export again
  timed_out         export again, or split the document
  may be gone       download the file at once; if it is gone, export the
                    document again
"
        );
        assert!(said.lines().all(|line| width(line) <= 80));
    }

    /// Promise: of documents that bear one label it shows which one failed, with a token that can be copied whole.
    #[test]
    fn documents_of_one_label_are_named_apart() {
        let [_, failed, ..] = fixtures::documents();
        let screen = Screen { is_terminal: true, width: Some(50), colour: false };
        let mut out = Vec::new();
        print_batch(&mut out, &Report { screen, ..fixtures::report(&[failed]) }, "status").unwrap();
        let said = String::from_utf8(out).unwrap();
        assert!(
            said.starts_with("  failed     minutes (wiki wikcnBBBB)  no_permission (1069902)\n"),
            "{said}"
        );
    }

    /// Promise: a file that could not be saved is named with its reason.
    #[test]
    fn lost_files_are_named() {
        let [_, _, expired, failed] = fixtures::with_files();
        let mut out = Vec::new();
        print_batch(&mut out, &fixtures::report(&[expired, failed]), "status").unwrap();
        let said = String::from_utf8(out).unwrap();
        let rows = "  expired    周报, \"Q4\"  expired (1060001)\n  failed     周报, \"Q4\"  wrong_content\n";
        assert!(said.starts_with(rows) && said.contains("\n  wrong_content  export the"), "{said}");
    }
}
