//! A cursor over one TOML table. Readers ask for keys by name and type; whatever does not fit is
//! reported at its place, and so are unknown keys. No value is ever repeated in
//! a message from here: the place says where it stands, and it may be a secret.

use std::num::NonZeroU32;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::durations::Bounds;
use super::problem::{Position, shown};
use super::report::FileReport;
use crate::domain::{near_miss, unsafe_for_terminal};

/// A shell expands `~`, this program does not: it would look for a folder of that name.
const NO_HOME: &str = "a path without `~`, which is not expanded here; write the whole path, such as \"/home/…\", or \
    \"./~…\" for a name that begins so";

/// Where a table comes from: the report of its file, and the byte at which the parsed piece begins.
#[derive(Clone, Copy)]
pub(super) struct Origin<'d> {
    pub(super) report: &'d FileReport<'d>,
    pub(super) offset: usize,
    /// Whether no message names a key unless it is close to a known one.
    pub(super) discreet: bool,
}

/// A key that belongs elsewhere, and what to do instead.
pub(super) struct Stray {
    pub(super) key: &'static str,
    /// The known key in whose place it stands, which counts as misspelt then.
    pub(super) meant: Option<&'static str>,
    pub(super) remedy: &'static str,
}

/// One table and the keys it may hold.
#[derive(Clone)]
pub(super) struct Section<'d> {
    origin: Origin<'d>,
    table: Option<&'d DeTable<'d>>,
    span: Range<usize>,
    keys: &'static [&'static str],
    strays: &'static [Stray],
    defaults: Option<&'d Section<'d>>,
}

impl<'d> Section<'d> {
    /// The top of a document.
    pub(super) fn root(
        origin: Origin<'d>,
        document: Option<&'d Spanned<DeTable<'d>>>,
        keys: &'static [&'static str],
    ) -> Self {
        let table = document.map(Spanned::get_ref);
        Self { origin, table, span: 0..0, keys, strays: &[], defaults: None }.checked()
    }

    /// What `key` holds, in this file or else among the defaults.
    pub(super) fn field(&self, key: &'static str) -> Option<Field<'d>> {
        self.own_field(key).or_else(|| self.defaults?.own_field(key))
    }

    /// Like `field`; an absent one is reported together with what would be `expected`.
    pub(super) fn required(&self, key: &'static str, expected: &str) -> Option<Field<'d>> {
        let message = || format!("`{key}` is missing; expected {expected}");
        self.field(key).or_else(|| self.missing(&[key], message))
    }

    /// What `read` makes of `key`, if that is there. The outer option is none where it has an error.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Field<'d>) -> Option<T>,
    ) -> Option<Option<T>> {
        self.field(key).map_or(Some(None), |field| read(&field).map(Some))
    }

    /// A required duration such as "3s".
    pub(super) fn duration(&self, key: &'static str, bounds: Bounds) -> Option<Duration> {
        let field = self.required(key, "a duration")?;
        let expected = format!("a duration {}, such as \"500ms\", \"3s\", \"2h\" or \"30d\"", bounds.words);
        bounds.parse(field.text(&expected)?).or_else(|| field.unfit(&expected))
    }

    /// A required whole number from 1 to `most`.
    pub(super) fn count(&self, key: &'static str, most: u32) -> Option<NonZeroU32> {
        let expected = format!("a whole number from 1 to {most}");
        let field = self.required(key, &expected)?;
        let DeValue::Integer(number) = field.value else {
            return field.unexpected(&expected);
        };
        let number = u32::from_str_radix(number.as_str(), number.radix()).ok().and_then(NonZeroU32::new);
        number.filter(|number| number.get() <= most).or_else(|| field.unfit(&expected))
    }

    /// A required number from `least` to `most`, with or without a fraction.
    pub(super) fn number(&self, key: &'static str, least: f64, most: f64) -> Option<f64> {
        let expected = format!("a number from {least} to {most}");
        let field = self.required(key, &expected)?;
        let number = match field.value {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) => {
                i32::from_str_radix(number.as_str(), number.radix()).ok().map(f64::from)
            }
            _ => return field.unexpected(&expected),
        };
        // Not a number lies in no range.
        number.filter(|number| (least..=most).contains(number)).or_else(|| field.unfit(&expected))
    }

    /// The table below `key`, empty if there is none; its absent keys are taken from `defaults`.
    pub(super) fn subsection(
        &self,
        key: &'static str,
        keys: &'static [&'static str],
        defaults: Option<&'d Section<'d>>,
    ) -> Section<'d> {
        let empty = || Section { table: None, keys, ..self.clone() };
        let section = self.own_field(key).and_then(|field| field.table(keys)).unwrap_or_else(empty);
        Section { defaults, ..section }
    }

    /// Every key with what it holds, for tables whose keys are names.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'d>> {
        let (origin, entries) = (self.origin, self.table.into_iter().flatten());
        entries.map(move |(key, value)| Field::new(origin, key.get_ref(), value))
    }

    /// From here on, no message names a key unless it is close to a known one.
    pub(super) fn discreet(self) -> Self {
        Self { origin: Origin { discreet: true, ..self.origin }, ..self }
    }

    /// Reports an error at the first of `keys` that this file holds, else at the section itself.
    pub(super) fn error_at(&self, keys: &[&'static str], message: impl FnOnce() -> String) {
        self.origin.report.error(self.place_of(keys), message);
    }

    /// Like `error_at`, for what is allowed but deserves a look.
    pub(super) fn warning_at(&self, keys: &[&'static str], message: impl FnOnce() -> String) {
        self.origin.report.warning(self.place_of(keys), message);
    }

    fn place_of(&self, keys: &[&'static str]) -> usize {
        keys.iter().find_map(|key| self.own_field(key)).map_or(self.offset(), |field| field.offset())
    }

    /// Reports that none of `keys` is there, unless one is merely misspelt, which `finish` reports. After a
    /// syntax error it may be there and have been misread.
    pub(super) fn missing<T>(&self, keys: &[&'static str], message: impl FnOnce() -> String) -> Option<T> {
        if !self.origin.report.is_broken() && !keys.iter().any(|key| self.has_typo_of(key)) {
            self.origin.report.error(self.offset(), message);
        }
        None
    }

    /// The byte at which the section begins in its file.
    pub(super) fn offset(&self) -> usize {
        self.origin.offset + self.span.start
    }

    /// Reports every key that is not known here, except where keys are names.
    fn checked(self) -> Self {
        for (key, _) in self.table.into_iter().flatten() {
            if !self.keys.is_empty() && !self.keys.contains(&key.get_ref().as_ref()) {
                let offset = self.origin.offset + key.span().start;
                self.origin.report.error(offset, || self.describe_unknown(key.get_ref()));
            }
        }
        self
    }

    /// Whether this file itself holds `key`, in a line that could be parsed.
    pub(super) fn holds(&self, key: &'static str) -> bool {
        self.own_field(key).is_some_and(|field| !self.origin.report.is_broken_at(field.offset()))
    }

    fn own_field(&self, key: &'static str) -> Option<Field<'d>> {
        debug_assert!(self.keys.contains(&key), "`{key}` must be among the keys known here");
        let value = self.table?.get(key)?;
        // The parser puts an empty value where it found none, and reports that by itself.
        let is_hole = value.span().is_empty();
        (!is_hole).then(|| Field::new(self.origin, key, value))
    }

    fn describe_unknown(&self, key: &str) -> String {
        if let Some(Stray { remedy, .. }) = self.strays.iter().find(|stray| stray.key == key) {
            return format!("unknown key `{key}`; {remedy}");
        }
        let accepted = self.keys.join(", ");
        match near_miss(key, self.keys.iter().copied()) {
            Some(close) => format!("unknown key {}; did you mean `{close}`?", shown(key)),
            None if self.origin.discreet || self.origin.report.is_broken() => {
                format!("unknown key; accepted here: {accepted}")
            }
            None => format!("unknown key {}; accepted here: {accepted}", shown(key)),
        }
    }

    /// The known key that an unknown one stands for.
    fn meant_by(&self, key: &str) -> Option<&'static str> {
        match self.strays.iter().find(|stray| stray.key == key) {
            Some(stray) => stray.meant,
            None => near_miss(key, self.keys.iter().copied()),
        }
    }

    fn has_typo_of(&self, known: &'static str) -> bool {
        let mut keys = self.table.into_iter().flatten().map(|(key, _)| key.get_ref());
        keys.any(|key| !self.keys.contains(&key.as_ref()) && self.meant_by(key) == Some(known))
    }
}

/// Whether a text has 1 to `most` letters, digits and characters of `more`.
pub(super) fn is_word(text: &str, most: usize, more: &[u8]) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
    (1..=most).contains(&text.len()) && text.bytes().all(is_plain)
}

/// One key and its value.
#[derive(Clone)]
pub(super) struct Field<'d> {
    origin: Origin<'d>,
    pub(super) key: &'d str,
    pub(super) value: &'d DeValue<'d>,
    /// The bytes of the value in the text that was parsed.
    pub(super) span: Range<usize>,
}

impl<'d> Field<'d> {
    fn new(origin: Origin<'d>, key: &'d str, value: &'d Spanned<DeValue<'d>>) -> Self {
        Self { origin, key, value: value.get_ref(), span: value.span() }
    }

    fn offset(&self) -> usize {
        self.origin.offset + self.span.start
    }

    /// Where the value stands.
    pub(super) fn position(&self) -> Position {
        self.origin.report.position(self.offset())
    }

    /// Reports an error at the value, of which nothing can be made then.
    pub(super) fn error<T>(&self, message: impl FnOnce() -> String) -> Option<T> {
        self.origin.report.error(self.offset(), message);
        None
    }

    /// Reports at the value what is allowed but deserves a look.
    pub(super) fn warning(&self, message: impl FnOnce() -> String) {
        self.origin.report.warning(self.offset(), message);
    }

    /// Reports that the value is not what was `expected`, and what kind it is.
    pub(super) fn unexpected<T>(&self, expected: &str) -> Option<T> {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.error(|| format!("`{}`: expected {expected}, found {found}", self.key))
    }

    /// Reports that the value is of the right kind, but not what was `expected`.
    pub(super) fn unfit<T>(&self, expected: &str) -> Option<T> {
        self.error(|| format!("`{}`: expected {expected}", self.key))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(*value),
            _ => self.unexpected("true or false"),
        }
    }

    /// A text.
    pub(super) fn text(&self, expected: &str) -> Option<&'d str> {
        self.value.as_str().or_else(|| self.unexpected(expected))
    }

    /// A text that `accept` takes.
    pub(super) fn text_where(&self, expected: &str, accept: impl FnOnce(&str) -> bool) -> Option<&'d str> {
        let text = self.text(expected)?;
        if accept(text) { Some(text) } else { self.unfit(expected) }
    }

    /// The path of a file; a relative one starts at `folder`.
    pub(super) fn path(&self, folder: &Path) -> Option<PathBuf> {
        let text = self.path_text()?;
        // `Path` drops a final `/` or `/.`, and the file would be made after all.
        if matches!(text.rsplit('/').next(), Some("" | "." | "..")) {
            return self.unfit("the path of a file, not of a folder");
        }
        Some(folder.join(text))
    }

    /// The path of a folder, with or without a final `/`; a relative one starts at `folder`.
    pub(super) fn folder(&self, folder: &Path) -> Option<PathBuf> {
        Some(folder.join(self.path_text()?).components().collect())
    }

    fn path_text(&self) -> Option<&'d str> {
        let expected = "a path, not empty and without invisible characters";
        let plain = |text: &str| !text.is_empty() && !text.contains(unsafe_for_terminal);
        let text = self.text_where(expected, plain)?;
        if text.starts_with('~') { self.unfit(NO_HOME) } else { Some(text) }
    }

    /// The elements of an array, each under the array's name.
    pub(super) fn array(&self, expected: &str) -> Option<Vec<Field<'d>>> {
        let DeValue::Array(array) = self.value else {
            return self.unexpected(expected);
        };
        Some(array.iter().map(|value| Field::new(self.origin, self.key, value)).collect())
    }

    /// A table that may hold `keys`.
    pub(super) fn table(&self, keys: &'static [&'static str]) -> Option<Section<'d>> {
        match self.value {
            DeValue::Table(table) => Some(self.section(table, keys)),
            _ => self.unexpected("a table"),
        }
    }

    /// `table` as a section that begins here.
    pub(super) fn section(&self, table: &'d DeTable<'d>, keys: &'static [&'static str]) -> Section<'d> {
        self.section_with_strays(table, keys, &[])
    }

    /// The same, where keys that belong elsewhere have messages of their own.
    pub(super) fn section_with_strays(
        &self,
        table: &'d DeTable<'d>,
        keys: &'static [&'static str],
        strays: &'static [Stray],
    ) -> Section<'d> {
        let (origin, span) = (self.origin, self.span.clone());
        Section { origin, table: Some(table), span, keys, strays, defaults: None }.checked()
    }
}
