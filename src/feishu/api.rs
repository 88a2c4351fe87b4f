//! What the engine asks of the remote, and what the answers are. The engine knows the remote only through
//! this trait, so that tests can put a fake in its place.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};

use super::verdict::{Pace, Verdict};
use crate::domain::{AppName, DocumentToken, ErrorKind, Failure, Object, PauseReason, TicketId};

/// The remote. Cloned into every poll, hence cheap to clone.
pub trait ExportApi: Clone + Send + Sync + 'static {
    /// Gets an access token for the app: one request for an app with a secret, none for an app
    /// whose token lies ready. Called by one poller at a time per app; nothing is cached here.
    fn access_token(&self, app: &AppName) -> impl Future<Output = TokenAnswer> + Send;

    /// Asks once how an export job stands (query export task,
    /// `GET /open-apis/drive/v1/export_tasks/:ticket`). Exactly one request, never sent again.
    fn query(&self, query: Query) -> impl Future<Output = Answer> + Send;

    /// Asks once for an export (create export task, `POST /open-apis/drive/v1/export_tasks`). Exactly one request, never
    /// sent again: the endpoint knows no idempotency key, so each may start a job.
    ///
    /// # Errors
    /// Why there is no ticket, and whether there may be a job all the same.
    fn create(&self, create: Create) -> impl Future<Output = Result<TicketId, Box<NotCreated>>> + Send;

    /// Asks once what a wiki node leads to (get wiki node information, `GET /open-apis/wiki/v2/spaces/get_node`). Exactly
    /// one request, never sent again.
    ///
    /// # Errors
    /// What came instead, or that nothing came.
    fn node(&self, node: Node) -> impl Future<Output = Result<Object, Box<Answer>>> + Send;

    /// The body of an artefact on its way.
    type Body: ArtefactBody;

    /// Asks once for an artefact (download exported file,
    /// `GET /open-apis/drive/v1/export_tasks/file/:file_token/download`). Exactly one request, never sent again. Returns
    /// once the head of the answer and the first bytes of the body have come and are those of a file of the format.
    ///
    /// # Errors
    /// What came instead, or that nothing came.
    fn download(&self, download: Download) -> impl Future<Output = Result<Self::Body, Box<Answer>>> + Send;
}

/// The body of an artefact, from its first byte on.
pub trait ArtefactBody: Send {
    /// The next bytes; none at the end. The end is clean, and as many bytes came as the answer announced, if it did.
    ///
    /// # Errors
    /// The body broke off, or no byte came within `idle_timeout`.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, Box<Answer>>> + Send;
}

/// The body of a remote that has no artefacts.
impl ArtefactBody for Infallible {
    async fn chunk(&mut self) -> Result<Option<Bytes>, Box<Answer>> {
        match *self {}
    }
}

/// One download.
#[derive(Clone, Debug)]
pub struct Download {
    /// On whose behalf.
    pub app: AppName,
    /// The artefact.
    pub file_token: Box<str>,
    /// The format, as the query named it: `docx`, `pdf` …
    pub file_extension: Option<Box<str>>,
    /// The credential to show.
    pub access_token: AccessToken,
}

/// One export to be started.
#[derive(Clone, Debug)]
pub struct Create {
    /// On whose behalf.
    pub app: AppName,
    /// The document.
    pub object: Object,
    /// The format: `pdf`, `csv` …
    pub file_extension: Box<str>,
    /// The sheet or table, for csv.
    pub sub_id: Option<Box<str>>,
    /// The credential to show.
    pub access_token: AccessToken,
}

/// Why a create brought no ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCreated {
    /// What came in place of the ticket, or that nothing came.
    pub answer: Answer,
    /// Whether the server may have started a job: the request was sent, and no envelope with a code that refuses it came.
    pub may_exist: bool,
}

/// One question about a wiki node.
#[derive(Clone, Debug)]
pub struct Node {
    /// On whose behalf.
    pub app: AppName,
    /// The node.
    pub token: DocumentToken,
    /// The credential to show.
    pub access_token: AccessToken,
}

/// One poll.
#[derive(Clone, Debug)]
pub struct Query {
    /// On whose behalf.
    pub app: AppName,
    /// Which job.
    pub ticket: TicketId,
    /// The source document's token.
    pub token: DocumentToken,
    /// The credential to show.
    pub access_token: AccessToken,
}

/// A tenant or user access token. Its debug output hides it, and nothing prints it.
#[derive(Clone, Debug)]
pub struct AccessToken(Arc<SecretString>);

impl AccessToken {
    /// Takes the token's text.
    #[must_use]
    pub fn new(token: impl Into<SecretString>) -> Self {
        Self(Arc::new(token.into()))
    }

    /// The text, for the `Authorization` header and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether both are the same text: the token endpoint may hand out the old token again.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

/// What came of asking for an access token.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// The token, or why there is none.
    pub result: Result<Grant, TokenTrouble>,
    /// What the server said besides.
    pub detail: Detail,
}

/// An access token and how long it is good for.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The token.
    pub token: AccessToken,
    /// How long the server says it lives; none for a token that others keep fresh.
    pub expires_in: Option<Duration>,
}

/// Why there is no access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTrouble {
    /// Passing trouble: the token in use stays good meanwhile.
    Retry(ErrorKind),
    /// The endpoint counts too many requests; `reset` is how long it wants to be left alone.
    Throttled {
        /// As the server named it, if it did.
        reset: Option<Duration>,
    },
    /// The app's configuration is wrong.
    AppFault(PauseReason),
}

/// What came of one poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it means.
    pub verdict: Verdict,
    /// What the server said in detail.
    pub detail: Detail,
}

impl Answer {
    /// Whether the endpoint answered as documented: code 0 with a `job_status`, whatever that is.
    #[must_use]
    pub fn is_proper(&self) -> bool {
        let is_result = matches!(
            self.verdict,
            Verdict::Pending | Verdict::Completed(_) | Verdict::Failed(_) | Verdict::Unclear(_)
        );
        is_result && self.detail.code == Some(0) && self.detail.job_status.is_some()
    }

    /// What is noted of it where it is a trouble of that kind.
    #[must_use]
    pub fn failure(&self, kind: ErrorKind) -> Failure {
        let Detail { http_status, code, job_status, message, log_id, .. } = self.detail.clone();
        Failure { kind, code, job_status, http_status, message, log_id }
    }

    /// A request that brought nothing, for a reason on this side.
    #[must_use]
    pub fn lost(why: &str) -> Self {
        Self {
            verdict: Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual },
            detail: Detail { message: Some(why.into()), ..Detail::default() },
        }
    }
}

impl TokenAnswer {
    /// A request that brought nothing, for a reason on this side.
    #[must_use]
    pub fn lost(why: &str) -> Self {
        Self {
            result: Err(TokenTrouble::Retry(ErrorKind::Network)),
            detail: Detail { message: Some(why.into()), ..Detail::default() },
        }
    }
}

/// What an answer said, as far as it said it. Texts are the server's: cut to a sane length, otherwise raw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// HTTP status.
    pub http_status: Option<u16>,
    /// `code` of the envelope.
    pub code: Option<i64>,
    /// `job_status` of the result.
    pub job_status: Option<i64>,
    /// `job_error_msg`, else `msg`, else what the network layer reports.
    pub message: Option<Box<str>>,
    /// `X-Tt-Logid`, else `X-Request-Id`, else the body's log id.
    pub log_id: Option<Box<str>>,
    /// What the server offers as a remedy: missing scopes, a page of the console.
    pub remedy: Option<Box<str>>,
}
