//! The handle that tests hold: starts the server, changes the world, asks what arrived.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use thiserror::Error;

use crate::{
    access_token::Rules,
    app::{App, RateLimit, Trouble},
    document::Document,
    export_file::ExportFile,
    fault::{Fault, FaultId},
    handler::Shared,
    hold::HoldId,
    job::{Job, Life},
    made::Made,
    node::Node,
    order::Order,
    record::{Endpoint, Journal, Request},
    scenario::{Scenario, ScenarioError},
    server::Server,
    switches::{RunningShape, SuccessShape, Switches},
    target::{Nth, Target},
    world::{AppState, World},
};

/// Why a simulator did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The scenario contradicts itself.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The port is taken, or there are no threads or sockets left.
    #[error("start the server on 127.0.0.1:{port}: {cause}")]
    Io {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// A running simulator on loopback. Dropping it stops the server and ends every connection.
///
/// Methods that name an app panic if the app is not there: the mistake is the test's.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// None while nothing listens.
    server: Mutex<Option<Server>>,
}

impl Simulator {
    /// Starts a server on a thread of its own; it answers as soon as this returns.
    ///
    /// # Errors
    ///
    /// If the scenario contradicts itself or the port cannot be had.
    pub fn spawn(scenario: Scenario) -> Result<Self, StartError> {
        scenario.check()?;
        let port = scenario.port;
        let shared = Arc::new(Shared::new(World::new(scenario, Instant::now())));
        let server =
            Server::start(port, Arc::clone(&shared)).map_err(|cause| StartError::Io { port, cause })?;
        let address = server.address();
        Ok(Self { shared, address, server: Mutex::new(Some(server)) })
    }

    /// As [`Simulator::spawn`], which never blocks for long, for tests that are async anyway.
    ///
    /// # Errors
    ///
    /// As [`Simulator::spawn`].
    pub async fn start(scenario: Scenario) -> Result<Self, StartError> {
        Self::spawn(scenario)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`, as a client's base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Ends every connection and refuses new ones; jobs, tokens and journal stay as they are.
    pub fn stop_listening(&self) {
        self.listening().take();
    }

    /// Listens again at the same address.
    ///
    /// # Errors
    ///
    /// If another process took the port meanwhile.
    pub fn listen_again(&self) -> Result<(), StartError> {
        let mut server = self.listening();
        if server.is_none() {
            let port = self.address.port();
            let started = Server::start(port, Arc::clone(&self.shared));
            *server = Some(started.map_err(|cause| StartError::Io { port, cause })?);
        }
        Ok(())
    }

    fn listening(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an app, or replaces one.
    pub fn add_app(&self, app: App) {
        self.shared.lock().add_app(app);
    }

    /// Adds a job, or replaces that of the same app and ticket; its age begins as the scenario says.
    #[track_caller]
    pub fn add_job(&self, job: Job) {
        let app_id = job.app.clone();
        let added = self.shared.lock().add_job(job, Instant::now());
        assert!(added, "no app {app_id:?} in the simulator");
    }

    /// Adds many jobs.
    #[track_caller]
    pub fn add_jobs(&self, jobs: impl IntoIterator<Item = Job>) {
        for job in jobs {
            self.add_job(job);
        }
    }

    /// Gives a document a script, or another one; its generations go on.
    pub fn add_document(&self, document: Document) {
        self.shared.lock().documents.add(document);
    }

    /// Adds a wiki node, or replaces it.
    pub fn add_node(&self, node: Node) {
        self.shared.lock().nodes.add(node);
    }

    /// Every job, with the file token that its result names.
    pub fn jobs(&self) -> Vec<Job> {
        self.shared.lock().jobs.all().cloned().collect()
    }

    /// What a download of that ticket sends where no fault strikes; of the app added first, if two hold the ticket.
    #[track_caller]
    pub fn file_of(&self, ticket: &str) -> ExportFile {
        let mut world = self.shared.lock();
        let cap = world.switches.download.cap;
        let file = world.jobs.of_ticket(ticket, "").map(|held| ExportFile::new(&held.job, cap));
        drop(world);
        #[expect(clippy::panic, reason = "a test that names a ticket it did not add must not go on")]
        file.unwrap_or_else(|| panic!("no ticket {ticket:?} in the simulator"))
    }

    /// Forgets a ticket; queries find it unknown.
    pub fn remove_job(&self, ticket: &str) {
        self.shared.lock().jobs.remove(ticket);
    }

    /// Gives a job another life, whose times count from the job's creation as before.
    #[track_caller]
    pub fn set_life(&self, ticket: &str, life: Life) {
        self.change_life(ticket, |_| life.clone());
    }

    /// Lets a job succeed now.
    #[track_caller]
    pub fn finish_job(&self, ticket: &str) {
        self.change_life(ticket, |age| Life::Succeeds { after: age });
    }

    /// Lets a job fail now.
    #[track_caller]
    pub fn fail_job(&self, ticket: &str, job_status: i64) {
        self.change_life(ticket, |age| Life::Fails { after: age, job_status });
    }

    #[track_caller]
    fn change_life(&self, ticket: &str, life: impl Fn(Duration) -> Life) {
        let mut world = self.shared.lock();
        let seed = world.seed;
        let changed = world.jobs.change(ticket, seed, Instant::now(), life);
        drop(world);
        assert!(changed, "no ticket {ticket:?} in the simulator");
    }

    /// Lets something go wrong with requests that fit `target` (a `&str` is a ticket and means its queries), counted
    /// from now.
    ///
    /// `nth` is a number, a range such as `2..=5` or `3..`, or `..` for all.
    pub fn fault(&self, target: impl Into<Target>, nth: impl Into<Nth>, fault: Fault) -> FaultId {
        self.shared.lock().faults.add(target.into(), nth.into(), fault)
    }

    /// As [`Simulator::fault`], but only that share (0 to 1) of the requests that fit is struck, by the scenario's seed.
    pub fn fault_share(&self, target: impl Into<Target>, share: f64, fault: Fault) -> FaultId {
        self.shared.lock().faults.add_share(target.into(), Nth::from(..), share, fault)
    }

    /// Takes one rule back.
    pub fn clear_fault(&self, id: FaultId) {
        self.shared.lock().faults.remove(id);
    }

    /// Takes all rules back.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Keeps requests that fit `target` on their way, counted from now, until [`Simulator::release`]. A held request
    /// has not arrived yet: it is neither recorded nor counted nor judged.
    pub fn hold(&self, target: impl Into<Target>, nth: impl Into<Nth>) -> HoldId {
        self.shared.lock().holds.add(target.into(), nth.into())
    }

    /// How many requests that hold keeps right now.
    pub fn held(&self, id: HoldId) -> usize {
        self.shared.lock().holds.held(id)
    }

    /// Lets the requests of a hold arrive, and holds no more.
    pub fn release(&self, id: HoldId) {
        self.shared.lock().holds.release(id);
    }

    /// Blocks until a hold keeps that many requests; `false` if time ran out.
    #[must_use]
    pub fn wait_until_held(&self, id: HoldId, count: usize, timeout: Duration) -> bool {
        let world = self.shared.lock();
        let waited =
            self.shared.changed.wait_timeout_while(world, timeout, |world| world.holds.held(id) < count);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Revokes every access token of an app, fixed ones too.
    pub fn revoke_tokens(&self, app_id: &str) {
        self.shared.lock().tokens.revoke_all(app_id);
    }

    /// Revokes one access token.
    pub fn revoke_token(&self, token: &str) {
        self.shared.lock().tokens.revoke(token);
    }

    /// Ends the life of every access token of an app.
    pub fn expire_tokens(&self, app_id: &str) {
        self.shared.lock().tokens.expire_all(app_id, Instant::now());
    }

    /// The tenant token that the token endpoint would hand out now.
    #[track_caller]
    pub fn issue_token(&self, app_id: &str) -> String {
        let (id, rules) = self.with_app(app_id, |app, switches| {
            let rules = Rules {
                lifetime: app.settings.token_lifetime,
                renew_below: app.settings.renew_below,
                reissue_revoked: switches.tokens.reissue_revoked,
            };
            (Arc::clone(&app.id), rules)
        });
        self.shared.lock().tokens.issue(&id, rules, Instant::now()).0
    }

    /// Accepts a tenant or user token that was made elsewhere, without end.
    #[track_caller]
    pub fn accept_token(&self, app_id: &str, token: &str) {
        let id = self.with_app(app_id, |app, _| Arc::clone(&app.id));
        self.shared.lock().tokens.accept(token, &id);
    }

    /// Changes an app's secret; tokens that it holds stay good.
    #[track_caller]
    pub fn set_secret(&self, app_id: &str, secret: &str) {
        let changed = self.shared.lock().set_secret(app_id, secret);
        assert!(changed, "no app {app_id:?} in the simulator");
    }

    /// Every app secret and access token that this simulator ever took for good: what a client that keeps secrets
    /// shows nowhere.
    pub fn secrets(&self) -> BTreeSet<String> {
        self.shared.lock().secrets()
    }

    /// Lets an app get into trouble, or out of it.
    #[track_caller]
    pub fn set_trouble(&self, app_id: &str, trouble: impl Into<Option<Trouble>>) {
        let trouble = trouble.into();
        self.with_app(app_id, |app, _| app.settings.trouble = trouble);
    }

    /// Gives an app's running jobs a shape of their own, or the common one.
    #[track_caller]
    pub fn set_running_shape(&self, app_id: &str, shape: impl Into<Option<RunningShape>>) {
        let shape = shape.into();
        self.with_app(app_id, |app, _| app.settings.running = shape);
    }

    /// Gives an app's succeeded jobs a shape of their own, or the common one.
    #[track_caller]
    pub fn set_success_shape(&self, app_id: &str, shape: impl Into<Option<SuccessShape>>) {
        let shape = shape.into();
        self.with_app(app_id, |app, _| app.settings.success = shape);
    }

    /// Sets how many successful calls an app has left.
    #[track_caller]
    pub fn set_quota(&self, app_id: &str, quota: impl Into<Option<u64>>) {
        let quota = quota.into();
        self.with_app(app_id, |app, _| app.settings.quota = quota);
    }

    /// Sets an app's limit; its windows begin empty.
    #[track_caller]
    pub fn set_rate_limit(&self, app_id: &str, rate_limit: RateLimit) {
        self.with_app(app_id, |app, _| app.settings.rate_limit = rate_limit);
        self.shared.lock().renew_windows(app_id);
    }

    /// Changes switches.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.shared.lock().switches);
    }

    #[track_caller]
    fn with_app<T>(&self, app_id: &str, act: impl FnOnce(&mut AppState, &Switches) -> T) -> T {
        let mut world = self.shared.lock();
        let World { apps, switches, .. } = &mut *world;
        let outcome = apps.get_mut(app_id).map(|app| act(app, switches));
        drop(world);
        #[expect(clippy::panic, reason = "a test that names an app it did not set up must not go on")]
        outcome.unwrap_or_else(|| panic!("no app {app_id:?} in the simulator"))
    }

    /// A copy of every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.journal(|journal| journal.all().to_vec())
    }

    /// Looks into the journal; requests wait meanwhile.
    pub fn journal<T>(&self, look: impl FnOnce(&Journal) -> T) -> T {
        look(&self.shared.lock().journal)
    }

    /// Copies of the queries of one ticket.
    pub fn polls_of(&self, ticket: &str) -> Vec<Request> {
        self.journal(|journal| journal.polls_of(ticket).cloned().collect())
    }

    /// Copies of the downloads of one ticket's file.
    pub fn downloads_of(&self, ticket: &str) -> Vec<Request> {
        self.journal(|journal| journal.downloads_of(ticket).cloned().collect())
    }

    /// See [`Journal::made`].
    pub fn made(&self) -> BTreeMap<(Arc<str>, Order), Made> {
        self.journal(Journal::made)
    }

    /// Copies of the tickets of one document's jobs, in the order in which they were made.
    pub fn tickets_of(&self, document: &str) -> Vec<String> {
        self.journal(|journal| journal.tickets_of(document).map(str::to_owned).collect())
    }

    /// How many requests came to one endpoint.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.journal(|journal| journal.of(endpoint).count())
    }

    /// How many requests found their window full.
    pub fn throttled_count(&self) -> usize {
        self.journal(Journal::throttled_count)
    }

    /// See [`Journal::max_in_window`].
    pub fn max_in_window(&self, app_id: &str, endpoint: Endpoint, per: Duration) -> usize {
        self.journal(|journal| journal.max_in_window(app_id, endpoint, per))
    }

    /// Blocks until `condition` holds, asked again after every request and answer; `false` if time ran out.
    #[must_use]
    pub fn wait_until(&self, timeout: Duration, mut condition: impl FnMut(&Journal) -> bool) -> bool {
        let world = self.shared.lock();
        let waited =
            self.shared.changed.wait_timeout_while(world, timeout, |world| !condition(&world.journal));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// As [`Simulator::wait_until`], for async tests.
    pub async fn until(&self, timeout: Duration, mut condition: impl FnMut(&Journal) -> bool) -> bool {
        let wait = async {
            loop {
                let mut changed = std::pin::pin!(self.shared.changed_async.notified());
                // Listens before it looks, so that nothing falls in between.
                changed.as_mut().enable();
                if self.journal(&mut condition) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(timeout, wait).await.is_ok()
    }
}
