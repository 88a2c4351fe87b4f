//! The command line: arguments, and help with examples.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use feishu_export_watcher::domain::{ErrorKind, FileState, Format as ExportFormat, TicketState, near_miss};
use feishu_export_watcher::parse_duration;

use crate::status_output::Format;

/// Exports documents of Feishu and Lark, and saves their files.
///
/// Reads a watch list of documents and tickets from TOML, exports and polls within each app's request budget, fetches the
/// files before they are deleted, and writes what comes of each to a structured log and a state file.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// The subcommand.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const RUN_HELP: &str = "\
The log goes to stdout: text on a terminal, else a JSON object a line, unless
[log] says otherwise. Progress, summary and errors go to stderr.

Signals:
  SIGTERM, SIGINT  stop: polls in flight may end within 8 s, downloads start over
                   in the next run; again: end at once
  SIGHUP           read watch lists and secret files again, try paused apps,
                   reopen the log file; ignored if it was at the start (nohup)

Exit codes: 0 fine, 1 unexpected, 2 usage, 10 some exports failed or timed out,
or their files could not be saved, 11 exports are pending or files to come,
12 another watcher holds the state file, 69 the batch is stuck, 74 state file,
78 configuration, watch list or folder of downloads, 130 second signal.
README.md has them in detail.

Examples:
  feishu-export-watcher run --config /etc/feishu-export-watcher/watcher.toml
  feishu-export-watcher run --config watcher.toml --until-done --deadline 30m > events.jsonl";

const CHECK_HELP: &str = "\
Prints every problem with file, line and column, then the paths as they are
understood. Reads secrets to see whether they can be used, and shows none.
Writes nothing and, without --online, sends nothing. Exit code 78 if something
is wrong, 0 otherwise; warnings do not count.

With --online, once all else is fine, each app that something is listed for gets
an access token and asks a question that starts nothing of every endpoint that a
run will use, and whether its first three documents may be exported. It takes a
minute at most. The few requests count against the app's rate limit and quota,
and a watcher that runs does not know of them. Exit code 78 if configuration,
app or watch list need a fix, 69 if only network, server, a limit or the quota
stand in the way, 0 otherwise.

Examples:
  feishu-export-watcher check --config watcher.toml
  feishu-export-watcher check --config watcher.toml --no-secrets
  feishu-export-watcher check --config watcher.toml --online";

const STATUS_HELP: &str = "\
Works while the watcher runs and after it stopped. While the configuration is
invalid, name the state file itself with --state-file.

The table is for people. What needs attention comes first: failed and timed
out, files to download, pending, and last what is over. On a terminal it shows
50 tickets without --limit, and colours unless NO_COLOR is set. The other
formats are for programs: in the order of app and ticket, all of them.

Examples:
  feishu-export-watcher status --config watcher.toml --app lark --label week
  feishu-export-watcher status --config watcher.toml --state completed --format csv > tokens.csv
  feishu-export-watcher status --config watcher.toml --format jsonl | jq -r .file_token";

const EXPLAIN_HELP: &str = "\
Says what it means, whether waiting or a new export can help, and what to do.
CODE is what error.job_status, error.code, error.kind or the reason of a pause
shows in the log and in status. Exit code 2 if one of them is not known.

Examples:
  feishu-export-watcher explain 99991672
  feishu-export-watcher explain no_permission scope_missing
  feishu-export-watcher explain --format json | jq '.explanations[] | select(.of == \"code\")'";

const RETRY_HELP: &str = "\
Leaves the request in the state file: a watcher that runs takes it up within a
second, else the next one does when it starts.

With --hook it is the events that hook NAME has not taken which are sent again,
those that were given up among them, within 5 s.

A document is exported again. The job that a listed ticket names is asked about
again, and no new export is made: that helps where a permission or an app was
fixed, or where no answer came before give_up_after; a file that could not be
saved is fetched again while the server still has it.

NAME is a ticket, also that of a document, a label, or a document's link in any
spelling, or its token. A label stands for all that bear it, a link for every
format of its document.

Examples:
  feishu-export-watcher retry --config watcher.toml 6933093124755412345
  feishu-export-watcher retry 'weekly report' https://acme.feishu.cn/docx/doxcnAbCdEf
  feishu-export-watcher retry --config watcher.toml --failed --kind no_permission --dry-run
  feishu-export-watcher retry --config watcher.toml --hook archive";

const HOOK_TEST_HELP: &str = "\
Sends an invented event, the first of those that the hook takes, as a run would
send a true one: once, and whether a watcher runs or not. Its id begins with
`sample-`, and it has `\"sample\": true`, by which a receiver can leave it out.

Prints what was called, how long that took and the answer. Exit code 0 if the
hook took it, otherwise 1.

Examples:
  feishu-export-watcher hook test archive
  feishu-export-watcher hook test --config watcher.toml archive";

const HEALTH_HELP: &str = "\
Asks the watcher that runs by this configuration, at its [server] listen, and
waits at most 5 s. Exit code 0 if it is well, otherwise 1 and the reason on
stderr. Reads neither watch lists nor secrets.

Whether it lives says nothing about Feishu or the disk: restart it when it
does not. Whether it is ready: the state file can be written, the watch list
is loaded, and not every app with open tickets is paused or degraded.

Examples:
  feishu-export-watcher health --config watcher.toml
  feishu-export-watcher health --ready --config watcher.toml";

const INIT_HELP: &str = "\
Writes watcher.toml, watchlist.toml and app_secret (mode 0600) into this folder,
or that of --config, and checks them. Nothing is overwritten: where one of them
is there, nothing is written and the exit code is 2.

On a terminal, what is not given is asked for. Elsewhere platform and app id
must be given, and without --secret-file the secret is the first line of stdin.
It is never an argument, which other users could read.

Examples:
  feishu-export-watcher init
  feishu-export-watcher init --platform lark --app-id cli_a1b2c3d4e5f6g7h8 < secret.txt";

const ADD_HELP: &str = "\
Checks the links as `check` does and appends them to the watch list: all of
them, or none if one is wrong; exit code 78 then. What is listed already is
named and left as it is. A watcher that runs takes the documents up by itself.

URL is the address of the open document. Links are read from stdin where URL is
- or left out: one a line; empty lines and those that begin with # are skipped.

Examples:
  feishu-export-watcher add --format pdf https://acme.feishu.cn/docx/doxcnAbCdEf
  feishu-export-watcher add --format xlsx --label budget --to watchlist.d/budget.toml < links.txt";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a first configuration
    #[command(after_help = INIT_HELP)]
    Init(InitArguments),
    /// Add documents to the watch list, by their links
    #[command(after_help = ADD_HELP)]
    Add(AddArguments),
    /// Watch: as a service, or until every ticket is done
    #[command(after_help = RUN_HELP)]
    Run(RunArguments),
    /// Check configuration, watch list and secrets
    #[command(after_help = CHECK_HELP)]
    Check(CheckArguments),
    /// Show what is known about every ticket
    #[command(after_help = STATUS_HELP)]
    Status(StatusArguments),
    /// Say what a job status, a code, an error.kind or the reason of a pause means, and what to do
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArguments),
    /// Have ended tickets polled, documents exported, or events sent to a hook, again
    #[command(after_help = RETRY_HELP)]
    Retry(RetryArguments),
    /// Try a hook out
    #[command(subcommand)]
    Hook(HookCommand),
    /// Ask a running watcher whether it is well, for probes
    #[command(after_help = HEALTH_HELP)]
    Health(HealthArguments),
}

/// `--config`, of every command that needs a configuration.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigArgument {
    /// The configuration file; left out: $FEISHU_EXPORT_WATCHER_CONFIG, else ./watcher.toml, else
    /// /etc/feishu-export-watcher/watcher.toml
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

/// `--config` or `--state-file`, of the commands that need a state file alone.
#[derive(Clone, Debug, Args)]
pub(crate) struct StateFileArgument {
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
    /// The state file itself, such as while the configuration is invalid, which is not read then
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, conflicts_with = "config")]
    pub(crate) state_file: Option<PathBuf>,
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
    /// End when no ticket is pending and no file is to come, and say in the exit code how it went
    #[arg(long)]
    pub(crate) until_done: bool,
    /// End after this long, whatever is pending (such as 90s, 30m, 2h) [default: no deadline]
    #[arg(long, value_name = "DURATION", requires = "until_done", value_parser = duration)]
    pub(crate) deadline: Option<Duration>,
    /// off, error, warn, info, debug, trace, or tracing directives; wins over the configuration, whose
    /// default is info
    #[arg(long, value_name = "LEVEL", env = "FEISHU_EXPORT_WATCHER_LOG", hide_env_values = true)]
    pub(crate) log_level: Option<String>,
}

/// `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The configuration file to write; left out: ./watcher.toml
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Whose app it is: feishu for open.feishu.cn, lark for open.larksuite.com
    #[arg(long, value_enum, value_name = "PLATFORM")]
    pub(crate) platform: Option<Platform>,
    /// Where the API answers, for a gateway of your own; plain http only to this machine
    #[arg(long, value_name = "URL", conflicts_with = "platform", value_hint = ValueHint::Url)]
    pub(crate) base_url: Option<String>,
    /// The app id that the developer console shows (cli_...)
    #[arg(long, value_name = "ID")]
    pub(crate) app_id: Option<String>,
    /// The file that holds the app secret; it is copied
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) secret_file: Option<PathBuf>,
}

/// A platform, which knows nothing of the other's apps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Platform {
    /// open.feishu.cn
    Feishu,
    /// open.larksuite.com
    Lark,
}

/// `add`.
#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
    /// Links of documents; - or none: those on stdin, one a line
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) links: Vec<String>,
    /// The format of the files; which one fits depends on the kind of document
    #[arg(long, value_name = "FORMAT", value_parser = export_formats())]
    pub(crate) format: ExportFormat,
    /// A label for all of them, carried into log and state, and into names of files made with {label}
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// The app that exports them; may be left out where there is one
    #[arg(long, value_name = "APP")]
    pub(crate) app: Option<String>,
    /// The sheet or table, for csv alone; left out: the one that each link opens
    #[arg(long, value_name = "ID")]
    pub(crate) sub_id: Option<String>,
    /// The watch list, also a new file that a pattern matches; left out: the one that the configuration names in full
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) to: Option<PathBuf>,
}

/// `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
    /// Do not look at secrets: for a user who may not read them
    #[arg(long)]
    pub(crate) no_secrets: bool,
    /// Also ask the API whether host, secret and scopes are right, and the documents may be exported
    #[arg(long, conflicts_with = "no_secrets")]
    pub(crate) online: bool,
}

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The state file.
    #[command(flatten)]
    pub(crate) file: StateFileArgument,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Only tickets in these states, separated by commas
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = states())]
    pub(crate) state: Vec<TicketState>,
    /// Only tickets with a file in these states, separated by commas
    #[arg(long = "file", value_name = "STATE", value_delimiter = ',', value_parser = file_states())]
    pub(crate) file_state: Vec<FileState>,
    /// Only tickets of these apps, separated by commas or given one by one
    #[arg(long, value_name = "APP", value_delimiter = ',')]
    pub(crate) app: Vec<String>,
    /// Only tickets whose label holds this text, in upper or lower case. May be given several times
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Vec<String>,
    /// At most so many tickets, 0 for all. Without it, all but for the table on a terminal
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// What to explain, such as 110, 99991672, no_permission, scope_missing; all is listed if nothing is named
    #[arg(value_name = "CODE", allow_negative_numbers = true)]
    pub(crate) codes: Vec<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t = ExplainFormat::Text)]
    pub(crate) format: ExplainFormat,
}

/// The form of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// `retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArguments {
    /// The state file.
    #[command(flatten)]
    pub(crate) file: StateFileArgument,
    /// Tickets, labels, or links of documents, whatever they ended as
    #[arg(value_name = "NAME", required_unless_present_any = ["failed", "hook"], conflicts_with = "failed")]
    pub(crate) names: Vec<String>,
    /// All tickets and documents that failed or timed out, or whose file could not be saved
    #[arg(long)]
    pub(crate) failed: bool,
    /// Of those, only the ones with this error.kind, such as no_permission
    #[arg(long, value_name = "KIND", requires = "failed", conflicts_with = "names", value_parser = kind)]
    pub(crate) kind: Option<ErrorKind>,
    /// Only those of this app
    #[arg(long, value_name = "APP")]
    pub(crate) app: Option<String>,
    /// Instead: the events that this hook has not taken
    #[arg(long, value_name = "HOOK", conflicts_with_all = ["names", "failed", "app"])]
    pub(crate) hook: Option<String>,
    /// Say what would be done and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `hook`.
#[derive(Debug, Subcommand)]
pub(crate) enum HookCommand {
    /// Send a sample event to a hook and show its answer
    #[command(after_help = HOOK_TEST_HELP)]
    Test(HookTestArguments),
}

/// `hook test`.
#[derive(Debug, Args)]
pub(crate) struct HookTestArguments {
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
    /// The hook, by its name in watcher.toml
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// `health`.
#[derive(Debug, Args)]
pub(crate) struct HealthArguments {
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
    /// Ask whether it is ready (/readyz), not only whether it lives (/livez)
    #[arg(long)]
    pub(crate) ready: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a duration such as 90s, 30m or 2h".to_owned())
}

/// The names of states, with near misses and completions.
fn states() -> impl TypedValueParser<Value = TicketState> {
    PossibleValuesParser::new(TicketState::ALL.iter().map(|state| state.as_str()))
        .try_map(|name| name.parse())
}

fn export_formats() -> impl TypedValueParser<Value = ExportFormat> {
    PossibleValuesParser::new(ExportFormat::ALL.iter().map(|format| format.as_str()))
        .try_map(|name| name.parse())
}

fn file_states() -> impl TypedValueParser<Value = FileState> {
    PossibleValuesParser::new(FileState::ALL.iter().map(|state| state.as_str())).try_map(|name| name.parse())
}

fn kind(text: &str) -> Result<ErrorKind, String> {
    let names: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
    text.parse().map_err(|_| match near_miss(text, names.iter().copied()) {
        Some(near) => format!("no such kind; did you mean {near}?"),
        None => format!("expected one of {}", names.join(", ")),
    })
}

#[cfg(test)]
mod tests;
