//! `explain`: the meaning of a number or a name in the watcher's log and status, with advice. Reads the
//! library's tables and nothing else: no configuration, no state file.

mod entry;
mod text;
mod unknown;

use std::io::{self, Write};

use serde_json::json;

use crate::args::{ExplainArguments, ExplainFormat};
use crate::exit;
use crate::messages::{after_printing, eprint_escaped};
use crate::terminal::Screen;
use entry::Entry;

/// The number that changes if a script would have to.
const SCHEMA: u32 = 1;

/// Columns of a line at most: longer ones are hard to read.
const WIDTH_MAX: usize = 100;

/// Columns of a line at least, so that a sentence has room beside its label.
const WIDTH_MIN: usize = 40;

/// Explains the codes that were named, or lists all; returns the exit code.
pub(crate) fn explain(arguments: &ExplainArguments) -> u8 {
    let (mut entries, mut code) = (Vec::new(), exit::FINE);
    // Blanks around a code come with pasting.
    for word in arguments.codes.iter().map(|code| code.trim()) {
        let found = entry::entries_of(word);
        if found.is_empty() {
            eprint_escaped(&unknown::message(word));
            code = exit::USAGE;
        }
        entries.extend(found);
    }
    let printed = match (arguments.format, arguments.codes.is_empty()) {
        (format, true) => print(&entry::all().collect::<Vec<_>>(), format, text::list),
        (format, false) => print(&entries, format, text::in_full),
    };
    after_printing(printed, code)
}

fn print(entries: &[Entry], format: ExplainFormat, as_text: fn(&[Entry], usize) -> String) -> io::Result<()> {
    let text = match format {
        ExplainFormat::Json => document(entries),
        ExplainFormat::Text => as_text(entries, width()),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn document(entries: &[Entry]) -> String {
    json!({ "schema": SCHEMA, "explanations": entries }).to_string() + "\n"
}

/// Columns of a line. Output to a program is not wrapped: it looks for words that stand in one line.
fn width() -> usize {
    match Screen::from_stdout() {
        Screen { is_terminal: true, width, .. } => width.unwrap_or(WIDTH_MAX).clamp(WIDTH_MIN, WIDTH_MAX),
        _ => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_everything_known() {
        let advice = r#""means":"The document was deleted.","waiting":"no","new_export":"once_fixed","hint":"restore the document, then export again""#;
        let expected = format!(
            "{}{advice}{}{advice}{}",
            r#"{"schema":1,"explanations":[{"of":"job_status","number":111,"name":null,"says":"document deleted","message":null,"endpoint":null,"kind":"document_deleted","reason":null,"job_statuses":[],"codes":[],"#,
            r#"},{"of":"kind","number":null,"name":"document_deleted","says":null,"message":null,"endpoint":null,"kind":null,"reason":null,"job_statuses":[111],"codes":[1069906],"#,
            "}]}\n"
        );
        let entries = [entry::entries_of("111"), entry::entries_of("document_deleted")].concat();
        assert_eq!(document(&entries), expected);
    }
}
