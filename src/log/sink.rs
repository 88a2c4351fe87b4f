//! Where lines end up: the program's standard output, and the log file. A sink writes whole lines or fails; keeping
//! and repeating them is not its business.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a sink that takes nothing for the moment (a pipe set to non-blocking) is left alone.
const FULL_PIPE_PAUSE: Duration = Duration::from_millis(10);

/// Surrounds each write to a terminal that shows something else as well (a progress bar): takes that off the screen,
/// calls the write once, and puts it back.
pub type Suspend = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// The hook in use, if there is one.
pub(super) type SharedSuspend = Arc<Mutex<Option<Suspend>>>;

/// Something lines are written to.
pub(super) trait Sink: Send + 'static {
    /// Writes the lines; after an error nothing is known of how many. A line begun before is ended first.
    fn write(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Makes what was written as safe as the sink can.
    fn sync(&mut self) -> io::Result<()>;

    /// Opens the sink again. On failure the old place stays in use.
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Whether what was written is where people look for it: others can remove, move or truncate a file.
    fn is_in_place(&self) -> bool {
        true
    }
}

/// Writes on a line of its own whatever comes after a line that broke off.
struct WholeLines<W> {
    out: W,
    /// What was written ends within a line.
    is_torn: bool,
}

impl<W: Write> WholeLines<W> {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.put(b"\n")?;
        }
        self.put(lines)
    }

    fn put(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.is_torn = !rest[..count].ends_with(b"\n");
                    rest = &rest[count..];
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => thread::sleep(FULL_PIPE_PAUSE),
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }
}

/// The program's standard output, or what a test puts in its place.
pub(super) struct Stdout {
    lines: WholeLines<Box<dyn Write + Send>>,
    suspend: SharedSuspend,
}

impl Stdout {
    pub(super) fn new(out: Box<dyn Write + Send>, suspend: SharedSuspend) -> Self {
        Self { lines: WholeLines { out, is_torn: false }, suspend }
    }
}

impl Sink for Stdout {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let suspend = self.suspend.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut outcome = Ok(());
        match suspend {
            Some(suspend) => suspend(&mut || outcome = self.lines.write(lines)),
            None => outcome = self.lines.write(lines),
        }
        outcome
    }

    fn sync(&mut self) -> io::Result<()> {
        self.lines.out.flush()
    }
}

/// The log file, appended to.
pub(super) struct LogFile {
    path: PathBuf,
    lines: WholeLines<File>,
    /// Bytes that the file has at least, unless it was truncated.
    length: u64,
}

impl LogFile {
    /// Opens the file, and creates it with its folder if need be, both for this user alone.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = open_regular(&path)?;
        let length = file.metadata()?.len();
        let mut last = *b"\n";
        if length == 0 {
            // A new name in a folder lasts only once the folder is synced.
            File::open(folder_of(&path))?.sync_all()?;
        } else {
            file.read_exact_at(&mut last, length - 1)?;
        }
        let lines = WholeLines { out: file, is_torn: last != *b"\n" };
        Ok(Self { path, lines, length })
    }
}

impl Sink for LogFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.lines.write(lines)?;
        self.length += lines.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.lines.out.sync_data()
    }

    fn reopen(&mut self) -> io::Result<()> {
        *self = Self::open(self.path.clone())?;
        Ok(())
    }

    fn is_in_place(&self) -> bool {
        let (Ok(open), Ok(named)) = (self.lines.out.metadata(), self.path.metadata()) else { return false };
        (open.dev(), open.ino()) == (named.dev(), named.ino()) && open.len() >= self.length
    }
}

/// Only a regular file will do: opening a pipe would wait for its reader, and a device can't be synced.
fn open_regular(path: &Path) -> io::Result<File> {
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder_of(path))?;
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// An empty path component means the current folder, which is there.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(path: &Path) -> io::Result<LogFile> {
        LogFile::open(path.to_owned())
    }

    #[test]
    fn a_new_file_and_its_folder_belong_to_this_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/today/events.jsonl");
        open(&path).unwrap().write(b"x\n").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    /// Promise 4: a line is where people look for it, or that it is not is known.
    #[test]
    fn a_file_that_others_take_away_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("events.jsonl"), folder.path().join("events.jsonl.1"));
        std::fs::write(&path, "{}\n{\"torn\":").unwrap();
        let mut log = open(&path).unwrap();
        for take_away in [
            &(|| std::fs::rename(&path, &other).unwrap()) as &dyn Fn(),
            &|| std::fs::remove_file(&path).unwrap(),
            &|| std::fs::write(&path, "").unwrap(),
        ] {
            log.write(b"x\n").unwrap();
            assert!(log.is_in_place());
            take_away();
            assert!(!log.is_in_place());
            log.write(b"y\n").unwrap();
            assert!(!log.is_in_place(), "more lines do not bring it back");
            log.reopen().unwrap();
            assert!(log.is_in_place());
        }
    }

    #[test]
    fn a_torn_last_line_is_ended_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, "{\"whole\":1}\n{\"to").unwrap();
        for line in ["{}\n", "[]\n"] {
            open(&path).unwrap().write(line.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"whole\":1}\n{\"to\n{}\n[]\n");
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, Path::new("/dev/null"), folder.path()] {
            assert_eq!(open(path).err().unwrap().kind(), ErrorKind::InvalidInput);
        }
    }

    /// Takes three bytes at every other call, is interrupted in between, and fails at the sixth.
    #[derive(Default)]
    struct Flaky(Vec<u8>, usize);

    impl Write for Flaky {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            match self.1 % 6 {
                0 => return Err(ErrorKind::StorageFull.into()),
                2 => return Err(ErrorKind::WouldBlock.into()),
                4 => return Err(ErrorKind::Interrupted.into()),
                _ => {}
            }
            let count = bytes.len().min(3);
            self.0.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_broke_off_is_ended_before_the_next() {
        let mut lines = WholeLines { out: Flaky::default(), is_torn: false };
        assert!(lines.write(b"0123456789abc\n").is_err());
        lines.write(b"x\n").unwrap();
        assert_eq!(lines.out.0, b"012345678\nx\n");
    }
}
