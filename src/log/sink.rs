//! Where lines end up: the program's standard output, and the log file. A sink takes bytes and says
//! how many it took; keeping and repeating lines is the writer's business.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What a terminal's other user (a progress bar) does around each write: it takes itself off the
/// screen, calls the write, and comes back.
pub type Suspend = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// Something lines are written to.
pub(super) trait Sink: Send + 'static {
    /// Writes some of the bytes, at least one.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Makes what was written as safe as the sink can.
    fn sync(&mut self) -> io::Result<()>;

    /// Where that stands now. What was synced may still be gone: a file can be removed, moved or cut short by others.
    fn place(&self) -> io::Result<Place> {
        Ok(Place::Here)
    }

    /// Opens anew and says whether it is a new place. On failure the old place still serves.
    fn reopen(&mut self) -> io::Result<bool>;

    /// The line begun will not be finished: the next one starts on its own.
    fn break_line(&mut self);
}

/// Where the lines stand that a sink has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Where they are looked for.
    Here,
    /// In a file that has another name.
    Moved,
    /// Nowhere, or some of them.
    Lost,
}

/// The program's standard output, or what a test puts in its place.
pub(super) struct Stdout {
    out: Box<dyn Write + Send>,
    suspend: Arc<Mutex<Option<Suspend>>>,
}

impl Stdout {
    pub(super) fn new(out: Box<dyn Write + Send>, suspend: Arc<Mutex<Option<Suspend>>>) -> Self {
        Self { out, suspend }
    }
}

impl Sink for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let suspend = self.suspend.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut outcome = None;
        if let Some(suspend) = suspend {
            // A hook that calls twice must not write twice.
            suspend(&mut || {
                outcome.get_or_insert_with(|| self.out.write(bytes));
            });
        }
        // Without a hook, or with one that forgot to call.
        outcome.unwrap_or_else(|| self.out.write(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn reopen(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// Nothing written here is ever taken back, so no line is left unfinished.
    fn break_line(&mut self) {}
}

/// The log file, appended to.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// The file ends within a line, which a crash or a full disk cut short.
    torn: bool,
    /// Bytes that the file has at least, unless it was cut short.
    length: u64,
}

impl LogFile {
    /// Opens the file, and creates it with its folder if need be, both for this user alone.
    ///
    /// Only a regular file will do: opening a pipe would wait for its reader, and a device can't be
    /// synced.
    pub(super) fn open(path: PathBuf) -> Result<Self, (PathBuf, io::Error)> {
        match open_whole_lines(&path) {
            Ok((file, torn, length)) => Ok(Self { path, file, torn, length }.with_line_ended()),
            Err(error) => Err((path, error)),
        }
    }

    fn with_line_ended(mut self) -> Self {
        // On a full disk the line is ended together with the next write.
        let _ = self.end_torn_line();
        self
    }

    fn end_torn_line(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.length += 1;
            self.torn = false;
        }
        Ok(())
    }
}

impl Sink for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.end_torn_line()?;
        let count = self.file.write(bytes)?;
        self.length += count as u64;
        Ok(count)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn place(&self) -> io::Result<Place> {
        let open = self.file.metadata()?;
        if open.nlink() == 0 || open.len() < self.length {
            return Ok(Place::Lost);
        }
        match self.path.metadata() {
            Ok(named) if (named.dev(), named.ino()) == (open.dev(), open.ino()) => Ok(Place::Here),
            // Also where it can't be told: the file has a name, and all that was written.
            _ => Ok(Place::Moved),
        }
    }

    fn reopen(&mut self) -> io::Result<bool> {
        (self.file, self.torn, self.length) = open_whole_lines(&self.path)?;
        let _ = self.end_torn_line();
        Ok(true)
    }

    fn break_line(&mut self) {
        self.torn = true;
    }
}

/// The file, whether it ends within a line, and how long it is.
fn open_whole_lines(path: &Path) -> io::Result<(File, bool, u64)> {
    let mut file = open_regular(path)?;
    let length = file.metadata()?.len();
    if length == 0 {
        // A new name in a folder lasts only once the folder is synced.
        File::open(folder_of(path))?.sync_all()?;
    }
    let torn = ends_within_a_line(&mut file)?;
    Ok((file, torn, length))
}

fn open_regular(path: &Path) -> io::Result<File> {
    match path.metadata() {
        Ok(found) if !found.is_file() => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(folder_of(path))?;
        }
        _ => {}
    }
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// An empty path component means the current folder, which is there.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(path: &Path) -> Result<LogFile, (PathBuf, io::Error)> {
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
        for (take_away, place) in [
            (&(|| std::fs::rename(&path, &other).unwrap()) as &dyn Fn(), Place::Moved),
            (&|| std::fs::remove_file(&path).unwrap(), Place::Lost),
            (&|| std::fs::write(&path, "").unwrap(), Place::Lost),
        ] {
            log.write(b"x\n").unwrap();
            assert_eq!(log.place().unwrap(), Place::Here);
            take_away();
            assert_eq!(log.place().unwrap(), place);
            log.write(b"y\n").unwrap();
            assert_eq!(log.place().unwrap(), place, "more lines do not bring it back");
            log.reopen().unwrap();
            assert_eq!(log.place().unwrap(), Place::Here);
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
            assert_eq!(open(path).err().unwrap().1.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_hook_surrounds_each_write_and_cannot_lose_it() {
        let (read, write) = io::pipe().unwrap();
        let hook = Arc::new(Mutex::new(None));
        let mut sink = Stdout::new(Box::new(write), Arc::clone(&hook));
        for suspend in [
            (|write| write()) as fn(&mut dyn FnMut()),
            |write| {
                write();
                write();
            },
            |_| {},
        ] {
            *hook.lock().unwrap() = Some(Arc::new(suspend));
            assert_eq!(sink.write(b"x\n").unwrap(), 2);
        }
        drop(sink);
        assert_eq!(io::read_to_string(read).unwrap(), "x\nx\nx\n");
    }
}
