//! `explain`: what a number or a name in the watcher's log and status means and what to do about it. Reads the
//! library's tables and nothing else: no configuration, no state file.

mod entry;
mod json;
mod text;
mod unknown;

use std::io::{self, Write};

use crate::args::{ExplainArguments, ExplainFormat};
use crate::exit;
use crate::messages::{after_printing, eprint_escaped};
use crate::terminal::Screen;
use entry::Entry;

/// Columns of a line at most: longer ones are hard to read.
const WIDTH_MAX: usize = 100;

/// Columns of a line at least, so that a sentence has room beside its label.
const WIDTH_MIN: usize = 40;

/// Explains what was asked for, or lists all there is; returns the exit code.
pub(crate) fn explain(arguments: &ExplainArguments) -> u8 {
    // As they are pasted.
    let codes: Vec<_> = arguments.codes.iter().map(|code| code.trim()).collect();
    let entries: Vec<_> = match codes[..] {
        [] => entry::all().collect(),
        _ => codes.iter().flat_map(|code| entry::of(code)).collect(),
    };
    let unknown: Vec<_> = codes.iter().filter(|code| entry::of(code).is_empty()).collect();
    for code in &unknown {
        eprint_escaped(&unknown::complaint(code));
    }
    let printed = print(&entries, codes.is_empty(), arguments.format, &mut io::stdout().lock());
    after_printing(printed, if unknown.is_empty() { exit::FINE } else { exit::USAGE })
}

fn print(entries: &[Entry], is_list: bool, format: ExplainFormat, out: &mut impl Write) -> io::Result<()> {
    match format {
        ExplainFormat::Json => json::print(entries, out),
        ExplainFormat::Text if is_list => out.write_all(text::list(entries, width()).as_bytes()),
        ExplainFormat::Text => out.write_all(text::in_full(entries, width()).as_bytes()),
    }?;
    out.flush()
}

/// Columns of a line. What goes to a program is not wrapped: it looks for words that stand in one line.
fn width() -> usize {
    match Screen::of_stdout() {
        Screen { is_terminal: true, width, .. } => width.unwrap_or(WIDTH_MAX).clamp(WIDTH_MIN, WIDTH_MAX),
        _ => usize::MAX,
    }
}
