//! Single values on their way between a record and a row.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::{FromSql, ToSqlOutput, Type, Value, ValueRef};
use rusqlite::{Error, Result, Row, ToSql};
use thiserror::Error;

use crate::domain::{AppName, WallTime};

/// A row read from left to right.
pub(super) struct Cells<'row> {
    row: &'row Row<'row>,
    next: usize,
}

/// A text that no version ever wrote.
#[derive(Debug, Error)]
#[error("{0:?} is nothing that is ever written there")]
struct UnknownText(Box<str>);

/// A span that runs backwards.
#[derive(Debug, Error)]
#[error("{0} ms is not a span")]
struct NegativeSpan(i64);

impl<'row> Cells<'row> {
    pub(super) fn of(row: &'row Row<'row>) -> Self {
        Self { row, next: 0 }
    }

    fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn next<T: FromSql>(&mut self) -> Result<T> {
        let column = self.step();
        self.row.get(column)
    }

    pub(super) fn time(&mut self) -> Result<Option<WallTime>> {
        Ok(self.next::<Option<i64>>()?.map(WallTime::from_millis))
    }

    pub(super) fn span(&mut self) -> Result<Option<Duration>> {
        let column = self.step();
        let Some(millis) = self.row.get::<_, Option<i64>>(column)? else { return Ok(None) };
        match u64::try_from(millis) {
            Ok(millis) => Ok(Some(Duration::from_millis(millis))),
            Err(_) => {
                let source = Box::new(NegativeSpan(millis));
                Err(Error::FromSqlConversionFailure(column, Type::Integer, source))
            }
        }
    }

    /// A text's or a blob's bytes.
    pub(super) fn bytes(&mut self) -> Result<&'row [u8]> {
        let column = self.step();
        match self.row.get_ref(column)? {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Ok(bytes),
            other => Err(Error::InvalidColumnType(column, String::new(), other.data_type())),
        }
    }

    /// A text.
    pub(super) fn text(&mut self) -> Result<&'row str> {
        let column = self.next;
        self.text_or_null()?.ok_or_else(|| Error::InvalidColumnType(column, String::new(), Type::Null))
    }

    pub(super) fn text_or_null(&mut self) -> Result<Option<&'row str>> {
        let column = self.step();
        Ok(self.row.get_ref(column)?.as_str_or_null()?)
    }

    /// A value that is stored by its name.
    pub(super) fn named<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let column = self.next;
        self.named_or_null(parse)?.ok_or_else(|| Error::InvalidColumnType(column, String::new(), Type::Null))
    }

    pub(super) fn named_or_null<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        let column = self.next;
        let Some(name) = self.text_or_null()? else { return Ok(None) };
        let unknown = || Box::new(UnknownText(name.into()));
        parse(name).map(Some).ok_or_else(|| Error::FromSqlConversionFailure(column, Type::Text, unknown()))
    }
}

/// What a hundred thousand rows repeat is kept once: the name of the app and the listing file.
#[derive(Default)]
pub(super) struct Shared {
    apps: HashMap<Box<str>, AppName>,
    sources: HashMap<Box<[u8]>, Arc<Path>>,
}

impl Shared {
    pub(super) fn app(&mut self, name: &str) -> AppName {
        if let Some(known) = self.apps.get(name) {
            return known.clone();
        }
        self.apps.entry(name.into()).or_insert_with(|| AppName::new(name)).clone()
    }

    pub(super) fn source(&mut self, path: &[u8]) -> Arc<Path> {
        if let Some(known) = self.sources.get(path) {
            return Arc::clone(known);
        }
        let new = || Arc::from(Path::new(OsStr::from_bytes(path)));
        Arc::clone(self.sources.entry(path.into()).or_insert_with(new))
    }
}

/// A path: text for the sake of people who look, a blob where it is no UTF-8.
pub(super) struct Source<'a>(pub(super) &'a Path);

impl ToSql for Source<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(match self.0.to_str() {
            Some(text) => ToSqlOutput::from(text),
            None => ToSqlOutput::Owned(Value::Blob(self.0.as_os_str().as_bytes().to_vec())),
        })
    }
}

/// A span in milliseconds; what is shorter is lost.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// SQLite has signed integers only; nobody exports a file that large.
pub(super) fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
