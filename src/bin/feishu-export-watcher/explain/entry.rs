//! What can be explained: every number and every name, with all that the tables say about it. One number can be a
//! job status and a code, and a code can mean two things, so a word has any number of entries.

use feishu_export_watcher::domain::answers::{CODES, Code, CodeMeaning, JOB_STATUSES, JobStatus, Wording};
use feishu_export_watcher::domain::{Advice, Endpoint, ErrorKind, PauseReason};

/// What is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A `job_status`.
    JobStatus(i64),
    /// A `code`, and what its message must say for it to mean this.
    Code(i64, Option<Wording>),
    /// An `error.kind`.
    Kind(ErrorKind),
    /// The reason of a pause.
    Reason(PauseReason),
}

/// One explanation.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Of what.
    pub(super) subject: Subject,
    /// What the platform says with the number, or the reason in a few words.
    pub(super) says: Option<&'static str>,
    /// The endpoint that alone sends the code.
    pub(super) only_from: Option<Endpoint>,
    /// As which `error.kind` it shows with a ticket.
    pub(super) kind: Option<ErrorKind>,
    /// Why it pauses the app.
    pub(super) pause: Option<PauseReason>,
    /// The job statuses that a name stands for.
    pub(super) job_statuses: Vec<i64>,
    /// The codes that a name stands for.
    pub(super) codes: Vec<i64>,
    /// What it means and what helps.
    pub(super) advice: &'static Advice,
}

/// Everything that can be explained: job statuses, codes, kinds, reasons.
pub(super) fn all() -> impl Iterator<Item = Entry> {
    let job_statuses = JOB_STATUSES.iter().map(of_job_status);
    let kinds = ErrorKind::all().map(of_kind);
    let reasons = PauseReason::ALL.into_iter().map(of_reason);
    job_statuses.chain(CODES.iter().flat_map(of_code)).chain(kinds).chain(reasons)
}

/// The explanations of a number or a name; none if nothing is called that.
pub(super) fn of(word: &str) -> Vec<Entry> {
    all().filter(|entry| entry.subject.is_called(word)).collect()
}

impl Subject {
    /// The number or the name.
    pub(super) fn word(self) -> String {
        match self {
            Self::JobStatus(number) | Self::Code(number, _) => number.to_string(),
            Self::Kind(kind) => kind.as_str().to_owned(),
            Self::Reason(reason) => reason.as_str().to_owned(),
        }
    }

    /// The number, if it is one.
    pub(super) const fn number(self) -> Option<i64> {
        match self {
            Self::JobStatus(number) | Self::Code(number, _) => Some(number),
            Self::Kind(_) | Self::Reason(_) => None,
        }
    }

    fn is_called(self, word: &str) -> bool {
        match self.number() {
            Some(number) => word.parse() == Ok(number),
            None => self.word() == word,
        }
    }
}

fn of_job_status(row: &JobStatus) -> Entry {
    Entry {
        subject: Subject::JobStatus(row.number),
        says: Some(row.says),
        only_from: None,
        kind: row.meaning.kind(),
        pause: None,
        job_statuses: Vec::new(),
        codes: Vec::new(),
        advice: row.meaning.advice(),
    }
}

fn of_code(row: &Code) -> impl Iterator<Item = Entry> {
    row.meanings().map(|(wording, meaning)| Entry {
        subject: Subject::Code(row.number, wording),
        says: Some(row.says),
        only_from: row.only_from,
        kind: meaning.kind(),
        pause: meaning.pause(),
        job_statuses: Vec::new(),
        codes: Vec::new(),
        advice: meaning.advice(),
    })
}

fn of_kind(kind: ErrorKind) -> Entry {
    let job_statuses = JOB_STATUSES.iter().filter(|row| row.meaning.kind() == Some(kind));
    Entry {
        subject: Subject::Kind(kind),
        says: None,
        only_from: None,
        kind: None,
        pause: None,
        job_statuses: job_statuses.map(|row| row.number).collect(),
        codes: codes(|meaning| meaning.kind() == Some(kind)),
        advice: kind.advice(),
    }
}

fn of_reason(reason: PauseReason) -> Entry {
    Entry {
        subject: Subject::Reason(reason),
        says: Some(reason.in_words()),
        only_from: None,
        kind: None,
        pause: None,
        job_statuses: Vec::new(),
        codes: codes(|meaning| meaning.pause() == Some(reason)),
        advice: reason.advice(),
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
        let subjects: Vec<_> = of("0").iter().map(|entry| entry.subject).collect();
        assert_eq!(subjects, [Subject::JobStatus(0), Subject::Code(0, None)]);
        let subjects: Vec<_> = of("9499").iter().map(|entry| entry.subject).collect();
        assert_eq!(
            subjects,
            [Subject::Code(9499, None), Subject::Code(9499, Some(Wording::TooManyRequests))]
        );
        assert_eq!(of("110").len(), 1);
        assert!(of("109110").is_empty() && of("").is_empty() && of("110 ").is_empty());
    }

    /// Promise: every name in log and status is explained, with the numbers behind it.
    #[test]
    fn every_name_is_explained() {
        for name in ErrorKind::all().map(ErrorKind::as_str).chain(PauseReason::ALL.map(PauseReason::as_str)) {
            assert_eq!(of(name).len(), 1, "{name}");
        }
        let [entry] = &of("no_permission")[..] else { panic!() };
        assert_eq!((&entry.job_statuses[..], &entry.codes[..]), (&[110][..], &[1_069_902][..]));
        let [entry] = &of("scope_missing")[..] else { panic!() };
        assert_eq!((&entry.job_statuses[..], &entry.codes[..]), (&[][..], &[99_991_672, 99_991_676][..]));
    }
}
