//! What must hold of every list of problems, whichever file it is about.

use super::deceptive::is_deceptive;
use crate::config::{Position, Problem};

/// Problems of one file at most: fifty errors, fifty warnings, a note on the rest of each, and some files that are
/// used for two things.
const PROBLEMS_MAX: usize = 150;

/// Characters of a message at most, but for the paths that it names: they are as long as the file has them.
const MESSAGE_MAX: usize = 1000;

/// A problem of the configuration as a whole, which names paths and stands at no place.
pub(super) fn is_clash(problem: &Problem) -> bool {
    ["[log] file: ", "[state] path: "].iter().any(|start| problem.message.starts_with(start))
}

/// Holds a report against the text that it is about.
pub(super) fn assert_report(problems: &[Problem], bytes: &[u8]) {
    assert!(problems.len() <= PROBLEMS_MAX, "{} problems", problems.len());
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<usize> =
        text.strip_prefix('\u{feff}').unwrap_or(&text).split('\n').map(|line| line.chars().count()).collect();
    for problem in problems {
        let line = problem.to_string();
        assert!(!line.contains(is_deceptive), "one line, and no more than it looks like: {line:?}");
        assert!(is_clash(problem) || line.chars().count() <= MESSAGE_MAX, "endless: {line}");
        match problem.position {
            Some(position) => assert!(is_within(position, &lines), "no such place: {line}"),
            None => assert!(is_clash(problem) || problem.message.starts_with("… and "), "no place: {line}"),
        }
    }
}

/// The end of a line, and that of the text, are places, too.
fn is_within(position: Position, lines: &[usize]) -> bool {
    let length = position.line.checked_sub(1).and_then(|index| lines.get(index));
    length.is_some_and(|length| (1..=length + 1).contains(&position.column))
}
