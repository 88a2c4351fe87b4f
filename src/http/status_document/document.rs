//! The JSON of a status: one object with everything, written as its tickets come along.

use std::io::{self, Write};

use crate::domain::{Counts, TicketRecord, WallTime, push_json_escape, unsafe_for_terminal};
use serde::Serialize;
use serde_json::ser::Formatter;

use super::apps::AppStatus;
use super::view::{TicketView, Time};

/// The number that changes if a script would have to.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Head<'a> {
    schema: u32,
    generated_at: Time,
    summary: Counts,
    apps: &'a [AppStatus],
}

/// One object with everything, written as its tickets come along.
pub struct Document<W> {
    out: W,
    is_empty: bool,
}

impl<W: Write> Document<W> {
    /// Writes what stands before the tickets.
    ///
    /// # Errors
    /// Whatever `out` says.
    pub fn begin(mut out: W, now: WallTime, summary: Counts, apps: &[AppStatus]) -> io::Result<Self> {
        let head = Head { schema: SCHEMA, generated_at: Time(now), summary, apps };
        let mut text = Vec::new();
        write_value(&mut text, &head)?;
        // The object stays open for the tickets.
        text.pop();
        text.extend_from_slice(b",\"tickets\":[");
        out.write_all(&text)?;
        Ok(Self { out, is_empty: true })
    }

    /// Writes one more ticket.
    ///
    /// # Errors
    /// Whatever `out` says.
    pub fn ticket(&mut self, ticket: &TicketRecord) -> io::Result<()> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.write_all(b",")?;
        }
        write_ticket(&mut self.out, ticket)
    }

    /// Ends the object with a newline, and hands back what it was written to.
    ///
    /// # Errors
    /// Whatever `out` says.
    pub fn end(mut self) -> io::Result<W> {
        self.out.write_all(b"]}\n")?;
        Ok(self.out)
    }
}

/// Writes a ticket as one object.
///
/// # Errors
/// Whatever `out` says.
pub fn write_ticket(out: &mut impl Write, ticket: &TicketRecord) -> io::Result<()> {
    write_value(out, &TicketView::from(ticket))
}

fn write_value(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value.serialize(&mut serde_json::Serializer::with_formatter(out, Harmless))?)
}

/// Compact JSON in which a terminal finds nothing to obey.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, character)) =
            rest.char_indices().find(|(_, character)| unsafe_for_terminal(*character))
        {
            let mut escape = String::with_capacity(12);
            push_json_escape(&mut escape, character);
            out.write_all(&rest.as_bytes()[..at])?;
            out.write_all(escape.as_bytes())?;
            rest = &rest[at + character.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}
