//! One `[[document]]` of a watch list: which document, by its link or by token and type, and which file is made of it.
//! Whether the document exists, and what a wiki node leads to, is not known here.

use std::sync::Arc;

use super::apps::NamedApp;
use super::document_token::{self, TOKEN};
use super::entry::{EntryReader, WORD_MAX, list, read_label};
use super::problem::shown;
use super::section::{Field, Section, Stray, is_word};
use crate::domain::{
    DocumentToken, DocumentType, EntryId, EntryKey, ExportRequest, Format, Link, WatchEntry, near_miss,
};

pub(super) const DOCUMENT_KEYS: &[&str] =
    &["url", "token", "type", "format", "sub_id", "app", "label", "download"];

/// Keys of `[[ticket]]` that have no place here.
pub(super) const DOCUMENT_STRAYS: &[Stray] = &[
    Stray {
        key: "created_at",
        meant: None,
        remedy: "the watcher itself starts the export of a [[document]], so remove the line",
    },
    Stray { key: "file_extension", meant: Some("format"), remedy: "in a [[document]] it is `format`" },
    Stray {
        key: "ticket",
        meant: None,
        remedy: "an export that was started elsewhere is listed as [[ticket]], not as [[document]]",
    },
];

const URL: &str = "the document's link in quotes, as the address bar shows it";
const SUB_ID: &str = "the id of a sheet or table, 1 to 64 letters, digits, `-` and `_` in quotes";

const NO_SUB_ID: &str = "a csv file holds one sheet or table; expected its id, or a link with `?sheet=` or `?table=`, as the \
    address bar shows it while that is open";

/// The document of an entry.
struct Named<'d> {
    kind: DocumentType,
    token: DocumentToken,
    /// The link that names it, and where that stands; none where token and type do.
    link: Option<(Field<'d>, Link)>,
}

impl EntryReader<'_> {
    /// Reads one document; nothing if it has an error.
    pub(super) fn read_document(&self, section: &Section<'_>) -> Option<WatchEntry> {
        let (app, named) = (self.read_app(section), read_named(section));
        let app = app.filter(|app| named.as_ref().is_none_or(|named| named.is_open_to(app)));
        let format = read_format(section, named.as_ref().map(|named| named.kind));
        let is_id = |text: &str| is_word(text, WORD_MAX, b"-_");
        let sub_id = section.optional("sub_id", |field| field.text_where(SUB_ID, is_id));
        let label = section.optional("label", read_label);
        let download = section.optional("download", |field| field.boolean());
        let (named, format) = (named?, format?);
        let sub_id = named.sub_id(section, format, sub_id?)?;
        let (kind, format) = (named.kind.as_str(), format.as_str());
        let id = EntryId::from_export(kind, &named.token, format, sub_id.as_deref());
        let url = named.url().map(Into::into);
        let request =
            ExportRequest { doc_type: Some(kind.into()), file_extension: Some(format.into()), sub_id, url };
        Some(WatchEntry {
            key: EntryKey { app: app?.name.clone(), id },
            token: named.token,
            label: label?.map(Into::into),
            created_at: None,
            request: Some(Box::new(request)),
            download: download?.unwrap_or(true),
            source: Arc::clone(&self.source),
        })
    }
}

impl Named<'_> {
    fn url(&self) -> Option<&str> {
        self.link.as_ref().and_then(|(field, _)| field.value.as_str()).map(str::trim)
    }

    /// Whether the app is at the platform of the link, as far as both are known.
    fn is_open_to(&self, app: &NamedApp) -> bool {
        let Some((field, Link { platform: Some(home), .. })) = &self.link else { return true };
        let Some(platform) = app.platform.filter(|platform| platform != home) else { return true };
        field.error::<()>(|| {
            let (name, host) = (&app.name, home.api_host());
            format!(
                "`url`: a document of {home}, while app `{name}` is one of {platform}; expected an app whose base_url \
                 is https://{host}"
            )
        });
        false
    }

    /// The sheet or table: as listed, else as the link opens it. The create endpoint wants it for csv and for nothing else.
    fn sub_id(
        &self,
        section: &Section<'_>,
        format: Format,
        listed: Option<&str>,
    ) -> Option<Option<Box<str>>> {
        if format == Format::Csv {
            let opened = || self.link.as_ref().and_then(|(_, link)| link.sub_id.clone());
            return listed
                .map(Into::into)
                .or_else(opened)
                .map(Some)
                .or_else(|| section.missing(&["sub_id"], || format!("`sub_id` is missing; {NO_SUB_ID}")));
        }
        if listed.is_none() {
            return Some(None);
        }
        section.error_at(&["sub_id"], || {
            format!(
                "`sub_id`: only csv holds a single sheet or table, {format} the whole document; remove it"
            )
        });
        None
    }
}

/// The document, by its link or by token and type, never by both.
fn read_named<'d>(section: &Section<'d>) -> Option<Named<'d>> {
    let parts = ["token", "type"];
    let part = parts.iter().find_map(|key| section.field(key));
    match (section.field("url"), part) {
        (Some(url), None) => read_link(url),
        (Some(url), Some(part)) => {
            drop(read_link(url));
            part.error(|| {
                format!(
                    "both `url` and `{}`; a document is named by its link alone, or by `token` and `type`",
                    part.key
                )
            })
        }
        (None, Some(_)) => {
            let token = section.required("token", TOKEN).and_then(|field| read_token(&field));
            let expected = list(DocumentType::ALL.iter().map(|kind| kind.as_str()));
            let kind = section.required("type", &expected);
            let kind = kind.and_then(|field| read_word(&field, DocumentType::ALL));
            Some(Named { kind: kind?, token: token?, link: None })
        }
        (None, None) => section.missing(&["url", "token", "type"], || {
            format!("`url` is missing; expected {URL}, or `token` and `type` in its place")
        }),
    }
}

fn read_link(field: Field<'_>) -> Option<Named<'_>> {
    let link = Link::parse(field.text(URL)?);
    let link = link.map_err(|error| field.error::<()>(|| format!("`url`: {error}"))).ok()?;
    Some(Named { kind: link.kind, token: link.token, link: Some((field, link)) })
}

fn read_token(field: &Field<'_>) -> Option<DocumentToken> {
    if field.text(TOKEN)?.contains(['/', '?', '#']) {
        return field.error(|| {
            "`token`: expected the document's token, not its link; a link goes into `url`, in place of `token` \
             and `type`"
                .to_owned()
        });
    }
    document_token::read(field)
}

fn read_format(section: &Section<'_>, kind: Option<DocumentType>) -> Option<Format> {
    let names = |formats: &[Format]| list(formats.iter().map(|format| format.as_str()));
    let field = section.required("format", &names(kind.map_or(Format::ALL, DocumentType::formats)))?;
    let format = read_word(&field, Format::ALL)?;
    match kind {
        Some(kind) if !kind.allows(format) => field.error(|| {
            let expected = names(kind.formats());
            format!("`format`: no document of type `{kind}` is exported as `{format}`; expected {expected}")
        }),
        _ => Some(format),
    }
}

/// The one of the `known` words that stands at `field`.
fn read_word<T: Copy + Into<&'static str>>(field: &Field<'_>, known: &[T]) -> Option<T> {
    let names = || known.iter().map(|word| (*word).into());
    let expected = list(names());
    let text = field.text(&expected)?;
    let found = known.iter().copied().find(|word| (*word).into() == text);
    found.or_else(|| {
        field.error(|| match near_miss(text, names()) {
            Some(near) => format!("`{}`: unknown {}; did you mean `{near}`?", field.key, shown(text)),
            None => format!("`{}`: unknown {}; expected {expected}", field.key, shown(text)),
        })
    })
}
