//! The real binary against the simulator: a folder with configuration and watch list, processes whose
//! log lines can be waited for, and what they left behind. Waits are for conditions, never for a while.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use export_simulator::{App, DEFAULT_APP_ID, DEFAULT_APP_SECRET, Job, Scenario, Simulator};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::call::{BINARY, Call, Process, Watched};
use crate::canaries::{APP_SECRET, Canaries};

/// Nothing that a test waits for takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A folder to run in, and the simulator it talks to. At its end the folder is searched for secrets.
pub(crate) struct Bench {
    /// Holds configuration, watch lists, secret and state file.
    pub(crate) folder: TempDir,
    /// The remote.
    pub(crate) sim: Arc<Simulator>,
    /// What must not be found.
    pub(crate) canaries: Arc<Canaries>,
}

impl Bench {
    /// A bench whose simulator has one app and whose configuration polls fast: every 100 ms at first.
    pub(crate) fn new() -> Self {
        Self::with(Scenario::default())
    }

    /// The same with a scenario, whose apps get a secret that is recognised wherever it turns up.
    pub(crate) fn with(mut scenario: Scenario) -> Self {
        for app in scenario.apps.iter_mut().filter(|app| app.app_secret == DEFAULT_APP_SECRET) {
            app.app_secret = APP_SECRET.to_owned();
        }
        let sim = Arc::new(Simulator::spawn(scenario).unwrap());
        let canaries = Arc::new(Canaries::new(&sim));
        let bench = Self { folder: TempDir::new().unwrap(), sim, canaries };
        bench.secret("app_secret", APP_SECRET);
        bench.configure("");
        bench
    }

    /// Writes `watcher.toml` for the default app; `more` is appended.
    pub(crate) fn configure(&self, more: &str) {
        let app = self.app_section("default", DEFAULT_APP_ID, "app_secret = { file = \"app_secret\" }");
        self.write_config(&format!("{more}\n{app}"));
    }

    /// Writes `watcher.toml` with what every test has in common, and the rest; keys before the rest's
    /// first section belong to `[poll]`.
    pub(crate) fn write_config(&self, rest: &str) {
        let common = "watchlist = [\"watchlist.toml\"]\n\
             [poll]\ninitial_interval = \"100ms\"\nmax_interval = \"1s\"\nrequest_timeout = \"2s\"\n";
        self.write("watcher.toml", &format!("{common}{rest}"));
    }

    /// The section of an app that the simulator serves.
    pub(crate) fn app_section(&self, name: &str, app_id: &str, credentials: &str) -> String {
        format!(
            "[apps.{name}]\nbase_url = \"{}\"\napp_id = \"{app_id}\"\n{credentials}\n",
            self.sim.base_url()
        )
    }

    /// Changes `watcher.toml`.
    pub(crate) fn reconfigure(&self, from: &str, to: &str) {
        let text = self.read("watcher.toml");
        assert!(text.contains(from), "{from:?} is not in\n{text}");
        self.write("watcher.toml", &text.replace(from, to));
    }

    /// Adds the jobs to the simulator and lists all of its jobs in `watchlist.toml`.
    pub(crate) fn jobs(&self, jobs: impl IntoIterator<Item = Job>) {
        self.sim.add_jobs(jobs);
        let tickets: Vec<_> =
            self.sim.jobs().into_iter().map(|job| (job.ticket.to_string(), job.token.to_string())).collect();
        self.list("watchlist.toml", tickets);
    }

    /// Writes a watch list of (ticket, document token).
    pub(crate) fn list(
        &self,
        file: &str,
        tickets: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) {
        let mut text = String::new();
        for (ticket, token) in tickets {
            writeln!(text, "[[ticket]]\nticket = \"{}\"\ntoken = \"{}\"", ticket.as_ref(), token.as_ref())
                .unwrap();
        }
        self.write(file, &text);
    }

    /// A path in the folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes a file in one step, as an editor would.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let fresh = self.path(&format!("{file}.fresh"));
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, self.path(file)).unwrap();
    }

    /// Reads a file.
    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// Waits until a file holds a text.
    pub(crate) fn wait_file(&self, file: &str, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !fs::read_to_string(self.path(file)).is_ok_and(|found| found.contains(text)) {
            assert!(Instant::now() < until, "waited in vain for {text:?} in {file}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Writes a secret into a file that only this user may read. It must be nowhere else.
    pub(crate) fn secret(&self, file: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        self.canaries.plant_in(&self.path(file), text.trim());
        self.write(file, text);
        fs::set_permissions(self.path(file), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The binary with a subcommand and `--config`.
    pub(crate) fn command(&self, subcommand: &str, arguments: &[&str]) -> Call {
        let mut command = self.call(BINARY);
        command.arg(subcommand).arg("--config").arg(self.path("watcher.toml")).args(arguments);
        command
    }

    /// Another program, by which the binary is run.
    pub(crate) fn call(&self, program: &str) -> Call {
        let watched = Watched { canaries: Arc::clone(&self.canaries), folder: self.folder.path().to_owned() };
        Call::new(program, watched)
    }

    /// The same with a shell, for which `$0` and `$@` are the binary and its arguments.
    pub(crate) fn shell(&self, line: &str, subcommand: &str, arguments: &[&str]) -> Call {
        let run = self.command(subcommand, arguments);
        let mut shell = self.call("sh");
        shell.args(["-c", line]).arg(run.get_program()).args(run.get_args());
        shell
    }

    /// Runs a subcommand to its end.
    pub(crate) fn output(&self, subcommand: &str, arguments: &[&str]) -> Output {
        self.command(subcommand, arguments).output()
    }

    /// Starts `run`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command("run", arguments))
    }

    /// Runs `run --until-done` to its end.
    pub(crate) fn run(&self) -> Ended {
        self.start(&["--until-done"]).wait()
    }

    /// What `status --format json` says.
    pub(crate) fn status(&self) -> Value {
        let output = self.output("status", &["--format", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The tickets as `status` shows them.
    pub(crate) fn tickets(&self) -> Vec<Value> {
        self.status()["tickets"].as_array().unwrap().clone()
    }

    /// Asks `status` until the tickets satisfy a condition: what is pending reaches the state file within a
    /// second or so. Returns them.
    pub(crate) fn wait_tickets(&self, what: &str, condition: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let tickets = self.tickets();
            if condition(&tickets) {
                return tickets;
            }
            assert!(Instant::now() < until, "waited in vain for {what}; the tickets:\n{tickets:#?}");
        }
    }

    /// How many tickets `status` counts in a state.
    pub(crate) fn count(&self, state: &str) -> u64 {
        self.status()["summary"][state].as_u64().unwrap()
    }

    /// The ticket as `status` shows it.
    pub(crate) fn ticket(&self, ticket: &str) -> Value {
        let found = self.tickets().into_iter().find(|row| row["ticket"] == ticket);
        found.unwrap_or_else(|| panic!("no ticket {ticket}"))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A test that fails says itself what is wrong.
        if !std::thread::panicking() {
            self.canaries.search_files(Path::new("/"), self.folder.path());
            self.canaries.search_requests();
        }
    }
}

/// An app of the simulator with the default identity and another limit.
pub(crate) fn default_app(requests: usize, per: Duration) -> App {
    App::default().rate_limit(export_simulator::RateLimit::new(requests, per))
}

/// A process at work; killed if the test forgets it.
pub(crate) struct Running {
    process: Process,
    lines: Arc<(Mutex<Vec<Value>>, Condvar)>,
    readers: Vec<JoinHandle<String>>,
}

/// A process that ended.
pub(crate) struct Ended {
    /// Its exit code; none if a signal killed it.
    pub(crate) code: Option<i32>,
    /// Whether its memory was written to a core dump.
    pub(crate) core_dumped: bool,
    /// The log, a JSON object a line.
    pub(crate) lines: Vec<Value>,
    /// Standard output as it was.
    pub(crate) stdout: String,
    /// Standard error as it was.
    pub(crate) stderr: String,
}

impl Running {
    /// Starts a command whose standard output is a log.
    pub(crate) fn start(mut command: Call) -> Self {
        let mut process = command.spawn();
        let lines = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let child = &mut process.child;
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let shared = Arc::clone(&lines);
        let out = std::thread::spawn(move || {
            let mut whole = String::new();
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                writeln!(whole, "{line}").unwrap();
                if let Ok(value) = serde_json::from_str(&line) {
                    shared.0.lock().unwrap().push(value);
                    shared.1.notify_all();
                }
            }
            whole
        });
        let err = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self { process, lines, readers: vec![out, err] }
    }

    /// Waits until the log satisfies a condition.
    pub(crate) fn wait_log(&self, what: &str, condition: impl Fn(&[Value]) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut lines = self.lines.0.lock().unwrap();
        while !condition(&lines) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}; the log:\n{lines:#?}");
            lines = self.lines.1.wait_timeout(lines, left).unwrap().0;
        }
        drop(lines);
        self.process.look();
    }

    /// Waits until the log satisfies a condition, or the process ended: then false.
    #[cfg(feature = "crash-points")]
    pub(crate) fn lives_until(&mut self, condition: impl Fn(&[Value]) -> bool) -> bool {
        let until = Instant::now() + PATIENCE;
        loop {
            if self.process.ended().is_some() {
                return false;
            }
            let lines = self.lines.0.lock().unwrap();
            if condition(&lines) {
                return true;
            }
            assert!(Instant::now() < until, "waited in vain; the log:\n{lines:#?}");
            drop(self.lines.1.wait_timeout(lines, Duration::from_millis(5)).unwrap());
        }
    }

    /// Waits for `count` lines of that event.
    pub(crate) fn wait_event(&self, event: &str, count: usize) {
        self.wait_log(event, |lines| events(lines, event).count() >= count);
    }

    /// The log so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.lines.0.lock().unwrap().clone()
    }

    /// The lines of the log that follow the first `seen`.
    pub(crate) fn log_since(&self, seen: usize) -> Vec<Value> {
        self.lines.0.lock().unwrap()[seen..].to_vec()
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.look();
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> Ended {
        self.end()
    }

    fn end(&mut self) -> Ended {
        let said_something = !self.log().is_empty();
        let Some(status) = self.process.end(said_something) else {
            panic!("the process did not end; the log:\n{:#?}", self.log())
        };
        let mut texts = std::mem::take(&mut self.readers).into_iter().map(|reader| reader.join().unwrap());
        let (stdout, stderr) = (texts.next().unwrap(), texts.next().unwrap());
        self.process.search(stdout.as_bytes(), stderr.as_bytes());
        let lines = std::mem::take(&mut *self.lines.0.lock().unwrap());
        Ended { code: status.code(), core_dumped: status.core_dumped(), lines, stdout, stderr }
    }

    /// Kills without warning.
    pub(crate) fn kill(self) -> Ended {
        self.signal(Signal::KILL);
        self.wait()
    }

    /// Asks to stop, as a service manager does.
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Not waited for, and no test that fails already.
        if !self.readers.is_empty() && !std::thread::panicking() {
            self.signal(Signal::KILL);
            self.end();
        }
    }
}

impl Ended {
    /// The lines of that event.
    pub(crate) fn events(&self, event: &str) -> Vec<&Value> {
        events(&self.lines, event).collect()
    }
}

/// The lines of that event.
pub(crate) fn events<'a>(lines: &'a [Value], event: &str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["event"] == event)
}

/// Peak resident memory of a process, in bytes, as the kernel counts it.
pub(crate) fn peak_memory(pid: Pid) -> u64 {
    memory(pid, "VmHWM:")
}

/// Memory in use right now, in bytes.
pub(crate) fn resident_memory(pid: Pid) -> u64 {
    memory(pid, "VmRSS:")
}

fn memory(pid: Pid, figure: &str) -> u64 {
    let status =
        fs::read_to_string(Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
