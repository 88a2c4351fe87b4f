//! Tickets and their files, as rows.

use super::text::{EntryLink, Foreign, Moment, SHORT};
use crate::domain::words::span;
use crate::domain::{
    Availability, Failure, FileRecord, FileState, TicketRecord, TicketState, WallTime, size_in_words,
};

/// A row of the list of tickets.
pub(super) struct TicketRow {
    pub(super) state: String,
    pub(super) tone: &'static str,
    pub(super) link: EntryLink,
    pub(super) ticket: Foreign,
    pub(super) app: String,
    pub(super) seen: Moment,
    pub(super) polls: u32,
    pub(super) result: Foreign,
    /// What the moment is.
    pub(super) when: &'static str,
    pub(super) at: Option<Moment>,
}

impl TicketRow {
    pub(super) fn new(ticket: &TicketRecord) -> Self {
        let (when, at) = when(ticket);
        Self {
            state: state(ticket),
            tone: tone(ticket),
            link: EntryLink::new(ticket),
            ticket: Foreign::new(ticket.ticket().unwrap_or("–"), 2 * SHORT),
            app: ticket.entry.key.app.as_str().to_owned(),
            seen: Moment(ticket.first_seen_at),
            polls: ticket.polls,
            result: result(ticket),
            when,
            at: at.map(Moment),
        }
    }
}

/// "completed, file saved".
pub(super) fn state(ticket: &TicketRecord) -> String {
    let state = ticket.state.as_str().replace('_', " ");
    ticket.file_state().map_or(state.clone(), |file| format!("{state}, file {file}"))
}

fn tone(ticket: &TicketRecord) -> &'static str {
    match (ticket.state, ticket.file_state()) {
        (TicketState::Failed | TicketState::TimedOut, _)
        | (_, Some(FileState::Failed | FileState::Expired)) => "bad",
        (TicketState::Completed, Some(FileState::Saved) | None) => "good",
        _ => "plain",
    }
}

/// The name of the saved file, else what went wrong last, else the name at the server.
fn result(ticket: &TicketRecord) -> Foreign {
    if let Some(FileRecord { state: FileState::Saved, path: Some(path), .. }) = ticket.file.as_deref() {
        let name = path.file_name().unwrap_or(path.as_os_str());
        return Foreign::new(&name.to_string_lossy(), SHORT);
    }
    let trouble = ticket.file_error().or(ticket.error.as_deref()).map(kind);
    match (trouble, ticket.artefact.as_deref()) {
        (Some(trouble), _) => Foreign::new(&trouble, SHORT),
        (None, artefact) => {
            Foreign::new(artefact.and_then(|it| it.file_name.as_deref()).unwrap_or("–"), SHORT)
        }
    }
}

/// The kind, with the number by which the server's documentation knows it.
fn kind(failure: &Failure) -> String {
    let number = failure.code.filter(|code| *code != 0).or(failure.job_status);
    number.map_or(failure.kind.to_string(), |number| format!("{} ({number})", failure.kind))
}

/// The next step, or the last one.
fn when(ticket: &TicketRecord) -> (&'static str, Option<WallTime>) {
    match (ticket.state, ticket.file_state()) {
        (TicketState::Pending, _) if ticket.is_uncreated() => ("next try", ticket.next_poll_at),
        (TicketState::Pending, _) => ("next poll", ticket.next_poll_at),
        (_, Some(FileState::Waiting)) => ("lives until", ticket.download_by),
        (_, Some(FileState::Saved)) => {
            ("saved", ticket.file.as_deref().and_then(|file| file.saved_at).or(ticket.finished_at))
        }
        _ => ("ended", ticket.finished_at),
    }
}

/// A row of the list of files.
pub(super) struct FileRow {
    pub(super) state: &'static str,
    pub(super) tone: &'static str,
    pub(super) link: EntryLink,
    pub(super) app: String,
    pub(super) left: String,
    pub(super) until: Option<Moment>,
    pub(super) size: String,
    pub(super) attempts: u32,
    pub(super) result: Foreign,
}

impl FileRow {
    /// None for a ticket without a file.
    pub(super) fn new(ticket: &TicketRecord, now: WallTime) -> Option<Self> {
        let file = ticket.file.as_deref()?;
        let artefact = ticket.artefact.as_deref();
        let size = file.size.or(artefact.and_then(|it| it.file_size));
        Some(Self {
            state: file.state.as_str(),
            tone: tone(ticket),
            link: EntryLink::new(ticket),
            app: ticket.entry.key.app.as_str().to_owned(),
            left: left(ticket, file, now),
            until: ticket.download_by.filter(|_| file.state == FileState::Waiting).map(Moment),
            size: size.map_or("–".to_owned(), size_in_words),
            attempts: file.attempts,
            result: result(ticket),
        })
    }
}

/// How long its artefact lives. It changes by itself only while a file waits, ten minutes at most.
fn left(ticket: &TicketRecord, file: &FileRecord, now: WallTime) -> String {
    if file.state != FileState::Waiting {
        return "–".to_owned();
    }
    match Availability::new(ticket, now) {
        _ if file.is_whole() => "whole, waits for its name".to_owned(),
        Availability::Sure(until) => span(until.since(now)),
        Availability::Unknown => "10 min at most".to_owned(),
        Availability::Passed(_) | Availability::Over(_) => "may be gone".to_owned(),
    }
}
