//! Cuts the text of a long watch list into pieces that can be parsed one after the other.

/// A parsed text takes some twenty times its size, so a long list is parsed in pieces of this many bytes.
const PIECE: usize = 256 << 10;
/// A piece that has no place to be cut is refused beyond this.
pub(super) const PIECE_MAX: usize = 1 << 20;

/// Cuts a text before lines that begin with `[[`. Within a value such a line can stand only in a text
/// over several lines, which no key here takes.
pub(super) struct Pieces<'t> {
    text: &'t str,
    offset: usize,
}

impl<'t> Pieces<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, offset: 0 }
    }
}

impl<'t> Iterator for Pieces<'t> {
    type Item = (usize, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        let rest = self.text.get(offset..).filter(|rest| !rest.is_empty())?;
        let end = find_cut(rest).unwrap_or(rest.len());
        self.offset += end;
        Some((offset, &rest[..end]))
    }
}

/// The start of the first line past a piece's length that begins with `[[`.
fn find_cut(rest: &str) -> Option<usize> {
    let from = rest.floor_char_boundary(PIECE);
    let ends = rest[from..].match_indices('\n').map(|(at, _)| from + at + 1);
    ends.into_iter().find(|start| rest[*start..].trim_start_matches([' ', '\t']).starts_with("[["))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_begin_at_headers_and_lose_nothing() {
        let text: String =
            (0..20_000).map(|number| format!("[[ticket]]\r\nticket = '{number}' # ä\r\n")).collect();
        let pieces: Vec<_> = Pieces::of(&text).collect();
        assert!(pieces.len() > 1);
        assert!(pieces.iter().all(|(_, piece)| piece.starts_with("[[ticket]]")));
        assert_eq!(pieces.iter().map(|(_, piece)| *piece).collect::<String>(), text);
    }
}
