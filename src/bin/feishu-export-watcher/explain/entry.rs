//! Everything that can be explained: every number and every name, with all that the tables hold about it. One number can be a
//! job status and a code, and a code can mean two things, so a word has any number of entries.

use feishu_export_watcher::domain::answers::{CODES, Code, CodeMeaning, JOB_STATUSES, JobStatus};
use feishu_export_watcher::domain::{Advice, Endpoint, ErrorKind, PauseReason};
use serde::Serialize;

/// The subject of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Subject {
    /// A `job_status`.
    JobStatus,
    /// A `code`.
    Code,
    /// An `error.kind`.
    Kind,
    /// The reason of a pause.
    Reason,
}

/// One explanation, with its fields as JSON has them. Absent ones are null.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    /// Its subject.
    pub(super) of: Subject,
    /// The job status or code.
    number: Option<i64>,
    /// The kind or reason.
    name: Option<&'static str>,
    /// The platform's text for the number, or the reason in a few words.
    pub(super) says: Option<&'static str>,
    /// The words that the code's message must hold for it to mean this.
    pub(super) message: Option<&'static str>,
    /// The endpoint that alone sends the code.
    pub(super) endpoint: Option<&'static str>,
    /// As which `error.kind` a number shows with a ticket.
    pub(super) kind: Option<&'static str>,
    /// Why a code pauses the app.
    pub(super) reason: Option<&'static str>,
    /// The job statuses that a name stands for.
    pub(super) job_statuses: Vec<i64>,
    /// The codes that a name stands for.
    pub(super) codes: Vec<i64>,
    /// Its meaning and advice.
    #[serde(flatten)]
    pub(super) advice: &'static Advice,
}

/// Everything that can be explained: job statuses, codes, kinds, reasons.
pub(super) fn all() -> impl Iterator<Item = Entry> {
    let codes = CODES.iter().flat_map(Entry::from_code);
    let kinds = ErrorKind::ALL.iter().copied().map(Entry::from_kind);
    let reasons = PauseReason::ALL.iter().copied().map(Entry::from_reason);
    JOB_STATUSES.iter().map(Entry::from_job_status).chain(codes).chain(kinds).chain(reasons)
}

/// Every name that can be explained.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let kinds = ErrorKind::ALL.iter().map(|kind| kind.as_str());
    kinds.chain(PauseReason::ALL.iter().map(|reason| reason.as_str()))
}

/// The explanations of a number or a name; none if nothing is called that.
pub(super) fn entries_of(word: &str) -> Vec<Entry> {
    let number = word.parse().ok();
    all().filter(|entry| entry.number.map_or(entry.name == Some(word), |it| number == Some(it))).collect()
}

impl Entry {
    fn new(of: Subject, number: Option<i64>, name: Option<&'static str>, advice: &'static Advice) -> Self {
        let (says, message, endpoint, kind, reason) = (None, None, None, None, None);
        let (job_statuses, codes) = (Vec::new(), Vec::new());
        Self { of, number, name, says, message, endpoint, kind, reason, job_statuses, codes, advice }
    }

    fn from_job_status(row: &JobStatus) -> Self {
        let kind = row.meaning.kind().map(ErrorKind::as_str);
        let entry = Self::new(Subject::JobStatus, Some(row.number), None, row.meaning.advice());
        Self { says: Some(row.says), kind, ..entry }
    }

    fn from_code(row: &Code) -> impl Iterator<Item = Self> {
        row.meanings().map(|(wording, meaning)| Self {
            says: Some(row.says),
            message: wording.map(|wording| wording.as_str()),
            endpoint: row.only_from.map(Endpoint::as_str),
            kind: meaning.kind().map(ErrorKind::as_str),
            reason: meaning.pause().map(PauseReason::as_str),
            ..Self::new(Subject::Code, Some(row.number), None, meaning.advice())
        })
    }

    fn from_kind(kind: ErrorKind) -> Self {
        let job_statuses = JOB_STATUSES.iter().filter(|row| row.meaning.kind() == Some(kind));
        Self {
            job_statuses: job_statuses.map(|row| row.number).collect(),
            codes: codes(|meaning| meaning.kind() == Some(kind)),
            ..Self::new(Subject::Kind, None, Some(kind.as_str()), kind.advice())
        }
    }

    fn from_reason(reason: PauseReason) -> Self {
        Self {
            says: Some(reason.in_words()),
            codes: codes(|meaning| meaning.pause() == Some(reason)),
            ..Self::new(Subject::Reason, None, Some(reason.as_str()), reason.advice())
        }
    }

    /// The number or the name.
    pub(super) fn word(&self) -> String {
        self.number.map_or_else(|| self.name.unwrap_or_default().to_owned(), |number| number.to_string())
    }
}

/// The codes that can mean that.
fn codes(means: impl Fn(CodeMeaning) -> bool) -> Vec<i64> {
    let rows = CODES.iter().filter(|row| row.meanings().any(|(_, meaning)| means(meaning)));
    rows.map(|row| row.number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: a number that is a job status and a code is explained as both.
    #[test]
    fn a_number_can_be_both() {
        let found = |word| entries_of(word).iter().map(|entry| (entry.of, entry.message)).collect::<Vec<_>>();
        assert_eq!(found("0"), [(Subject::JobStatus, None), (Subject::Code, None)]);
        assert_eq!(found("9499"), [(Subject::Code, None), (Subject::Code, Some("too many requests"))]);
        assert_eq!(found("110"), [(Subject::JobStatus, None)]);
        assert!([found("109110"), found(""), found("110 ")].concat().is_empty());
    }

    /// Promise: every name in log and status is explained, with the numbers behind it.
    #[test]
    fn every_name_is_explained() {
        for name in names() {
            assert_eq!(entries_of(name).len(), 1, "{name}");
        }
        let [entry] = &entries_of("no_permission")[..] else { panic!() };
        assert_eq!((&entry.job_statuses[..], &entry.codes[..]), (&[110][..], &[131_006, 1_069_902][..]));
        let [entry] = &entries_of("scope_missing")[..] else { panic!() };
        assert_eq!((&entry.job_statuses[..], &entry.codes[..]), (&[][..], &[99_991_672, 99_991_676][..]));
    }
}
