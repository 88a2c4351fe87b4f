//! A call of the binary, or of another program that calls it. Whatever it writes, shows in `/proc` and leaves
//! behind is searched for secrets, and that it may dump its memory nowhere is looked at.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, CommandArgs, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

use crate::canaries::{Canaries, traced};
use crate::harness::PATIENCE;

/// Where the binary is.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_feishu-export-watcher");

/// The binary's name as the kernel shortens it.
const COMM: &str = "feishu-export-w";

/// As [`Command`], with its output searched; both streams are pipes unless a test says otherwise.
pub(crate) struct Call {
    command: Command,
    watched: Watched,
}

/// What belongs to the bench of a process.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) canaries: Arc<Canaries>,
    pub(crate) folder: PathBuf,
}

impl Call {
    /// A call of any program, by which the binary is run.
    pub(crate) fn new(program: impl AsRef<OsStr>, watched: Watched) -> Self {
        let mut command = Command::new(program);
        command.env_remove("FEISHU_EXPORT_WATCHER_LOG").env_remove("FEISHU_EXPORT_WATCHER_CONFIG");
        if traced() {
            command.env("FEISHU_EXPORT_WATCHER_LOG", "trace");
            command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, watched }
    }

    /// As [`Command::arg`].
    pub(crate) fn arg(&mut self, word: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(word);
        self
    }

    /// As [`Command::args`].
    pub(crate) fn args(&mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.command.args(words);
        self
    }

    /// As [`Command::env`].
    pub(crate) fn env(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    /// As [`Command::envs`].
    pub(crate) fn envs<'a>(&mut self, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> &mut Self {
        self.command.envs(variables);
        self
    }

    /// As [`Command::env_remove`].
    pub(crate) fn env_remove(&mut self, name: &str) -> &mut Self {
        self.command.env_remove(name);
        self
    }

    /// As [`Command::current_dir`].
    pub(crate) fn current_dir(&mut self, folder: &Path) -> &mut Self {
        self.command.current_dir(folder);
        self
    }

    /// As [`Command::stdin`].
    pub(crate) fn stdin(&mut self, from: impl Into<Stdio>) -> &mut Self {
        self.command.stdin(from);
        self
    }

    /// As [`Command::stdout`]. What does not come through a pipe is the test's to search.
    pub(crate) fn stdout(&mut self, to: impl Into<Stdio>) -> &mut Self {
        self.command.stdout(to);
        self
    }

    /// As [`Command::stderr`].
    pub(crate) fn stderr(&mut self, to: impl Into<Stdio>) -> &mut Self {
        self.command.stderr(to);
        self
    }

    /// As [`Command::get_program`].
    pub(crate) fn get_program(&self) -> &OsStr {
        self.command.get_program()
    }

    /// As [`Command::get_args`].
    pub(crate) fn get_args(&self) -> CommandArgs<'_> {
        self.command.get_args()
    }

    /// What is searched for, for what a test reads itself.
    pub(crate) fn canaries(&self) -> Arc<Canaries> {
        Arc::clone(&self.watched.canaries)
    }

    /// Starts it.
    pub(crate) fn spawn(&mut self) -> Process {
        self.try_spawn().unwrap()
    }

    /// Starts it, if there is such a program.
    pub(crate) fn try_spawn(&mut self) -> io::Result<Process> {
        let child = self.command.spawn()?;
        let entry = |(name, value): (&OsStr, Option<&OsStr>)| {
            Some([name.as_bytes(), b"=", value?.as_bytes()].concat())
        };
        let given = self.command.get_envs().filter_map(entry).collect();
        let process = Process { child, given, watched: self.watched.clone() };
        process.look();
        Ok(process)
    }

    /// Runs it to its end.
    pub(crate) fn output(&mut self) -> Output {
        self.spawn().output()
    }
}

/// A process at work.
pub(crate) struct Process {
    /// Its streams, for the test to read.
    pub(crate) child: Child,
    /// The variables that the test gave it, as they stand in its environment.
    given: Vec<Vec<u8>>,
    watched: Watched,
}

impl Process {
    /// Its id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Searches what others can read of it while it runs.
    pub(crate) fn look(&self) {
        let proc = PathBuf::from(format!("/proc/{}", self.pid().as_raw_nonzero()));
        let canaries = &self.watched.canaries;
        for file in ["cmdline", "comm"] {
            canaries.search(file, &fs::read(proc.join(file)).unwrap());
        }
        // It has none any more once it has ended, and shows it to root alone.
        for entry in fs::read(proc.join("environ")).unwrap_or_default().split(|byte| *byte == 0) {
            if !self.given.iter().any(|given| given == entry) {
                canaries.search("environ", entry);
            }
        }
        // Where it has mounts of its own, its files are not those that are seen from here.
        let mounts = |of: &Path| fs::read_link(of.join("ns/mnt")).ok();
        if mounts(&proc).is_some_and(|its| mounts(Path::new("/proc/self")) != Some(its)) {
            canaries.search_files(&proc.join("root"), &self.watched.folder);
        }
    }

    /// Reads its streams and waits for its end.
    pub(crate) fn output(mut self) -> Output {
        let mut stderr = self.child.stderr.take();
        let reader = std::thread::spawn(move || read_all(stderr.as_mut()));
        let stdout = read_all(self.child.stdout.take().as_mut());
        let stderr = reader.join().unwrap();
        let said = !stdout.is_empty() || !stderr.is_empty();
        let status = self.end(said).unwrap();
        self.search(&stdout, &stderr);
        Output { status, stdout, stderr }
    }

    /// Searches what it wrote.
    pub(crate) fn search(&self, stdout: &[u8], stderr: &[u8]) {
        let Watched { canaries, folder } = &self.watched;
        canaries.search("standard output", stdout);
        canaries.search("standard error", stderr);
        canaries.search_files(Path::new("/"), folder);
    }

    /// How it ended, if it did. It is left there, because its limits are gone with it.
    pub(crate) fn ended(&self) -> Option<WaitIdStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        waitid(WaitId::Pid(self.pid()), options).unwrap()
    }

    /// Waits for its end; none if that does not come. A process that wrote something or ended by itself had time
    /// enough to forbid core dumps.
    pub(crate) fn end(&mut self, said_something: bool) -> Option<ExitStatus> {
        let until = Instant::now() + PATIENCE;
        let ended = loop {
            match self.ended() {
                Some(ended) => break ended,
                None if Instant::now() > until => return None,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        if self.is_binary() && (ended.exited() || said_something) {
            assert_eq!(core_limits(self.pid()), ["0", "0"]);
            assert!(!ended.dumped(), "its memory was dumped");
        }
        Some(self.child.wait().unwrap())
    }

    fn is_binary(&self) -> bool {
        let comm = fs::read_to_string(format!("/proc/{}/comm", self.pid().as_raw_nonzero()));
        comm.is_ok_and(|comm| comm.trim_end() == COMM)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(stream: Option<&mut impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.read_to_end(&mut bytes).unwrap();
    }
    bytes
}

/// The soft and the hard limit of a process's core dumps, in bytes.
pub(crate) fn core_limits(pid: Pid) -> [String; 2] {
    let limits = fs::read_to_string(format!("/proc/{}/limits", pid.as_raw_nonzero())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    [words.next().unwrap(), words.next().unwrap()]
}
