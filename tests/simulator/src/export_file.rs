//! The bytes of an exported file, computed while they are sent: the first bytes of its format, a line with its
//! ticket and file token, then noise that differs from file to file. Pure.

use std::sync::LazyLock;

use axum::body::Bytes;
use fastrand::Rng;

use crate::{job::Job, seed};

/// Length of the blocks of noise; each begins at another place of [`BINARY`] or [`TEXT`].
const BLOCK: u64 = 64 << 10;

/// How many places a block can begin at.
const PLACES: u64 = 256 << 10;

/// The noise of every format but CSV.
static BINARY: LazyLock<Bytes> = LazyLock::new(|| noise(|byte| byte));

/// The noise of CSV: cells and rows of letters and digits.
static TEXT: LazyLock<Bytes> = LazyLock::new(|| {
    const LETTERS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,\n";
    noise(|byte| LETTERS[usize::from(byte % 64)])
});

fn noise(letter: impl Fn(u8) -> u8) -> Bytes {
    let mut rng = Rng::with_seed(0);
    (0..PLACES + BLOCK).map(|_| letter(rng.u8(..))).collect()
}

/// What a download of one ticket sends where no fault strikes. No part of it is held in memory.
#[derive(Clone, Debug)]
pub struct ExportFile {
    head: Bytes,
    seed: u64,
    noise: &'static LazyLock<Bytes>,
    size: u64,
}

impl ExportFile {
    /// The file of a job whose file token is settled; at most `cap` bytes of it.
    pub(crate) fn new(job: &Job, cap: u64) -> Self {
        let (first, noise) = match job.file_extension.as_str() {
            "docx" | "xlsx" | "pptx" => ("PK\u{3}\u{4}", &BINARY),
            "pdf" => ("%PDF-1.7\n", &BINARY),
            "csv" => ("", &TEXT),
            _ => ("", &BINARY),
        };
        Self {
            head: format!("{first}{},{}\n", job.ticket, job.file_token).into(),
            seed: seed::mix(0, &job.file_token),
            noise,
            size: job.true_size.unwrap_or(u64::try_from(job.file_size).unwrap_or(0)).min(cap),
        }
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// All of it from the first byte on, in pieces of at most 64 KiB.
    pub fn pieces(&self) -> impl Iterator<Item = Bytes> {
        let mut offset = 0;
        std::iter::from_fn(move || {
            let piece = self.piece(offset, self.size - offset);
            offset += piece.len() as u64;
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// Replaces its first bytes by some that no format has.
    pub(crate) fn spoil_start(&mut self) {
        self.head = vec![b'?'; self.head.len()].into();
    }

    /// At most `most` bytes from `offset` on, also past the end; at least one, if `most` is not zero.
    pub(crate) fn piece(&self, offset: u64, most: u64) -> Bytes {
        if offset < self.head.len() as u64 {
            return cut(&self.head, offset, most);
        }
        let (block, within) = (offset / BLOCK, offset % BLOCK);
        let place = Rng::with_seed(self.seed.wrapping_add(block)).u64(..PLACES);
        cut(self.noise, place + within, most.min(BLOCK - within))
    }
}

/// The bytes from `from` on, at most `most`.
pub(crate) fn cut(bytes: &Bytes, from: u64, most: u64) -> Bytes {
    let at = |index: u64| usize::try_from(index).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(at(from)..at(from.saturating_add(most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u32 = 300_000;

    fn file(ticket: &str, file_extension: &str) -> ExportFile {
        let mut job = Job::new(ticket, "doc");
        job.file_token = format!("boxcn{ticket}");
        (job.file_extension, job.file_size) = (file_extension.to_owned(), SIZE.into());
        ExportFile::new(&job, u64::MAX)
    }

    fn whole(file: &ExportFile) -> Vec<u8> {
        file.pieces().flatten().collect()
    }

    /// Promise: a file begins as its format does, and has the length it says.
    #[test]
    fn the_first_bytes_are_those_of_the_format() {
        for (extension, first) in [
            ("docx", &b"PK\x03\x04"[..]),
            ("xlsx", b"PK\x03\x04"),
            ("pptx", b"PK\x03\x04"),
            ("pdf", b"%PDF-1.7\n"),
        ] {
            let bytes = whole(&file("1", extension));
            assert!(bytes.starts_with(first), "{extension}");
            assert_eq!(bytes.len(), SIZE as usize);
            assert!(String::from_utf8(bytes).is_err(), "{extension} is no text");
        }
        let csv = whole(&file("1", "csv"));
        assert!(csv.is_ascii() && !csv.contains(&0));
        assert!(csv.starts_with(b"1,boxcn1\n"));
    }

    /// Promise: the same bytes come in any pieces, every time.
    #[test]
    fn a_file_is_the_same_in_any_pieces() {
        let file = file("1", "pdf");
        let expected = whole(&file);
        for most in [7, 1_000, BLOCK - 1, u64::from(SIZE)] {
            let mut read = Vec::new();
            while read.len() < expected.len() {
                let offset = read.len() as u64;
                read.extend_from_slice(&file.piece(offset, most.min(file.size() - offset)));
            }
            assert!(read == expected, "pieces of {most}");
        }
    }

    /// Promise: two files differ in every 4 KiB, and no block of a file occurs twice in it.
    #[test]
    fn mixed_up_files_show() {
        let (one, other) = (whole(&file("1", "pdf")), whole(&file("2", "pdf")));
        assert!(one.chunks(4096).zip(other.chunks(4096)).all(|(one, other)| one != other));
        let mut stretches: Vec<&[u8]> = one.chunks(BLOCK as usize).collect();
        stretches.sort_unstable();
        assert!(stretches.windows(2).all(|two| two[0] != two[1]));
    }
}
