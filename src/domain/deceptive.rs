//! Characters that a text from outside must not show as they are, wherever it is shown.

/// Whether a character moves the cursor, reorders or hides text, or takes no room on the screen. Variation selectors
/// do none of that: they choose the form of the character before them, of emoji for one.
#[must_use]
pub fn is_deceptive(character: char) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: what makes a text read other than it is, is known; what people write is left alone.
    #[test]
    fn only_what_deceives_is_deceptive() {
        for character in
            "\0\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{200b}\u{200e}\u{2028}\u{2029}\u{202e}\u{2060}\u{2066}\
             \u{3164}\u{feff}\u{1d173}\u{e0041}\u{e0fff}"
                .chars()
        {
            assert!(is_deceptive(character), "{character:?}");
        }
        for character in "plain 周报 é 🎉 ❤\u{fe0f} 葛\u{e0100} ﷼ ۝ \u{a0}\u{3000}".chars() {
            assert!(!is_deceptive(character), "{character:?}");
        }
    }
}
