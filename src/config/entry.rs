//! One `[[ticket]]` of a watch list, and what the entries of both kinds have in common.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use toml::de::DeValue;

use super::apps::NamedApp;
use super::document_token::{self, TOKEN, is_placeholder};
use super::problem::shown;
use super::section::{Field, Section, Stray, is_word};
use crate::domain::{EntryId, EntryKey, ExportRequest, WallTime, WatchEntry, unsafe_for_terminal};

pub(super) const TICKET_KEYS: &[&str] =
    &["ticket", "token", "app", "created_at", "label", "type", "file_extension", "sub_id", "download"];

/// Keys of `[[document]]` that have no place here.
pub(super) const TICKET_STRAYS: &[Stray] = &[
    Stray {
        key: "url",
        meant: None,
        remedy: "only a [[document]] is named by its link; a [[ticket]] has the document's `token`",
    },
    Stray { key: "format", meant: Some("file_extension"), remedy: "in a [[ticket]] it is `file_extension`" },
];

/// Bytes of a ticket at most; real ones have 19.
const TICKET_MAX: usize = 128;
/// Characters of a label at most.
const LABEL_MAX: usize = 200;
/// Bytes of a type, a format or the id of a sheet at most.
pub(super) const WORD_MAX: usize = 64;
/// Clocks differ; less than this ahead of ours is no mistake.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

const TICKET: &str = "the job's id as a string in quotes, such as \"6933093124755412345\"";
const WORD: &str = "1 to 64 letters, digits, `-` and `_` in quotes, as the export was created with";
const CREATED_AT: &str = "a date and time with offset and without quotes, such as 2026-11-22T10:00:00Z";

/// What the entries of one file are checked against.
pub(super) struct EntryReader<'a> {
    /// The apps; none if they are not known, which leaves their names unchecked.
    pub(super) apps: Option<&'a [NamedApp]>,
    pub(super) source: Arc<Path>,
    pub(super) now: WallTime,
}

impl EntryReader<'_> {
    /// Reads one ticket; nothing if it has an error.
    pub(super) fn read_ticket(&self, section: &Section<'_>) -> Option<WatchEntry> {
        let ticket = section.required("ticket", TICKET).and_then(|field| read_ticket_id(&field));
        let token = section.required("token", TOKEN).and_then(|field| document_token::read(&field));
        let app = self.read_app(section);
        let created_at = section.optional("created_at", |field| self.read_created_at(field));
        let label = section.optional("label", read_label);
        let request = read_request(section);
        let download = section.optional("download", |field| field.boolean());
        Some(WatchEntry {
            key: EntryKey { app: app?.name.clone(), id: EntryId::new(ticket?) },
            token: token?,
            label: label?.map(Into::into),
            created_at: created_at?,
            request: request?,
            download: download?.unwrap_or(true),
            source: Arc::clone(&self.source),
        })
    }

    pub(super) fn read_app(&self, section: &Section<'_>) -> Option<&NamedApp> {
        let Some(field) = section.field("app") else {
            return match self.apps? {
                [only] => Some(only),
                apps => section
                    .missing(&["app"], || format!("`app` is missing; expected one of {}", list(names(apps)))),
            };
        };
        let text = field.text("the name of an app in quotes")?;
        let apps = self.apps?;
        let known = apps.iter().find(|app| app.name.as_str() == text);
        known.or_else(|| {
            field.error(|| format!("unknown app {}; expected {}", shown(text), list(names(apps))))
        })
    }

    fn read_created_at(&self, field: &Field<'_>) -> Option<WallTime> {
        let DeValue::Datetime(datetime) = field.value else {
            return field.unexpected(CREATED_AT);
        };
        if datetime.date.is_none() || datetime.time.is_none() || datetime.offset.is_none() {
            return field
                .error(|| format!("`created_at` lacks a date, a time or an offset; expected {CREATED_AT}"));
        }
        let Ok(timestamp) = datetime.to_string().parse::<Timestamp>() else {
            return field.unfit(CREATED_AT);
        };
        if timestamp < Timestamp::UNIX_EPOCH {
            return field.error(|| format!("`created_at` lies before 1970; expected {CREATED_AT}"));
        }
        let created_at = WallTime::from(timestamp);
        if created_at > self.now + CLOCK_SKEW {
            field.warning(|| format!("`created_at` lies in the future; now is {}", self.now));
        }
        Some(created_at)
    }
}

fn read_ticket_id<'d>(field: &Field<'d>) -> Option<&'d str> {
    let DeValue::String(text) = field.value else {
        if matches!(field.value, DeValue::Integer(_) | DeValue::Float(_)) {
            return field.error(|| format!("`ticket`: a number would lose digits; expected {TICKET}"));
        }
        return field.unexpected(TICKET);
    };
    if is_placeholder(text) {
        return field.error(|| format!("`ticket` is a placeholder; expected {TICKET}"));
    }
    // It becomes one segment of the request's path and must not turn into two, or into none.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"/\\?#%".contains(&byte);
    let is_good = (1..=TICKET_MAX).contains(&text.len()) && text.bytes().all(is_plain);
    if is_good && text != "." && text != ".." {
        return Some(text);
    }
    field.unfit("1 to 128 letters, digits and the like, without spaces, such as \"6933093124755412345\"")
}

/// What the export was created with; none in it where no key is there.
fn read_request(section: &Section<'_>) -> Option<Option<Box<ExportRequest>>> {
    let word =
        |key| section.optional(key, |field| field.text_where(WORD, |text| is_word(text, WORD_MAX, b"-_")));
    // All are read, so that all their problems come out at once.
    let [doc_type, file_extension, sub_id] =
        ["type", "file_extension", "sub_id"].map(|key| word(key).map(|word| word.map(Into::into)));
    let (doc_type, file_extension, sub_id) = (doc_type?, file_extension?, sub_id?);
    let request = ExportRequest { doc_type, file_extension, sub_id, url: None };
    Some((request != ExportRequest::default()).then(|| Box::new(request)))
}

pub(super) fn read_label<'d>(field: &Field<'d>) -> Option<&'d str> {
    let is_good = |text: &str| text.chars().count() <= LABEL_MAX && !text.contains(unsafe_for_terminal);
    field.text_where("a string of at most 200 characters without line ends or invisible characters", is_good)
}

fn names(apps: &[NamedApp]) -> impl ExactSizeIterator<Item = &str> {
    apps.iter().map(|app| app.name.as_str())
}

/// "`a`, `b` or `c`"; of many the first ten.
pub(super) fn list<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    const LISTED_MAX: usize = 10;
    let omitted = names.len().saturating_sub(LISTED_MAX);
    let mut names: Vec<_> = names.take(LISTED_MAX).map(|name| format!("`{name}`")).collect();
    let last = if omitted > 0 { Some("others".to_owned()) } else { names.pop() };
    let last = last.unwrap_or_default();
    if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) }
}
