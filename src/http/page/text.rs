//! Texts and moments in the form in which the page shows them. What comes from outside is wrapped by these types, so that
//! no template can show it raw.

use std::fmt;
use std::path::Path;

use askama::filters::{Html, HtmlSafe};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::{EntryKey, TicketRecord, WallTime, escape};

/// Characters of a name or a message in a list.
pub(super) const SHORT: usize = 48;

/// Characters of a text that stands by itself.
pub(super) const LONG: usize = 1000;

/// What stands in a path as it is. A slash parts the id of a document.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Text from outside. It can neither end its element nor change the direction of what surrounds it, and its invisible
/// characters show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Foreign(String);

impl Foreign {
    /// The text, of which so many characters show at most.
    pub(super) fn new(text: &str, most: usize) -> Self {
        // What is cut off need not be escaped.
        let head = text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end]);
        let safe = escape(head);
        match safe.char_indices().nth(most) {
            Some((end, _)) => Self(format!("{}…", &safe[..end])),
            None if head.len() < text.len() => Self(format!("{safe}…")),
            None => Self(safe.into_owned()),
        }
    }

    /// A path; bytes that are not UTF-8 show as replacement characters.
    pub(super) fn from_path(path: &Path) -> Self {
        Self::new(&path.to_string_lossy(), LONG)
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(escaped) = askama::filters::escape(&self.0, Html);
        write!(f, "<bdi>{escaped}</bdi>")
    }
}

impl HtmlSafe for Foreign {}

/// A moment, in UTC and to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(pub(super) WallTime);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.0.timestamp();
        let (machine, people) = (at.strftime("%Y-%m-%dT%H:%M:%SZ"), at.strftime("%Y-%m-%d %H:%M:%S"));
        write!(f, "<time datetime=\"{machine}\">{people}</time>")
    }
}

impl HtmlSafe for Moment {}

/// An entry by its name, with the path of its details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntryLink {
    pub(super) href: String,
    pub(super) name: Foreign,
}

impl EntryLink {
    /// By the label, else the file's name, else the document.
    pub(super) fn new(ticket: &TicketRecord) -> Self {
        let file = ticket.artefact.as_deref().and_then(|file| file.file_name.as_deref());
        let name = ticket.entry.label.as_deref().or(file).unwrap_or(ticket.entry.token.as_str());
        Self { href: details_path(&ticket.entry.key), name: Foreign::new(name, SHORT) }
    }
}

/// Where the details of an entry are.
pub(super) fn details_path(key: &EntryKey) -> String {
    let encoded = |text| utf8_percent_encode(text, PLAIN).to_string();
    format!("/ticket/{}/{}", encoded(key.app.as_str()), encoded(key.id.as_str()))
}

/// A file token, by which others could fetch the file: its beginning is enough to recognise it.
pub(super) fn masked(file_token: &str) -> Foreign {
    const SHOWN: usize = 4;
    let is_long = file_token.chars().count() > 2 * SHOWN;
    let shown: String = file_token.chars().take(if is_long { SHOWN } else { 0 }).collect();
    Foreign(format!("{}…", escape(&shown)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{AppName, EntryId, unsafe_for_terminal};

    /// Promise: no text from outside ends its element, drives what is around it, or is longer than it may be.
    #[test]
    fn foreign_text_is_harmless() {
        for (text, shown) in [
            ("plain 周报", "<bdi>plain 周报</bdi>"),
            (
                "</script><img src=x onerror=alert(1)>",
                "<bdi>&#60;/script&#62;&#60;img src=x onerror=alert(1)&#62;</bdi>",
            ),
            ("a\" b='c' &amp;", "<bdi>a&#34; b=&#39;c&#39; &#38;amp;</bdi>"),
            ("gpj\u{202e}.exe", "<bdi>gpj\\u{202e}.exe</bdi>"),
            ("a\0\r\n\u{1b}[31m", "<bdi>a\\u{0}\\u{d}\\u{a}\\u{1b}[31m</bdi>"),
        ] {
            assert_eq!(Foreign::new(text, SHORT).to_string(), shown);
        }
        assert_eq!(Foreign::new(&"周".repeat(10_240), 3).0, "周周周…");
        assert_eq!(Foreign::new(&"\u{202e}".repeat(10_240), 10).0, "\\u{202e}\\u…");
        assert_eq!(Foreign::new("abc", 3).0, "abc");
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(text in any::<String>()) {
            let shown = Foreign::new(&text, SHORT);
            prop_assert!(shown.0.chars().count() <= SHORT + 1 && !shown.0.contains(unsafe_for_terminal));
            let html = shown.to_string();
            let inner = html.strip_prefix("<bdi>").and_then(|rest| rest.strip_suffix("</bdi>")).unwrap();
            prop_assert!(!inner.contains(['<', '>', '"', '\'']));
        }
    }

    /// Promise: no answer holds a whole file token.
    #[test]
    fn file_tokens_are_masked() {
        for (token, shown) in [
            ("boxcnxe5OdjlAkNgSNdsJvabcef", "boxc…"),
            ("boxcnxe5", "…"),
            ("", "…"),
            ("\u{202e}23456789", "\\u{202e}234…"),
        ] {
            assert_eq!(masked(token).0, shown, "{token}");
        }
    }

    /// Promise: the details of every entry have a path, from which the entry is read back.
    #[test]
    fn details_have_a_path() {
        for (id, path) in [
            ("6933093124755412345", "/ticket/a_b-c/6933093124755412345"),
            ("docx/doxcn/pdf", "/ticket/a_b-c/docx/doxcn/pdf"),
            ("a:b;c\"<>&=+", "/ticket/a_b-c/a%3Ab%3Bc%22%3C%3E%26%3D%2B"),
        ] {
            let key = EntryKey { app: AppName::new("a_b-c"), id: EntryId::new(id) };
            assert_eq!(details_path(&key), path);
        }
    }

    #[test]
    fn moments_are_for_machines_and_people() {
        let at = Moment(WallTime::from_millis(1_795_341_600_999));
        assert_eq!(at.to_string(), "<time datetime=\"2026-11-22T10:00:00Z\">2026-11-22 10:00:00</time>");
        let _ = (
            Moment(WallTime::from_millis(i64::MAX)).to_string(),
            Moment(WallTime::from_millis(i64::MIN)).to_string(),
        );
    }
}
