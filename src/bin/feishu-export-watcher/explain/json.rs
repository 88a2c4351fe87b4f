//! Explanations for scripts.

use std::io::{self, Write};

use feishu_export_watcher::domain::{Endpoint, ErrorKind, PauseReason};
use serde::Serialize;

use super::entry::{Entry, Subject};

/// The number that changes if a script would have to.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    explanations: Vec<View<'a>>,
}

/// An explanation's fields in the order in which they are printed. Absent ones are null.
#[derive(Serialize)]
struct View<'a> {
    /// `job_status`, `code`, `kind` or `reason`.
    of: &'static str,
    number: Option<i64>,
    name: Option<String>,
    says: Option<&'static str>,
    /// The words that the code's message must hold.
    message: Option<&'static str>,
    endpoint: Option<&'static str>,
    kind: Option<&'static str>,
    reason: Option<&'static str>,
    job_statuses: &'a [i64],
    codes: &'a [i64],
    means: &'static str,
    waiting: &'static str,
    new_export: &'static str,
    hint: &'static str,
}

/// Prints one object, and a newline.
pub(super) fn print(entries: &[Entry], out: &mut impl Write) -> io::Result<()> {
    let document = Document { schema: SCHEMA, explanations: entries.iter().map(View::from).collect() };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

impl<'a> From<&'a Entry> for View<'a> {
    fn from(entry: &'a Entry) -> Self {
        let (of, message) = match entry.subject {
            Subject::JobStatus(_) => ("job_status", None),
            Subject::Code(_, wording) => ("code", wording.map(|wording| wording.as_str())),
            Subject::Kind(_) => ("kind", None),
            Subject::Reason(_) => ("reason", None),
        };
        let number = entry.subject.number();
        Self {
            of,
            number,
            name: number.is_none().then(|| entry.subject.word()),
            says: entry.says,
            message,
            endpoint: entry.only_from.map(Endpoint::as_str),
            kind: entry.kind.map(ErrorKind::as_str),
            reason: entry.pause.map(PauseReason::as_str),
            job_statuses: &entry.job_statuses,
            codes: &entry.codes,
            means: entry.advice.means,
            waiting: entry.advice.waiting.as_str(),
            new_export: entry.advice.new_export.as_str(),
            hint: entry.advice.hint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::of;
    use super::*;

    #[test]
    fn everything_known_is_there() {
        let mut out = Vec::new();
        print(&[of("111"), of("document_deleted")].concat(), &mut out).unwrap();
        let advice = r#""means":"The document was deleted.","waiting":"no","new_export":"once_mended","hint":"restore the document, then export again""#;
        let expected = format!(
            "{}{advice}{}{advice}{}",
            r#"{"schema":1,"explanations":[{"of":"job_status","number":111,"name":null,"says":"document deleted","message":null,"endpoint":null,"kind":"document_deleted","reason":null,"job_statuses":[],"codes":[],"#,
            r#"},{"of":"kind","number":null,"name":"document_deleted","says":null,"message":null,"endpoint":null,"kind":null,"reason":null,"job_statuses":[111],"codes":[1069906],"#,
            "}]}\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
