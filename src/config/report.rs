//! Collects the problems of one file. Byte offsets become lines and columns only for what is reported, and a
//! hostile file can't flood the report.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::problem::{Position, Problem, Severity};

/// Problems listed per file and severity; the rest is only counted.
const LISTED_MAX: usize = 50;

/// Bytes from one mark to the next.
const STRIDE: usize = 512;

/// The problems of one file, and the text they point into.
pub(super) struct FileReport<'t> {
    path: Arc<Path>,
    text: &'t str,
    /// The place of every [`STRIDE`]th byte: a file may be one line, or nothing but line ends, and every byte of it a
    /// mistake. A large file without problems never needs them.
    marks: OnceCell<Vec<Position>>,
    problems: RefCell<Vec<Problem>>,
    errors: Cell<usize>,
    warnings: Cell<usize>,
    /// Lines with a syntax error: other errors there follow from it.
    broken_lines: RefCell<BTreeSet<usize>>,
}

impl<'t> FileReport<'t> {
    pub(super) fn new(path: &Arc<Path>, text: &'t str) -> Self {
        Self {
            path: Arc::clone(path),
            text,
            marks: OnceCell::new(),
            problems: RefCell::default(),
            errors: Cell::default(),
            warnings: Cell::default(),
            broken_lines: RefCell::default(),
        }
    }

    pub(super) fn error(&self, offset: usize, message: impl FnOnce() -> String) {
        self.add(Severity::Error, offset, message);
    }

    pub(super) fn warning(&self, offset: usize, message: impl FnOnce() -> String) {
        self.add(Severity::Warning, offset, message);
    }

    /// At most one a line: the parser stumbles several times over one mistake.
    pub(super) fn syntax_error(&self, offset: usize, message: &'static str) {
        self.error(offset, || format!("not valid TOML: {message}"));
        self.broken_lines.borrow_mut().insert(self.position(offset).line);
    }

    /// Whether some of the text could not be parsed, so that keys that seem to be missing may be there.
    pub(super) fn is_broken(&self) -> bool {
        !self.broken_lines.borrow().is_empty()
    }

    /// Whether the line of that byte could not be parsed.
    pub(super) fn is_broken_at(&self, offset: usize) -> bool {
        self.is_broken() && self.broken_lines.borrow().contains(&self.position(offset).line)
    }

    pub(super) fn has_errors(&self) -> bool {
        self.errors.get() > 0
    }

    /// Whether further errors would only be counted.
    pub(super) fn is_full(&self) -> bool {
        self.errors.get() > LISTED_MAX
    }

    /// Line and column of a byte offset; of one within a character, those of the character.
    pub(super) fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset);
        let mark = offset / STRIDE;
        let since = &self.text.as_bytes()[mark * STRIDE..offset];
        since.iter().fold(self.marks()[mark], |place, byte| place.past(*byte))
    }

    /// The problems in the order of the text, each severity with a note on the number of those left out.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.position, problem.severity));
        for (severity, count) in [(Severity::Error, self.errors), (Severity::Warning, self.warnings)] {
            let omitted = count.get().saturating_sub(LISTED_MAX);
            if omitted > 0 {
                let message = format!("… and {omitted} more of this file");
                problems.push(Problem { severity, ..Problem::error(&self.path, None, message) });
            }
        }
        problems
    }

    fn add(&self, severity: Severity, offset: usize, message: impl FnOnce() -> String) {
        if self.is_broken_at(offset) {
            return;
        }
        let count = if severity == Severity::Error { &self.errors } else { &self.warnings };
        count.set(count.get() + 1);
        if count.get() <= LISTED_MAX {
            let problem = Problem::error(&self.path, Some(self.position(offset)), message());
            self.problems.borrow_mut().push(Problem { severity, ..problem });
        }
    }

    fn marks(&self) -> &[Position] {
        self.marks.get_or_init(|| {
            let blocks = self.text.as_bytes().chunks(STRIDE);
            let ends = blocks.scan(Position::START, |place, block| {
                *place = block.iter().fold(*place, |place, byte| place.past(*byte));
                Some(*place)
            });
            std::iter::once(Position::START).chain(ends).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> Arc<Path> {
        Path::new("f").into()
    }

    #[test]
    fn columns_count_characters() {
        let report = FileReport::new(&path(), "ab\näöx\r\n");
        let at = |offset| report.position(offset).to_string();
        assert_eq!([at(0), at(2), at(3), at(7)], ["1:1", "1:3", "2:1", "2:3"]);
        assert_eq!([at(4), at(9), at(10), at(999)], ["2:1", "2:5", "3:1", "3:1"]);
        assert_eq!(FileReport::new(&path(), "").position(5).to_string(), "1:1");
        for text in ["ab\n".repeat(1000), "äöx".repeat(1000), "報\n\r\n".repeat(300)] {
            let report = FileReport::new(&path(), &text);
            for offset in 0..=text.len() {
                let before = &text[..text.floor_char_boundary(offset)];
                let line = before.rsplit('\n').next().unwrap_or_default();
                let expected =
                    Position { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 };
                assert_eq!(report.position(offset), expected, "{offset}");
            }
        }
    }

    #[test]
    fn a_flood_is_counted_not_listed() {
        let report = FileReport::new(&path(), "x");
        (0..LISTED_MAX + 7).for_each(|_| report.warning(0, || "w".into()));
        report.error(0, || "e".into());
        let problems = report.into_problems();
        assert_eq!(problems.len(), LISTED_MAX + 2);
        assert!(problems.iter().any(Problem::is_error));
        assert_eq!(problems.last().map(|last| last.message.as_str()), Some("… and 7 more of this file"));
    }

    #[test]
    fn a_broken_line_is_reported_once() {
        let report = FileReport::new(&path(), "a\nb\n");
        report.syntax_error(2, "first");
        report.syntax_error(3, "second");
        report.error(2, || "third".into());
        report.error(0, || "elsewhere".into());
        let lines: Vec<_> = report.into_problems().iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["f:1:1: error: elsewhere", "f:2:1: error: not valid TOML: first"]);
    }
}
