//! Explanations for people: a paragraph each, or a list of all with a line each.

use textwrap::{Options, WordSplitter};

use super::entry::{Entry, Subject, names};

/// Columns of a paragraph's label.
const LABEL: usize = 12;

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
    for group in entries.chunk_by(|one, other| one.of == other.of) {
        let lines: String = group.iter().map(|entry| line(entry, width)).collect();
        text += &format!("{}\n{lines}\n", head(group[0].of));
    }
    text + &wrapped("", "`feishu-export-watcher explain CODE` says what helps and what to do.", width)
}

fn paragraph(entry: &Entry, width: usize) -> String {
    let fields = [
        ("error.kind", entry.kind),
        ("pauses app", entry.reason),
        ("comes from", numbers(entry).as_deref()),
        ("means", Some(entry.advice.means)),
        ("waiting", Some(entry.advice.waiting.in_words())),
        ("new export", Some(entry.advice.new_export.in_words())),
        ("do", Some(entry.advice.hint)),
    ]
    .map(|(label, value)| value.map(|value| wrapped(&format!("  {label:<LABEL$}"), value, width)));
    wrapped("", &title(entry), width) + &String::from_iter(fields.into_iter().flatten())
}

fn title(entry: &Entry) -> String {
    let (word, says) = (entry.word(), entry.says.unwrap_or_default());
    let sender = match entry.endpoint {
        Some("token") => " (when the access token is fetched)",
        Some("download") => " (when a file is downloaded)",
        Some("node") => " (when a wiki node is resolved)",
        Some("create") => " (when an export is created)",
        Some(_) => " (when a ticket is polled)",
        None => "",
    };
    match (entry.of, entry.message) {
        (Subject::JobStatus, _) => format!("job_status {word}: {says}"),
        (Subject::Code, None) => format!("code {word}: {says}{sender}"),
        (Subject::Code, Some(words)) => format!("code {word} with \"{words}\" in its message{sender}"),
        (Subject::Kind, _) => format!("error.kind {word}"),
        (Subject::Reason, _) => format!("reason {word}: {says}"),
    }
}

/// The numbers behind a name.
fn numbers(entry: &Entry) -> Option<String> {
    let lists = [("job_status", &entry.job_statuses), ("code", &entry.codes)].map(|(word, numbers)| {
        let plural = if numbers.len() == 1 { "" } else { "s" };
        let list: Vec<_> = numbers.iter().map(i64::to_string).collect();
        (!list.is_empty()).then(|| format!("{word}{plural} {}", list.join(", ")))
    });
    let lists: Vec<_> = lists.into_iter().flatten().collect();
    (!lists.is_empty()).then(|| lists.join("; "))
}

const fn head(subject: Subject) -> &'static str {
    match subject {
        Subject::JobStatus => "job_status",
        Subject::Code => "code",
        Subject::Kind => "error.kind",
        Subject::Reason => "reason (of a pause)",
    }
}

fn line(entry: &Entry, width: usize) -> String {
    let longest = names().map(str::len).max().unwrap_or_default();
    let (word, name) = (entry.word(), entry.reason.or(entry.kind).unwrap_or("-"));
    let label = match entry.of {
        Subject::JobStatus | Subject::Code => format!("  {word:<NUMBER$}  {name:<longest$}  "),
        Subject::Kind | Subject::Reason => format!("  {word:<longest$}  "),
    };
    let first_sentence = entry.advice.means.split_inclusive(". ").next().unwrap_or_default().trim_end();
    match entry.message {
        Some(words) => wrapped(&label, &format!("the same with \"{words}\""), width),
        None => wrapped(&label, entry.says.unwrap_or(first_sentence), width),
    }
}

/// The text after its label, and a newline; the rest that does not fit goes on below the text's beginning. Words are not
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

    use super::super::entry::{all, entries_of as of};
    use super::*;

    #[test]
    fn a_paragraph_says_what_helps() {
        let expected = "\
code 99991672: the app lacks the API scope
  pauses app  scope_missing
  means       The app, or its access token, lacks the API scope for exports, or the
              one for wiki nodes.
  waiting     helps once that is fixed
  new export  helps only for files that were lost meanwhile
  do          in Developer Console > Permissions & Scopes add docs:document:export
              or drive:export:readonly (for wiki nodes wiki:node:read or
              wiki:node:retrieve), then publish a version under Version Management &
              Release; it is tried again by itself, at once after SIGHUP
";
        assert_eq!(in_full(&of("99991672"), 84), expected);
        let expected = "\
error.kind document_deleted
  comes from  job_status 111; code 1069906
  means       The document was deleted.
  waiting     does not help
  new export  helps once that is fixed
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
        let expired = in_full(&of("1060001"), usize::MAX);
        assert!(
            expired.contains("no longer (when a file is downloaded)\n  error.kind  expired\n"),
            "{expired}"
        );
        assert!(in_full(&of("10015"), usize::MAX).starts_with("code 10015: wrong app secret (when the"));
        let lost = in_full(&of("131005"), usize::MAX);
        assert!(lost.starts_with("code 131005: node not found (when a wiki node is resolved)\n"), "{lost}");
    }

    /// Promise: the list names all there is, and fits the terminal but for words that are longer than it.
    #[test]
    fn the_list_is_complete_and_fits() {
        let entries: Vec<_> = all().collect();
        let text = list(&entries, usize::MAX);
        for entry in &entries {
            let word = entry.word();
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
