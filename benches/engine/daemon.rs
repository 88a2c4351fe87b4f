//! The watcher as its user starts it: a folder with configuration and list, a process, and what the kernel says of it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tempfile::TempDir;

use crate::server::{FIRST_TICKET, Server};

/// Nothing that is waited for takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often it is looked whether what is waited for has come.
const LOOK_EVERY: Duration = Duration::from_micros(500);

/// A folder to run in.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// A configuration for the server, with these sections besides the app's, and nothing listed yet.
    pub(crate) fn new(server: &Server, sections: &str, app: &str) -> io::Result<Self> {
        Self::below(&env::temp_dir(), server, sections, app)
    }

    /// The same below that folder.
    pub(crate) fn below(parent: &Path, server: &Server, sections: &str, app: &str) -> io::Result<Self> {
        let place = Self { folder: TempDir::new_in(parent)? };
        let config = format!(
            "watchlist = [\"watchlist.toml\"]\n{sections}\n[apps.default]\nbase_url = \"{}\"\napp_id = \"cli_bench\"\n\
             app_secret = {{ env = \"BENCH_SECRET\" }}\n{app}\n",
            server.url
        );
        fs::write(place.path("watcher.toml"), config)?;
        Ok(place)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a list in the place of the one before, as an editor would.
    pub(crate) fn list(&self, text: &str) -> io::Result<()> {
        fs::write(self.path("watchlist.fresh"), text)?;
        fs::rename(self.path("watchlist.fresh"), self.path("watchlist.toml"))
    }

    /// A subcommand of the program.
    pub(crate) fn command(&self, subcommand: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feishu-export-watcher"));
        command.arg(subcommand).arg("--config").arg(self.path("watcher.toml")).args(arguments);
        command.env_remove("FEISHU_EXPORT_WATCHER_LOG").env("BENCH_SECRET", "simulated-secret");
        command.stdin(Stdio::null());
        command
    }

    /// Starts `run`, with its log in a file.
    pub(crate) fn start(&self, arguments: &[&str]) -> io::Result<Daemon> {
        let log = self.path("log.jsonl");
        let started = Instant::now();
        let child = self.command("run", arguments).stdout(File::create(&log)?).spawn()?;
        Ok(Daemon { child, log, started })
    }
}

/// A watch list of these tickets, by their distance from the first. Every entry has all that one can have.
pub(crate) fn list_of(tickets: impl IntoIterator<Item = u64>) -> String {
    let mut text = String::new();
    for offset in tickets {
        let ticket = FIRST_TICKET + offset;
        let label = offset % 1000;
        // To write to a string can't fail.
        let _ = write!(
            text,
            "[[ticket]]\nticket = \"{ticket}\"\ntoken = \"{}\"\ncreated_at = 2026-11-22T10:00:00Z\n\
             label = \"weekly report {label}\"\n\n",
            document(ticket)
        );
    }
    text
}

/// The token of a ticket's document, as long as real ones are.
pub(crate) fn document(ticket: u64) -> String {
    format!("docb{ticket:019}abcd")
}

/// A watcher at work; killed if it is forgotten.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    /// When its process was asked for.
    pub(crate) started: Instant,
}

impl Daemon {
    /// Waits until something is so; says when that was.
    pub(crate) fn wait(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) -> Instant {
        let until = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < until, "waited in vain for {what}");
            assert!(
                self.child.try_wait().is_ok_and(|status| status.is_none()),
                "the watcher ended before {what}"
            );
            thread::sleep(LOOK_EVERY);
        }
        Instant::now()
    }

    /// How many lines of its log have that event.
    pub(crate) fn events(&self, event: &str) -> usize {
        let mark = format!("\"event\":\"{event}\"");
        fs::read_to_string(&self.log).map_or(0, |log| log.matches(&mark).count())
    }

    /// Has it read its list again; says how long that took.
    pub(crate) fn reload(&mut self) -> Duration {
        let (loaded, began) = (self.events("watchlist.loaded"), Instant::now());
        self.signal("HUP");
        self.wait("the list", |daemon| daemon.events("watchlist.loaded") > loaded) - began
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> bool {
        self.child.wait().is_ok_and(|status| status.success())
    }

    /// Stops it as a service manager would.
    pub(crate) fn stop(self) -> bool {
        self.signal("TERM");
        self.ended()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "no signal reached the watcher");
    }

    /// A figure of its memory, in MiB: `VmRSS` for what it has now, `VmHWM` for the most it ever had.
    pub(crate) fn memory(&self, figure: &str) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kibibytes.expect("the kernel shows every process's memory") / 1024.0
    }

    /// Has the kernel count the most memory from now on, for `VmHWM` (proc(5), `clear_refs`).
    pub(crate) fn forget_peak(&self) -> io::Result<()> {
        fs::write(Path::new("/proc").join(self.child.id().to_string()).join("clear_refs"), "5")
    }

    /// Processor time so far, of all its threads, those that ended included.
    pub(crate) fn processor_time(&self) -> Duration {
        processor_time(&self.child)
    }

    /// Waits for its end; see [`spent`].
    pub(crate) fn spent(mut self) -> Spent {
        spent(&mut self.child, self.started)
    }

    fn proc(&self, file: &str) -> String {
        proc(&self.child, file)
    }
}

/// What a process took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    /// From its start to its end.
    pub(crate) time: Duration,
    /// Of all its threads and children.
    pub(crate) processor: Duration,
}

/// Waits for the end of a process that is to succeed.
pub(crate) fn spent(child: &mut Child, started: Instant) -> Spent {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("the system's own number");
    // What it took can be read until it is waited for.
    let ended = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    let time = started.elapsed();
    let processor = processor_time(child);
    assert!(ended.is_ok() && child.wait().is_ok_and(|status| status.success()), "the process failed");
    Spent { time, processor }
}

/// proc(5), fields 14 to 17 of `stat`, in hundredths of a second: of the process, and of its children that ended.
fn processor_time(child: &Child) -> Duration {
    let stat = proc(child, "stat");
    // The name, in brackets, may hold anything.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

fn proc(child: &Child, file: &str) -> String {
    let path = Path::new("/proc").join(child.id().to_string()).join(file);
    fs::read_to_string(path).expect("the process is there until it is waited for")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
