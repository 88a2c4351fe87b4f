//! The way of one request: recorded and decided under the lock, then sent or spoilt without it.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Request, Response, header, request::Parts},
};
use hyper::body::Incoming as RequestBody;
use tokio::sync::Notify;

use crate::{
    answer::Answer,
    connection::Line,
    hold,
    order::Order,
    record::Sent,
    route::Route,
    switches::LogIdPlace,
    tenant_token::Credentials,
    wire::{self, Outcome, Receipt},
    world::{Arrival, Incoming, World},
};

/// Most bytes of a request's body that are looked at; a longer one counts as empty.
const BODY_CAP: usize = 64 << 10;

/// The world, and the threads and tasks that wait for a change of it.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    /// For waiting threads.
    pub(crate) changed: Condvar,
    /// For waiting tasks.
    pub(crate) changed_async: Notify,
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self { world: Mutex::new(world), changed: Condvar::new(), changed_async: Notify::new() }
    }

    /// A panic in a test's closure does not spoil the world for the others.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self) {
        self.changed.notify_all();
        self.changed_async.notify_waiters();
    }

    /// Keeps the request on its way for as long as a hold wants it.
    async fn hold(&self, request: &ReadRequest) {
        let leash = self.lock().hold(&request.incoming(&request.route()), Instant::now());
        if let Some(leash) = leash {
            self.notify();
            hold::released(leash).await;
        }
    }

    /// Records the request and works out its true answer, in one step that no other request can come between.
    fn decide(&self, request: &ReadRequest) -> (Arrival, Answer, LogIdPlace) {
        let mut world = self.lock();
        let world = &mut *world;
        let route = request.route();
        let range = text_of(&request.parts.headers, header::RANGE);
        let arrival = world.arrive(request.incoming(&route), Instant::now());
        let answer = match &route {
            Route::TenantToken => world.tenant_token(&arrival, &request.credentials),
            Route::Create => world.create(&arrival, request.order.as_ref()),
            Route::Query { ticket, token } => world.query(&arrival, ticket, token.as_deref()),
            Route::Download { file_token } => world.download(&arrival, file_token, range.as_deref()),
            Route::Node { token } => world.node(&arrival, token.as_deref()),
            Route::Permission { token, doc_type, action } => {
                world.permission(&arrival, token, doc_type.as_deref(), action.as_deref())
            }
            Route::Other => Answer::page_not_found(),
        };
        let answer = world.complete(&arrival, answer);
        if arrival.fault.is_none() {
            note(world, arrival.ordinal, Outcome { status: Some(answer.status), code: answer.code });
        }
        (arrival, answer, world.switches.answers.log_id)
    }
}

/// A request as it was read.
struct ReadRequest {
    parts: Parts,
    credentials: Credentials,
    /// What a create asks for; none where its body is no such JSON.
    order: Option<Order>,
    authorization: Option<String>,
    line: String,
}

impl ReadRequest {
    fn new(parts: Parts, body: &Bytes) -> Self {
        let (credentials, order) = match Route::from_request(&parts.method, &parts.uri) {
            Route::TenantToken => (Credentials::read(body), None),
            Route::Create => (Credentials::default(), serde_json::from_slice(body).ok()),
            _ => (Credentials::default(), None),
        };
        let authorization = text_of(&parts.headers, header::AUTHORIZATION);
        let line = format!("{} {}", parts.method, parts.uri);
        Self { parts, credentials, order, authorization, line }
    }

    fn route(&self) -> Route<'_> {
        Route::from_request(&self.parts.method, &self.parts.uri)
    }

    /// The document or wiki node that it names.
    fn document<'a>(&'a self, route: &'a Route<'_>) -> Option<&'a str> {
        match route {
            Route::Create => self.order.as_ref().map(|order| order.token.as_str()),
            Route::Query { token, .. } | Route::Node { token } => token.as_deref(),
            Route::Permission { token, .. } => Some(token),
            Route::TenantToken | Route::Download { .. } | Route::Other => None,
        }
    }

    fn incoming<'a>(&'a self, route: &'a Route<'_>) -> Incoming<'a> {
        Incoming {
            endpoint: route.endpoint(),
            ticket: if let Route::Query { ticket, .. } = route { Some(ticket) } else { None },
            document: self.document(route),
            order: self.order.as_ref(),
            file_token: if let Route::Download { file_token } = route { Some(file_token) } else { None },
            app_id: Some(self.credentials.app_id.as_str()),
            authorization: self.authorization.as_deref(),
            line: &self.line,
            headers: &self.parts.headers,
        }
    }
}

fn text_of(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn note(world: &mut World, ordinal: u64, outcome: Outcome) {
    if let Some(entry) = world.journal.entry(ordinal) {
        entry.answered_at = Some(Instant::now());
        entry.status = outcome.status;
        entry.code = outcome.code;
    }
}

/// Records in the journal how much of the body was sent, once that ends.
fn receipt(shared: Arc<Shared>, ordinal: u64) -> Receipt {
    Box::new(move |sent: Sent| {
        if let Some(entry) = shared.lock().journal.entry(ordinal) {
            entry.sent = Some(sent);
        }
        shared.notify();
    })
}

/// Answers one request.
pub(crate) async fn handle(
    shared: Arc<Shared>,
    line: &Line,
    request: Request<RequestBody>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = if parts.method == "POST" {
        to_bytes(Body::new(body), BODY_CAP).await.unwrap_or_default()
    } else {
        Bytes::new()
    };
    let request = ReadRequest::new(parts, &body);
    shared.hold(&request).await;
    let (mut arrival, answer, place) = shared.decide(&request);
    shared.notify();
    let receipt = receipt(Arc::clone(&shared), arrival.ordinal);
    let Some(fault) = arrival.fault.take() else {
        return wire::whole(answer, receipt);
    };
    let waiting = Waiting { shared: &shared, ordinal: arrival.ordinal, outcome: None };
    let spoilt = wire::spoilt(fault, answer, line, (&arrival.log_id(), place), receipt).await;
    waiting.answered(spoilt.outcome);
    spoilt.response
}

/// Sees to it that the journal learns how a struck request ended, also if its client leaves and the handler is dropped.
struct Waiting<'a> {
    shared: &'a Shared,
    ordinal: u64,
    outcome: Option<Outcome>,
}

impl Waiting<'_> {
    fn answered(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut world = self.shared.lock();
        match self.outcome {
            Some(outcome) => note(&mut world, self.ordinal, outcome),
            None => {
                if let Some(entry) = world.journal.entry(self.ordinal) {
                    entry.abandoned_at = Some(Instant::now());
                }
            }
        }
        drop(world);
        self.shared.notify();
    }
}
