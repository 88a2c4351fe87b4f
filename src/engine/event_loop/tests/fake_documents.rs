//! Documents of the remote that stands in for the real one: what creates and questions about wiki nodes bring, and the
//! jobs that creates made. A job is polled and fetched as any other ticket is.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fakes::{Bench, FakeApi, MINUTE, PANIC, SECOND, Sent, detail_of, document};
use crate::domain::*;
use crate::feishu::*;

type Creates = dyn FnMut(&str, u32) -> Creation + Send;
type Nodes = dyn FnMut(&str, u32) -> (Duration, Result<Object, Verdict>) + Send;

/// All documents of a remote.
pub(super) struct Documents {
    /// What the n-th create (from 1) of a document brings. The document is named by its token.
    pub(super) creates: Box<Creates>,
    /// What the n-th question (from 1) about a wiki node brings, and after how long.
    pub(super) nodes: Box<Nodes>,
    /// Creates that were sent, each with its document in place of a ticket.
    pub(super) created: Vec<Sent>,
    /// Questions about nodes, each with its node in place of a ticket.
    pub(super) asked: Vec<Sent>,
    /// Jobs made, by app and export.
    pub(super) jobs: HashMap<(String, String), u32>,
    /// Creates whose answers were lost, whether they made a job or not, by app and export.
    pub(super) lost: HashMap<(String, String), u32>,
    /// Answers with tickets that came later than any request lives, by document.
    late: HashMap<String, u32>,
    /// The document of each ticket.
    tickets: HashMap<String, DocumentToken>,
}

/// What a create brings.
#[derive(Clone, Debug)]
pub(super) struct Creation {
    /// How long the answer takes.
    pub(super) latency: Duration,
    /// How long the job runs that it makes; none leaves that to the answers to polls.
    pub(super) lasts: Option<Duration>,
    pub(super) end: CreateEnd,
}

#[derive(Clone, Debug)]
pub(super) enum CreateEnd {
    /// A ticket.
    Ticket,
    /// An envelope that refuses it.
    Refusal(Verdict),
    /// No envelope. There is a job all the same, or there is none.
    Nothing { job: bool, verdict: Verdict },
}

impl Creation {
    pub(super) const fn ticket() -> Self {
        Self { latency: Duration::from_millis(100), lasts: None, end: CreateEnd::Ticket }
    }

    pub(super) const fn refused(verdict: Verdict) -> Self {
        Self { latency: Duration::from_millis(100), lasts: None, end: CreateEnd::Refusal(verdict) }
    }

    /// The answer is lost, and with it maybe a job.
    pub(super) const fn lost(job: bool) -> Self {
        let verdict = Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual };
        Self { latency: Duration::from_millis(100), lasts: None, end: CreateEnd::Nothing { job, verdict } }
    }

    pub(super) fn after(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }
}

impl Default for Documents {
    fn default() -> Self {
        Self {
            creates: Box::new(|_, _| Creation::ticket()),
            nodes: Box::new(|node, _| (SECOND / 10, Ok(docx(&format!("of-{node}"))))),
            created: Vec::new(),
            asked: Vec::new(),
            jobs: HashMap::new(),
            lost: HashMap::new(),
            late: HashMap::new(),
            tickets: HashMap::new(),
        }
    }
}

impl Documents {
    /// The document that the ticket was made for, if a create brought it.
    pub(super) fn of_ticket(&self, ticket: &str) -> Option<DocumentToken> {
        self.tickets.get(ticket).copied()
    }

    /// Creates of a document whose answers came too late.
    pub(super) fn late_of(&self, token: &str) -> u32 {
        self.late.get(token).copied().unwrap_or_default()
    }

    fn jobs_of(&self, create: &Create) -> u32 {
        self.jobs.get(&export_of(create)).copied().unwrap_or_default()
    }

    fn make_job(&mut self, create: &Create) -> TicketId {
        let number = self.jobs.entry(export_of(create)).or_default();
        *number += 1;
        let (document, format) = (create.object.token, &create.file_extension);
        let ticket = ticket_of_format(document.as_str(), format, *number);
        self.tickets.insert(ticket.clone(), document);
        TicketId::new(&ticket)
    }

    /// What it brings, with the job that it may make.
    fn take(&mut self, create: &Create, end: CreateEnd) -> Result<TicketId, Box<NotCreated>> {
        let refusal = |verdict: Verdict, may_exist| {
            let detail = if may_exist { Detail::default() } else { refusal_of(&verdict) };
            Err(Box::new(NotCreated { answer: Answer { detail, verdict }, may_exist }))
        };
        match end {
            CreateEnd::Ticket => Ok(self.make_job(create)),
            CreateEnd::Refusal(verdict) => refusal(verdict, false),
            CreateEnd::Nothing { job, verdict } => {
                *self.lost.entry(export_of(create)).or_default() += 1;
                if job {
                    self.make_job(create);
                }
                refusal(verdict, true)
            }
        }
    }
}

/// An envelope of the API, as it refuses a create or a question about a node.
fn refusal_of(verdict: &Verdict) -> Detail {
    let detail = detail_of(verdict);
    let code = match verdict {
        Verdict::Failed(_) | Verdict::Retry { .. } => Some(1_069_901),
        _ => detail.code,
    };
    Detail { code, job_status: None, ..detail }
}

fn export_of(create: &Create) -> (String, String) {
    let Create { app, object, file_extension, sub_id, .. } = create;
    let id = EntryId::from_export(&object.doc_type, &object.token, file_extension, sub_id.as_deref());
    (app.to_string(), id.to_string())
}

/// A document of the usual kind.
pub(super) fn docx(token: &str) -> Object {
    Object { doc_type: "docx".into(), token: document(token) }
}

/// The ticket of the n-th job that was made for a document as pdf.
pub(super) fn ticket_of(token: &str, number: u32) -> String {
    ticket_of_format(token, "pdf", number)
}

/// The document of a ticket that a create brought; any other ticket itself.
pub(super) fn document_of(ticket: &str) -> &str {
    ticket.split_once(".pdf.").map_or(ticket, |(document, _)| document)
}

fn ticket_of_format(token: &str, format: &str, number: u32) -> String {
    format!("{token}.{format}.{number}")
}

/// The id of a document's entry.
pub(super) fn pdf_of(token: &str) -> String {
    format!("docx/{token}/pdf")
}

/// The id of a wiki node's entry.
pub(super) fn pdf_of_node(token: &str) -> String {
    format!("wiki/{token}/pdf")
}

/// An entry for a document.
pub(super) fn document_entry(app: &str, doc_type: &str, token: &str, format: &str) -> WatchEntry {
    let token = document(token);
    let request = ExportRequest {
        doc_type: Some(doc_type.into()),
        file_extension: Some(format.into()),
        ..ExportRequest::default()
    };
    let id = EntryId::from_export(doc_type, &token, format, None);
    WatchEntry {
        // What events show of it.
        label: Some(id.as_str().into()),
        key: EntryKey { app: AppName::new(app), id },
        token,
        created_at: None,
        request: Some(Box::new(request)),
        download: true,
        source: Path::new("list.toml").into(),
    }
}

impl Bench {
    /// Lists documents as pdf.
    pub(super) fn documents<T: AsRef<str>>(self, tokens: impl IntoIterator<Item = T>) -> Self {
        self.listing("docx", tokens)
    }

    /// Lists wiki nodes as pdf.
    pub(super) fn nodes<T: AsRef<str>>(self, tokens: impl IntoIterator<Item = T>) -> Self {
        self.listing("wiki", tokens)
    }

    fn listing<T: AsRef<str>>(mut self, doc_type: &str, tokens: impl IntoIterator<Item = T>) -> Self {
        let entries =
            tokens.into_iter().map(|token| document_entry("default", doc_type, token.as_ref(), "pdf"));
        self.entries.extend(entries);
        self
    }
}

impl FakeApi {
    pub(super) fn with_creates(self, creates: impl FnMut(&str, u32) -> Creation + Send + 'static) -> Self {
        self.with(|remote| remote.documents.creates = Box::new(creates));
        self
    }

    pub(super) fn with_nodes(
        self,
        nodes: impl FnMut(&str, u32) -> (Duration, Result<Object, Verdict>) + Send + 'static,
    ) -> Self {
        self.with(|remote| remote.documents.nodes = Box::new(nodes));
        self
    }

    /// When creates of a document were sent.
    pub(super) fn creates_of(&self, token: &str) -> Vec<Instant> {
        self.with(|remote| {
            let sent = remote.documents.created.iter().filter(|sent| sent.ticket == token);
            sent.map(|sent| sent.at).collect()
        })
    }

    /// The documents that creates were sent for, in their order.
    pub(super) fn created(&self) -> Vec<String> {
        self.with(|remote| remote.documents.created.iter().map(|sent| sent.ticket.clone()).collect())
    }

    /// Jobs made for all documents.
    pub(super) fn jobs(&self) -> u32 {
        self.with(|remote| remote.documents.jobs.values().sum())
    }

    pub(super) async fn start_export(&self, create: Create) -> Result<TicketId, Box<NotCreated>> {
        let (latency, end) = self.with(|remote| {
            let token = create.object.token.to_string();
            let access_token = create.access_token.expose().to_owned();
            let Creation { latency, lasts, end } = if remote.revoked.contains(&access_token) {
                Creation::refused(Verdict::TokenRejected)
            } else {
                let nth = Self::nth(remote, format!("create {token}"));
                (remote.documents.creates)(&token, nth)
            };
            let on_the_way = latency * u32::try_from(remote.documents.created.len() % 3).unwrap() / 2;
            remote.arrived(&create.app, Endpoint::Create, on_the_way);
            remote.documents.created.push(sent(&create.app, token, access_token));
            if latency >= MINUTE {
                *remote.documents.late.entry(create.object.token.to_string()).or_default() += 1;
            }
            let jobs = remote.documents.jobs_of(&create);
            let end = remote.documents.take(&create, end);
            if let Some((lasts, number)) =
                lasts.zip(Some(remote.documents.jobs_of(&create)).filter(|it| *it > jobs))
            {
                let ticket = ticket_of_format(create.object.token.as_str(), &create.file_extension, number);
                remote.artefacts.ended.insert(ticket, Instant::now() + lasts);
            }
            (latency, end)
        });
        sleep(latency).await;
        let is_panic = |refusal: &NotCreated| refusal.answer.verdict == PANIC;
        assert!(!end.as_ref().is_err_and(|refusal| is_panic(refusal)), "as the script wants it");
        end
    }

    pub(super) async fn resolve(&self, node: Node) -> Result<Object, Box<Answer>> {
        let (latency, end) = self.with(|remote| {
            let token = node.token.to_string();
            let access_token = node.access_token.expose().to_owned();
            let (latency, end) = if remote.revoked.contains(&access_token) {
                (SECOND / 10, Err(Verdict::TokenRejected))
            } else {
                let nth = Self::nth(remote, format!("node {token}"));
                (remote.documents.nodes)(&token, nth)
            };
            let on_the_way = latency * u32::try_from(remote.documents.asked.len() % 3).unwrap() / 2;
            remote.arrived(&node.app, Endpoint::Node, on_the_way);
            remote.documents.asked.push(sent(&node.app, token, access_token));
            (latency, end)
        });
        sleep(latency).await;
        end.map_err(|verdict| {
            assert_ne!(verdict, PANIC, "as the script wants it");
            let is_envelope = matches!(verdict, Verdict::Failed(_));
            let detail = if is_envelope { refusal_of(&verdict) } else { detail_of(&verdict) };
            Box::new(Answer { verdict, detail })
        })
    }
}

fn sent(app: &AppName, ticket: String, access_token: String) -> Sent {
    Sent { app: app.to_string(), ticket, at: Instant::now(), access_token, is_final: false }
}
