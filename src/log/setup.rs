//! Puts the log together: filter, form, queues, threads.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use thiserror::Error;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use super::filter;
use super::format::Format;
use super::handle::LogHandle;
use super::outlet::{Notes, Outlet, Outlets};
use super::queue::{Bounds, Queue};
use super::record::Record;
use super::sink::{LogFile, Sink, Stdout};
use super::writer::Writer;

/// What the log is to be.
pub struct LogSetup {
    /// How lines on standard output look.
    pub format: Format,
    /// A level, or `tracing` directives.
    pub directives: String,
    /// A file that gets JSON lines as well.
    pub file: Option<PathBuf>,
    /// Standard output. Unbuffered, or a failed write could not be told from a good one.
    pub stdout: Box<dyn Write + Send>,
    /// Where a log that can't be written and has no second place says so.
    pub stderr: Box<dyn Write + Send>,
}

impl LogSetup {
    /// The log of a program, on its own standard output.
    ///
    /// # Errors
    /// Standard output can't be duplicated.
    pub fn new(format: Format, directives: String, file: Option<PathBuf>) -> io::Result<Self> {
        // The standard library's own handle keeps lines in a buffer and calls a closed output good.
        let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self { format, directives, file, stdout: Box::new(stdout), stderr: Box::new(io::stderr()) })
    }
}

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LogError {
    /// What to hear can't be understood.
    #[error("log level `{directives}`: {why}")]
    Directives {
        /// As given.
        directives: String,
        /// What is wrong with it and what would be accepted.
        why: String,
    },
    /// The log file can't be opened.
    #[error("log file {}: can't be opened; name a regular file in a folder this user may write to", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A writing thread can't be started.
    #[error("the log's writing thread can't be started")]
    Thread(#[source] io::Error),
    /// Another log is in place already.
    #[error("a log is set up already")]
    Twice,
}

/// Sets the log up for the whole process. Once.
pub fn init(setup: LogSetup) -> Result<LogHandle, LogError> {
    let (subscriber, handle) = build(setup)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(handle)
}

/// Sets a log up and leaves it to the caller where it counts.
pub(crate) fn build(
    setup: LogSetup,
) -> Result<(impl Subscriber + Send + Sync + 'static, LogHandle), LogError> {
    let filter = filter::filter::<Registry>(&setup.directives)?;
    let file = setup.file.map(open).transpose()?;
    let suspend = Arc::default();
    let stdout = Stdout::new(setup.stdout, Arc::clone(&suspend));
    let outlets = start(setup.format, stdout, file, setup.stderr, Bounds::default())?;
    let layer = ToOutlets(Arc::clone(&outlets)).with_filter(filter);
    Ok((Registry::default().with(layer), LogHandle { outlets, suspend }))
}

fn open(path: PathBuf) -> Result<(String, LogFile), LogError> {
    let name = format!("log file {}", path.display());
    match LogFile::open(path) {
        Ok(file) => Ok((name, file)),
        Err((path, source)) => Err(LogError::File { path, source }),
    }
}

/// Starts a thread for each sink: one that stalls must not hold up the other.
pub(super) fn start(
    form: Format,
    stdout: impl Sink,
    file: Option<(String, impl Sink)>,
    stderr: Box<dyn Write + Send>,
    bounds: Bounds,
) -> Result<Arc<Outlets>, LogError> {
    let stderr = Arc::new(Mutex::new(stderr));
    let to_stdout = Arc::new(Outlet::new(Queue::new(bounds), form));
    let to_file = file.is_some().then(|| Arc::new(Outlet::new(Queue::new(bounds), Format::Json)));
    // From here on a failure drops the outlets, which ends the threads begun.
    let outlets = Arc::new(Outlets { stdout: Arc::clone(&to_stdout), file: to_file.clone() });
    let notes = Notes::new("standard output".to_owned(), &to_stdout, to_file.as_ref(), &stderr);
    spawn("log-writer", Writer::new(Arc::clone(&to_stdout.queue), stdout, notes, file.is_some()))?;
    if let (Some((name, sink)), Some(outlet)) = (file, to_file) {
        let notes = Notes::new(name, &outlet, Some(&to_stdout), &stderr);
        spawn("log-file-writer", Writer::new(Arc::clone(&outlet.queue), sink, notes, false))?;
    }
    Ok(outlets)
}

fn spawn(name: &str, writer: Writer<impl Sink>) -> Result<(), LogError> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(|| writer.run());
    started.map(drop).map_err(LogError::Thread)
}

/// The end of the road for `tracing`: every event that passed the filter becomes lines.
struct ToOutlets(Arc<Outlets>);

impl<S: Subscriber> Layer<S> for ToOutlets {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        self.0.push(&Record::from(event));
    }
}
