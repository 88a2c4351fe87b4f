//! The form for spreadsheets: RFC 4180 in UTF-8, with a header and without a byte order mark, which scripts
//! would take for a part of the first column's name.
//!
//! A spreadsheet takes a cell that begins with `=` and the like for a formula, and labels and file
//! names come from outside; an apostrophe goes in front of such a character. Where the machine's language
//! writes 0,5 for a half, spreadsheets part cells at `;` and heed no quotes within, so that a cell may begin in the
//! midst of a text. Ids longer than fifteen digits are cells a spreadsheet rounds unless its user
//! imports the column as text; the file itself has them whole.

use std::io::{self, Write};

use feishu_export_watcher::domain::escape_except;
use feishu_export_watcher::http::TicketView;
use serde_json::Value;

use super::report::Report;

/// Each column is a field of the ticket's JSON. New ones come last, since scripts may count columns.
const HEADER: &str = "app,ticket,token,label,state,file_token,file_name,file_extension,doc_type,file_size,job_status,\
    polls,first_seen_at,last_polled_at,next_poll_at,finished_at,download_by,error.kind,error.code,\
    error.job_status,error.http_status,error.message,error.hint,error.log_id,sub_id,\
    file.state,file.path,file.size,file.sha256,file.error.kind,\
    document.url,document.type,document.format,generation";

/// Prints the header and a row for each ticket.
pub(super) fn print(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    write!(out, "{HEADER}\r\n")?;
    for ticket in report.tickets {
        let fields = serde_json::to_value(TicketView(ticket))?;
        let field = |column: &str| cell(column.split('.').fold(&fields, |value, key| &value[key]));
        let cells: Vec<_> = HEADER.split(',').map(field).collect();
        write!(out, "{}\r\n", cells.join(","))?;
    }
    Ok(())
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(value) => text(value),
        Value::Null => String::new(),
        number => number.to_string(),
    }
}

/// A cell of text: no formula, no escape sequence, quoted where it must be.
fn text(text: &str) -> String {
    // Tabs and line ends are quoted, not escaped.
    let cell = without_formulas(&escape_except(text, &['\t', '\r', '\n']));
    // `;` and tabs part cells, too, where a spreadsheet is set up so.
    if cell.contains(['"', ',', ';', '\t', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

/// The text with an apostrophe in front of each character that would begin a formula, at its own beginning or at that
/// of a cell into which a spreadsheet may part it.
fn without_formulas(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    if text.starts_with(['\t', '\r', '\n']) {
        safe.push('\'');
    }
    let mut begins = true;
    for character in text.chars() {
        if begins && begins_formula(character) {
            safe.push('\'');
        }
        safe.push(character);
        // Quotes and spaces at a cell's beginning may be dropped.
        begins = matches!(character, ';' | '\t' | '\r' | '\n') || begins && matches!(character, '"' | ' ');
    }
    safe
}

/// The wide forms count too: some spreadsheets take them for the narrow ones.
fn begins_formula(first: char) -> bool {
    matches!(first, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}

#[cfg(test)]
mod tests {
    use feishu_export_watcher::domain::TicketRecord;
    use proptest::prelude::*;

    use super::super::fixtures::{self, odd_text};
    use super::super::{Format, print};
    use super::*;

    fn printed(tickets: &[TicketRecord]) -> String {
        let mut out = Vec::new();
        print(&mut out, Format::Csv, &fixtures::report(tickets)).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The rows as a program reads them that parts cells at `delimiter`.
    fn rows(text: &str, delimiter: u8) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.delimiter(delimiter).has_headers(false).flexible(true);
        let rows = reader.from_reader(text.as_bytes()).into_deserialize();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_header_and_a_row_a_ticket() {
        let tickets = fixtures::tickets();
        assert_eq!(
            printed(&tickets),
            "app,ticket,token,label,state,file_token,file_name,file_extension,doc_type,file_size,job_status,\
             polls,first_seen_at,last_polled_at,next_poll_at,finished_at,download_by,error.kind,error.code,\
             error.job_status,error.http_status,error.message,error.hint,error.log_id,sub_id,\
             file.state,file.path,file.size,file.sha256,file.error.kind,\
             document.url,document.type,document.format,generation\r\n\
             default,6933093124755412345,docbcZVGtv1papC6jAVGiyabcef,\"周报, \"\"Q4\"\"\",completed,\
             boxcnxe5OdjlAkNgSNdsJvabcef,gpj\\u{202e}.exe,docx,docx,34356,0,3,2026-11-22T09:56:00.000Z,\
             2026-11-22T09:59:00.000Z,,2026-11-22T09:59:00.250Z,2026-11-22T10:08:30.000Z,,,,,,,,,,,,,,,,,\r\n\
             lark,7000000000000000001,doxcnAAAA,'=1+1,failed,,,,,,111,12,2026-11-22T07:00:00.000Z,\
             2026-11-22T07:10:00.000Z,,2026-11-22T07:10:00.000Z,,document_deleted,0,111,200,deleted,\
             \"restore the document, then export again\",20261122log,,,,,,,,,,\r\n\
             default,7000000000000000002,doxcnBBBB,,pending,,,,,,2,7,2026-11-22T09:58:30.000Z,\
             2026-11-22T09:59:40.000Z,2026-11-22T10:00:12.000Z,,,network,,,,,\
             \"polling goes on by itself; if it lasts, look at DNS, proxy and firewall between this machine and \
             base_url\",,,,,,,,,,,\r\n\
             default,7000000000000000003,doxcnCCCC,,pending,,,,,,,0,2026-11-22T09:58:30.000Z,,,,,,,,,,,,,,,,,,,,,\r\n"
        );
    }

    #[test]
    fn files_and_documents_are_in_the_last_columns() {
        let printed = printed(&fixtures::with_files()[..2]);
        let ends: Vec<_> =
            printed.lines().skip(1).map(|row| row.rsplit_once(",,,,,,,,").unwrap().1).collect();
        assert_eq!(
            ends,
            [
                "waiting,,,,disk_full,,,,",
                &format!("saved,/exports/周报�\\u{{1b}}.docx,34356,{},,,,,", "07".repeat(32))
            ]
        );
        let [listed, ..] = fixtures::documents();
        let row = self::printed(&[listed]);
        let row = row.lines().nth(1).unwrap();
        assert!(row.starts_with("default,,shtcnAAAA,,pending,,,csv,sheet,"), "{row}");
        assert!(row.ends_with("0b1e2f,,,,,,https://acme.feishu.cn/sheets/shtcnAAAA,sheet,csv,0"), "{row}");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, as_printed) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("@SUM(1,2)", "\"'@SUM(1,2)\""),
            ("-1", "'-1"),
            ("+1", "'+1"),
            ("\t=1", "\"'\t'=1\""),
            ("\tx", "\"'\tx\""),
            ("\r=1", "\"'\r'=1\""),
            (" =1", " '=1"),
            ("\"=1\"", "\"\"\"'=1\"\"\""),
            ("＝1", "'＝1"),
            ("a=b", "a=b"),
            ("a, -b", "\"a, -b\""),
            ("a;=1", "\"a;'=1\""),
            ("a; +1", "\"a; '+1\""),
            ("a\n=1", "\"a\n'=1\""),
            ("a;b", "\"a;b\""),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("two\nlines", "\"two\nlines\""),
            ("", ""),
        ] {
            assert_eq!(text(cell), as_printed);
        }
    }

    proptest! {
        /// Promise: with any text, a ticket is one row of as many cells as the header has, nothing but
        /// apostrophes is added to a text, and no program, wherever it parts cells, finds one that begins a
        /// formula.
        #[test]
        fn no_text_leaves_its_cell(label in odd_text(), name in odd_text()) {
            let [mut completed, ..] = fixtures::tickets();
            completed.entry.label = Some(label.as_str().into());
            completed.artefact.as_mut().unwrap().file_name = Some(name.as_str().into());
            let printed = printed(&[completed]);
            let [header, row] = <[_; 2]>::try_from(rows(&printed, b',')).unwrap();
            prop_assert_eq!((header.len(), row.len()), (HEADER.split(',').count(), HEADER.split(',').count()));
            for (cell, text) in [(&row[3], &label), (&row[6], &name)] {
                let plain = |text: &str| escape_except(text, &['\t', '\r', '\n']).replace('\'', "");
                prop_assert_eq!(plain(cell), plain(text));
            }
            for delimiter in *b",;\t" {
                for cell in rows(&printed, delimiter).iter().flatten() {
                    let begins = cell.trim_start_matches([' ', '"', '\t', '\r', '\n']);
                    prop_assert!(!begins.starts_with(begins_formula), "{:?} at {}: {}", cell, char::from(delimiter), printed);
                }
            }
        }
    }
}
