//! Kinds of failure: the names that scripts rely on, and one table with their meaning and the hint people need. Which
//! `job_status` and which code mean what stands in [`answers`](super::answers). How long to wait after a failure is
//! not decided here.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::advice::Advice;
use super::advice::Help::{IfLost, Maybe, No, OnceFixed, Yes};

/// What went wrong with a ticket, or with its last poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ErrorKind {
    /// Job status 3, code 131007.
    InternalError,
    /// Job status 107.
    DocumentTooLarge,
    /// Job status 108.
    ExportTimeout,
    /// Job status 109.
    BlockNoPermission,
    /// Job status 110, codes 131006 and 1069902.
    NoPermission,
    /// Job status 111, code 1069906.
    DocumentDeleted,
    /// Job status 122.
    CopyInProgress,
    /// Job status 123, codes 131005 and 1069914.
    DocumentNotFound,
    /// Job status 6000.
    TooManyImages,
    /// Codes 131002, 131004, 1069904 and 99992402.
    InvalidParam,
    /// Code 1069918.
    TypeMismatch,
    /// "Success" without a file token, too often.
    NoFileToken,
    /// Answers that are no export result, too often.
    MalformedAnswer,
    /// A `job_status` that is not documented, too often.
    UnknownJobStatus,
    /// A 4xx with a code that is not documented, too often.
    UnknownCode,
    /// The server could not be reached, or broke off.
    Network,
    /// The server is in trouble.
    ServerError,
    /// The server counts too many requests.
    Throttled,
    /// The access token was refused.
    TokenRejected,
    /// The artefact was deleted before it could be saved; code 1060001.
    Expired,
    /// No room for the file.
    DiskFull,
    /// The folder of the files can't be written.
    FolderUnwritable,
    /// What came is no file of the format.
    WrongContent,
}

/// Kind; whether waiting helps, whether a new export does; what it means; what to do. Sources: query and
/// create export task, export guide. Whether something helps is not documented: it follows from what went wrong.
#[rustfmt::skip]
const TABLE: [(ErrorKind, Advice); 23] = [
    (ErrorKind::InternalError, Advice::new(No, Yes,
        "The server failed to make the file, by a fault of its own.",
        "export the document again; if that fails as well, give error.log_id to the platform's support")),
    (ErrorKind::DocumentTooLarge, Advice::new(No, OnceFixed,
        "The document, with everything embedded in it, is larger than the format may become.",
        "split the document or choose another format (PDF takes 128 MB of embedded resources, Word 1 GB)")),
    (ErrorKind::ExportTimeout, Advice::new(No, Maybe,
        "The server worked on the document for too long and gave up.",
        "export again later; if it repeats, the document is too complex and wants splitting")),
    (ErrorKind::BlockNoPermission, Advice::new(No, OnceFixed,
        "The document embeds parts of others, and the app, or the user it acts for, may not read one of these.",
        "give the app access to every document embedded in this one (there: … > More > Add document app), then export again")),
    (ErrorKind::NoPermission, Advice::new(No, OnceFixed,
        "The app, or the user it acts for, may not read or export the document. Only the app that created a job may ask for it; and export may be switched off for the document, its security label or its wiki.",
        "add the app to the document (… > More > Add document app) or share it with the user; a pending ticket is asked again by itself, a failed one after `feishu-export-watcher retry --failed --kind no_permission` (1069902) or a new export (110); only the app that created a job may query it")),
    (ErrorKind::DocumentDeleted, Advice::new(No, OnceFixed,
        "The document was deleted.",
        "restore the document, then export again")),
    (ErrorKind::CopyInProgress, Advice::new(No, Yes,
        "A copy of the document was being made, and it can't be exported meanwhile.",
        "export again in a few minutes, once the copy is finished")),
    (ErrorKind::DocumentNotFound, Advice::new(No, OnceFixed,
        "There is no document with this token, or none of the type that was named at creation.",
        "correct the token in the watch list, which starts the ticket over, or export again with the right token and type; a [[ticket]] takes the token of the document, not that of a wiki node that leads to it (wiki/v2/spaces/get_node)")),
    (ErrorKind::TooManyImages, Advice::new(No, OnceFixed,
        "The document holds more images than an export takes.",
        "remove images or split the document, then export again")),
    (ErrorKind::InvalidParam, Advice::new(No, OnceFixed,
        "The server does not know the ticket, or not with this token; or the export was created without what its format needs.",
        "check that ticket and token belong together, a corrected token in the watch list starts the ticket over; a csv export needs its sub_id when it is created")),
    (ErrorKind::TypeMismatch, Advice::new(No, OnceFixed,
        "The format of the export does not fit the type of the document.",
        "create the export with a format that fits: docx or pdf for a document, xlsx or csv for a sheet or a bitable, pptx or pdf for slides")),
    (ErrorKind::NoFileToken, Advice::new(Maybe, Yes,
        "The server calls the job done but names no file. It is asked again; the ticket fails after ten such answers in a row over at least five minutes.",
        "export again; or have the server asked once more with `feishu-export-watcher retry TICKET`")),
    (ErrorKind::MalformedAnswer, Advice::new(OnceFixed, No,
        "The answer is not one of the export API: a page of a proxy, of a captive portal or of a firewall, or a result without its status. It counts against the ticket only while other tickets of the app are answered properly; ten such answers over at least five minutes fail it.",
        "if error.code is there, give error.log_id to the platform's support; else look for a proxy or a captive portal between this machine and base_url; then `feishu-export-watcher retry --failed --kind malformed_answer`")),
    (ErrorKind::UnknownJobStatus, Advice::new(Maybe, Maybe,
        "The server names a job status that its documentation does not. It is asked again; the ticket fails after ten such answers in a row over at least five minutes.",
        "give error.log_id to the platform's support, or export again")),
    (ErrorKind::UnknownCode, Advice::new(Maybe, Maybe,
        "The server refuses the request with a code that the watcher does not know. It counts against the ticket while other tickets of the app are answered properly, or where no other one is open; ten such answers over at least five minutes fail it.",
        "look error.code up at https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code or give error.log_id to the platform's support; then `feishu-export-watcher retry --failed --kind unknown_code`")),
    (ErrorKind::Network, Advice::new(Yes, No,
        "The server was not reached, the connection broke off, or something in between answered (a redirect, 407, 408). That says nothing about the job.",
        "polling goes on by itself; if it lasts, look at DNS, proxy and firewall between this machine and base_url")),
    (ErrorKind::ServerError, Advice::new(Yes, No,
        "The server is in trouble, or asks to come back later. That says nothing about the job.",
        "polling goes on by itself; if it lasts for hours, give error.log_id to the platform's support")),
    (ErrorKind::Throttled, Advice::new(Yes, No,
        "The server counts more requests of this app than it allows. That says nothing about the job.",
        "polling goes on by itself; if it repeats, another process spends from the same budget, or rate_limit is set too high")),
    (ErrorKind::TokenRejected, Advice::new(Yes, No,
        "The access token was refused. A new one is fetched or read; if that is refused as well, the app is paused (credentials_rejected).",
        "polling goes on by itself, with a new access token")),
    (ErrorKind::Expired, Advice::new(No, Yes,
        "The server deletes an exported file ten minutes after the job's end, and this one was not saved by then. error.message says what held it up, or what the server answered.",
        "export the document again, and list the new ticket while it is fresh")),
    (ErrorKind::DiskFull, Advice::new(OnceFixed, IfLost,
        "The file system of download.folder has no room for the file, or a quota is used up.",
        "free space on the file system of download.folder, or raise the quota; the file is fetched again by itself for as long as it lives")),
    (ErrorKind::FolderUnwritable, Advice::new(OnceFixed, IfLost,
        "The file could not be written below download.folder. error.message names the path and what the system says.",
        "make download.folder writable for the watcher (a mount that is gone, an owner, ReadWritePaths= of the unit); the file is fetched again by itself for as long as it lives")),
    (ErrorKind::WrongContent, Advice::new(No, Maybe,
        "What the server sent is no file of the format: it is empty, or its first bytes are not those of docx, xlsx, pptx or pdf. The same content three times fails the file.",
        "export the document again; if that fails as well, give error.log_id to the platform's support")),
];

/// What to do where the watcher started the export itself, as far as that is something else.
#[rustfmt::skip]
const FOR_DOCUMENTS: [(ErrorKind, &str); 11] = [
    (ErrorKind::InternalError, "the export was repeated in vain; `feishu-export-watcher retry --failed --kind internal_error` repeats it once more; if that fails as well, give error.log_id to the platform's support"),
    (ErrorKind::ExportTimeout, "later `feishu-export-watcher retry --failed --kind export_timeout`; if it repeats, the document is too complex and wants splitting"),
    (ErrorKind::NoPermission, "add the app to the document (… > More > Add document app) or share it with the user, and see that export is not switched off there; then `feishu-export-watcher retry --failed --kind no_permission`"),
    (ErrorKind::CopyInProgress, "`feishu-export-watcher retry --failed --kind copy_in_progress` once the copy is finished"),
    (ErrorKind::DocumentNotFound, "correct the link, or token and type, in the watch list"),
    (ErrorKind::InvalidParam, "check type, format and sub_id in the watch list; error.message names what was refused"),
    (ErrorKind::TypeMismatch, "name a format in the watch list that fits: docx or pdf for a document, xlsx or csv for a sheet or a bitable, pptx or pdf for slides"),
    (ErrorKind::NoFileToken, "`feishu-export-watcher retry --failed --kind no_file_token` has it exported again"),
    (ErrorKind::UnknownJobStatus, "give error.log_id to the platform's support; `feishu-export-watcher retry --failed --kind unknown_job_status` has it exported again"),
    (ErrorKind::Expired, "see in error.message what held it up; then `feishu-export-watcher retry --failed --kind expired` has it exported again"),
    (ErrorKind::WrongContent, "`feishu-export-watcher retry --failed --kind wrong_content` has it exported again; if that fails as well, give error.log_id to the platform's support"),
];

/// What to do about an answer of the API that lacks what it is for.
const HALF_ANSWER: &str = "give error.log_id to the platform's support; then `feishu-export-watcher retry --failed --kind malformed_answer`, or export again";

/// What to do where something else answered.
pub(super) const NO_ANSWER: &str = "look for a proxy or a captive portal between this machine and base_url, and whether base_url is the platform's; tickets that failed are polled again by `feishu-export-watcher retry --failed --kind malformed_answer`";

impl ErrorKind {
    /// Every kind.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name in log, state file and status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// What it means and what helps.
    #[must_use]
    pub fn advice(self) -> &'static Advice {
        // The table lists the kinds in the order of the enum; a test holds it to that.
        &TABLE[self as usize].1
    }

    /// Whether this machine's disk refuses a file, which a person has to fix while the artefact lives.
    #[must_use]
    pub const fn is_of_disk(self) -> bool {
        matches!(self, Self::DiskFull | Self::FolderUnwritable)
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(self) -> &'static str {
        self.advice().hint
    }
}

/// What went wrong, with everything the server said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind, by which scripts decide.
    pub kind: ErrorKind,
    /// The answer's `code`.
    pub code: Option<i64>,
    /// The answer's `job_status`.
    pub job_status: Option<i64>,
    /// The answer's HTTP status.
    pub http_status: Option<u16>,
    /// What the server, or the network, said; cut to a sane length.
    pub message: Option<Box<str>>,
    /// The id under which the server's support finds the request.
    pub log_id: Option<Box<str>>,
}

impl Failure {
    /// A failure of that kind with nothing more known.
    #[must_use]
    pub const fn new(kind: ErrorKind) -> Self {
        Self { kind, code: None, job_status: None, http_status: None, message: None, log_id: None }
    }

    /// What to do about it. An answer with a code came from the API, one without from something in between.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match (self.kind, self.code) {
            (ErrorKind::MalformedAnswer, Some(_)) => HALF_ANSWER,
            (ErrorKind::MalformedAnswer, None) => NO_ANSWER,
            (kind, _) => kind.hint(),
        }
    }

    /// The same for a document whose export the watcher started: `retry` makes another one.
    #[must_use]
    pub fn hint_for_document(&self) -> &'static str {
        let own = FOR_DOCUMENTS.iter().find(|(kind, _)| *kind == self.kind);
        own.map_or_else(|| self.hint(), |(_, hint)| hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::advice::assert_well_formed;

    /// Promise: the hint names a captive portal only where the API did not answer.
    #[test]
    fn a_portal_is_looked_for_where_no_answer_came() {
        let hint = |kind, code| Failure { code, ..Failure::new(kind) }.hint();
        assert!(hint(ErrorKind::MalformedAnswer, None).contains("captive portal"));
        let half = hint(ErrorKind::MalformedAnswer, Some(0));
        assert!(!half.contains("portal") && half.contains("log_id"), "{half}");
        assert_eq!(hint(ErrorKind::UnknownCode, Some(7)), ErrorKind::UnknownCode.hint());
    }

    /// Promise: of a document there is no ticket to list and none to correct.
    #[test]
    fn hints_for_documents_name_no_ticket() {
        for kind in ErrorKind::ALL {
            let hint = Failure { code: Some(7), ..Failure::new(*kind) }.hint_for_document();
            assert!(!hint.is_empty() && !hint.contains("ticket"), "{kind}: {hint}");
        }
    }

    /// Promise: every kind is explained, and says what to do.
    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        assert!(TABLE.iter().map(|(kind, _)| kind).eq(ErrorKind::ALL));
        for (kind, advice) in &TABLE {
            assert_well_formed(kind.as_str(), advice);
        }
    }
}
