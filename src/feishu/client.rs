//! The HTTP client. It sends exactly one request for each call and reports what came back; it follows
//! no redirect, sends nothing again by itself and keeps no state but open connections and the secrets to hide.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time;

use super::api::{
    AccessToken, Answer, Create, Detail, Download, ExportApi, Grant, Node, NotCreated, Query, TokenAnswer,
    TokenTrouble,
};
use super::body::Received;
use super::connect::{ClientError, client, send_trouble};
use super::endpoint::create::{self, classify_create};
use super::endpoint::download::{self, bytes_to_judge, classify_download};
use super::endpoint::judging::{NETWORK, classify_send_error, unsent};
use super::endpoint::node::{self, classify_node};
use super::endpoint::permission::{self, classify_permission};
use super::endpoint::query::{self, classify_query};
use super::endpoint::token::{self, classify_token, trouble};
use super::known_secrets::{Kind, KnownSecrets};
use super::network::{Host, NetworkSettings};
use super::platform::suggest_other;
use super::secret;
use super::stream::HttpBody;
use super::verdict::Verdict;
use crate::domain::{
    App, AppName, Credentials, ErrorKind, Object, PauseReason, SecretPurpose, TicketId, with_causes,
};

/// How long a whole transfer may take. No artefact lives as long; this one keeps a server that sends a byte now and then
/// from holding a connection for ever.
const TRANSFER_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// The export API over HTTP, for all apps. Clones share connections.
#[derive(Clone)]
pub struct HttpExportApi {
    sites: Arc<HashMap<AppName, Site>>,
}

/// Why no answer came.
struct Unanswered {
    /// The same in the form of an answer.
    answer: Answer,
    /// Whether the server may have seen the request.
    was_sent: bool,
}

/// An app and the client that reaches its host.
struct Site {
    app: App,
    client: Client,
    request_timeout: Duration,
    idle_timeout: Duration,
    known: KnownSecrets,
}

impl HttpExportApi {
    /// A client for these apps, whose requests take `request_timeout` at most, from connecting to the last byte of the
    /// answer. A download may take it until its head is there, then `idle_timeout` for each piece of the body. The proxy
    /// settings of the environment are read here.
    ///
    /// # Errors
    /// Fails if the environment names an unusable proxy or no certificates, or if the system has none.
    pub fn new(apps: &[App], request_timeout: Duration, idle_timeout: Duration) -> Result<Self, ClientError> {
        Self::with(apps, request_timeout, idle_timeout, &NetworkSettings::from_env(apps, &[])?)
    }

    /// Whether app or user may export a document, asked once before there is a job (determine user permission,
    /// `GET /open-apis/drive/v1/permissions/:token/members/auth`). Exactly one request, never sent again. It has a rate
    /// limit of its own, 100 a minute, which nothing here keeps.
    ///
    /// # Errors
    /// What came instead, or that nothing came. The scope for this question may be missing although exports work.
    pub async fn permission(
        &self,
        app: &AppName,
        object: &Object,
        access_token: &AccessToken,
    ) -> Result<bool, Box<Answer>> {
        self.site(app)?.permission(object, access_token).await.map_err(Box::new)
    }

    fn site(&self, app: &AppName) -> Result<&Site, Answer> {
        let fault = Verdict::AppFault(PauseReason::CredentialsRejected);
        self.sites.get(app).ok_or_else(|| unsent(fault, unknown(app)))
    }

    fn with(
        apps: &[App],
        request_timeout: Duration,
        idle_timeout: Duration,
        network: &NetworkSettings,
    ) -> Result<Self, ClientError> {
        let mut sites = HashMap::new();
        for app in apps {
            let client = client(Host::from_app(app), request_timeout, network)?;
            let known = KnownSecrets::default();
            let site = Site { app: app.clone(), client, request_timeout, idle_timeout, known };
            sites.insert(app.name.clone(), site);
        }
        Ok(Self { sites: Arc::new(sites) })
    }
}

/// Shows the apps only: what a client was built with may hold a proxy's password.
impl fmt::Debug for HttpExportApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpExportApi").field("apps", &self.sites.keys()).finish()
    }
}

impl ExportApi for HttpExportApi {
    async fn access_token(&self, app: &AppName) -> TokenAnswer {
        let Some(site) = self.sites.get(app) else {
            return trouble(TokenTrouble::AppFault(PauseReason::CredentialsRejected), unknown(app));
        };
        let (source, purpose) = match &site.app.credentials {
            Credentials::AccessToken(source) => (source, SecretPurpose::AccessToken),
            Credentials::AppSecret(source) => (source, SecretPurpose::AppSecret),
        };
        match (secret::read(source, purpose).await, purpose) {
            (Err(error), _) => unreadable(&error),
            (Ok(app_secret), SecretPurpose::AppSecret) => site.fetch_token(&app_secret).await,
            // A token that lies ready costs no request.
            (Ok(token), _) => TokenAnswer {
                result: Ok(Grant { token: AccessToken::new(token), expires_in: None }),
                detail: Detail::default(),
            },
        }
    }

    async fn query(&self, query: Query) -> Answer {
        match self.site(&query.app) {
            Ok(site) => site.query(&query).await,
            Err(answer) => answer,
        }
    }

    async fn create(&self, create: Create) -> Result<TicketId, Box<NotCreated>> {
        let not_sent = |answer| Box::new(NotCreated { answer, may_exist: false });
        self.site(&create.app).map_err(not_sent)?.create(&create).await.map_err(Box::new)
    }

    async fn node(&self, node: Node) -> Result<Object, Box<Answer>> {
        self.site(&node.app)?.node(&node).await.map_err(Box::new)
    }

    type Body = HttpBody;

    async fn download(&self, download: Download) -> Result<HttpBody, Box<Answer>> {
        self.site(&download.app)?.download(&download).await.map_err(Box::new)
    }
}

impl Site {
    async fn query(&self, query: &Query) -> Answer {
        let request = query::request(&self.client, &self.app.base_url, query);
        match self.ask(request, &query.access_token).await {
            Ok(received) => self.suggest(self.known.with(|secrets| classify_query(&received, secrets))),
            Err(unanswered) => unanswered.answer,
        }
    }

    async fn create(&self, create: &Create) -> Result<TicketId, NotCreated> {
        let request = create::request(&self.client, &self.app.base_url, create);
        let received = self.ask(request, &create.access_token).await;
        let received =
            received.map_err(|Unanswered { answer, was_sent }| NotCreated { answer, may_exist: was_sent })?;
        let result = self.known.with(|secrets| classify_create(&received, secrets));
        result.map_err(|none| NotCreated { answer: self.suggest(none.answer), ..none })
    }

    async fn node(&self, node: &Node) -> Result<Object, Answer> {
        let request = node::request(&self.client, &self.app.base_url, node);
        let received = self.ask(request, &node.access_token).await.map_err(|none| none.answer)?;
        self.known.with(|secrets| classify_node(&received, secrets)).map_err(|answer| self.suggest(answer))
    }

    async fn permission(&self, object: &Object, access_token: &AccessToken) -> Result<bool, Answer> {
        let request = permission::request(&self.client, &self.app.base_url, object, access_token);
        let received = self.ask(request, access_token).await.map_err(|none| none.answer)?;
        let result = self.known.with(|secrets| classify_permission(&received, secrets));
        result.map_err(|answer| self.suggest(answer))
    }

    /// Sends a request, if there is one, and reads its answer.
    async fn ask(
        &self,
        request: Option<RequestBuilder>,
        access_token: &AccessToken,
    ) -> Result<Received, Unanswered> {
        let request = request.ok_or_else(|| Unanswered { answer: uncarried(), was_sent: false })?;
        self.known.remember(Kind::AccessToken, access_token.expose());
        match self.send(request).await {
            Ok(response) => Ok(Received::read(response).await),
            Err((error, message)) => {
                let answer = unsent(classify_send_error(&error), message);
                Err(Unanswered { answer, was_sent: may_be_sent(&error) })
            }
        }
    }

    async fn download(&self, download: &Download) -> Result<HttpBody, Answer> {
        let Some(request) = download::request(&self.client, &self.app.base_url, download) else {
            return Err(uncarried());
        };
        self.known.remember(Kind::AccessToken, download.access_token.expose());
        let sending = self.send(request.timeout(TRANSFER_MAX));
        let response = match time::timeout(self.request_timeout, sending).await {
            Ok(Ok(response)) => response,
            Ok(Err((error, message))) => return Err(unsent(classify_send_error(&error), message)),
            Err(_) => {
                let message =
                    format!("operation timed out: no answer came within {:?}", self.request_timeout);
                return Err(unsent(NETWORK, message));
            }
        };
        let (status, extension) = (response.status().as_u16(), download.file_extension.as_deref());
        let wanted = |start: &[u8]| bytes_to_judge(status, start, extension);
        let classify = |received: &Received| {
            let answer = self.known.with(|secrets| classify_download(received, extension, secrets))?;
            Some(self.suggest(answer))
        };
        HttpBody::open(response, self.idle_timeout, wanted, classify).await
    }

    fn suggest(&self, answer: Answer) -> Answer {
        Answer { detail: suggest_other(answer.detail, &self.app.base_url), ..answer }
    }

    async fn fetch_token(&self, app_secret: &SecretString) -> TokenAnswer {
        self.known.remember(Kind::AppSecret, app_secret.expose_secret());
        let request = match token::request(&self.client, &self.app, app_secret) {
            Ok(request) => request,
            Err(error) => return unreadable(&error),
        };
        match self.send(request).await {
            Ok(response) => {
                let received = Received::read(response).await;
                let answer = self.known.with(|secrets| classify_token(&received, secrets));
                TokenAnswer { detail: suggest_other(answer.detail, &self.app.base_url), ..answer }
            }
            Err((_, message)) => trouble(TokenTrouble::Retry(ErrorKind::Network), message),
        }
    }

    /// The head of the answer, or why none came, with a message.
    async fn send(&self, request: RequestBuilder) -> Result<Response, (reqwest::Error, String)> {
        // The URL names ticket and document, or the file, which belong into fields of their own.
        request.send().await.map_err(send_trouble)
    }
}

/// Whether the server may have seen a request that failed. Certain is only that nothing is sent before the request is
/// written down and a connection is up: a time-out says nothing of where it was met.
fn may_be_sent(error: &reqwest::Error) -> bool {
    !error.is_builder() && !error.is_connect()
}

fn uncarried() -> Answer {
    let message = "access token holds characters that no request can carry".to_owned();
    unsent(Verdict::TokenRejected, message)
}

fn unreadable(error: &dyn std::error::Error) -> TokenAnswer {
    trouble(TokenTrouble::AppFault(PauseReason::SecretUnreadable), with_causes(error))
}

fn unknown(app: &AppName) -> String {
    format!("no app named {app} is configured")
}

#[cfg(test)]
mod tests;
