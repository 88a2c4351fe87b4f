//! Messages on standard error, and how a command ends after one. Data goes to standard output, elsewhere.

use std::error::Error;
use std::io::{self, Write};

use feishu_export_watcher::CommandError;
use feishu_export_watcher::domain::{escape_except, with_causes};
use textwrap::{Options, WordSplitter, fill};

use crate::exit;

/// Prints a line without control characters. Where stderr can't be written, the exit code still shows the result.
pub(crate) fn eprint_escaped(text: &str) {
    let _ = writeln!(io::stderr(), "{}", escape_except(text, &['\n']));
}

/// Columns of a message for people at most, as far as words fit.
const COLUMNS: usize = 80;

/// Prints a message in lines of at most 80 columns. Indented ones are paths or commands and stay as they are.
pub(crate) fn eprint_folded(text: &str) {
    let options = Options::new(COLUMNS).break_words(false).word_splitter(WordSplitter::NoHyphenation);
    let fold = |line: &str| if line.starts_with("  ") { line.to_owned() } else { fill(line, &options) };
    eprint_escaped(&text.lines().map(fold).collect::<Vec<_>>().join("\n"));
}

/// Prints an error and its causes; returns the exit code.
pub(crate) fn fail(error: &dyn Error, code: u8) -> u8 {
    eprint_escaped(&format!("error: {}", with_causes(error)));
    code
}

/// Prints an error, after an invalid configuration with advice; returns the exit code.
pub(crate) fn refuse(error: &CommandError, advice: &str) -> u8 {
    let code = error.class() as u8;
    if !matches!(error, CommandError::Config(_)) {
        return fail(error, code);
    }
    eprint_escaped(&format!("{error}\n{advice}"));
    code
}

/// The exit code after printing to stdout. A reader that went away, such as `head`, is no failure.
pub(crate) fn after_printing(printed: io::Result<()>, code: u8) -> u8 {
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprint_escaped(&format!("error: failed to write to standard output: {error}"));
            exit::UNEXPECTED
        }
        _ => code,
    }
}
