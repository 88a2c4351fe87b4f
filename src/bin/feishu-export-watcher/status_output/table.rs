//! The form for people: aligned columns, moments in words, what to do about each failure under it,
//! and a line that sums up.

use std::borrow::Cow;
use std::io::{self, Write};

use feishu_export_watcher::domain::{Failure, TicketRecord, TicketState, WallTime};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Report;
use super::relative::{ago, relative};
use crate::log::harmless::harmless;
use crate::words::span;

const HEADER: [&str; 7] = ["APP", "TICKET", "STATE", "NAME", "RESULT", "POLLS", "WHEN"];

/// Columns of the screen that a name may take. Ids are never cut: they are there to be copied.
const NAME_MAX: usize = 32;

type Row<'a> = [Cow<'a, str>; HEADER.len()];

/// Prints the table.
pub(super) fn print(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    if !report.tickets.is_empty() {
        // Rows are formed twice rather than kept: their widths first, then the rows.
        let mut widths = HEADER.map(str::len);
        for ticket in report.tickets {
            for (width, cell) in widths.iter_mut().zip(&row(ticket, report.now)) {
                *width = cell.width().max(*width);
            }
        }
        print_row(out, &HEADER.map(Cow::Borrowed), &widths)?;
        for ticket in report.tickets {
            print_row(out, &row(ticket, report.now), &widths)?;
            print_hint(out, ticket)?;
        }
        writeln!(out)?;
    }
    print_summary(out, report)
}

fn row(ticket: &TicketRecord, now: WallTime) -> Row<'_> {
    [
        harmless(ticket.key.app.as_str()),
        harmless(ticket.key.ticket.as_str()),
        Cow::Borrowed(ticket.state.as_str()),
        name(ticket),
        result(ticket),
        Cow::Owned(ticket.polls.to_string()),
        Cow::Owned(when(ticket, now)),
    ]
}

/// The user's word for it, else the file's name.
fn name(ticket: &TicketRecord) -> Cow<'_, str> {
    let file = ticket.artefact.as_deref().and_then(|file| file.file_name.as_deref());
    cut(harmless(ticket.label.as_deref().or(file).unwrap_or("-")))
}

/// The file token, else what went wrong.
fn result(ticket: &TicketRecord) -> Cow<'_, str> {
    match (&ticket.artefact, &ticket.error) {
        (Some(file), _) => harmless(&file.file_token),
        (None, Some(failure)) => trouble(failure),
        (None, None) => Cow::Borrowed("-"),
    }
}

/// The kind, with the number by which the server's documentation knows it.
fn trouble(failure: &Failure) -> Cow<'static, str> {
    let number = failure.code.filter(|code| *code != 0).or(failure.job_status);
    match number {
        Some(number) => Cow::Owned(format!("{} ({number})", failure.kind)),
        None => Cow::Borrowed(failure.kind.as_str()),
    }
}

/// The moment that matters most: until when to download, when it is polled again, when it ended.
fn when(ticket: &TicketRecord, now: WallTime) -> String {
    match (ticket.state, ticket.download_by) {
        (TicketState::Completed, Some(by)) if by > now => format!("download within {}", span(by.since(now))),
        (TicketState::Completed, Some(by)) => format!("may be gone since {}", span(now.since(by))),
        (TicketState::Pending, _) => match ticket.next_poll_at {
            Some(next) if next > now => format!("poll {}", relative(next, now)),
            Some(next) => format!("poll due {}", ago(next, now)),
            None => format!("listed {}", ago(ticket.first_seen_at, now)),
        },
        _ => match ticket.finished_at {
            Some(finished) => format!("ended {}", ago(finished, now)),
            None => format!("listed {}", ago(ticket.first_seen_at, now)),
        },
    }
}

/// Cuts text to [`NAME_MAX`] columns. A wide character is left out whole.
fn cut(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.width() <= NAME_MAX {
        return text;
    }
    let mut room = NAME_MAX - 1;
    let kept = text.chars().take_while(|character| {
        let width = character.width().unwrap_or(0);
        let fits = width <= room;
        room -= if fits { width } else { 0 };
        fits
    });
    Cow::Owned(kept.chain(['…']).collect())
}

fn print_row(out: &mut impl Write, cells: &Row<'_>, widths: &[usize; HEADER.len()]) -> io::Result<()> {
    let last = cells.len() - 1;
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        // Padding is counted in columns of the screen, which `{:<}` is not.
        let padding = if index == last { 0 } else { width.saturating_sub(cell.width()) + 2 };
        write!(out, "{cell}{:padding$}", "")?;
    }
    writeln!(out)
}

fn print_hint(out: &mut impl Write, ticket: &TicketRecord) -> io::Result<()> {
    match &ticket.error {
        Some(failure) if ticket.state == TicketState::Failed => {
            writeln!(out, "    hint: {}", failure.kind.hint())
        }
        _ => Ok(()),
    }
}

fn print_summary(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let (shown, total) = (report.tickets.len(), report.summary.total());
    if shown == total {
        writeln!(out, "{}", report.summary)
    } else {
        writeln!(out, "{} ({shown} of {total} shown)", report.summary)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixtures::{self, NOW, after};
    use super::super::{Format, Summary, print};
    use super::*;
    use crate::log::harmless::is_deceptive;

    fn printed(tickets: &[TicketRecord], summary: Summary) -> String {
        let mut out = Vec::new();
        print(&mut out, Format::Table, &Report { tickets, summary, now: NOW }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_line_up_on_the_screen() {
        let tickets = fixtures::tickets();
        let expected = "\
APP      TICKET               STATE      NAME        RESULT                       POLLS  WHEN
default  6933093124755412345  completed  周报, \"Q4\"  boxcnxe5OdjlAkNgSNdsJvabcef  3      download within 8 min
lark     7000000000000000001  failed     =1+1        document_deleted (111)       12     ended 2 h ago
    hint: restore the document, then export again
default  7000000000000000002  pending    -           network                      7      poll in 12 s
default  7000000000000000003  pending    -           -                            0      listed 90 s ago

1 completed, 1 failed, 2 pending
";
        assert_eq!(printed(&tickets, fixtures::summary(&tickets)), expected);
    }

    #[test]
    fn the_summary_counts_what_is_not_shown() {
        let tickets = fixtures::tickets();
        let text = printed(&tickets[..1], fixtures::summary(&tickets));
        assert!(text.ends_with("\n\n1 completed, 1 failed, 2 pending (1 of 4 shown)\n"), "{text}");
        assert_eq!(printed(&[], Summary::default()), "no tickets\n");
    }

    #[test]
    fn moments_that_passed_are_said_to_have_passed() {
        let [mut completed, _, mut pending, _] = fixtures::tickets();
        completed.download_by = Some(after(-240.0));
        assert_eq!(when(&completed, NOW), "may be gone since 4 min");
        completed.download_by = None;
        assert_eq!(when(&completed, NOW), "ended 59 s ago");
        pending.next_poll_at = Some(after(-30.0));
        assert_eq!(when(&pending, NOW), "poll due 30 s ago");
    }

    #[test]
    fn long_names_are_cut_by_columns() {
        assert_eq!(cut("x".repeat(32).into()), "x".repeat(32));
        assert_eq!(cut("x".repeat(33).into()), format!("{}…", "x".repeat(31)));
        assert_eq!(cut("报".repeat(17).into()), format!("{}…", "报".repeat(15)));
    }

    proptest! {
        #[test]
        fn nothing_deceives(label in any::<String>(), token in any::<String>()) {
            let [mut completed, ..] = fixtures::tickets();
            completed.label = Some(label.as_str().into());
            completed.artefact.as_mut().unwrap().file_token = token.as_str().into();
            let text = printed(&[completed], Summary::default());
            prop_assert_eq!(text.lines().count(), 4);
            prop_assert!(!text.replace('\n', "").contains(is_deceptive));
        }
    }
}
