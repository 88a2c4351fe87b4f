//! Statements, and single values on their way between a record and a row.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use rusqlite::types::{FromSql, ToSqlOutput, Type, ValueRef};
use rusqlite::{Connection, Error, Params, Result, Row, Statement, ToSql};

use crate::domain::WallTime;

/// Runs a statement that yields no rows.
pub(super) fn execute(connection: &Connection, sql: &str, parameters: impl Params) -> Result<()> {
    connection.prepare_cached(sql)?.execute(parameters).map(drop)
}

/// Reads all rows that a statement yields.
pub(super) fn list<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    mut read: impl FnMut(&mut Cells<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(parameters, |row| read(&mut Cells::new(row)))?.collect()
}

/// A row read from left to right.
pub(super) struct Cells<'row> {
    row: &'row Row<'row>,
    next: usize,
}

impl<'row> Cells<'row> {
    pub(super) fn new(row: &'row Row<'row>) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn next<T: FromSql>(&mut self) -> Result<T> {
        self.next += 1;
        self.row.get(self.next - 1)
    }

    fn next_ref(&mut self) -> Result<ValueRef<'row>> {
        self.next += 1;
        self.row.get_ref(self.next - 1)
    }

    pub(super) fn time(&mut self) -> Result<Option<WallTime>> {
        Ok(self.next::<Option<i64>>()?.map(WallTime::from_millis))
    }

    pub(super) fn span(&mut self) -> Result<Option<Duration>> {
        let Some(millis) = self.next::<Option<i64>>()? else { return Ok(None) };
        let negative = |_| Error::IntegralValueOutOfRange(self.next - 1, millis);
        Ok(Some(Duration::from_millis(millis.try_into().map_err(negative)?)))
    }

    /// What [`path_value`] made.
    pub(super) fn path(&mut self) -> Result<&'row Path> {
        Ok(as_path(self.next_ref()?.as_bytes()?))
    }

    pub(super) fn path_or_null(&mut self) -> Result<Option<&'row Path>> {
        Ok(self.next_ref()?.as_bytes_or_null()?.map(as_path))
    }

    pub(super) fn text(&mut self) -> Result<&'row str> {
        Ok(self.next_ref()?.as_str()?)
    }

    pub(super) fn text_or_null(&mut self) -> Result<Option<&'row str>> {
        Ok(self.next_ref()?.as_str_or_null()?)
    }

    /// A value that is stored by its name.
    pub(super) fn named<T: FromStr>(&mut self) -> Result<T> {
        self.parsed(|name| name.parse().ok())
    }

    pub(super) fn named_or_null<T: FromStr>(&mut self) -> Result<Option<T>> {
        self.text_or_null()?.map(|name| self.known(name, name.parse().ok())).transpose()
    }

    pub(super) fn parsed<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let text = self.text()?;
        self.known(text, parse(text))
    }

    fn known<T>(&self, text: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| {
            let unknown = format!("{text:?} is nothing that is ever written there").into();
            Error::FromSqlConversionFailure(self.next - 1, Type::Text, unknown)
        })
    }
}

/// The places of a statement, bound from left to right.
pub(super) struct Places<'s, 'c> {
    pub(super) statement: &'s mut Statement<'c>,
    bound: usize,
}

impl<'s, 'c> Places<'s, 'c> {
    pub(super) fn new(statement: &'s mut Statement<'c>) -> Self {
        Self { statement, bound: 0 }
    }

    pub(super) fn bind(&mut self, values: &[&dyn ToSql]) -> Result<()> {
        for value in values {
            self.bound += 1;
            self.statement.raw_bind_parameter(self.bound, value)?;
        }
        Ok(())
    }
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// A path: text where it is UTF-8, for people who look at the table, else a blob.
pub(super) fn path_value(path: &Path) -> ToSqlOutput<'_> {
    let blob = || ToSqlOutput::Borrowed(ValueRef::Blob(path.as_os_str().as_bytes()));
    path.to_str().map_or_else(blob, ToSqlOutput::from)
}

/// A span in milliseconds; what is shorter is lost.
pub(super) fn millis(span: Duration) -> i64 {
    clamped(span.as_millis())
}

/// SQLite has signed integers only; nothing that is counted here gets that large.
pub(super) fn clamped(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
