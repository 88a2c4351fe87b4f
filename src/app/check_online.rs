//! `check --online`: what each app's API is asked. One harmless question of every endpoint that a run will use; none starts
//! a job. The client sends them as in a run. No budget counts them, so they are few: beside that for an access token one to
//! each endpoint of an app, and three about documents, which have a rate limit of their own.

pub(crate) mod meaning;

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};

use self::meaning::{Finding, OnlineRow};
use super::error::CommandError;
use crate::config::Config;
use crate::domain::{
    App, Credentials, DocumentToken, Endpoint, Object, TicketId, WIKI, WatchEntry, WatchList,
};
use crate::feishu::{
    AccessToken, Answer, Download, ExportApi as _, HttpExportApi, Node, Query, TokenAnswer, Verdict,
};

/// Documents of an app about which is asked whether they may be exported.
const DOCUMENTS: usize = 3;

/// How long all questions together may take.
const WITHIN: Duration = Duration::from_secs(60);

/// Why a question has no answer after that.
const LATE: &str = "no answer came within the minute that all questions together may take";

/// Apps that are asked at the same time.
const APPS_AT_ONCE: usize = 8;

/// A ticket that no app has: the platform's have as many digits, and are greater.
const NO_TICKET: &str = "1000000000000000000";

/// The token of a document or file that does not exist, in the form of the platform's.
const NO_TOKEN: &str = "doxcn0000000000000000000000";

/// What can be asked online.
#[derive(Clone, Debug)]
pub struct OnlinePlan {
    apps: Vec<AppPlan>,
    request_timeout: Duration,
    /// Whether files are downloaded.
    downloads: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct OnlineReport {
    /// Each app with its endpoints and documents, in the order of the apps.
    pub rows: Vec<OnlineRow>,
}

#[derive(Clone, Debug)]
struct AppPlan {
    app: App,
    /// Whether anything is listed for it, or nothing for any app.
    is_asked: bool,
    /// A wiki node first, if one is listed.
    documents: Vec<ListedDocument>,
}

#[derive(Clone, Debug)]
struct ListedDocument {
    /// Its link, else its token.
    name: String,
    object: Object,
}

/// Asks on behalf of one app, and writes down what came of it.
struct Asking<'a> {
    api: &'a HttpExportApi,
    app: &'a App,
    deadline: Instant,
    rows: Vec<OnlineRow>,
}

impl OnlineReport {
    /// How many rows are of that kind.
    #[must_use]
    pub fn count(&self, finding: Finding) -> usize {
        self.rows.iter().filter(|row| row.finding == finding).count()
    }
}

impl OnlinePlan {
    pub(super) fn new(config: &Config, list: &WatchList) -> Self {
        let plan = |app: &App| AppPlan::new(app, list);
        Self {
            apps: config.apps.iter().map(plan).collect(),
            request_timeout: config.poll.request_timeout,
            downloads: config.download.is_some(),
        }
    }

    /// Asks, and waits for the answers, a minute at most.
    ///
    /// # Errors
    /// There is no way to send requests.
    pub async fn ask(&self) -> Result<OnlineReport, CommandError> {
        let apps: Vec<_> = self.apps.iter().map(|plan| plan.app.clone()).collect();
        let api = HttpExportApi::new(&apps, self.request_timeout, self.request_timeout)?;
        let deadline = Instant::now() + WITHIN;
        let asked = self.apps.iter().map(|plan| {
            let asking = Asking { api: &api, app: &plan.app, deadline, rows: Vec::new() };
            asking.ask(plan, self.downloads)
        });
        let rows: Vec<_> = stream::iter(asked).buffered(APPS_AT_ONCE).collect().await;
        Ok(OnlineReport { rows: rows.concat() })
    }
}

impl AppPlan {
    fn new(app: &App, list: &WatchList) -> Self {
        let listed = || list.entries.iter().filter(|entry| entry.key.app == app.name);
        let is_wiki = |document: &ListedDocument| &*document.object.doc_type == WIKI;
        // One document may be listed in several formats.
        let mut seen = HashSet::new();
        let all = listed().filter_map(ListedDocument::new);
        let node = all.clone().find(is_wiki);
        let documents = node.into_iter().chain(all).filter(|document| seen.insert(document.object.clone()));
        Self {
            app: app.clone(),
            is_asked: list.entries.is_empty() || listed().next().is_some(),
            documents: documents.take(DOCUMENTS).collect(),
        }
    }
}

impl ListedDocument {
    /// None for a ticket.
    fn new(entry: &WatchEntry) -> Option<Self> {
        let doc_type = entry.request.as_deref()?.doc_type.clone()?;
        let name = entry.document()?.to_owned();
        Some(Self { name, object: Object { doc_type, token: entry.token } })
    }
}

impl Asking<'_> {
    async fn ask(mut self, plan: &AppPlan, downloads: bool) -> Vec<OnlineRow> {
        if !plan.is_asked {
            let name = self.app.name.as_str();
            return vec![OnlineRow::fine(format!("app {name:<10} not asked: nothing is listed for it"))];
        }
        let Some(token) = self.access_token().await else { return self.rows };
        let is_free = self.query(&token).await && (!downloads || self.download(&token).await);
        if is_free && let Some(documents) = self.node(&token, &plan.documents).await {
            self.documents(&token, documents).await;
        }
        self.rows
    }

    async fn access_token(&mut self) -> Option<AccessToken> {
        let answer = timeout_at(self.deadline, self.api.access_token(&self.app.name)).await;
        let answer = answer.unwrap_or_else(|_| TokenAnswer::lost(LATE));
        let (Credentials::AppSecret(source) | Credentials::AccessToken(source)) = &self.app.credentials;
        self.rows.push(meaning::access_token(self.app.name.as_str(), &source.to_string(), &answer));
        Some(answer.result.ok()?.token)
    }

    /// Whether it is worth to go on.
    async fn query(&mut self, token: &AccessToken) -> bool {
        let query = Query {
            app: self.app.name.clone(),
            ticket: TicketId::new(NO_TICKET),
            token: no_document(),
            access_token: token.clone(),
        };
        let answer = timeout_at(self.deadline, self.api.query(query)).await;
        let answer = answer.unwrap_or_else(|_| Answer::lost(LATE));
        self.note("query", Endpoint::Query, Some(&answer))
    }

    /// Whether it is worth to go on.
    async fn download(&mut self, token: &AccessToken) -> bool {
        let download = Download {
            app: self.app.name.clone(),
            file_token: NO_TOKEN.into(),
            // So that a page of something in between is not taken for a file.
            file_extension: Some("pdf".into()),
            access_token: token.clone(),
        };
        let result = timeout_at(self.deadline, self.api.download(download)).await;
        let answer = result.unwrap_or_else(|_| Err(Box::new(Answer::lost(LATE)))).err();
        self.note("download", Endpoint::Download, answer.as_deref())
    }

    /// The documents that are still to be asked about, if it is worth to go on: all but a node that can't be resolved.
    async fn node<'d>(
        &mut self,
        token: &AccessToken,
        documents: &'d [ListedDocument],
    ) -> Option<&'d [ListedDocument]> {
        let [first, others @ ..] = documents else { return Some(documents) };
        if &*first.object.doc_type != WIKI {
            return Some(documents);
        }
        let (app, access_token) = (self.app.name.clone(), token.clone());
        let node = Node { app, token: first.object.token, access_token };
        let result = timeout_at(self.deadline, self.api.node(node)).await;
        let answer = result.unwrap_or_else(|_| Err(Box::new(Answer::lost(LATE)))).err();
        let goes_on = self.note("wiki node", Endpoint::Node, answer.as_deref());
        match answer {
            Some(answer) if matches!(answer.verdict, Verdict::Failed(_)) => {
                self.rows.push(meaning::document(&first.name, Err(&answer)).0);
                Some(others)
            }
            _ => goes_on.then_some(documents),
        }
    }

    async fn documents(&mut self, token: &AccessToken, documents: &[ListedDocument]) {
        for document in documents {
            let asked = self.api.permission(&self.app.name, &document.object, token);
            let result = timeout_at(self.deadline, asked).await;
            let result = result.unwrap_or_else(|_| Err(Box::new(Answer::lost(LATE))));
            let (row, goes_on) =
                meaning::document(&document.name, result.as_ref().copied().map_err(|it| &**it));
            self.rows.push(row);
            if !goes_on {
                return;
            }
        }
    }

    /// Writes down what an endpoint answered, or that it answered as it should. Returns whether it is worth to go on.
    fn note(&mut self, name: &str, endpoint: Endpoint, answer: Option<&Answer>) -> bool {
        let (row, goes_on) = meaning::endpoint(name, endpoint, answer);
        self.rows.push(row);
        goes_on
    }
}

#[expect(clippy::expect_used, reason = "the text is fixed and short enough")]
fn no_document() -> DocumentToken {
    DocumentToken::parse(NO_TOKEN).expect("27 bytes")
}
