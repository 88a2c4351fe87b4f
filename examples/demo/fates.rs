//! The demo's exports: what the stand-in does with each, and what must come of it.

use std::time::Duration;

use export_simulator::{Document, Endpoint, Fault, Job, Life, Node, Outcome, Simulator, Target};
use feishu_export_watcher::domain::{ErrorKind, TicketState};

use crate::source::Source;

/// One entry of the demo's watch list.
pub(crate) struct Fate {
    /// Its label, and the name of its file: what happens to it, in words.
    pub(crate) label: &'static str,
    /// How it is listed.
    pub(crate) source: Source,
    /// How long its job takes, and how it ends, by generation; the last one repeats.
    jobs: Vec<Life>,
    /// What a create of the document, or the lookup of the wiki node, is answered.
    access: Outcome,
    /// What its requests meet: endpoint, first and last of them, fault.
    faults: Vec<(Endpoint, u64, u64, Fault)>,
    /// The state it must end in.
    pub(crate) state: TicketState,
    /// The kind of its error, if it must fail.
    pub(crate) error: Option<ErrorKind>,
    /// Tickets that its export must get; none for one that is listed by its ticket.
    pub(crate) generations: Option<u32>,
}

/// Job statuses that end a job without a file, and what each must be called.
const FINAL_STATUSES: [(i64, &str, ErrorKind); 6] = [
    (107, "too large", ErrorKind::DocumentTooLarge),
    (109, "forbidden block", ErrorKind::BlockNoPermission),
    (110, "forbidden", ErrorKind::NoPermission),
    (111, "deleted meanwhile", ErrorKind::DocumentDeleted),
    (123, "no such document", ErrorKind::DocumentNotFound),
    (6000, "too many images", ErrorKind::TooManyImages),
];

/// Answers to a create that no other create would change, and what each must be called.
const FINAL_CODES: [(Outcome, &str, ErrorKind); 4] = [
    (Outcome::Permission, "no access", ErrorKind::NoPermission),
    (Outcome::NotFound, "unknown document", ErrorKind::DocumentNotFound),
    (Outcome::Deleted, "deleted before", ErrorKind::DocumentDeleted),
    (Outcome::InvalidParam, "wrong parameter", ErrorKind::InvalidParam),
];

/// All entries, in the order of the list.
pub(crate) fn all() -> Vec<Fate> {
    let gone = || Fault::answer(400, 1_060_001, "file not found");
    let mut fates = vec![
        succeeds("soon, as Word", 200, Source::Document("docx")),
        succeeds("soon, as PDF", 400, Source::Document("pdf")),
        succeeds("soon, as Excel", 600, Source::Document("xlsx")),
        succeeds("soon, one sheet as CSV", 800, Source::Document("csv")),
        succeeds("soon, slides", 1000, Source::Document("pptx")),
        succeeds("a wiki node", 500, Source::WikiNode),
        succeeds("a ticket from elsewhere", 500, Source::Ticket),
        soon("answer to the create lost").meets(Endpoint::Create, 1, Fault::lost(Fault::Reset)),
        soon("half an answer to the create").meets(Endpoint::Create, 1, Fault::HalfBody),
        soon("502 to the create").meets(Endpoint::Create, 1, Fault::Html { status: 502 }),
        soon("502 to two polls").meets_many(Endpoint::Query, 1, 2, Fault::Html { status: 502 }),
        soon("503").meets(Endpoint::Query, 1, Fault::Unavailable { retry_after: Some(1) }),
        soon("reset").meets(Endpoint::Query, 1, Fault::Reset),
        soon("hang").meets(Endpoint::Query, 1, Fault::Hang),
        soon("broken JSON").meets(Endpoint::Query, 1, Fault::WrongJson),
        soon("server error").meets(Endpoint::Query, 1, Fault::answer(500, 1_069_901, "internal error")),
        soon("throttled poll").meets(Endpoint::Query, 2, throttle()),
        soon("half a download").meets(Endpoint::Download, 1, Fault::HalfBody),
        soon("file gone, exported again").meets_many(Endpoint::Download, 1, 2, gone()).exported(2),
        soon("copied at first, exported again").begins_with(122).exported(2),
        succeeds("revoked token", 5000, Source::Document("docx")),
        succeeds("much later", 6000, Source::Document("pdf")),
        soon("throttled create").meets(Endpoint::Create, 1, throttle()),
        fate("fails four times", Source::Document("pdf"), fails(3))
            .ends(ErrorKind::InternalError)
            .exported(4),
        Fate { state: TicketState::TimedOut, ..fate("never ends", Source::Document("pdf"), Life::Forever) },
    ];
    fates.extend(
        FINAL_STATUSES.map(|(job_status, label, kind)| {
            fate(label, Source::Document("pdf"), fails(job_status)).ends(kind)
        }),
    );
    fates.extend(
        FINAL_CODES.map(|(access, label, kind)| Fate { access, ..soon(label) }.ends(kind).exported(0)),
    );
    fates
}

impl Fate {
    /// Prepares the stand-in for the entry of that number.
    pub(crate) fn prepare(&self, sim: &Simulator, number: usize) {
        let token = self.source.object_token(number);
        if self.source == Source::WikiNode {
            sim.add_node(Node::new(self.source.token(number)).leads_to("docx", &*token));
        }
        let jobs = self.jobs.iter().map(|life| Job::default().life(life.clone()));
        if self.source == Source::Ticket {
            let named = |job| Job { ticket: Source::ticket(number), token: token.clone(), ..job };
            sim.add_jobs(jobs.map(|job| Job { file_name: self.label.into(), ..named(job) }));
        } else {
            let document = Document { title: Some(self.label.into()), ..Document::new(&*token) };
            sim.add_document(jobs.fold(document.access(self.access), Document::job));
        }
        for (endpoint, from, to, fault) in &self.faults {
            let target = Target::endpoint(*endpoint).of_document(&*token);
            sim.fault(target, *from..=*to, fault.clone());
        }
    }

    fn meets(self, endpoint: Endpoint, nth: u64, fault: Fault) -> Self {
        self.meets_many(endpoint, nth, nth, fault)
    }

    fn meets_many(mut self, endpoint: Endpoint, from: u64, to: u64, fault: Fault) -> Self {
        self.faults.push((endpoint, from, to, fault));
        self
    }

    /// The first job ends with that status.
    fn begins_with(mut self, job_status: i64) -> Self {
        self.jobs.insert(0, fails(job_status));
        self
    }

    fn ends(self, kind: ErrorKind) -> Self {
        Self { state: TicketState::Failed, error: Some(kind), ..self }
    }

    fn exported(self, times: u32) -> Self {
        Self { generations: Some(times), ..self }
    }
}

fn fate(label: &'static str, source: Source, life: Life) -> Fate {
    Fate {
        label,
        source,
        jobs: vec![life],
        access: Outcome::Fine,
        faults: Vec::new(),
        state: TicketState::Completed,
        error: None,
        generations: (source != Source::Ticket).then_some(1),
    }
}

fn succeeds(label: &'static str, millis: u64, source: Source) -> Fate {
    fate(label, source, Life::Succeeds { after: Duration::from_millis(millis) })
}

fn soon(label: &'static str) -> Fate {
    succeeds(label, 500, Source::Document("pdf"))
}

fn fails(job_status: i64) -> Life {
    Life::Fails { after: Duration::from_millis(500), job_status }
}

/// HTTP 429 as the platform sends it, with a short reset so that the demo stays short.
fn throttle() -> Fault {
    Fault::Answer {
        status: 429,
        code: 99_991_400,
        msg: "request trigger frequency limit".to_owned(),
        headers: vec![
            ("x-ogw-ratelimit-limit".into(), "100".into()),
            ("x-ogw-ratelimit-reset".into(), "1".into()),
        ],
    }
}
