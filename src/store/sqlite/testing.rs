//! Records and helpers for this module's tests.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{
    AppCondition, AppName, Artefact, BudgetKey, DocumentToken, Endpoint, EntryId, EntryKey, ErrorKind,
    ExportRecord, ExportRequest, Failure, FileRecord, FileState, HookName, Month, Object, PauseReason,
    Progress, Sha256, TicketId, TicketRecord, TicketState, Trouble, TroubleCause, WallTime, WatchEntry,
    event::TICKET_FAILED,
};
use crate::store::{
    Batch, EventId, EventRow, Known, OutboxRow, Release, StoreError, StoreReader as _, Tally, TroubleRecord,
    store_at,
};

pub(in crate::store) const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

pub(in crate::store) fn tally(month: i32, requests: u64) -> Tally {
    Tally { budget: release(1, 1).budget, month: Month(202_600 + month), requests }
}

pub(in crate::store) fn fresh(ticket: &str) -> TicketRecord {
    let entry = WatchEntry {
        key: EntryKey { app: AppName::new("default"), id: EntryId::new(ticket) },
        token: DocumentToken::parse("docbcZVGtv1papC6jAVGiyabcef").unwrap(),
        label: None,
        created_at: None,
        request: None,
        download: true,
        source: Arc::from(Path::new("/etc/watchlist.toml")),
    };
    TicketRecord::new(entry, NOW)
}

/// An export that was created again, with a value in every field.
pub(in crate::store) fn document(id: &str) -> TicketRecord {
    let mut record = fresh(id);
    record.entry.request = Some(Box::new(ExportRequest {
        doc_type: Some("wiki".into()),
        file_extension: Some("pdf".into()),
        sub_id: None,
        url: Some("https://acme.feishu.cn/wiki/wikcn".into()),
    }));
    record.export = Some(Box::new(ExportRecord {
        object: Some(Object { doc_type: "docx".into(), token: record.entry.token }),
        ticket: Some(TicketId::new("6933093124755412345")),
        generation: 2,
        is_creating: true,
        lost: 3,
        repeats: 1,
        calls: 9,
    }));
    record
}

/// A record with a value in every field.
pub(in crate::store) fn full(ticket: &str) -> TicketRecord {
    let later = |seconds| Some(NOW + Duration::from_secs(seconds));
    let failure = Failure {
        kind: ErrorKind::ServerError,
        code: Some(1_069_901),
        job_status: Some(1),
        http_status: Some(500),
        message: Some("internal error".into()),
        log_id: Some("20261122100000ABCDEF".into()),
    };
    TicketRecord {
        entry: WatchEntry {
            label: Some("weekly report, 周报".into()),
            created_at: later(1),
            download: false,
            ..fresh(ticket).entry
        },
        state: TicketState::Completed,
        artefact: Some(Box::new(Artefact {
            file_token: "boxcnxe5OdjlAkNgSNdsJvabcef".into(),
            file_name: Some("report".into()),
            file_extension: Some("pdf".into()),
            doc_type: Some("docx".into()),
            file_size: Some(34_356),
        })),
        file: Some(Box::new(FileRecord {
            state: FileState::Saved,
            path: Some(Path::new("/exports/周报.pdf").into()),
            temporary: Some(Path::new(OsStr::from_bytes(b"/exports/.\xff.part")).into()),
            size: Some(34_357),
            sha256: Some(Sha256([0xa5; 32])),
            saved_at: later(8),
            attempts: 3,
            error: Some(Box::new(Failure { message: Some("broke off".into()), ..failure.clone() })),
        })),
        job_status: Some(0),
        polls: 7,
        last_polled_at: later(2),
        next_poll_at: later(3),
        finished_at: later(4),
        download_by: later(5),
        error: Some(Box::new(failure)),
        unlisted_since: later(6),
        progress: Progress {
            attempt: 5,
            watched: Some(Duration::from_millis(61_234)),
            unclear: 2,
            unclear_since: Duration::from_millis(1_500),
            last_running_at: later(7),
        },
        ..fresh(ticket)
    }
}

pub(in crate::store) fn failed(ticket: &str) -> TicketRecord {
    TicketRecord {
        state: TicketState::Failed,
        error: Some(Box::new(Failure::new(ErrorKind::DocumentTooLarge))),
        ..fresh(ticket)
    }
}

/// Completed tickets with a file in every state; of two that wait, nothing of the first was fetched.
pub(in crate::store) fn with_files() -> Vec<TicketRecord> {
    let whole = || *full("").file.unwrap_or_default();
    let failed = |state, kind| FileRecord {
        state,
        attempts: 1,
        error: Some(Box::new(Failure::new(kind))),
        ..FileRecord::new()
    };
    let files = [
        FileRecord::new(),
        FileRecord { state: FileState::Waiting, saved_at: None, ..whole() },
        FileRecord { temporary: None, error: None, ..whole() },
        failed(FileState::Failed, ErrorKind::WrongContent),
        failed(FileState::Expired, ErrorKind::Expired),
    ];
    let ticket = |(at, file)| TicketRecord {
        state: TicketState::Completed,
        file: Some(Box::new(file)),
        ..fresh(&format!("file {at}"))
    };
    files.into_iter().enumerate().map(ticket).collect()
}

pub(in crate::store) fn release(id: i64, seconds: u64) -> Release {
    Release {
        id: EventId(id),
        budget: BudgetKey::from("open.feishu.cn:443/cli_a"),
        endpoint: Endpoint::Query,
        at: NOW + Duration::from_secs(seconds),
    }
}

pub(in crate::store) fn outbox_row(id: i64) -> OutboxRow {
    OutboxRow {
        id: EventId(id),
        payload: format!("{{\"event\":\"ticket.completed\",\"polls\":{id}}}").into(),
    }
}

/// An event of a ticket for these hooks.
pub(in crate::store) fn event_row(id: i64, ticket: &str, hooks: &[&str]) -> EventRow {
    EventRow {
        id: EventId(id),
        event: TICKET_FAILED,
        at: NOW + Duration::from_secs(id.unsigned_abs()),
        key: Some(fresh(ticket).entry.key),
        kind: Some(ErrorKind::DocumentTooLarge),
        hooks: hooks.iter().map(|name| HookName::new(name)).collect(),
        payload: outbox_row(id).payload,
    }
}

pub(in crate::store) fn batch(tickets: impl IntoIterator<Item = TicketRecord>) -> Batch {
    Batch { tickets: tickets.into_iter().collect(), ..Batch::default() }
}

pub(in crate::store) fn trouble() -> TroubleRecord {
    let trouble = Trouble {
        condition: AppCondition::Paused,
        endpoint: Endpoint::Token,
        cause: TroubleCause::App(PauseReason::CredentialsRejected),
        message: Some("app secret invalid".into()),
        since: NOW,
        until: None,
        next: Some(NOW + Duration::from_secs(2)),
    };
    TroubleRecord { app: AppName::new("default"), trouble }
}

/// What another process than the watcher's reads.
pub(super) fn read_only(path: &Path) -> Result<Option<Known>, StoreError> {
    store_at(path).known()
}

/// Every file of a folder with its bytes, except locks.
pub(super) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_none_or(|extension| extension != "lock"))
        .map(|path| (path.clone(), if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() }))
        .collect()
}

/// What a power cut would leave of a store in use: its files as they are now, in another folder.
pub(super) fn crash(path: &Path, suffixes: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("state.db");
    for suffix in suffixes {
        fs::copy(super::file::beside(path, suffix), super::file::beside(&copy, suffix)).unwrap();
    }
    (folder, copy)
}

/// A command that runs one test of this binary by itself, with the path of a folder.
pub(super) fn rerun(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(FOLDER, folder);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The folder that [`rerun`] passed on; none in an ordinary run, in which the test has nothing to do.
pub(super) fn folder_of_rerun() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

const FOLDER: &str = "STORE_TEST_FOLDER";

/// Runs one test by itself with `folder` mounted by a line of shell, in which it is `$1`. Where mounting is
/// not permitted, prints the reason instead.
pub(super) fn run_mounted(test: &str, mount: &str, folder: &Path) {
    let in_namespace = |script: &str| {
        let mut command = Command::new("unshare");
        let program = std::env::current_exe().unwrap();
        command.args(["--mount", "sh", "-ec", script]).arg(program).arg(folder).env(FOLDER, folder);
        command.output()
    };
    match in_namespace(mount) {
        Ok(probe) if probe.status.success() => {}
        Ok(probe) => return eprintln!("skipped, can't mount: {}", String::from_utf8_lossy(&probe.stderr)),
        Err(error) => return eprintln!("skipped, can't run unshare: {error}"),
    }
    let run = in_namespace(&format!("{mount}\nexec \"$0\" --exact {test} --nocapture")).unwrap();
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && output.contains("1 passed"), "{output}\n{run:?}");
}
