//! What becomes of a waiting file after each kind of transfer, row by row.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::domain::PauseReason;
use crate::feishu::{Detail, Strange};
use crate::files::Placement;

const EARLY: Moment = Moment { is_late: false, is_over: false };
const LATE: Moment = Moment { is_late: true, is_over: false };
const OVER: Moment = Moment { is_late: true, is_over: true };
const NETWORK: Verdict = Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual };
const GONE: Verdict = Verdict::Failed(ErrorKind::Expired);
const WRONG: Verdict = Verdict::Unclear(ErrorKind::WrongContent);

/// A waiting file and its memory.
struct Waiting {
    file: FileRecord,
    memory: FileMemory,
}

impl Waiting {
    fn new() -> Self {
        let over_at = Instant::now() + Duration::from_secs(600);
        Self { file: FileRecord::new(), memory: FileMemory::new(None, over_at) }
    }

    fn answer(&mut self, verdict: Verdict, message: &str, moment: Moment) -> NextFetch {
        let detail = Detail { message: Some(message.into()), ..Detail::default() };
        after_answer(&mut self.file, &mut self.memory, &Answer { verdict, detail }, moment)
    }

    fn body(&mut self, size: u64, hash: u8, moment: Moment) -> Option<NextFetch> {
        let (temporary, path) = ("/x/.tmp".into(), "/x/a.pdf".into());
        let body = Body { placement: Placement { temporary, path, sha256: Sha256([hash; 32]) }, size };
        after_body(&mut self.file, &mut self.memory, &body, Some(100), moment)
    }

    fn disk(&mut self, moment: Moment) -> NextFetch {
        let full = FileError::new(Path::new("/x/.tmp"), io::ErrorKind::StorageFull.into());
        after_disk_error(&mut self.file, &mut self.memory, &full, moment)
    }

    fn kind(&self) -> Option<ErrorKind> {
        self.file.error.as_deref().map(|error| error.kind)
    }

    fn message(&self) -> &str {
        self.file.error.as_deref().and_then(|error| error.message.as_deref()).unwrap_or_default()
    }
}

fn after(attempt: u32, pace: Pace) -> NextFetch {
    NextFetch::After { attempt, pace }
}

/// Promise 5: whatever goes wrong with a call or a disk, the file is fetched again until its artefact is surely gone,
/// and then it is reported as lost, with what held it up.
#[test]
fn trouble_is_met_by_another_transfer() {
    let troubles = [
        (NETWORK, ErrorKind::Network),
        (Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Usual }, ErrorKind::ServerError),
        (Verdict::Strange(Strange::Page), ErrorKind::MalformedAnswer),
        (Verdict::Strange(Strange::UnlistedCode), ErrorKind::UnknownCode),
        (Verdict::Strange(Strange::NoStatus), ErrorKind::MalformedAnswer),
    ];
    for (verdict, kind) in troubles {
        let mut waiting = Waiting::new();
        for attempt in 0..50 {
            let moment = if attempt < 25 { EARLY } else { LATE };
            assert_eq!(waiting.answer(verdict.clone(), "broke off", moment), after(attempt, Pace::Usual));
            assert_eq!((waiting.file.state, waiting.kind()), (FileState::Waiting, Some(kind)));
        }
        assert_eq!(waiting.answer(verdict.clone(), "broke off", OVER), NextFetch::Never);
        assert_eq!((waiting.file.state, waiting.kind()), (FileState::Expired, Some(ErrorKind::Expired)));
        assert_eq!(waiting.message(), format!("the last trouble was {kind}: broke off"));
    }
    let mut full = Waiting::new();
    assert_eq!(full.disk(LATE), after(0, Pace::Usual));
    assert_eq!(full.kind(), Some(ErrorKind::DiskFull));
    assert_eq!((full.disk(OVER), full.file.state), (NextFetch::Never, FileState::Expired));
    assert!(full.message().starts_with("the last trouble was disk_full: /x/.tmp"), "{}", full.message());
}

/// Promise 3: what is the app's leaves no mark on the file.
#[test]
fn the_apps_fault_is_not_the_files() {
    let mut waiting = Waiting::new();
    let fault = Verdict::AppFault(PauseReason::ScopeMissing);
    assert_eq!(waiting.answer(fault, "scope", LATE), after(0, Pace::Usual));
    assert_eq!(waiting.file, FileRecord::new());
    for (verdict, kind) in [
        (Verdict::Throttled { reset: None }, ErrorKind::Throttled),
        (Verdict::TokenRejected, ErrorKind::TokenRejected),
    ] {
        assert_eq!(waiting.answer(verdict, "", LATE), NextFetch::AtOnce);
        assert_eq!((waiting.file.state, waiting.kind()), (FileState::Waiting, Some(kind)));
    }
    // Promise 5: what is surely gone does not wait for the app.
    for verdict in [Verdict::AppFault(PauseReason::ScopeMissing), Verdict::TokenRejected] {
        let mut waiting = Waiting::new();
        assert_eq!(waiting.answer(verdict, "", OVER), NextFetch::Never);
        assert_eq!((waiting.file.state, waiting.kind()), (FileState::Expired, Some(ErrorKind::Expired)));
    }
}

/// "Not found" once may come from a server that does not know the artefact yet; twice in a row, or after the moment until
/// which it was sure to live, it is gone.
#[test]
fn gone_is_what_is_said_twice_or_late() {
    let mut waiting = Waiting::new();
    assert_eq!(waiting.answer(GONE, "", EARLY), after(0, Pace::Usual));
    assert_eq!(waiting.answer(NETWORK, "", EARLY), after(1, Pace::Usual));
    assert_eq!(waiting.answer(GONE, "", EARLY), after(2, Pace::Usual), "not in a row");
    assert_eq!(waiting.body(99, 1, EARLY), Some(after(3, Pace::Usual)));
    assert_eq!(waiting.answer(GONE, "", EARLY), after(4, Pace::Usual), "a body came in between");
    assert_eq!((waiting.answer(GONE, "", EARLY), waiting.file.state), (NextFetch::Never, FileState::Expired));
    for verdict in [GONE, Verdict::Refused, Verdict::Failed(ErrorKind::InvalidParam)] {
        let mut late = Waiting::new();
        assert_eq!(late.answer(verdict, "", LATE), NextFetch::Never);
        assert_eq!((late.file.state, late.kind()), (FileState::Expired, Some(ErrorKind::Expired)));
    }
}

#[test]
fn a_refusal_while_the_artefact_lives_fails_the_file() {
    for (verdict, kind) in [
        (Verdict::Refused, ErrorKind::NoPermission),
        (Verdict::Failed(ErrorKind::InvalidParam), ErrorKind::InvalidParam),
    ] {
        let mut waiting = Waiting::new();
        assert_eq!(waiting.answer(verdict, "", EARLY), NextFetch::Never);
        assert_eq!((waiting.file.state, waiting.kind()), (FileState::Failed, Some(kind)));
    }
}

#[test]
fn wrong_content_three_times_alike_fails_the_file() {
    let mut waiting = Waiting::new();
    for (attempt, message) in
        (0..).zip(["begins with 3c", "begins with 3c", "begins with 00", "begins with 00"])
    {
        assert_eq!(waiting.answer(WRONG, message, EARLY), after(attempt, Pace::Usual), "{message}");
    }
    assert_eq!(waiting.answer(NETWORK, "", EARLY), after(4, Pace::Usual));
    for attempt in [5, 6] {
        assert_eq!(waiting.answer(WRONG, "begins with 00", EARLY), after(attempt, Pace::Usual));
    }
    assert_eq!(waiting.answer(WRONG, "begins with 00", EARLY), NextFetch::Never);
    assert_eq!((waiting.file.state, waiting.kind()), (FileState::Failed, Some(ErrorKind::WrongContent)));
}

/// The size of the query is a hint: a body of another size is believed once it came three times, or where no other can
/// be had.
#[test]
fn a_body_of_another_size_is_saved_the_third_time() {
    let mut waiting = Waiting::new();
    assert_eq!(waiting.body(99, 1, EARLY), Some(after(0, Pace::Usual)));
    assert_eq!(waiting.body(99, 2, EARLY), Some(after(1, Pace::Usual)), "another content");
    assert_eq!(waiting.answer(NETWORK, "", EARLY), after(2, Pace::Usual));
    assert_eq!(waiting.body(99, 2, EARLY), Some(after(3, Pace::Usual)));
    assert!(!waiting.file.is_whole());
    assert_eq!(waiting.body(99, 2, LATE), None);
    assert!(waiting.file.is_whole());
    assert_eq!((waiting.file.size, waiting.kind()), (Some(99), Some(ErrorKind::WrongContent)));
    let mut last = Waiting::new();
    assert_eq!(last.body(99, 1, OVER), None, "better than none");
    let mut right = Waiting::new();
    right.disk(EARLY);
    assert_eq!((right.body(100, 1, EARLY), right.kind()), (None, None));
}
