//! Text measured in columns of the screen: a Chinese character takes two, a combining mark none.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The columns that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text, cut to so many columns. What a reader takes for one character stays whole.
pub fn cut(text: Cow<'_, str>, columns: usize) -> Cow<'_, str> {
    if text.width() <= columns {
        return text;
    }
    let mut end = 0;
    let mut taken = 0;
    for (start, character) in text.grapheme_indices(true) {
        taken += character.width();
        if taken >= columns {
            break;
        }
        end = start + character.len();
    }
    Cow::Owned(format!("{}…", &text[..end]))
}
