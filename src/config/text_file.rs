//! Reads a small text file that may be anything: a folder, a pipe, a device without end, another
//! encoding, far too large, or a link to a file that must not be touched. Never waits for another process and
//! never reads more than it was told.

use std::fs::{File, FileType};
use std::io::{self, Read};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::problem::Position;

/// A file's content that is no text.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It could not be read for now. The next try may succeed without anything showing that it will.
    Unreadable(String),
    /// It is no file of bearable size, or one that has another use.
    Unfit(String),
    /// It is not UTF-8 from there on.
    NotUtf8(Position),
}

/// Files that must not even be opened, as they are now.
///
/// A process that closes a file loses its POSIX locks on it, whichever descriptor it took them by. SQLite
/// guards the state file by such locks, so to open and close that file by a link would leave it unguarded
/// (sqlite.org/howtocorrupt.html, section 2.2).
#[derive(Debug, Default)]
pub(super) struct Forbidden(Vec<(u64, u64)>);

impl Forbidden {
    /// These files, wherever links lead to them.
    pub(super) fn files(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let found = paths.into_iter().filter_map(|path| path.metadata().ok());
        Self(found.map(|found| (found.dev(), found.ino())).collect())
    }
}

/// The whole file as text, without a byte order mark.
pub(super) fn read(path: &Path, limit: u64, forbidden: &Forbidden) -> Result<String, Refusal> {
    decode(read_bytes(path, limit, forbidden)?)
}

/// A file's bytes as text, without a byte order mark.
pub(super) fn decode(bytes: Vec<u8>) -> Result<String, Refusal> {
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let mut bytes = error.into_bytes();
        bytes.truncate(valid);
        Refusal::NotUtf8(Position::after(0, &String::from_utf8(bytes).unwrap_or_default()))
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// The whole file, at most `limit` bytes.
pub(super) fn read_bytes(path: &Path, limit: u64, forbidden: &Forbidden) -> Result<Vec<u8>, Refusal> {
    let file = open(path, forbidden)?;
    let length = file.metadata().map_err(|error| unreadable(&error))?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(limit)).unwrap_or(0));
    // One byte more tells "as long as allowed" from "too long"; the file may have grown since.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > limit {
        return Err(too_large(limit));
    }
    Ok(bytes)
}

/// Whether the file can be opened and read from just now.
pub(super) fn is_readable(path: &Path, forbidden: &Forbidden) -> bool {
    open(path, forbidden).is_ok_and(|mut file| file.read(&mut [0]).is_ok())
}

/// Opens a regular file. What the path leads to is held on to before it is looked at, so that it can't be
/// swapped for anything else in between; and it is opened only once it is known to be no pipe, which would
/// wait for a writer, and nothing forbidden.
pub(super) fn open(path: &Path, forbidden: &Forbidden) -> Result<File, Refusal> {
    let held = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let held = held.map(File::from).map_err(|error| unreadable(&error.into()))?;
    let found = held.metadata().map_err(|error| unreadable(&error))?;
    if !found.is_file() {
        return Err(Refusal::Unfit(format!("is {}, not a file", describe_type(found.file_type()))));
    }
    if forbidden.0.contains(&(found.dev(), found.ino())) {
        let use_of = "is the state file, or belongs to it; give each a file of its own";
        return Err(Refusal::Unfit(use_of.to_owned()));
    }
    let opened = match File::open(format!("/proc/self/fd/{}", held.as_raw_fd())) {
        // Where there is no /proc.
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(path),
        opened => opened,
    };
    opened.map_err(|error| unreadable(&error))
}

/// What of an open file changes when its content does: its length, and when it was last written to.
pub(super) fn state(file: &File) -> Result<(u64, [i64; 4]), Refusal> {
    let found = file.metadata().map_err(|error| unreadable(&error))?;
    Ok((found.len(), [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()]))
}

/// A file that can't be read for now.
pub(super) fn unreadable(error: &io::Error) -> Refusal {
    Refusal::Unreadable(describe(error))
}

/// A file of more bytes than are borne.
pub(super) fn too_large(limit: u64) -> Refusal {
    Refusal::Unfit(format!("is larger than {}", describe_size(limit)))
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
    use std::fs;

    use super::*;

    fn refusal(path: &Path) -> String {
        match read(path, 1024, &Forbidden::default()).unwrap_err() {
            Refusal::Unreadable(message) | Refusal::Unfit(message) => message,
            Refusal::NotUtf8(position) => format!("not UTF-8 from {position} on"),
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
            (b"a\n\xff", Err("not UTF-8 from 2:1 on")),
        ] {
            fs::write(&file, content).unwrap();
            match expected {
                Ok(text) => assert_eq!(read(&file, 1024, &Forbidden::default()).unwrap(), text),
                Err(message) => assert_eq!(refusal(&file), message),
            }
        }
    }

    /// What is forbidden is not opened, by whatever name.
    #[test]
    fn links_to_forbidden_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("state.db"), "").unwrap();
        std::os::unix::fs::symlink("state.db", at("soft")).unwrap();
        fs::hard_link(at("state.db"), at("hard")).unwrap();
        fs::write(at("other"), "").unwrap();
        let forbidden = Forbidden::files([at("state.db"), at("absent")]);
        for name in ["state.db", "soft", "hard"] {
            assert!(matches!(read(&at(name), 1024, &forbidden), Err(Refusal::Unfit(_))), "{name}");
            assert!(!is_readable(&at(name), &forbidden));
        }
        assert_eq!(read(&at("other"), 1024, &forbidden).unwrap(), "");
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
