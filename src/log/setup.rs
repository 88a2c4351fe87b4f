//! Puts the log together: filter, form, queues, threads.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;

use thiserror::Error;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use super::filter;
use super::format::Format;
use super::handle::LogHandle;
use super::queue::{Item, SinkHandle};
use super::record::Record;
use super::sink::{LogFile, SharedSuspend, Sink, Stdout};
use super::writer::{Other, Writer};

/// What the log is to be.
pub struct LogSetup {
    /// How lines on standard output look.
    pub format: Format,
    /// A level, or `tracing` directives.
    pub directives: String,
    /// A file that gets JSON lines as well.
    pub file: Option<PathBuf>,
    /// Standard output. Unbuffered, or a failed write would look like a good one.
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
    /// The directives, as given, and what is wrong with them.
    #[error("log level `{0}`: {1}")]
    Directives(String, String),
    /// The log file can't be opened.
    #[error("log file {}: can't be opened; name a regular file in a folder this user may write to", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// A writing thread can't be started.
    #[error("the log's writing thread can't be started")]
    Thread(#[source] io::Error),
    /// Another log is in place already.
    #[error("a log is set up already")]
    Twice,
}

/// Sets the log up for the whole process. Once.
///
/// # Errors
/// There is no log.
pub fn init(setup: LogSetup) -> Result<LogHandle, LogError> {
    let (subscriber, handle) = build(setup)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(handle)
}

/// Sets a log up and leaves it to the caller where it counts.
pub(crate) fn build(
    setup: LogSetup,
) -> Result<(impl Subscriber + Send + Sync + 'static, LogHandle), LogError> {
    let filter =
        filter::filter(&setup.directives).map_err(|why| LogError::Directives(setup.directives, why))?;
    let file = setup.file.map(open).transpose()?;
    let suspend = SharedSuspend::default();
    let stdout = Stdout::new(setup.stdout, Arc::clone(&suspend));
    let sinks = start(setup.format, stdout, file, setup.stderr)?;
    let layer = ToSinks(sinks.clone()).with_filter(filter);
    Ok((Registry::default().with(layer), LogHandle { sinks, suspend }))
}

fn open(path: PathBuf) -> Result<(String, LogFile), LogError> {
    let name = format!("log file {}", path.display());
    let file = LogFile::open(path.clone()).map_err(|error| LogError::File(path, error))?;
    Ok((name, file))
}

/// Starts a thread for each sink: one that stalls must not hold up the other.
pub(super) fn start(
    format: Format,
    stdout: impl Sink,
    file: Option<(String, impl Sink)>,
    stderr: Box<dyn Write + Send>,
) -> Result<Vec<SinkHandle>, LogError> {
    let (to_stdout, items) = SinkHandle::new("stdout", format);
    let mut sinks = vec![to_stdout.clone()];
    let mut other = Other::Stderr(stderr);
    if let Some((name, file)) = file {
        let (to_file, items) = SinkHandle::new("file", Format::Json);
        sinks.push(to_file.clone());
        other = Other::Sink(to_file.clone());
        let writer = Writer::new(to_file, Other::Sink(to_stdout.clone()), name, file);
        spawn("log-file-writer", writer, items)?;
    }
    spawn("log-writer", Writer::new(to_stdout, other, "standard output".to_owned(), stdout), items)?;
    Ok(sinks)
}

fn spawn(thread: &str, writer: Writer<impl Sink>, items: Receiver<Item>) -> Result<(), LogError> {
    let started = thread::Builder::new().name(thread.to_owned()).spawn(|| writer.run(items));
    started.map(drop).map_err(LogError::Thread)
}

/// The end of the way through `tracing`: every event that passed the filter becomes lines.
struct ToSinks(Vec<SinkHandle>);

impl<S: Subscriber> Layer<S> for ToSinks {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let record = Record::from(event);
        self.0.iter().for_each(|sink| sink.push(&record));
    }
}
