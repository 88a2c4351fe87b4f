//! Reads a small text file that may be anything: a folder, a pipe, a device without end, another
//! encoding, or far too large. Never waits and never reads more than it was told.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::Path;

/// A file's content that is no text.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It could not be read, or is no file of bearable size.
    Unreadable(String),
    /// It is not UTF-8 from this byte on; the text before it is given to find the line.
    NotUtf8(String),
}

/// The whole file as text, without a byte order mark.
pub(super) fn read(path: &Path, limit: u64) -> Result<String, Refusal> {
    let bytes = read_bytes(path, limit).map_err(Refusal::Unreadable)?;
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let mut bytes = error.into_bytes();
        bytes.truncate(valid);
        Refusal::NotUtf8(String::from_utf8(bytes).unwrap_or_default())
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// The whole file, at most `limit` bytes.
pub(super) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    // Looked at before it is opened: opening a pipe waits for a writer.
    let metadata = fs::metadata(path).map_err(|error| describe(&error))?;
    if !metadata.is_file() {
        return Err(format!("is {}, not a file", describe_type(metadata.file_type())));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(limit)).unwrap_or(0));
    let file = File::open(path).map_err(|error| describe(&error))?;
    // One byte more tells "as long as allowed" from "too long"; the size in the metadata may have changed since.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| describe(&error))?;
    if bytes.len() as u64 > limit {
        return Err(format!("is larger than {}", describe_size(limit)));
    }
    Ok(bytes)
}

/// An I/O error as a lower-case fragment.
pub(super) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => format!("can't be read: {error}"),
    }
}

fn describe_type(kind: FileType) -> &'static str {
    if kind.is_dir() { "a folder" } else { "a pipe, socket or device" }
}

fn describe_size(limit: u64) -> String {
    if limit >= 1 << 20 { format!("{} MiB", limit >> 20) } else { format!("{} KiB", limit >> 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        match read(path, 1024).unwrap_err() {
            Refusal::Unreadable(message) => message,
            Refusal::NotUtf8(before) => format!("not UTF-8 after {before:?}"),
        }
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
            (b"a\n\xff", Err("not UTF-8 after \"a\\n\"")),
        ] {
            fs::write(&file, content).unwrap();
            match expected {
                Ok(text) => assert_eq!(read(&file, 1024).unwrap(), text),
                Err(message) => assert_eq!(refusal(&file), message),
            }
        }
    }

    #[cfg(unix)]
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
