//! The form for people: a line a ticket, or two where the screen is too narrow, aligned by columns of the screen;
//! then advice, and every app. Ids and tokens are never cut: they are there to be copied.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::Style;
use feishu_export_watcher::domain::{TicketRecord, escape};

use super::columns::{GAP, cut, width, write_padded};
use super::report::Report;
use super::{cells, closing, hooks, style};

/// Columns of the screen that a name may take at most …
const NAME_MAX: usize = 32;

/// … and at least, before tickets get two lines each.
const NAME_MIN: usize = 12;

const CELLS: usize = 8;
const HEADER: [&str; CELLS] = ["STATE", "TICKET", "APP", "NAME", "AGE", "POLLS", "RESULT", "WHEN"];
const APP: usize = 2;
const NAME: usize = 3;

/// Cells in the first line, where a ticket has two.
const FIRST_LINE: usize = NAME + 1;

type Row<'a> = [Cow<'a, str>; CELLS];

/// Prints the table and the part below it.
pub(super) fn print(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    if report.summary.total() == 0 {
        writeln!(out, "no tickets")?;
        return hooks::print(out, report);
    }
    if !report.tickets.is_empty() {
        print_tickets(out, report)?;
    }
    closing::print_rest(out, report)?;
    closing::print_advice(out, report)?;
    writeln!(out)?;
    closing::print_apps(out, report)?;
    hooks::print(out, report)
}

fn print_tickets(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    // Rows are formed twice rather than kept: their widths first, then the rows.
    let mut widths = HEADER.map(width);
    for ticket in report.tickets {
        for (widest, cell) in widths.iter_mut().zip(&row(ticket, report)) {
            *widest = width(cell).max(*widest);
        }
    }
    if report.apps.len() == 1 {
        widths[APP] = 0;
    }
    let cells = fit(&mut widths, report.screen.width);
    let head = report.style(style::HEAD);
    print_cells(out, &HEADER.map(Cow::Borrowed)[..cells], &widths, [head, head])?;
    for ticket in report.tickets {
        let mut row = row(ticket, report);
        row[NAME] = cut(std::mem::take(&mut row[NAME]), widths[NAME]);
        let state = report.style(style::for_state(ticket));
        print_cells(out, &row[..cells], &widths, [state, style::PLAIN])?;
        if cells == FIRST_LINE {
            print_second_line(out, row)?;
        }
    }
    Ok(())
}

fn row<'t>(ticket: &'t TicketRecord, report: &Report<'_>) -> Row<'t> {
    [
        cells::state(ticket).into(),
        cells::ticket(ticket),
        escape(ticket.entry.key.app.as_str()),
        cut(cells::name(ticket), NAME_MAX),
        report.age(ticket).into(),
        ticket.polls.to_string().into(),
        report.result(ticket),
        report.when(ticket).into(),
    ]
}

/// Makes room on the screen for a ticket in one line, at the cost of names if need be, or else in two. Returns how many
/// cells the first line has.
fn fit(widths: &mut [usize; CELLS], screen: Option<usize>) -> usize {
    let Some(screen) = screen else { return CELLS };
    let room_for_name = |widths: &[usize]| {
        let taken: usize = widths.iter().filter(|width| **width > 0).map(|width| width + GAP).sum();
        screen.saturating_sub(taken - GAP - widths[NAME])
    };
    let room = room_for_name(&widths[..]);
    if room >= widths[NAME].min(NAME_MIN) {
        widths[NAME] = widths[NAME].min(room);
        return CELLS;
    }
    widths[NAME] = widths[NAME].min(room_for_name(&widths[..FIRST_LINE]).max(NAME_MIN));
    FIRST_LINE
}

/// Prints cells from the first on as a line, the first one in a style of its own.
fn print_cells(
    out: &mut impl Write,
    cells: &[Cow<'_, str>],
    widths: &[usize],
    [first, others]: [Style; 2],
) -> io::Result<()> {
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate().filter(|(_, (_, width))| **width > 0) {
        // No spaces at the end of a line.
        let padding = if index + 1 == cells.len() { 0 } else { width + GAP };
        write_padded(out, cell, if index == 0 { first } else { others }, padding)?;
    }
    writeln!(out)
}

fn print_second_line(out: &mut impl Write, row: Row<'_>) -> io::Result<()> {
    let [.., age, polls, result, when] = row;
    let result = if result == "-" { String::new() } else { format!("{result}, ") };
    let plural = if polls == "1" { "" } else { "s" };
    writeln!(out, "    {result}{when}, {age} old, {polls} poll{plural}")
}

#[cfg(test)]
mod tests {
    use feishu_export_watcher::AppReport;
    use feishu_export_watcher::domain::{AppName, PauseReason, unsafe_for_terminal};
    use proptest::prelude::*;

    use super::super::fixtures::{self, app_reports, odd_text, tickets};
    use super::super::{Format, print};
    use super::*;
    use crate::terminal::Screen;
    use feishu_export_watcher::domain::Counts;

    fn printed(report: &Report<'_>) -> String {
        let mut out = Vec::new();
        print(&mut out, Format::Table, report).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn on_screen(tickets: &[TicketRecord], apps: &[AppReport], width: usize) -> String {
        let screen = Screen { is_terminal: true, width: Some(width), colour: false };
        printed(&Report { apps, screen, ..fixtures::report(tickets) })
    }

    #[test]
    fn columns_line_up_on_the_screen() {
        let (tickets, apps) = (tickets(), app_reports());
        let expected = "\
STATE      TICKET               APP      NAME        AGE    POLLS  RESULT                       WHEN
completed  6933093124755412345  default  周报, \"Q4\"  4 min  3      boxcnxe5OdjlAkNgSNdsJvabcef  download within 8 min
failed     7000000000000000001  lark     =1+1        3 h    12     document_deleted (111)       ended 2 h ago
pending    7000000000000000002  default  doxcnBBBB   90 s   7      network                      poll in 12 s
pending    7000000000000000003  default  doxcnCCCC   90 s   0      -                            poll due

What to do
  document_deleted  restore the document, then export again

default  2 pending, 1 completed
lark     1 failed
         2 pending, 1 completed, 1 failed
";
        assert_eq!(printed(&Report { apps: &apps, ..fixtures::report(&tickets) }), expected);
    }

    /// Promise: on eighty columns no line is broken by the terminal, and ids and tokens are whole.
    #[test]
    fn a_narrow_screen_has_two_lines_a_ticket() {
        let (mut tickets, apps) = (tickets(), app_reports());
        tickets[0].entry.label = Some("报".repeat(17).into());
        let text = on_screen(&tickets, &apps, 80);
        let expected = "\
STATE      TICKET               APP      NAME
completed  6933093124755412345  default  报报报报报报报报报报报报报报报…
    boxcnxe5OdjlAkNgSNdsJvabcef, download within 8 min, 4 min old, 3 polls
failed     7000000000000000001  lark     =1+1
    document_deleted (111), ended 2 h ago, 3 h old, 12 polls
pending    7000000000000000002  default  doxcnBBBB
    network, poll in 12 s, 90 s old, 7 polls
pending    7000000000000000003  default  doxcnCCCC
    poll due, 90 s old, 0 polls
";
        assert!(text.starts_with(expected), "{text}");
        for columns in [80, 100, 110, 200] {
            let text = on_screen(&tickets, &apps, columns);
            assert!(text.lines().all(|line| width(line) <= columns), "{text}");
        }
    }

    /// Promise: names give way before a ticket is given a second line.
    #[test]
    fn names_give_way_first() {
        let (mut tickets, apps) = (tickets(), app_reports());
        tickets[0].entry.label = Some("x".repeat(32).into());
        let whole = on_screen(&tickets, &apps, 140);
        assert!(whole.contains(&format!("{}  4 min", "x".repeat(32))), "{whole}");
        let needed = width(whole.lines().nth(1).unwrap());
        let cut = on_screen(&tickets, &apps, needed - 20);
        assert!(cut.contains(&format!("{}…  4 min", "x".repeat(11))), "{cut}");
        assert!(on_screen(&tickets, &apps, needed - 21).contains("\n    boxcn"));
        tickets[0].entry.label = Some("short name".into());
        assert!(!on_screen(&tickets, &apps, needed - 32 + "short name".len()).contains("\n    boxcn"));
    }

    #[test]
    fn one_app_needs_no_column() {
        let [apps, _] = app_reports().map(|app| [app]);
        let text = on_screen(&tickets()[..1], &apps, 200);
        assert!(text.starts_with("STATE      TICKET               NAME        AGE"), "{text}");
        assert!(text.ends_with("\n\ndefault  2 pending, 1 completed\n"), "{text}");
    }

    /// Promise: a file shows where it is, or what keeps it, and for how long the artefact lives.
    #[test]
    fn files_are_in_the_table() {
        let (mut tickets, mut apps) = (fixtures::with_files(), app_reports());
        tickets.iter_mut().for_each(|ticket| ticket.entry.label = None);
        apps[0].counts = fixtures::summary(&tickets);
        for ticket in &tickets {
            apps[0].files[ticket.file_state().unwrap()] += 1;
        }
        let report = Report { apps: &apps[..1], ..fixtures::report(&tickets) };
        let expected = "\
STATE    TICKET               NAME             AGE    POLLS  RESULT                     WHEN
waiting  6933093124755412345  gpj\\u{202e}.exe  4 min  3      disk_full                  lives 8 min more, 2 attempts
saved    6933093124755412345  gpj\\u{202e}.exe  4 min  3      /exports/周报�\\u{1b}.docx  34 KiB
expired  6933093124755412345  gpj\\u{202e}.exe  4 min  3      expired (1060001)          1 attempt
failed   6933093124755412345  gpj\\u{202e}.exe  4 min  3      wrong_content              3 attempts

What to do
  disk_full      free space on the file system of download.folder, or raise the quota; the file is fetched again by itself for as long as it lives
  expired        export the document again, and list the new ticket while it is fresh
  wrong_content  export the document again; if that fails as well, give error.log_id to the platform's support

default  4 completed; files 1 waiting, 1 saved, 1 failed, 1 expired
";
        assert_eq!(printed(&report), expected);
        let alone = printed(&Report { is_watched: false, ..report });
        assert!(alone.contains("  waits for a watcher, lives 8 min more, 2 attempts\n"), "{alone}");
        assert!(alone.ends_with("\nno watcher runs: nothing is polled or fetched\n"), "{alone}");
    }

    /// Promise: a document without a ticket shows what it waits for, and no id of the watcher's own.
    #[test]
    fn documents_are_in_the_table() {
        let (tickets, mut apps) = (fixtures::documents(), app_reports());
        apps[0].counts = fixtures::summary(&tickets);
        let expected = "\
STATE    TICKET       NAME       AGE   POLLS  RESULT                   WHEN
pending  not created  shtcnAAAA  90 s  0      -                        waits for its turn
failed   not created  minutes    90 s  0      no_permission (1069902)  ended 60 s ago
pending  creating     doxcnCCCC  90 s  7      expired                  next try in 5 min
pending  resolving    wikcnDDDD  90 s  0      -                        waits for its turn

What to do
  no_permission  add the app to the document (… > More > Add document app) or share it with the user, and see that export is not switched off there; then `feishu-export-watcher retry --failed --kind no_permission`

default  3 pending, 1 failed
";
        assert_eq!(printed(&Report { apps: &apps[..1], ..fixtures::report(&tickets) }), expected);
    }

    /// Promise: tickets that are not shown are counted, with the reason.
    #[test]
    fn what_is_left_out_is_counted() {
        let (tickets, apps) = (tickets(), app_reports());
        let summary = fixtures::summary(&tickets);
        let shown = Report { summary, apps: &apps, omitted: 1, ..fixtures::report(&tickets[2..3]) };
        let text = printed(&shown);
        let rest = "\n… and 1 more (--limit 0 shows all)\n2 of 4 tickets match\n\ndefault  2 pending, ";
        assert!(text.contains(rest), "{text}");
        let none = Report { summary, apps: &apps, ..fixtures::report(&[]) };
        assert!(printed(&none).starts_with("0 of 4 tickets match\n\ndefault"), "{}", printed(&none));
        let all = Report { apps: &apps, ..fixtures::report(&tickets) };
        assert!(!printed(&all).contains(" match"));
        let nothing = Report { summary: Counts::default(), ..none };
        assert_eq!(printed(&nothing), "no tickets\n");
    }

    /// Promise: colours are added to the text and change nothing about it.
    #[test]
    fn colours_take_no_room() {
        let (tickets, mut apps) = (tickets(), app_reports());
        apps[1].trouble = Some(fixtures::pause(PauseReason::ScopeMissing));
        for width in [None, Some(80)] {
            let [plain, mut coloured] = [false, true].map(|colour| {
                let screen = Screen { is_terminal: true, width, colour };
                printed(&Report { omitted: 1, apps: &apps, screen, ..fixtures::report(&tickets) })
            });
            assert!(coloured.contains("\u{1b}[31mfailed\u{1b}[0m     7000000000000000001"), "{coloured}");
            for code in ["0", "1", "2", "31", "32", "33"] {
                coloured = coloured.replace(&format!("\u{1b}[{code}m"), "");
            }
            assert_eq!(coloured, plain);
        }
    }

    proptest! {
        /// Promise: no text from outside begins a line, drives a terminal or moves a column.
        #[test]
        fn nothing_deceives(label in odd_text(), token in odd_text(), app in odd_text()) {
            let [mut completed, _, pending, _] = tickets();
            let mut apps = app_reports();
            apps[0].name = AppName::new(&app);
            completed.entry.label = Some(label.as_str().into());
            completed.entry.key.app = apps[0].name.clone();
            completed.artefact.as_mut().unwrap().file_token = token.as_str().into();
            let tickets = [completed, pending];
            let text = printed(&Report { apps: &apps, ..fixtures::report(&tickets) });
            prop_assert_eq!(text.lines().count(), 7);
            prop_assert!(!text.replace('\n', "").contains(unsafe_for_terminal));
            let before_when = |line: usize, when: &str| {
                let line = text.lines().nth(line).unwrap();
                width(line.strip_suffix(when).unwrap_or_default())
            };
            prop_assert_eq!(before_when(1, "download within 8 min"), before_when(2, "poll in 12 s"));
            prop_assert_eq!(before_when(0, "WHEN"), before_when(2, "poll in 12 s"));
        }
    }
}
