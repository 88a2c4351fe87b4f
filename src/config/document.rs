//! Text to TOML tables, with every syntax error reported in this program's own words: the library's
//! errors quote the line they are about, and that line may hold a secret.

use toml::Spanned;
use toml::de::DeTable;
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::report::FileReport;

/// Brackets within brackets, and names in one dotted key. No key here needs more than four; the
/// parser allows 80 of each *multiplied*, which overflows a thread's stack.
const NESTING_MAX: usize = 16;

/// Of a name that stands twice.
pub(super) const TWICE: &str = "this name is given a second time; each key and each table may stand once";

/// How the library's message begins where a key has no `=`.
const KEYLESS: &str = "key with no value";

/// Parses a text, or the piece of one that begins at byte `offset` of the report's file. What could
/// not be parsed is reported and left out.
pub(super) fn parse<'t>(
    report: &FileReport<'_>,
    offset: usize,
    text: &'t str,
) -> Option<Spanned<DeTable<'t>>> {
    if let Some(at) = find_deep_nesting(text) {
        report.syntax_error(offset + at, "nested deeper than any key that is known here");
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        report.syntax_error(offset + at, in_own_words(error.message()));
    }
    Some(table)
}

/// Reports lines with a key and no `=`, and takes them out of the text. At such a line the parser drops all that
/// follows, and with it every other problem of the file. Whatever remains keeps its place.
pub(super) fn without_keyless_lines(report: &FileReport<'_>, text: &str) -> String {
    let mut repaired = text.to_owned();
    if find_deep_nesting(text).is_some() {
        return repaired;
    }
    let (_, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().filter(|error| error.message().starts_with(KEYLESS)) {
        let Some(at) = error.span().map(|span| span.start).filter(|at| repaired.is_char_boundary(*at)) else {
            continue;
        };
        report.syntax_error(at, in_own_words(KEYLESS));
        let start = repaired[..at].rfind('\n').map_or(0, |end| end + 1);
        let end = repaired[at..].find('\n').map_or(repaired.len(), |length| at + length);
        repaired.replace_range(start..end, &" ".repeat(end - start));
    }
    repaired
}

fn find_deep_nesting(text: &str) -> Option<usize> {
    let (mut brackets, mut dots) = (0_usize, 0_usize);
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => brackets += 1,
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                brackets = brackets.saturating_sub(1);
            }
            TokenKind::Dot => dots += 1,
            TokenKind::Equals | TokenKind::Comma | TokenKind::Newline => dots = 0,
            _ => {}
        }
        if brackets > NESTING_MAX || dots > NESTING_MAX {
            return Some(token.span().start());
        }
    }
    None
}

/// A fixed text for each kind of message. Being `'static`, it can't hold anything from the file.
fn in_own_words(message: &str) -> &'static str {
    const WORDS: [(&[&str], &str); 12] = [
        (&["duplicate key"], TWICE),
        (&["string values must be quoted"], "a string must stand between quotes"),
        (&[KEYLESS, "missing assignment"], "a key must be followed by `=` and a value"),
        (&["unclosed"], "a bracket is opened and never closed"),
        (&["missing comma"], "a comma is missing"),
        (&["extra comma"], "there is a comma too many"),
        (&["missing value", "invalid value"], "a value is missing"),
        (&["cannot extend value"], "this name already stands for a value, so nothing can be put below it"),
        (
            &["missing escaped value", "too few unicode"],
            "unknown escape in a string; a backslash is written `\\\\`",
        ),
        (
            &["invalid basic string", "invalid literal string", "invalid multi-line"],
            "a string is never closed, or holds a character that must be escaped",
        ),
        (&["unexpected leading zero"], "a number must not begin with 0"),
        (&["invalid date-time", "invalid datetime"], "no date and time such as 2026-11-22T10:00:00Z"),
    ];
    let known = WORDS.iter().find(|(starts, _)| starts.iter().any(|start| message.starts_with(start)));
    known.map_or("this can't be read; often a quote or a bracket is missing", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let report = FileReport::new(&Path::new("f").into(), text);
        let _ = parse(&report, 0, text);
        report.into_problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn syntax_errors_never_quote_the_text() {
        for text in [
            "a = CANARY",
            "a = \"CANARY",
            "a CANARY",
            "[CANARY",
            "a = \"\\CANARY\"",
            "CANARY = 1\nCANARY = 2",
            "a = { CANARY }",
            "a = 2026-13-41TCANARY",
            "a = '''CANARY",
            "CANARY.a = 1\nCANARY = 1\nCANARY.b = 2",
        ] {
            let found = problems(text);
            assert!(!found.is_empty(), "{text}");
            assert!(found.iter().all(|line| !line.contains("CANARY")), "{found:?}");
        }
    }

    #[test]
    fn a_line_without_an_equals_sign_hides_nothing() {
        let text = "a = 1\nbö \"CANARY\"\r\nc\nc x y\nd = 'e'\nf";
        let report = FileReport::new(&Path::new("f").into(), text);
        let repaired = without_keyless_lines(&report, text);
        assert_eq!(repaired.len(), text.len());
        let table = parse(&report, 0, &repaired).unwrap();
        assert_eq!(table.get_ref().get("d").map(Spanned::span), text.find("'e'").map(|at| at..at + 3));
        let lines: Vec<_> = report.into_problems().iter().map(|p| p.position.unwrap().line).collect();
        assert_eq!(lines, [2, 3, 4, 6]);
    }

    #[test]
    fn deep_nesting_is_refused_before_it_is_parsed() {
        for text in [
            "a = ".to_owned() + &"[".repeat(100_000),
            "a = ".to_owned() + &"{a=".repeat(100_000),
            "a.".repeat(100_000) + "a = 1",
            format!("[{}a]", "a.".repeat(100)),
        ] {
            assert!(problems(&text)[0].contains("nested deeper"), "{}", problems(&text)[0]);
        }
        assert!(problems("a = [[1.5, 2.5], [1.5]]\nb = 'a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s'").is_empty());
    }
}
