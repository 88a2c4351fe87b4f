//! Which labels somebody means who gives a part of one, or a pattern. Upper and lower case are alike.

use glob::Pattern;
use thiserror::Error;

/// A part of a label, or a pattern for whole labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelPattern {
    /// Labels that hold this text, which is in lower case.
    Part(String),
    /// Labels that as a whole fit this pattern, which is in lower case.
    Whole(Pattern),
}

/// A text that is no pattern.
#[derive(Debug, Error)]
#[error("no pattern for labels; only `*` and `?` have a meaning in one")]
pub struct LabelPatternError(#[from] glob::PatternError);

impl LabelPattern {
    /// Takes a text with `*` (any text) or `?` (any one character) for a pattern, every other for a part.
    ///
    /// # Errors
    /// A pattern that is not understood; none is known.
    pub fn parse(text: &str) -> Result<Self, LabelPatternError> {
        let text = in_lower_case(text);
        if !text.contains(['*', '?']) {
            return Ok(Self::Part(text));
        }
        // Brackets mean more to the library, and so do two stars.
        let mut pattern = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '*' if pattern.ends_with('*') => {}
                '[' | ']' => pattern.extend(['[', character, ']']),
                _ => pattern.push(character),
            }
        }
        Ok(Self::Whole(Pattern::new(&pattern)?))
    }

    /// Whether the label is meant.
    #[must_use]
    pub fn fits(&self, label: &str) -> bool {
        let label = in_lower_case(label);
        match self {
            Self::Part(part) => label.contains(part.as_str()),
            Self::Whole(pattern) => pattern.matches(&label),
        }
    }
}

/// Letter by letter: the library's own way makes the same letter another one at the end of a Greek word.
fn in_lower_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, label: &str) -> bool {
        LabelPattern::parse(pattern).unwrap().fits(label)
    }

    /// Promise: a text is looked for anywhere in the label; with `*` or `?` the whole label has to fit.
    #[test]
    fn parts_and_patterns() {
        for (pattern, label, expected) in [
            ("report", "Weekly REPORT 7", true),
            ("REPORT", "weekly report", true),
            ("周报", "团队周报 第四季度", true),
            ("ÄRGER", "kein ärger", true),
            ("report 8", "weekly report 7", false),
            ("", "anything", true),
            ("report*", "weekly report", false),
            ("*report", "weekly report", true),
            ("*REPORT*", "weekly report 7", true),
            ("week?? report", "weekly report", true),
            ("week?? report", "weekday report", false),
            ("week?", "weekly report", false),
            ("ΣΑΣ", "ΣΑΣΑ σας", true),
            ("?报", "周报", true),
            ("**a***b**", "xaxxbx", true),
            ("[urgent] *", "[Urgent] 100%", true),
            ("[urgent] *", "u 100%", false),
            ("[!a]?", "[!a]b", true),
            ("a/*", "a/b/c", true),
            (".*", ".hidden", true),
            ("*", ".hidden", true),
        ] {
            assert_eq!(fits(pattern, label), expected, "{pattern} {label}");
        }
    }

    proptest! {
        /// Promise: whatever is typed is understood, and finds the label it was copied from.
        #[test]
        fn whatever_is_typed_is_understood(label in any::<String>(), start in any::<prop::sample::Index>()) {
            prop_assert!(fits(&label, &label));
            let end = &label[label.floor_char_boundary(start.index(label.len() + 1))..];
            prop_assert!(end.contains(['*', '?']) || fits(end, &label));
            let pattern = format!("*{end}");
            prop_assert!(fits(&pattern, &label));
        }
    }
}
