//! Makes text from outside safe to show: file names, labels and server messages may hold escape
//! sequences that drive a terminal, or characters that make a line read other than it is. They are
//! shown as escapes, never left out, so that two different texts stay different to a careful reader.

use std::borrow::Cow;
use std::fmt::Write as _;

use feishu_export_watcher::domain::is_deceptive;

/// The text with every deceptive character written as `\u{…}`.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    harmless_but(text, &[])
}

/// The same, with the characters in `kept` left as they are.
pub(crate) fn harmless_but<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let escapes = |character| is_deceptive(character) && !kept.contains(&character);
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

/// Appends the text as a JSON string, quotes included. Deceptive characters become `\uXXXX`, which any
/// parser turns back, so nothing is lost and a terminal that shows the raw line is not deceived.
pub(crate) fn push_json_string(line: &mut String, text: &str) {
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
            deceptive if is_deceptive(deceptive) => push_json_escape(line, deceptive),
            plain => line.push(plain),
        }
    }
    line.push('"');
}

/// Appends `\uXXXX`, twice for a character beyond the basic plane.
pub(crate) fn push_json_escape(line: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a String cannot fail.
        let _ = write!(line, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_and_direction_marks_are_shown() {
        assert_eq!(harmless("plain 周报 é 🎉"), "plain 周报 é 🎉");
        assert!(matches!(harmless("plain"), Cow::Borrowed(_)));
        assert_eq!(harmless("\u{1b}[31mred"), "\\u{1b}[31mred");
        assert_eq!(harmless("a\u{9b}31m\u{7f}\r\n\t"), "a\\u{9b}31m\\u{7f}\\u{d}\\u{a}\\u{9}");
        assert_eq!(harmless("gpj\u{202e}.exe"), "gpj\\u{202e}.exe");
        assert_eq!(harmless_but("a\tb\n", &['\t']), "a\tb\\u{a}");
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
            prop_assert!(!harmless(&text).contains(is_deceptive));
        }

        #[test]
        fn json_strings_lose_nothing(text in any::<String>()) {
            let mut line = String::new();
            push_json_string(&mut line, &text);
            prop_assert!(!line.contains(is_deceptive));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
