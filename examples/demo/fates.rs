//! The demo's tickets: what the stand-in does with each, and what must come of it.

use std::time::Duration;

use export_simulator::{Fault, Job, Life, Simulator, Target};
use feishu_export_watcher::domain::{ErrorKind, TicketState};

/// One ticket of the demo.
pub(crate) struct Fate {
    /// The ticket's label: what happens to it, in words.
    pub(crate) label: &'static str,
    life: Life,
    extension: &'static str,
    faults: Vec<(u64, Fault)>,
    /// What the first download of its file meets.
    broken: Option<Fault>,
    /// The state it must end in.
    pub(crate) state: TicketState,
    /// The kind of its error, if it must fail.
    pub(crate) error: Option<ErrorKind>,
}

/// Job statuses that end a job without a file, and what each must be called.
const FINAL_STATUSES: [(i64, &str, ErrorKind); 9] = [
    (3, "internal error", ErrorKind::InternalError),
    (107, "too large", ErrorKind::DocumentTooLarge),
    (108, "server gave up", ErrorKind::ExportTimeout),
    (109, "forbidden block", ErrorKind::BlockNoPermission),
    (110, "forbidden", ErrorKind::NoPermission),
    (111, "deleted meanwhile", ErrorKind::DocumentDeleted),
    (122, "being copied", ErrorKind::CopyInProgress),
    (123, "no such document", ErrorKind::DocumentNotFound),
    (6000, "too many images", ErrorKind::TooManyImages),
];

/// Answers that end a ticket by their code: HTTP status, code, and what each must be called.
const FINAL_CODES: [(u16, i64, &str, ErrorKind); 5] = [
    (403, 1_069_902, "no access", ErrorKind::NoPermission),
    (400, 1_069_904, "wrong parameter", ErrorKind::InvalidParam),
    (410, 1_069_906, "deleted before", ErrorKind::DocumentDeleted),
    (404, 1_069_914, "unknown token", ErrorKind::DocumentNotFound),
    (400, 1_069_918, "wrong format", ErrorKind::TypeMismatch),
];

/// Every ticket of the demo.
pub(crate) fn all() -> Vec<Fate> {
    let mut fates = vec![
        succeeds("soon, as Word", 200, "docx"),
        succeeds("soon, as PDF", 400, "pdf"),
        succeeds("soon, as Excel", 600, "xlsx"),
        succeeds("soon, as CSV", 800, "csv"),
        succeeds("half a download", 600, "pdf").downloads(Fault::HalfBody),
        succeeds("much later", 8000, "pdf"),
        succeeds("revoked token", 5000, "docx"),
        succeeds("HTML 502", 500, "docx")
            .meets(1, Fault::Html { status: 502 })
            .meets(2, Fault::Html { status: 502 }),
        succeeds("503", 500, "docx").meets(1, Fault::Unavailable { retry_after: Some(1) }),
        succeeds("reset", 500, "docx").meets(1, Fault::Reset),
        succeeds("hang", 500, "docx").meets(1, Fault::Hang),
        succeeds("half an answer", 500, "docx").meets(1, Fault::HalfBody),
        succeeds("broken JSON", 500, "docx").meets(1, Fault::WrongJson),
        succeeds("server error", 500, "docx").meets(1, Fault::answer(500, 1_069_901, "internal error")),
        succeeds("throttled", 500, "docx").meets(2, throttle()),
        Fate { state: TicketState::TimedOut, ..fate("never ends", Life::Forever) },
    ];
    fates.extend(FINAL_STATUSES.map(|(job_status, label, kind)| {
        fate(label, Life::Fails { after: Duration::from_secs(1), job_status }).fails(kind)
    }));
    fates.extend(FINAL_CODES.map(|(status, code, label, kind)| {
        fate(label, Life::Refused { after: Duration::from_secs(1), status, code }).fails(kind)
    }));
    fates
}

impl Fate {
    /// Starts the job at the stand-in, with its faults.
    pub(crate) fn begin(&self, sim: &Simulator, ticket: &str, token: &str) {
        let mut job = Job::new(ticket, token).life(self.life.clone());
        job.file_name = self.label.into();
        job.file_extension = self.extension.into();
        sim.add_job(job);
        for (nth, fault) in &self.faults {
            sim.fault(ticket, *nth, fault.clone());
        }
        if let Some(fault) = &self.broken {
            sim.fault(Target::download_of(ticket), 1, fault.clone());
        }
    }

    fn meets(mut self, nth: u64, fault: Fault) -> Self {
        self.faults.push((nth, fault));
        self
    }

    fn downloads(self, fault: Fault) -> Self {
        Self { broken: Some(fault), ..self }
    }

    fn fails(self, kind: ErrorKind) -> Self {
        Self { state: TicketState::Failed, error: Some(kind), ..self }
    }
}

fn fate(label: &'static str, life: Life) -> Fate {
    let (faults, broken, state, error) = (Vec::new(), None, TicketState::Completed, None);
    Fate { label, life, extension: "docx", faults, broken, state, error }
}

fn succeeds(label: &'static str, millis: u64, extension: &'static str) -> Fate {
    Fate { extension, ..fate(label, Life::Succeeds { after: Duration::from_millis(millis) }) }
}

/// HTTP 429 as the platform sends it, with a short reset so that the demo stays short.
fn throttle() -> Fault {
    Fault::Answer {
        status: 429,
        code: 99_991_400,
        msg: "request trigger frequency limit".to_owned(),
        headers: vec![
            ("x-ogw-ratelimit-limit".into(), "100".into()),
            ("x-ogw-ratelimit-reset".into(), "2".into()),
        ],
    }
}
