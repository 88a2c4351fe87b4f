//! The other ways from documents to files: an oracle, and two scripts with a single thread of work.

use std::time::Duration;

use fastrand::Rng;

use crate::rivals::Slots;
use crate::server::{Artefact, Cut, Reply, Server};
use crate::workload::Job;

/// How long scripts wait before they ask again.
const PAUSE: Duration = Duration::from_secs(5);

/// Longer than a request takes on its way there and back.
const ROUND_TRIP: Duration = Duration::from_millis(250);

/// Knows when each job ends: creates in the order of the list, asks once about each job in the order in which they end, and
/// downloads in that order, each as soon as the endpoint's budget allows. Where the line is cut it waits.
pub(crate) fn oracle(jobs: Vec<Job>, cut: Option<Cut>, rng: Rng) -> Server {
    let listed = jobs.iter().zip(0..).map(|(job, document)| (job.created, document)).collect();
    let mut server = Server::of_documents(jobs, cut, rng);
    paced(&mut server, listed, |server, document, at, _| {
        let _ = server.create(document, at);
    });
    let ended = server.jobs().iter().zip(0..).map(|(job, document)| (job.ends, document)).collect();
    paced(&mut server, ended, |server, document, at, received| {
        if server.arrive(document, at) == Reply::Done {
            server.detect(document, received);
        }
    });
    let known =
        server.detected.iter().zip(0..).filter_map(|(at, document)| Some(((*at)?, document))).collect();
    paced(&mut server, known, |server, document, at, received| {
        if server.fetch(document, at) == Artefact::There {
            let sent = server.send(server.jobs()[document].size, at);
            server.save(document, sent + (received - at));
        }
    });
    server
}

/// Sends a request for each, at its time or as soon as the budget of the endpoint allows. The requests are given the
/// moments of their arrival and of the answer's, in the order in which they arrive.
fn paced(
    server: &mut Server,
    mut due: Vec<(Duration, usize)>,
    mut request: impl FnMut(&mut Server, usize, Duration, Duration),
) {
    due.sort_unstable();
    let mut slots = Slots::default();
    let mut now = Duration::ZERO;
    let mut sent = Vec::with_capacity(due.len());
    for (at, document) in due {
        now = slots.wait(now.max(at));
        if let Some(ends) = server.cut_until(now).or_else(|| server.cut_until(now + ROUND_TRIP)) {
            now = ends;
        }
        let (there, back) = server.ways();
        slots.hold(now + there + back);
        sent.push((now + there, now + there + back, document));
    }
    sent.sort_unstable();
    for (arrives, received, document) in sent {
        request(server, document, arrives, received);
    }
}

/// Creates all that is listed, then asks about each open job in turn, downloads what is done before it goes on, and waits
/// after each round.
pub(crate) fn all_at_once(jobs: Vec<Job>, cut: Option<Cut>, rng: Rng) -> Server {
    let mut script = Script::new(jobs, cut, rng);
    let listed: Vec<_> = script.server.jobs().iter().map(|job| job.created).collect();
    let (mut created, mut open) = (0, Vec::new());
    while created < listed.len() || !open.is_empty() {
        while listed.get(created).is_some_and(|at| *at <= script.now) {
            script.create(created);
            open.push(created);
            created += 1;
        }
        open.retain(|document| {
            let is_done = script.is_done(*document);
            if is_done {
                script.fetch(*document);
            }
            !is_done
        });
        script.now += PAUSE;
    }
    script.server
}

/// Exports one document after the other.
pub(crate) fn one_by_one(jobs: Vec<Job>, cut: Option<Cut>, rng: Rng) -> Server {
    let mut script = Script::new(jobs, cut, rng);
    for document in 0..script.server.jobs().len() {
        script.now = script.now.max(script.server.jobs()[document].created);
        script.create(document);
        while !script.is_done(document) {
            script.now += PAUSE;
        }
        script.fetch(document);
    }
    script.server
}

/// A script that sends one request at a time. Once throttled, it waits as long as the server says.
struct Script {
    server: Server,
    now: Duration,
}

impl Script {
    fn new(jobs: Vec<Job>, cut: Option<Cut>, rng: Rng) -> Self {
        Self { server: Server::of_documents(jobs, cut, rng), now: Duration::ZERO }
    }

    fn create(&mut self, document: usize) {
        self.call(|server, at| server.create(document, at));
    }

    fn is_done(&mut self, document: usize) -> bool {
        let reply = self.call(|server, at| match server.arrive(document, at) {
            Reply::Throttled(room) => Err(room),
            reply => Ok(reply),
        });
        if reply == Reply::Done {
            self.server.detect(document, self.now);
        }
        reply == Reply::Done
    }

    /// Downloads, if the artefact is still there.
    fn fetch(&mut self, document: usize) {
        let sent = self.call(|server, at| match server.fetch(document, at) {
            Artefact::Throttled(room) => Err(room),
            Artefact::Gone => Ok(None),
            Artefact::There => Ok(Some(server.send(server.jobs()[document].size, at))),
        });
        if let Some(sent) = sent {
            self.now = self.now.max(sent);
            self.server.save(document, self.now);
        }
    }

    /// Asks until there is an answer that is no refusal.
    fn call<T>(&mut self, request: impl Fn(&mut Server, Duration) -> Result<T, Duration>) -> T {
        loop {
            let (there, back) = self.server.ways();
            let arrives = self.now + there;
            self.now = arrives + back;
            let is_cut = |server: &Server, at| server.cut_until(at).is_some();
            let reply = (!is_cut(&self.server, arrives)).then(|| request(&mut self.server, arrives));
            match reply.filter(|_| !is_cut(&self.server, self.now)) {
                Some(Ok(reply)) => return reply,
                Some(Err(room)) => self.now += room,
                None => self.now += PAUSE,
            }
        }
    }
}
