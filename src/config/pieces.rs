//! Reads a long watch list in pieces that can be parsed one after the other, so that neither its text nor what a
//! parser makes of it is ever in memory as a whole.

use std::io::Read;

use super::text_file::Refusal;

/// A parsed text takes some twenty times its size, so a list is parsed in pieces of this many bytes.
pub(super) const PIECE: usize = 64 << 10;
/// A piece that has no place to be cut is refused beyond this.
pub(super) const PIECE_MAX: usize = 1 << 20;

/// Bytes of a character at most. A piece that can't be cut may end within one, which then begins the next; it is too
/// long all the same.
const CHARACTER_MAX: usize = 4;

/// How much is asked of a file at once.
const READ_AT_ONCE: usize = 16 << 10;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Cuts a text before lines that begin with `[[`. Within a value such a line can stand only in a text
/// over several lines, which nobody needs here, and which is then said to be never closed.
pub(super) struct Pieces<R> {
    source: R,
    /// Bytes of a piece at least.
    length: usize,
    /// What was read and not handed out.
    buffer: Vec<u8>,
    /// No line that begins before this byte of it is a place to cut.
    searched: usize,
    /// Lines that were handed out.
    lines: usize,
    /// Bytes that were read.
    read: u64,
    is_at_end: bool,
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    /// Lines of the text before it.
    pub(super) lines_before: usize,
}

impl Piece {
    /// Whether it is longer than any that could be cut, and is not to be parsed.
    pub(super) fn is_too_long(&self) -> bool {
        self.text.len() > PIECE_MAX
    }
}

impl<R: Read> Pieces<R> {
    /// Pieces of [`PIECE`] bytes, but for tests that want more cuts.
    pub(super) const fn of(source: R, length: usize) -> Self {
        Self { source, length, buffer: Vec::new(), searched: 0, lines: 0, read: 0, is_at_end: false }
    }

    /// Bytes that were read so far, a byte order mark included.
    pub(super) const fn bytes_read(&self) -> u64 {
        self.read
    }

    /// The next piece; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, Refusal> {
        let length = self.fill()?;
        if length == 0 {
            return Ok(None);
        }
        let rest = self.buffer.split_off(self.whole_characters(length));
        let bytes = std::mem::replace(&mut self.buffer, rest);
        self.searched = 0;
        let lines_before = self.lines;
        let text = into_text(bytes, lines_before)?;
        self.lines += text.bytes().filter(|byte| *byte == b'\n').count();
        Ok(Some(Piece { text, lines_before }))
    }

    /// Reads until there is a place to cut, or no more hope for one; says where to cut.
    fn fill(&mut self) -> Result<usize, Refusal> {
        loop {
            match find_cut(&self.buffer, self.searched.max(self.length)) {
                Ok(cut) => return Ok(cut),
                Err(searched) => self.searched = searched,
            }
            if self.is_at_end || self.buffer.len() > PIECE_MAX + CHARACTER_MAX {
                return Ok(self.buffer.len());
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> Result<(), Refusal> {
        let is_start = self.read == 0;
        let mut more = self.source.by_ref().take(READ_AT_ONCE as u64);
        let read = more.read_to_end(&mut self.buffer)?;
        self.read += read as u64;
        self.is_at_end = read < READ_AT_ONCE;
        if is_start && self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.buffer.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(())
    }

    /// How many of the first `length` bytes to hand out, lest a character be torn apart where more of it is to come.
    fn whole_characters(&self, length: usize) -> usize {
        let is_last = self.is_at_end && length == self.buffer.len();
        match std::str::from_utf8(&self.buffer[..length]) {
            Err(fault) if fault.error_len().is_none() && !is_last => fault.valid_up_to(),
            _ => length,
        }
    }
}

fn into_text(bytes: Vec<u8>, lines_before: usize) -> Result<String, Refusal> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        Refusal::not_utf8(lines_before, &error.as_bytes()[..valid])
    })
}

/// The start of the first line past `from` that begins with `[[`; or from where to look on once there is more text.
fn find_cut(text: &[u8], from: usize) -> Result<usize, usize> {
    let mut searched = from;
    while let Some(end) = text.get(searched..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
        let start = searched + end + 1;
        let blanks = text[start..].iter().take_while(|byte| b" \t".contains(byte)).count();
        if text[start + blanks..].starts_with(b"[[") {
            return Ok(start);
        }
        if start + blanks + 2 > text.len() {
            // More of this line may make it one.
            return Err(searched);
        }
        searched = start;
    }
    Err(searched.max(text.len()))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Gives a few bytes at a time, as a slow file may.
    struct Trickle<'t>(&'t [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    fn all(mut pieces: Pieces<impl Read>) -> Result<Vec<Piece>, Refusal> {
        std::iter::from_fn(|| pieces.next().transpose()).collect()
    }

    fn list() -> String {
        (0..20_000).map(|number| format!("  [[ticket]]\r\nticket = '{number}' # ä\r\n")).collect()
    }

    /// Pieces begin at headers, know their line and lose nothing; how a file happens to be read makes no difference.
    #[test]
    fn pieces_begin_at_headers_and_lose_nothing() {
        let text = list();
        let pieces = all(Pieces::of(text.as_bytes(), PIECE)).unwrap();
        assert!(pieces.len() > 1);
        let mut lines = 0;
        for piece in &pieces {
            assert!(piece.text.starts_with("  [[ticket]]") && !piece.is_too_long());
            assert_eq!(piece.lines_before, lines);
            lines += piece.text.lines().count();
        }
        assert_eq!(pieces.iter().map(|piece| piece.text.as_str()).collect::<String>(), text);
        for at_once in [997, 65_537] {
            assert_eq!(all(Pieces::of(Trickle(text.as_bytes(), at_once), PIECE)).unwrap(), pieces);
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_text() {
        let text = format!("\u{feff}{}", list());
        let mut pieces = Pieces::of(text.as_bytes(), PIECE);
        assert!(pieces.next().unwrap().unwrap().text.starts_with("  [[ticket]]"));
        while pieces.next().unwrap().is_some() {}
        assert_eq!(pieces.bytes_read(), text.len() as u64);
        assert_eq!(all(Pieces::of(&b""[..], PIECE)).unwrap(), []);
        assert_eq!(all(Pieces::of("\u{feff}".as_bytes(), PIECE)).unwrap(), []);
    }

    /// A file that is no text is refused at the byte where that shows, in whichever piece.
    #[test]
    fn what_is_no_text_is_refused_with_its_place() {
        let mut bytes = list().into_bytes();
        bytes.extend(b"x\xff\n[[ticket]]");
        let Err(Refusal { position: Some(position), .. }) = all(Pieces::of(&bytes[..], PIECE)) else {
            panic!("taken")
        };
        assert_eq!((position.line, position.column), (40_001, 2));
        // A character that the end of the file tears apart.
        let Err(Refusal { position: Some(position), .. }) = all(Pieces::of(&"ä".as_bytes()[..1], PIECE))
        else {
            panic!("taken")
        };
        assert_eq!((position.line, position.column), (1, 1));
    }

    /// What can't be cut is not read on and on into one piece, even where its end tears a character apart.
    #[test]
    fn a_piece_without_a_cut_ends() {
        for start in ["", "x", "xx"] {
            let text = start.to_owned() + &"€".repeat(PIECE_MAX);
            let mut pieces = Pieces::of(text.as_bytes(), PIECE);
            let piece = pieces.next().unwrap().unwrap();
            assert!(piece.is_too_long() && piece.text.len() < 2 * PIECE_MAX);
            let rest = all(pieces).unwrap();
            let rest: String = rest.iter().map(|piece| piece.text.as_str()).collect();
            assert!(piece.text + &rest == text, "no byte is lost");
        }
    }
}
