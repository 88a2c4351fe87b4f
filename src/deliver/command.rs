//! A command as a receiver: a process of its own for each try, with the event on its standard input. It inherits nothing
//! but a few variables, and ends with all that it started when its time is over.

use std::env;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::future::{Either, select};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::receiver::{CallError, HookEvent, Receiver};
use crate::domain::escape;

/// Bytes of standard error that are kept: the last ones.
const WORDS_MAX: usize = 2 * 1024;

/// Bytes of these that are shown at most: escaped ones take more.
const SHOWN_MAX: usize = 1024;

/// How long the rest of standard error is waited for once the command ended: a process that it left may hold it.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The variables that a command inherits.
const INHERITED: [&str; 3] = ["PATH", "HOME", "LANG"];

/// The variables that say what happened, and the fields of the event that they come from.
const FIELDS: [(&str, &str); 6] = [
    ("FEISHU_EXPORT_EVENT", "event"),
    ("FEISHU_EXPORT_APP", "app"),
    ("FEISHU_EXPORT_TICKET", "ticket"),
    ("FEISHU_EXPORT_DOCUMENT", "document"),
    ("FEISHU_EXPORT_LABEL", "label"),
    ("FEISHU_EXPORT_PATH", "file.path"),
];

/// A program and its arguments.
pub(crate) struct CommandReceiver {
    words: Vec<String>,
    timeout: Duration,
}

impl CommandReceiver {
    /// A receiver that runs these words, at least the program, for `timeout` at most.
    pub(crate) const fn new(words: Vec<String>, timeout: Duration) -> Self {
        Self { words, timeout }
    }

    fn command(&self, event: &HookEvent) -> io::Result<Command> {
        let (program, arguments) = self.words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let inherited = INHERITED.into_iter().filter_map(|name| Some((name, env::var_os(name)?)));
        let fields = FIELDS.into_iter().filter_map(|(name, field)| Some((name, event.field(field)?)));
        // No variable can carry NUL.
        let fields = fields.filter(|(_, value)| !value.contains('\0'));
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(inherited)
            .envs(fields)
            .env("FEISHU_EXPORT_ID", &event.id)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            // What the group's guard can't kill is reaped all the same.
            .kill_on_drop(true);
        Ok(command)
    }
}

impl Receiver for CommandReceiver {
    async fn call(&self, event: &HookEvent) -> Result<(), CallError> {
        let command = self.command(event);
        let started = start(move || Running::spawn(command?)).await;
        let Running { mut child, mut group } = started
            .map_err(|error| CallError::new(format!("can't be started: {error}{}", remedy(&error))))?;
        // The time that the start took is not the command's.
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let mut words = LastWords::default();
        let status = {
            let talk = async {
                // Fed and heard at the same time: a program may fill one pipe before it empties the other.
                tokio::join!(feed(stdin, event.body.as_bytes()), words.hear(stderr));
            };
            let ended = timeout(self.timeout, run(&mut child, talk)).await;
            // A group that is dropped while its leader is not reaped is killed.
            let Ok(status) = ended else {
                drop(group);
                let why = format!("took longer than {:?} and was killed", self.timeout);
                return Err(CallError::new(words.behind(why)));
            };
            group.is_over();
            status.map_err(|error| CallError::new(format!("can't be waited for: {error}")))?
        };
        if status.success() { Ok(()) } else { Err(CallError::new(words.behind(in_words(status)))) }
    }
}

/// Begins a command on a thread of its own, since it waits for the disk that the program lies on. Where this is dropped
/// meanwhile, a command that begins late is dropped as well.
async fn start(begin: impl FnOnce() -> io::Result<Running> + Send + 'static) -> io::Result<Running> {
    spawn_blocking(begin).await.map_err(io::Error::other)?
}

/// A command that has begun. Dropping it kills it, the group first: then the number is still the group's.
struct Running {
    group: Group,
    child: Child,
}

impl Running {
    fn spawn(mut command: Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        Ok(Self { group: Group::of(&mut child), child })
    }
}

/// Waits for the child while it is talked to, and then for its last words, if it failed and left some.
async fn run(child: &mut Child, talk: impl Future<Output = ()>) -> io::Result<ExitStatus> {
    let talk = std::pin::pin!(talk);
    let wait = std::pin::pin!(child.wait());
    match select(wait, talk).await {
        Either::Left((status, rest)) => {
            if status.as_ref().is_ok_and(|status| !status.success()) {
                let _ = timeout(LAST_WORDS, rest).await;
            }
            status
        }
        // It closed both and goes on.
        Either::Right(((), wait)) => wait.await,
    }
}

/// Writes the event and closes the pipe. A program that does not read it may still take it.
async fn feed(stdin: Option<ChildStdin>, event: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(event).await;
    }
}

/// The process group of a command, killed when this is dropped before the command's end was seen: until then its number
/// can't belong to another group.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &mut Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// The command was waited for.
    const fn is_over(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // One that has ended already needs no signal.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The end of what a command wrote to standard error.
#[derive(Default)]
struct LastWords(Vec<u8>);

impl LastWords {
    /// Reads all the time, so that the command does not stall.
    async fn hear(&mut self, from: Option<impl AsyncRead + Unpin>) {
        let Some(mut from) = from else { return };
        let mut block = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut block).await {
            self.0.extend_from_slice(&block[..count]);
            let surplus = self.0.len().saturating_sub(WORDS_MAX);
            self.0.drain(..surplus);
        }
    }

    /// A reason with these words behind it, on one line.
    fn behind(&self, why: String) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let lines = text.lines().map(|line| escape(line.trim())).filter(|line| !line.is_empty());
        let lines = lines.collect::<Vec<_>>().join(" | ");
        let last = &lines[lines.ceil_char_boundary(lines.len().saturating_sub(SHOWN_MAX))..];
        if last.is_empty() { why } else { format!("{why}: {last}") }
    }
}

/// What to do about a command that does not start, where the error's own words leave that open.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; chmod +x it, and as a service allow its folder and interpreter: docs/hooks.md"
        }
        // The kernel has no other words for a script without its interpreter.
        io::ErrorKind::NotFound => "; the command, its interpreter or its loader is missing",
        _ => "",
    }
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended in a way that is not known".to_owned(),
    }
}

#[cfg(test)]
#[path = "command/tests.rs"]
mod tests;
