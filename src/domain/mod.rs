//! The words of the problem: tickets, apps, where a secret lies, kinds of failure, reasons of a pause, what the
//! numbers in answers mean, names of events. Plain types without I/O, known to every other module; this one knows none.

mod advice;
pub mod answers;
mod app;
mod attention;
mod availability;
mod counts;
mod document_type;
mod escape;
pub mod event;
mod event_line;
mod failure;
mod file;
mod hook;
mod link;
mod log_directives;
mod name_template;
mod near_miss;
mod pause;
mod platform;
mod secret_text;
mod signing_key;
mod ticket;
mod trouble;
mod verdict_event;
mod wall_time;
pub mod words;

pub use advice::{Advice, Help};
pub use app::{
    App, AppName, BaseUrl, BaseUrlError, BudgetKey, CaFile, Credentials, Endpoint, RateLimit, SecretSource,
    Tenant, is_loopback,
};
pub use availability::{ARTEFACT_LIFE, Availability};
pub use counts::Counts;
pub use document_type::{DocumentType, Format};
pub use escape::{escape, escape_except, rewrite_json, unsafe_for_terminal, write_json};
pub use event_line::EventLine;
pub use failure::{ErrorKind, Failure};
pub use file::{FileCounts, FileRecord, FileState, Sha256, files_in_words, size_in_words};
pub use hook::{Hook, HookError, HookName, HookStatus, HookTarget, Webhook};
pub use link::{LINK_MAX, Link, LinkError};
pub use log_directives::parse_directives;
pub use name_template::{NAME_FOLDERS_MAX, NameField, NamePart, NameTemplate, NameTemplateError};
pub use near_miss::near_miss;
pub use pause::{PauseEnd, PauseReason};
pub use platform::Platform;
pub use secret_text::{SecretFault, SecretPurpose, secret_text};
pub use signing_key::signing_keys;
pub use ticket::{
    Artefact, DOCUMENT_TOKEN_MAX, DocumentToken, EntryId, EntryKey, ExportRecord, ExportRequest, Kept,
    Object, Progress, TicketId, TicketRecord, TicketState, WIKI, WatchEntry, WatchList,
};
pub use trouble::{AppCondition, Trouble, TroubleCause};
pub use verdict_event::{file_event, file_event_name, verdict_event, verdict_name};
pub use wall_time::{Month, WallTime};
pub use words::with_causes;
