//! Makes text from outside safe to show: file names, labels and server messages may hold escape
//! sequences that drive a terminal, or characters that make a line read other than it is. They are
//! shown as escapes, never left out, so that two different texts stay different to a careful reader.

use std::borrow::Cow;
use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

/// Whether a character moves the cursor, reorders or hides text, or takes no room on the screen. Variation selectors
/// do none of that: they choose the form of the character before them, of emoji for one.
#[must_use]
pub fn unsafe_for_terminal(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}'                        // soft hyphen
            | '\u{34f}'                     // combining grapheme joiner
            | '\u{61c}'                     // Arabic letter mark
            | '\u{115f}'..='\u{1160}'       // Hangul fillers
            | '\u{17b4}'..='\u{17b5}'       // Khmer inherent vowels
            | '\u{180e}'                    // Mongolian vowel separator
            | '\u{200b}'..='\u{200f}'       // zero-width space and joiners, direction marks
            | '\u{2028}'..='\u{202e}'       // line and paragraph separators, embeddings, overrides
            | '\u{2060}'..='\u{206f}'       // word joiner, invisible operators, isolates
            | '\u{3164}'                    // Hangul filler
            | '\u{feff}'                    // byte order mark
            | '\u{ffa0}'                    // Hangul filler, half as wide
            | '\u{fff0}'..='\u{fffb}'       // not assigned, interlinear annotation
            | '\u{1bca0}'..='\u{1bca3}'     // shorthand format controls
            | '\u{1d173}'..='\u{1d17a}'     // musical format controls
            | '\u{e0000}'..='\u{e00ff}'     // tags, and what is kept for their like
            | '\u{e01f0}'..='\u{e0fff}')
}

/// The text with every character that is unsafe for a terminal written as `\u{…}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_except(text, &[])
}

/// The same, with the characters in `kept` left as they are.
pub fn escape_except<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let escapes = |character| unsafe_for_terminal(character) && !kept.contains(&character);
    if !text.contains(escapes) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if escapes(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// Writes the value as compact JSON. Characters that are unsafe for a terminal become `\uXXXX`, which any parser turns
/// back, so nothing is lost and a terminal that shows the raw text shows it as it is.
///
/// # Errors
/// Those of `out`.
pub fn write_json(out: &mut impl io::Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value.serialize(&mut serde_json::Serializer::with_formatter(out, TerminalSafe))?)
}

/// Writes what is JSON already, on one line, in the same way.
///
/// # Errors
/// Those of `out`.
pub fn rewrite_json(out: &mut impl io::Write, json: &str) -> io::Result<()> {
    // Such a character stands within a string, for a document on one line has none elsewhere.
    TerminalSafe.write_string_fragment(out, json)
}

struct TerminalSafe;

impl Formatter for TerminalSafe {
    fn write_string_fragment<W>(&mut self, out: &mut W, fragment: &str) -> io::Result<()>
    where
        W: io::Write + ?Sized,
    {
        // Most strings are plain ASCII, where it is enough to look at bytes.
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return out.write_all(fragment.as_bytes());
        }
        for part in fragment.split_inclusive(unsafe_for_terminal) {
            let plain = part.trim_end_matches(unsafe_for_terminal);
            out.write_all(plain.as_bytes())?;
            // Two units for a character beyond the basic plane.
            for unit in part[plain.len()..].encode_utf16() {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Promise: what makes a text read other than it is, is known; what people write is left alone.
    #[test]
    fn only_misleading_characters_are_unsafe() {
        for character in
            "\0\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{200b}\u{200e}\u{2028}\u{2029}\u{202e}\u{2060}\u{2066}\
             \u{3164}\u{feff}\u{1d173}\u{e0041}\u{e0fff}"
                .chars()
        {
            assert!(unsafe_for_terminal(character), "{character:?}");
        }
        for character in "plain 周报 é 🎉 ❤\u{fe0f} 葛\u{e0100} ﷼ ۝ \u{a0}\u{3000}".chars() {
            assert!(!unsafe_for_terminal(character), "{character:?}");
        }
    }

    #[test]
    fn escape_sequences_and_direction_marks_are_shown() {
        assert_eq!(escape("plain 周报 é 🎉"), "plain 周报 é 🎉");
        assert!(matches!(escape("plain"), Cow::Borrowed(_)));
        assert_eq!(escape("\u{1b}[31mred"), "\\u{1b}[31mred");
        assert_eq!(escape("a\u{9b}31m\u{7f}\r\n\t"), "a\\u{9b}31m\\u{7f}\\u{d}\\u{a}\\u{9}");
        assert_eq!(escape("gpj\u{202e}.exe"), "gpj\\u{202e}.exe");
        assert_eq!(escape_except("a\tb\n", &['\t']), "a\tb\\u{a}");
    }

    fn json(text: &str) -> String {
        let mut line = Vec::new();
        write_json(&mut line, &text).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn json_strings_escape_beyond_the_basic_plane() {
        assert_eq!(json("q\" b\\ \n\u{1}\u{202e}\u{e0041}"), r#""q\" b\\ \n\u0001\u202e\udb40\udc41""#);
    }

    proptest! {
        #[test]
        fn escaped_text_is_safe(text in any::<String>()) {
            prop_assert!(!escape(&text).contains(unsafe_for_terminal));
        }

        #[test]
        fn json_strings_lose_nothing(text in any::<String>()) {
            let line = json(&text);
            prop_assert!(!line.contains(unsafe_for_terminal));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
