//! Makes text from outside safe to show: file names, labels and server messages may hold escape
//! sequences that drive a terminal, or characters that make a line read other than it is. They are
//! shown as escapes, never left out, so that two different texts stay different to a careful reader.

use std::borrow::Cow;
use std::fmt::Write as _;

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

/// Appends the text as a JSON string, quotes included. Characters that are unsafe for a terminal become `\uXXXX`, which any
/// parser turns back, so nothing is lost and a terminal that shows the raw line is not deceived.
pub fn push_json_string(line: &mut String, text: &str) {
    line.push('"');
    // Most texts are of this kind, and several stand in every line.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        line.push_str(text);
        line.push('"');
        return;
    }
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            character if unsafe_for_terminal(character) => push_json_escape(line, character),
            plain => line.push(plain),
        }
    }
    line.push('"');
}

/// Appends `\uXXXX`, twice for a character beyond the basic plane.
pub fn push_json_escape(line: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a String cannot fail.
        let _ = write!(line, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Promise: what makes a text read other than it is, is known; what people write is left alone.
    #[test]
    fn only_what_deceives_is_unsafe() {
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

    #[test]
    fn json_strings_escape_beyond_the_basic_plane() {
        let mut line = String::new();
        push_json_string(&mut line, "q\" b\\ \n\u{1}\u{202e}\u{e0041}");
        assert_eq!(line, r#""q\" b\\ \n\u0001\u202e\udb40\udc41""#);
    }

    proptest! {
        #[test]
        fn what_is_shown_deceives_nobody(text in any::<String>()) {
            prop_assert!(!escape(&text).contains(unsafe_for_terminal));
        }

        #[test]
        fn json_strings_lose_nothing(text in any::<String>()) {
            let mut line = String::new();
            push_json_string(&mut line, &text);
            prop_assert!(!line.contains(unsafe_for_terminal));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
