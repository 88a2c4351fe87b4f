//! What passes between the loop and its [state](super::state): events go in, effects come out.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::oneshot;

use super::meters::AppMeters;
use super::setup::Command;
use super::tickets::TicketIndex;
use crate::domain::{AppName, Endpoint, Object, TicketId, TicketRecord};
use crate::feishu::{Answer, Create, Download, Node, NotCreated, Query, TokenAnswer};
use crate::files::{Body, FileError, Placed, Placement};
use crate::store::{Batch, CommitError, EventId, Retry, RetryId, StoreError};

/// Names a request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FlightId(pub u64);

/// Why the loop woke up.
#[derive(Debug)]
pub(super) enum Event {
    /// A stop is asked for.
    Stop,
    /// A request ended, or its task panicked with that message.
    CallEnded(FlightId, Result<CallEnd, String>),
    /// The body of a download is on its way.
    Transfer(FlightId, Signal),
    /// A whole body was given its final name, or could not be.
    Placed(TicketIndex, u64, Result<Placed, FileError>),
    /// A command came.
    Command(Command),
    /// The batch was written or not; none if its task panicked.
    Committed(Option<Result<(), Box<CommitError>>>),
    /// The state file's writer answered.
    Pinged,
    /// The requests of `retry` were read.
    Retries(Result<Vec<Retry>, StoreError>),
    /// A moment came at which something is due.
    Time,
}

/// What the loop is to perform.
#[derive(Debug)]
pub(super) enum Effect {
    /// Send a request.
    Send(FlightId, Request),
    /// End downloads at once.
    Abort(Vec<FlightId>),
    /// Give a whole body its final name. The ticket is named by place and stamp.
    Place(TicketIndex, u64, Placement),
    /// Remove a whole body that is not wanted.
    Discard(PathBuf),
    /// Remove what earlier processes left behind, but these.
    Sweep(Vec<PathBuf>),
    /// Write a batch.
    Commit(Batch),
    /// Ask the state file's writer for a sign of life, unless it is being asked.
    Ping,
    /// Read the requests of `retry` after that one, unless they are being read.
    QueryRetries(RetryId),
    /// Verdicts up to this one are durable: wake the consumers of the outbox.
    WakeConsumers(EventId),
    /// Events for hooks are durable up to this one: wake these.
    WakeHooks(EventId),
    /// Answer a command.
    Answer(oneshot::Sender<()>),
}

/// A request: one variant for each endpoint.
#[derive(Debug)]
pub(super) enum Request {
    /// How does a job stand?
    Query(Query),
    /// An access token for the app.
    Token(AppName),
    /// The artefact of a completed ticket.
    Download(Box<FileRequest>),
    /// What does a wiki node lead to?
    Node(Node),
    /// An export.
    Create(Create),
}

/// What a transfer needs to know.
#[derive(Debug)]
pub(super) struct FileRequest {
    /// What is asked for.
    pub download: Download,
    /// The ticket, which names the file.
    pub ticket: TicketRecord,
    /// A body that brings less than 64 KiB in this time is slow.
    pub idle_timeout: Duration,
    /// Counts the bytes.
    pub meters: AppMeters,
}

/// How a transfer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The head of the answer came, and a file follows.
    Head,
    /// The body comes slowly. Sent once at most.
    Slow,
}

/// What a request brought.
#[derive(Debug)]
pub(super) enum CallEnd {
    /// An answer about a job.
    Query(Answer),
    /// An access token, or none.
    Token(TokenAnswer),
    /// A file, or none.
    Download(TransferEnd),
    /// What a wiki node leads to, or what came in place of that.
    Node(Result<Object, Box<Answer>>),
    /// A ticket, or why there is none.
    Create(Result<TicketId, Box<NotCreated>>),
}

/// What a transfer brought.
#[derive(Debug)]
pub(super) enum TransferEnd {
    /// The whole body lies in a temporary file.
    Whole(Body),
    /// An answer came in place of the file, or none.
    Answer(Box<Answer>),
    /// The body broke off.
    Broken(Box<Answer>),
    /// No file could be made, and no request was sent.
    NotBegun(FileError),
    /// The body could not be written.
    Disk(FileError),
}

impl Request {
    /// The endpoint that is asked.
    pub(super) const fn endpoint(&self) -> Endpoint {
        match self {
            Self::Query(_) => Endpoint::Query,
            Self::Token(_) => Endpoint::Token,
            Self::Download(_) => Endpoint::Download,
            Self::Node(_) => Endpoint::Node,
            Self::Create(_) => Endpoint::Create,
        }
    }
}

impl CallEnd {
    /// Whether a request was sent, as far as is known.
    pub(super) const fn was_sent(&self) -> bool {
        !matches!(self, Self::Download(TransferEnd::NotBegun(_)))
    }

    /// Whether the server accepted the call, so that the monthly quota counts it: errors of 4xx and 5xx are free (call quota
    /// of custom apps, 2025-11-28).
    pub(super) fn is_accepted(&self) -> bool {
        let is_accepted = |answer: &Answer| answer.detail.http_status.is_some_and(|status| status < 400);
        match self {
            Self::Token(_) | Self::Download(TransferEnd::NotBegun(_)) => false,
            Self::Node(Ok(_)) | Self::Create(Ok(_)) => true,
            Self::Download(TransferEnd::Whole(_) | TransferEnd::Broken(_) | TransferEnd::Disk(_)) => true,
            Self::Query(answer) => is_accepted(answer),
            Self::Node(Err(answer)) | Self::Download(TransferEnd::Answer(answer)) => is_accepted(answer),
            // A create that was not answered may have been accepted: what is kept of the quota must not fall short.
            Self::Create(Err(refusal)) if refusal.answer.detail.http_status.is_none() => refusal.may_exist,
            Self::Create(Err(refusal)) => is_accepted(&refusal.answer),
        }
    }

    /// A request that brought nothing, for a reason on this side.
    pub(super) fn lost(endpoint: Endpoint, why: &str) -> Self {
        match endpoint {
            Endpoint::Query => Self::Query(Answer::lost(why)),
            Endpoint::Token => Self::Token(TokenAnswer::lost(why)),
            Endpoint::Download => Self::Download(TransferEnd::Answer(Box::new(Answer::lost(why)))),
            Endpoint::Node => Self::Node(Err(Box::new(Answer::lost(why)))),
            Endpoint::Create => {
                Self::Create(Err(Box::new(NotCreated { answer: Answer::lost(why), may_exist: true })))
            }
        }
    }
}
