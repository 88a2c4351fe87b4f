//! Which characters a text must not show as they are, by their properties in Unicode rather than by the program's
//! own list.

/// Control characters and line separators (general categories Cc, Zl, Zp), and what has no glyph of its own
/// (`Default_Ignorable_Code_Point`, interlinear annotation), save variation selectors, which only choose the form
/// of the character before them.
pub(crate) fn is_deceptive(character: char) -> bool {
    let is_variation = matches!(character, '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    let is_ignorable = matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') || is_ignorable && !is_variation
}
