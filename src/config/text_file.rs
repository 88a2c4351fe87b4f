//! Reads a small text file that may be anything: a folder, a pipe, a device without end, another encoding, or far too
//! large. Never waits for another process and never reads more than it may.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::problem::{Position, Problem};

/// Why a file's content is not taken.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The first character that is not UTF-8, where that is the reason.
    pub(super) position: Option<Position>,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { position: None, message: message.into() }
    }

    /// The refusal as a problem of the file itself.
    pub(super) fn into_problem(self, path: &Arc<Path>) -> Problem {
        Problem::error(path, self.position, self.message)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(describe(&error))
    }
}

/// The whole file as text, without a byte order mark.
pub(super) fn read(path: &Path, limit: u64) -> Result<String, Refusal> {
    to_text(read_bytes(path, limit)?)
}

/// Bytes of a file as text, without a byte order mark.
pub(super) fn to_text(bytes: Vec<u8>) -> Result<String, Refusal> {
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let position = valid.iter().fold(Position::START, |place, byte| place.past(*byte));
        Refusal { position: Some(position), ..Refusal::new("not UTF-8 from here on; save the file as UTF-8") }
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// The whole file, at most `limit` bytes.
pub(super) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, Refusal> {
    // Only what is filled is memory. A buffer that grows leaves pieces behind.
    let mut bytes = Vec::with_capacity(usize::try_from(limit).unwrap_or(0));
    // One byte more distinguishes "as long as allowed" from "too long".
    open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= limit {
        return Ok(bytes);
    }
    let size = if limit >= 1 << 20 { format!("{} MiB", limit >> 20) } else { format!("{} KiB", limit >> 10) };
    Err(Refusal::new(format!("is larger than {size}")))
}

/// Opens a regular file. Anything else is refused unopened: a pipe would wait for a writer.
fn open(path: &Path) -> Result<File, Refusal> {
    let found = fs::metadata(path)?;
    if found.is_file() {
        return Ok(File::open(path)?);
    }
    let kind = if found.is_dir() { "a folder" } else { "a pipe, socket or device" };
    Err(Refusal::new(format!("is {kind}, not a file")))
}

/// An I/O error as a lower-case fragment.
pub(super) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => format!("can't be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        let Refusal { position, message } = read(path, 1024).unwrap_err();
        position.map(|position| format!("{position}: ")).unwrap_or_default() + &message
    }

    #[test]
    fn only_text_files_of_bearable_size() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        assert_eq!(refusal(&file), "no such file");
        assert_eq!(refusal(folder.path()), "is a folder, not a file");
        for (content, expected) in [
            (&b"\xef\xbb\xbfok"[..], Ok("ok")),
            (&[b'x'; 1024], Ok(std::str::from_utf8(&[b'x'; 1024]).unwrap())),
            (&[b'x'; 1025], Err("is larger than 1 KiB")),
            (b"a\n\xff", Err("2:1: not UTF-8 from here on; save the file as UTF-8")),
        ] {
            fs::write(&file, content).unwrap();
            match expected {
                Ok(text) => assert_eq!(read(&file, 1024).unwrap(), text),
                Err(message) => assert_eq!(refusal(&file), message),
            }
        }
    }

    #[test]
    fn devices_and_pipes_do_not_hang() {
        assert_eq!(refusal(Path::new("/dev/zero")), "is a pipe, socket or device, not a file");
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        if std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()) {
            assert_eq!(refusal(&pipe), "is a pipe, socket or device, not a file");
        }
    }
}
