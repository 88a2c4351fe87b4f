//! What must hold of every list of problems, whichever file it is about.

use std::path::Path;

use feishu_export_watcher::config::{Position, Problem};
use feishu_export_watcher::domain::unsafe_for_terminal;

/// Problems of one file at most: fifty errors, fifty warnings, and a note on the rest of each.
const PROBLEMS_MAX: usize = 102;

/// Characters of a message at most, but for the paths that it names: they are as long as the file has them.
const MESSAGE_MAX: usize = 1000;

/// A count of what is left out, or an example that was left as it is shipped.
fn is_about_the_whole(problem: &Problem) -> bool {
    let message = &problem.message;
    message.starts_with("… and ") || message.contains("that of the shipped example")
}

/// Holds a report against the file that it is about.
pub(crate) fn assert_report(problems: &[Problem], path: &Path, bytes: &[u8]) {
    assert!(problems.len() <= PROBLEMS_MAX, "{} problems", problems.len());
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines: Vec<usize> = text.split('\n').map(|line| line.chars().count()).collect();
    for problem in problems {
        let line = problem.to_string();
        assert_eq!(&*problem.path, path, "{line}");
        assert!(!line.contains(unsafe_for_terminal), "one line, and no more than it looks like: {line:?}");
        assert!(line.chars().count() <= MESSAGE_MAX, "endless: {line}");
        match problem.position {
            Some(position) => assert!(is_within(position, &lines), "no such place: {line}"),
            None => assert!(is_about_the_whole(problem), "no place: {line}"),
        }
    }
}

/// The end of a line, and that of the text, are places, too.
fn is_within(position: Position, lines: &[usize]) -> bool {
    let length = position.line.checked_sub(1).and_then(|index| lines.get(index));
    length.is_some_and(|length| (1..=length + 1).contains(&position.column))
}
