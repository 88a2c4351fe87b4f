//! Explanations for people: a paragraph each, or a list of all with a line each.

use feishu_export_watcher::domain::{Endpoint, ErrorKind, PauseReason};
use textwrap::{Options, WordSplitter};

use super::entry::{Entry, Subject};

/// Columns before the text of a paragraph's line: two, the label, two.
const LABEL: usize = 14;

/// Columns of a number in the list.
const NUMBER: usize = 8;

/// Every entry as a paragraph of lines with at most `width` columns, as far as words fit.
pub(super) fn in_full(entries: &[Entry], width: usize) -> String {
    let paragraphs: Vec<_> = entries.iter().map(|entry| paragraph(entry, width)).collect();
    paragraphs.join("\n")
}

/// Every entry as a line, under heads, with at most `width` columns, as far as words fit.
pub(super) fn list(entries: &[Entry], width: usize) -> String {
    let mut text = String::new();
    let mut last = "";
    for entry in entries {
        let head = head(entry.subject);
        if head != last {
            text += if last.is_empty() { "" } else { "\n" };
            text = text + head + "\n";
            last = head;
        }
        text += &line(entry, width);
    }
    text + "\n" + &wrapped("", "`feishu-export-watcher explain CODE` says what helps and what to do.", width)
}

fn paragraph(entry: &Entry, width: usize) -> String {
    let mut text = wrapped("", &title(entry), width);
    let mut field = |label: &str, value: &str| {
        text += &wrapped(&format!("  {label:<width$}", width = LABEL - 2), value, width);
    };
    if let Some(kind) = entry.kind {
        field("error.kind", kind.as_str());
    }
    if let Some(reason) = entry.pause {
        field("pauses app", reason.as_str());
    }
    if let Some(numbers) = numbers(entry) {
        field("comes from", &numbers);
    }
    field("means", entry.advice.means);
    field("waiting", entry.advice.waiting.in_words());
    field("new export", entry.advice.new_export.in_words());
    field("do", entry.advice.hint);
    text
}

fn title(entry: &Entry) -> String {
    let word = entry.subject.word();
    match entry.subject {
        Subject::JobStatus(_) => format!("job_status {word}: {}", entry.says.unwrap_or_default()),
        Subject::Code(_, None) => format!("code {word}: {}{}", entry.says.unwrap_or_default(), sender(entry)),
        Subject::Code(_, Some(wording)) => {
            format!("code {word} with \"{}\" in its message{}", wording.as_str(), sender(entry))
        }
        Subject::Kind(_) => format!("error.kind {word}"),
        Subject::Reason(_) => format!("reason {word}: {}", entry.says.unwrap_or_default()),
    }
}

const fn sender(entry: &Entry) -> &'static str {
    match entry.only_from {
        Some(Endpoint::Token) => " (when the access token is fetched)",
        Some(Endpoint::Query) => " (when a ticket is polled)",
        None => "",
    }
}

/// The numbers behind a name.
fn numbers(entry: &Entry) -> Option<String> {
    let list = |word: &str, numbers: &[i64]| {
        let plural = if numbers.len() == 1 { "" } else { "s" };
        let numbers: Vec<_> = numbers.iter().map(i64::to_string).collect();
        (!numbers.is_empty()).then(|| format!("{word}{plural} {}", numbers.join(", ")))
    };
    let lists = [list("job_status", &entry.job_statuses), list("code", &entry.codes)];
    let lists: Vec<_> = lists.into_iter().flatten().collect();
    (!lists.is_empty()).then(|| lists.join("; "))
}

const fn head(subject: Subject) -> &'static str {
    match subject {
        Subject::JobStatus(_) => "job_status",
        Subject::Code(..) => "code",
        Subject::Kind(_) => "error.kind",
        Subject::Reason(_) => "reason (of a pause)",
    }
}

fn line(entry: &Entry, width: usize) -> String {
    let names = name_width();
    let word = entry.subject.word();
    let says = entry.says.unwrap_or_default();
    match entry.subject {
        Subject::JobStatus(_) | Subject::Code(..) => {
            let pause = entry.pause.map(PauseReason::as_str);
            let name = pause.or(entry.kind.map(ErrorKind::as_str)).unwrap_or("-");
            let says = match entry.subject {
                Subject::Code(_, Some(wording)) => &format!("the same with \"{}\"", wording.as_str()),
                _ => says,
            };
            wrapped(&format!("  {word:<NUMBER$}  {name:<names$}  "), says, width)
        }
        Subject::Kind(_) => {
            wrapped(&format!("  {word:<names$}  "), first_sentence(entry.advice.means), width)
        }
        Subject::Reason(_) => wrapped(&format!("  {word:<names$}  "), says, width),
    }
}

/// Columns of a name in the list.
fn name_width() -> usize {
    let names = ErrorKind::all().map(ErrorKind::as_str).chain(PauseReason::ALL.map(PauseReason::as_str));
    names.map(str::len).max().unwrap_or_default()
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |end| &text[..=end])
}

/// The text after its label, and a newline; what does not fit goes on below the text's beginning. Words are not
/// parted: they are there to be copied.
fn wrapped(label: &str, text: &str, width: usize) -> String {
    let indent = " ".repeat(label.len());
    let options = Options::new(width)
        .initial_indent(label)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(text, options) + "\n"
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::super::entry::{all, of};
    use super::*;

    #[test]
    fn a_paragraph_says_what_helps() {
        let expected = "\
code 99991672: the app lacks the API scope
  pauses app  scope_missing
  means       The app, or its access token, lacks the API scope for exports.
  waiting     helps once that is mended
  new export  helps only for files that were lost meanwhile
  do          in Developer Console > Permissions & Scopes add docs:document:export
              or drive:export:readonly, then publish a version under Version
              Management & Release; it is tried again by itself, at once after
              SIGHUP
";
        assert_eq!(in_full(&of("99991672"), 84), expected);
        let expected = "\
error.kind document_deleted
  comes from  job_status 111; code 1069906
  means       The document was deleted.
  waiting     does not help
  new export  helps once that is mended
  do          restore the document, then export again
";
        assert_eq!(in_full(&of("document_deleted"), usize::MAX), expected);
    }

    #[test]
    fn a_code_that_means_two_things_has_two_paragraphs() {
        let text = in_full(&of("9499"), usize::MAX);
        assert!(
            text.starts_with("code 9499: bad request or invalid parameter\n  error.kind  unknown_code\n")
        );
        let second =
            "\n\ncode 9499 with \"too many requests\" in its message\n  error.kind  throttled\n  pauses app";
        assert!(text.contains(second), "{text}");
        assert!(in_full(&of("10015"), usize::MAX).starts_with("code 10015: wrong app secret (when the"));
    }

    /// Promise: the list names all there is, and fits the terminal but for words that are longer than it.
    #[test]
    fn the_list_is_complete_and_fits() {
        let entries: Vec<_> = all().collect();
        let text = list(&entries, usize::MAX);
        for entry in &entries {
            let word = entry.subject.word();
            assert!(text.lines().any(|line| line.trim_start().starts_with(&word)), "{word}");
        }
        for width in [60, 80, 100] {
            let wide = |line: &&str| line.width() > width && !line.contains("https://");
            assert_eq!(list(&entries, width).lines().find(wide), None);
            assert_eq!(in_full(&entries, width).lines().find(wide), None);
        }
        // Words are whole.
        assert!(in_full(&entries, 40).contains("drive:export:readonly"));
    }
}
