//! What is wrong with a file, and where: one type for errors and warnings alike, printed as compilers
//! do, so that editors can jump to the place.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::domain::escape;

/// Characters of foreign text that a message repeats at most.
const SHOWN_MAX: usize = 60;

/// Whether a problem stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file can't be taken as it is.
    Error,
    /// It can, but deserves a look.
    Warning,
}

/// A place in a text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The first character of a text.
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// The place after one more byte of the text.
    pub(super) fn past(self, byte: u8) -> Self {
        // Every byte of a character but its first is of this form.
        let begins = byte & 0b1100_0000 != 0b1000_0000;
        match byte {
            b'\n' => Self { line: self.line + 1, column: 1 },
            _ => Self { column: self.column + usize::from(begins), ..self },
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One problem of one file. Prints as `path:line:column: error: message`, always on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it stands in the way.
    pub severity: Severity,
    /// The file.
    pub path: Arc<Path>,
    /// The place in it; none where the file as a whole is meant.
    pub position: Option<Position>,
    /// What is wrong and what would be accepted. Never a secret, never a control character.
    pub message: String,
}

impl Problem {
    pub(crate) fn error(path: &Arc<Path>, position: Option<Position>, message: impl Into<String>) -> Self {
        // Most messages are escaped already; a library's may not be.
        let message = escape(&message.into()).into_owned();
        Self { severity: Severity::Error, path: Arc::clone(path), position, message }
    }

    pub(super) fn warning(path: &Arc<Path>, position: Option<Position>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, position, message) }
    }

    /// Whether it stands in the way.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_path(&self.path))?;
        if let Some(position) = self.position {
            write!(f, ":{position}")?;
        }
        let severity = if self.is_error() { "error" } else { "warning" };
        write!(f, ": {severity}: {}", self.message)
    }
}

/// Everything that was found; at least one problem is an error. Prints one problem a line.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Problem>);

/// Foreign text as a message may repeat it: short, on one line, between backticks.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(SHOWN_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", escape(&short))
}

/// A path as a message may repeat it. A file name may hold line ends, which would forge a line of the report.
pub(super) fn shown_path(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_compilers_do_and_on_one_line() {
        let path: Arc<Path> = Path::new("a\nb.toml").into();
        let problem = Problem::error(&path, Some(Position { line: 3, column: 7 }), "no");
        assert_eq!(problem.to_string(), "a\\u{a}b.toml:3:7: error: no");
        let warning = Problem::warning(&path, None, "hm");
        assert_eq!(warning.to_string(), "a\\u{a}b.toml: warning: hm");
        assert_eq!(ConfigError(vec![problem, warning]).to_string().lines().count(), 2);
    }

    #[test]
    fn foreign_text_is_cut_and_escaped() {
        assert_eq!(shown("a\u{1b}[31m\u{202e}"), "`a\\u{1b}[31m\\u{202e}`");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), SHOWN_MAX + 3);
    }
}
