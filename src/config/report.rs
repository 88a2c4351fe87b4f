//! Collects the problems of one file. Byte offsets become lines and columns only for what is reported, and a
//! hostile file can't flood the report.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::problem::{Position, Problem, Severity};

/// Problems listed per file and severity; the rest is only counted.
const LISTED_MAX: usize = 50;

/// Bytes from one mark to the next.
const STRIDE: usize = 512;

/// The problems of one file, and the text they point into: all of it, or one piece after the other.
pub(super) struct FileReport<'t> {
    path: Arc<Path>,
    text: &'t str,
    /// Lines of the file before the text.
    lines_before: usize,
    /// The place of every [`STRIDE`]th byte: a file may be one line, or nothing but line ends, and every byte of it a
    /// mistake. A large file without problems never needs them.
    marks: OnceCell<Vec<Mark>>,
    found: RefCell<Found>,
}

/// A place in the file, counted from 0.
#[derive(Clone, Copy, Default)]
struct Mark {
    line: usize,
    /// Characters of the line that begin before it.
    column: usize,
}

impl Mark {
    /// The place after one more byte.
    fn past(self, byte: u8) -> Self {
        // Every byte of a character but its first is of this form.
        let begins = byte & 0b1100_0000 != 0b1000_0000;
        match byte {
            b'\n' => Self { line: self.line + 1, column: 0 },
            _ => Self { column: self.column + usize::from(begins), ..self },
        }
    }
}

/// What was found in a file so far.
#[derive(Default)]
pub(super) struct Found {
    errors: Listed,
    warnings: Listed,
    /// Lines with a syntax error: what else seems wrong there is a consequence of it.
    broken_lines: BTreeSet<usize>,
}

impl Found {
    pub(super) fn has_errors(&self) -> bool {
        !self.errors.problems.is_empty()
    }

    /// Whether further errors would only be counted.
    pub(super) fn is_full(&self) -> bool {
        self.errors.omitted > 0
    }

    /// The problems in the order of the text, each severity with a note on what was left out.
    pub(super) fn into_problems(self, path: &Arc<Path>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut more = Vec::new();
        for listed in [self.errors, self.warnings] {
            let severity = listed.problems.first().map(|problem| problem.severity);
            problems.extend(listed.problems);
            if let (Some(severity), 1..) = (severity, listed.omitted) {
                let message = format!("… and {} more of this file", listed.omitted);
                more.push(Problem { severity, ..Problem::error(path, None, message) });
            }
        }
        problems.sort_by_key(|problem| problem.position);
        problems.extend(more);
        problems
    }

    fn of_mut(&mut self, severity: Severity) -> &mut Listed {
        match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        }
    }
}

#[derive(Default)]
struct Listed {
    problems: Vec<Problem>,
    omitted: usize,
}

impl<'t> FileReport<'t> {
    pub(super) fn new(path: &Arc<Path>, text: &'t str) -> Self {
        Self::of_piece(path, text, 0, Found::default())
    }

    /// For the piece of a text that so many lines stand before, in which that much was found.
    pub(super) fn of_piece(path: &Arc<Path>, text: &'t str, lines_before: usize, found: Found) -> Self {
        let path = Arc::clone(path);
        Self { path, text, lines_before, marks: OnceCell::new(), found: RefCell::new(found) }
    }

    /// What was found up to now.
    pub(super) fn into_found(self) -> Found {
        self.found.into_inner()
    }

    pub(super) fn error(&self, offset: usize, message: impl FnOnce() -> String) {
        self.add(Severity::Error, offset, message);
    }

    pub(super) fn warning(&self, offset: usize, message: impl FnOnce() -> String) {
        self.add(Severity::Warning, offset, message);
    }

    /// At most one a line: the parser stumbles several times over one mistake.
    pub(super) fn syntax_error(&self, offset: usize, message: &'static str) {
        let line = self.line_index(offset);
        if !self.found.borrow().broken_lines.contains(&line) {
            self.error(offset, || format!("not valid TOML: {message}"));
            self.found.borrow_mut().broken_lines.insert(line);
        }
    }

    /// Whether some of the text could not be parsed, so that what seems to be missing may be there.
    pub(super) fn is_broken(&self) -> bool {
        !self.found.borrow().broken_lines.is_empty()
    }

    /// Whether the line of that byte could not be parsed.
    pub(super) fn is_broken_at(&self, offset: usize) -> bool {
        self.is_broken() && self.found.borrow().broken_lines.contains(&self.line_index(offset))
    }

    pub(super) fn has_errors(&self) -> bool {
        self.found.borrow().has_errors()
    }

    /// Line and column of a byte offset.
    pub(super) fn position(&self, offset: usize) -> Position {
        let Mark { line, column } = self.place(offset);
        Position { line: line + 1, column: column + 1 }
    }

    /// The problems in the order of the text, each severity with a note on what was left out.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.found.into_inner().into_problems(&self.path)
    }

    fn add(&self, severity: Severity, offset: usize, message: impl FnOnce() -> String) {
        if self.is_broken_at(offset) {
            return;
        }
        // The message is made before the borrow begins: whoever makes it may ask this report something.
        let message = self.has_room(severity).then(message);
        let mut found = self.found.borrow_mut();
        let listed = found.of_mut(severity);
        match message {
            Some(message) => {
                let problem = Problem::error(&self.path, Some(self.position(offset)), message);
                listed.problems.push(Problem { severity, ..problem });
            }
            None => listed.omitted += 1,
        }
    }

    fn has_room(&self, severity: Severity) -> bool {
        self.found.borrow_mut().of_mut(severity).problems.len() < LISTED_MAX
    }

    /// Lines of the file before that byte's.
    fn line_index(&self, offset: usize) -> usize {
        self.place(offset).line
    }

    /// The place of a byte; of one within a character, that of the character.
    fn place(&self, offset: usize) -> Mark {
        let offset = self.text.floor_char_boundary(offset);
        let mark = offset / STRIDE;
        let since = &self.text.as_bytes()[mark * STRIDE..offset];
        since.iter().fold(self.marks()[mark], |place, byte| place.past(*byte))
    }

    fn marks(&self) -> &[Mark] {
        self.marks.get_or_init(|| {
            let start = Mark { line: self.lines_before, column: 0 };
            let first = std::iter::once(start);
            let blocks = self.text.as_bytes().chunks(STRIDE);
            let ends = blocks.scan(start, |place, block| {
                *place = block.iter().fold(*place, |place, byte| place.past(*byte));
                Some(*place)
            });
            first.chain(ends).collect()
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
