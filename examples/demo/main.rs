//! The whole program against a stand-in for the API: documents become files, with every fate on the way, in some ten
//! seconds.
//!
//! Nothing is needed but this repository. The stand-in listens on a free loopback port; configuration,
//! watch list, log, state file and the saved files go to a temporary folder that stays, so that they can be looked at.
//! Ends with 0 if every export met the fate it was meant to meet, no job was made without need, and every file is what the
//! stand-in has.

mod fates;
mod source;
mod tree;
// The status table is the binary's own. An example does not build the binary, so it takes it by path.
#[path = "../../src/bin/feishu-export-watcher/status_output/mod.rs"]
mod status_output;
#[path = "../../src/bin/feishu-export-watcher/terminal.rs"]
#[expect(dead_code, reason = "the demo uses a part of it")]
mod terminal;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use export_simulator::{App, DEFAULT_APP_ID, DEFAULT_APP_SECRET, Endpoint, RateLimit, Scenario, Simulator};
use feishu_export_watcher::config::Loaded;
use feishu_export_watcher::domain::{TicketRecord, TicketState, WallTime};
use feishu_export_watcher::log::{LogHandle, TextForm};
use feishu_export_watcher::{
    Connections, RunOptions, Snapshot, StateFile, StatusQuery, Watcher, load, set_up_log, status,
};
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::fates::Fate;
use crate::terminal::Screen;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// After so many queries the stand-in revokes the access token in use.
const REVOKED_AFTER: usize = 50;

/// Requests a minute would make the demo long: stand-in and watcher agree on more.
const LIMIT: (usize, Duration) = (100, Duration::from_secs(10));

/// So would the minute that a document waits before it is exported once more.
const REPEAT_AFTER: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() -> ExitCode {
    match demonstrate().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether every export met its fate.
async fn demonstrate() -> Outcome<bool> {
    let began = Instant::now();
    let limit = RateLimit::new(LIMIT.0, LIMIT.1);
    let sim = Simulator::start(Scenario::with_apps([App::default().rate_limit(limit)])).await?;
    let fates = fates::all();
    let folder = write_files(&sim, &fates)?;
    let loaded = load(folder.join("watcher.toml")).await?;
    let Screen { colour, width: columns, .. } = Screen::from_stdout();
    let text = || TextForm { colour, columns, zone: TimeZone::system() };
    let log = set_up_log(&loaded.config, None, true, text)?;

    println!("{} exports against {}, each labelled with what happens to it\n", fates.len(), sim.base_url());
    let revoking = async {
        sim.until(Duration::from_secs(60), |journal| journal.of(Endpoint::Query).count() >= REVOKED_AFTER)
            .await;
        sim.revoke_tokens(DEFAULT_APP_ID);
        std::future::pending::<()>().await;
    };
    let state = StateFile::FromConfig(loaded.config.path.to_path_buf());
    tokio::select! {
        outcome = watch_until_done(loaded, &log) => outcome?,
        () = revoking => {}
    }
    log.flush(Duration::from_secs(2)).await?;

    let mut report = status(&state, &StatusQuery::default())?;
    println!();
    let now = WallTime::now();
    status_output::sort_by_attention(&mut report.tickets, now);
    let printed = status_output::Report {
        tickets: &report.tickets,
        omitted: 0,
        summary: report.summary,
        files: report.files,
        apps: &report.apps,
        hooks: &[],
        is_watched: !matches!(report.watcher, Ok(None)),
        now,
        zone: TimeZone::system(),
        screen: Screen::from_stdout(),
    };
    status_output::print(&mut io::stdout().lock(), status_output::Format::Table, &printed)?;
    println!();
    tree::print(&mut io::stdout().lock(), &folder.join("exports"), &report.tickets)?;
    let strays = strays(&sim, &fates, &report.tickets);
    print_end(&sim, &folder, began.elapsed(), &strays);
    Ok(strays.is_empty() && sim.throttled_count() == 0)
}

/// Prepares the documents and writes what a user would write: configuration, secret and watch list.
fn write_files(sim: &Simulator, fates: &[Fate]) -> Outcome<PathBuf> {
    let folder = tempfile::Builder::new().prefix("feishu-export-demo-").tempdir()?.keep();
    let config = format!(
        r#"watchlist = ["watchlist.toml"]

[log]
file = "events.jsonl"

[poll]
initial_interval = "1s"
max_interval = "3s"
give_up_after = "8s"
request_timeout = "2s"

[download]
folder = "exports"

[apps.demo]
base_url = "{}"
app_id = "{DEFAULT_APP_ID}"
app_secret = {{ file = "app_secret" }}
rate_limit = {{ requests = {}, per = "{}s" }}
"#,
        sim.base_url(),
        LIMIT.0,
        LIMIT.1.as_secs()
    );
    let mut list = String::new();
    for (number, fate) in fates.iter().enumerate() {
        fate.prepare(sim, number);
        list.push_str(&fate.source.entry(number, fate.label));
    }
    fs::write(folder.join("watcher.toml"), config)?;
    fs::write(folder.join("watchlist.toml"), list)?;
    write_secret(&folder.join("app_secret"))?;
    Ok(folder)
}

fn write_secret(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, DEFAULT_APP_SECRET.as_bytes())
}

async fn watch_until_done(loaded: Loaded, log: &LogHandle) -> Outcome<()> {
    let stop = CancellationToken::new();
    let (_reload, requests) = mpsc::channel(1);
    let (view, _watcher) = watch::channel(Snapshot::default());
    let options = RunOptions {
        until_done: true,
        deadline: Some(Duration::from_secs(60)),
        repeat_after: Some(REPEAT_AFTER),
    };
    let (hooks, _) = watch::channel(Vec::new());
    let connections = Connections { stop, reload: requests, view, hooks, log: log.clone() };
    Watcher::open(loaded, options).await?.run(connections).await?;
    Ok(())
}

/// Exports that met another fate than they were meant to, jobs too many, and files that are not those of the stand-in.
fn strays(sim: &Simulator, fates: &[Fate], tickets: &[TicketRecord]) -> Vec<String> {
    let of = |fate: &Fate| tickets.iter().find(|ticket| ticket.entry.label.as_deref() == Some(fate.label));
    let stray = |fate: &Fate| {
        let expected = (fate.state, fate.error, fate.generations);
        let error = |ticket: &TicketRecord| ticket.error.as_ref().map(|error| error.kind);
        let found = of(fate).map(|ticket| (ticket.state, error(ticket), ticket.generation()));
        (found != Some(expected)).then(|| format!("{}: expected {expected:?}, found {found:?}", fate.label))
    };
    let completed = tickets.iter().filter(|ticket| ticket.state == TicketState::Completed);
    let misread = completed
        .filter(|ticket| !is_saved(sim, ticket))
        .map(|ticket| format!("{}: its file is not the one of the stand-in", ticket.entry.in_words()));
    let made = sim.made();
    let too_many = made.iter().filter(|((_, order), made)| {
        let ticket = tickets.iter().find(|ticket| ticket.object_token().as_str() == order.token);
        !made.is_within(ticket.and_then(TicketRecord::generation).unwrap_or_default() as usize)
    });
    let too_many = too_many.map(|((_, order), made)| format!("{}: {} jobs", order.token, made.tickets.len()));
    fates.iter().filter_map(stray).chain(misread).chain(too_many).collect()
}

/// Whether the ticket's file lies on disk as the stand-in has it.
fn is_saved(sim: &Simulator, ticket: &TicketRecord) -> bool {
    let path = ticket.file.as_deref().and_then(|file| file.path.as_deref());
    let right = ticket.ticket().map(|ticket| sim.file_of(ticket));
    let found = path.and_then(|path| fs::read(path).ok());
    right.zip(found).is_some_and(|(right, found)| right.pieces().flatten().eq(found))
}

fn print_end(sim: &Simulator, folder: &Path, took: Duration, strays: &[String]) {
    let (made, lost) = sim.journal(|journal| {
        let made = journal.made();
        (made.values().map(|made| made.tickets.len()).sum::<usize>(), journal.lost_answers().count())
    });
    println!(
        "\n{made} jobs for documents, {lost} of them once more because an answer was lost: {} creates, {} polls, {} downloads \
         and {} token requests in {:.0} s; {} answers were throttled for breaking the limit",
        sim.count(Endpoint::Create),
        sim.count(Endpoint::Query),
        sim.count(Endpoint::Download),
        sim.count(Endpoint::TenantToken),
        took.as_secs_f64(),
        sim.throttled_count()
    );
    println!("log            {}", folder.join("events.jsonl").display());
    println!("state file     {}", folder.join("state.db").display());
    println!("configuration  {}", folder.join("watcher.toml").display());
    println!("watch list     {}", folder.join("watchlist.toml").display());
    match strays {
        [] => println!("\nEvery export met its fate, and every file is whole."),
        strays => println!("\nNot as expected:\n{}", strays.join("\n")),
    }
}
