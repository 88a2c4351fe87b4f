//! Cells of a table: text that is padded to columns of the screen.

use std::io::{self, Write};

use anstyle::Style;

pub(super) use feishu_export_watcher::log::columns::{cut, width};

/// Space between two columns.
pub(crate) const GAP: usize = 2;

/// Writes the text in that style, and spaces up to so many columns.
pub(crate) fn write_padded(out: &mut impl Write, text: &str, style: Style, columns: usize) -> io::Result<()> {
    // Counted here, because `{:<}` counts characters, and takes those of a style for text.
    let padding = columns.saturating_sub(width(text));
    write!(out, "{style}{text}{style:#}{:padding$}", "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr as _;

    use super::super::fixtures::odd_text;
    use super::*;
    use feishu_export_watcher::domain::escape;

    fn cut_to(text: &str, columns: usize) -> String {
        cut(text.into(), columns).into_owned()
    }

    /// Promise: text is cut by its width on the screen, and between characters as readers know them.
    #[test]
    fn text_is_cut_between_characters() {
        for (text, columns, expected) in [
            ("abcd", 4, "abcd"),
            ("abcde", 4, "abc…"),
            ("报报", 4, "报报"),
            ("报报报", 4, "报…"),
            ("报报报", 5, "报报…"),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
            ("🇩🇪🇫🇷🇮🇹", 4, "🇩🇪…"),
            ("👍🏽👍🏽👍🏽", 5, "👍🏽👍🏽…"),
            ("❤\u{fe0f}❤\u{fe0f}", 3, "❤\u{fe0f}…"),
            ("abc", 1, "…"),
        ] {
            assert_eq!(cut_to(text, columns), expected);
        }
    }

    #[test]
    fn styles_take_no_columns() {
        let mut out = Vec::new();
        write_padded(&mut out, "报", Style::new().bold(), 4).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\u{1b}[1m报\u{1b}[0m  ");
    }

    proptest! {
        /// Promise: of any text the part that is left fits and is its beginning.
        #[test]
        fn what_is_cut_fits(text in odd_text(), columns in 1_usize..40) {
            let text = escape(&text);
            let left = cut(text.clone(), columns);
            prop_assert!(left.width() <= columns, "{left}");
            let is_whole = left == text;
            prop_assert!(is_whole || text.starts_with(left.strip_suffix('…').unwrap()));
        }
    }
}
