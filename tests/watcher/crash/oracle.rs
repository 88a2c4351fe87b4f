//! Holds what dead processes said against what the state file held, and in the end both against the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Instant;

use export_simulator::{DEFAULT_APP_ID, Endpoint, Job, Life, Made, Request, Simulator};
use serde_json::Value;

use super::files::Files;
use super::hooks::Hooks;
use super::lists::{Fate, Lists};
use super::memory::{Memory, Row, Verdict};
use super::{PER, REQUESTS, is_verdict};
use crate::harness::{Bench, Ended};

/// What was committed and what was announced, so far.
pub(super) struct Oracle {
    memory: Memory,
    files: Files,
    pub(super) hooks: Hooks,
    /// By how often each was announced.
    on_stdout: BTreeMap<Verdict, usize>,
    in_file: BTreeMap<Verdict, usize>,
    /// Bytes of the log file that were read.
    read: usize,
    /// When each process had ended.
    deaths: Vec<Instant>,
}

impl Oracle {
    /// Nothing was committed yet, and these hooks got nothing.
    pub(super) fn new(hooks: Hooks) -> Self {
        let (memory, files, on_stdout, in_file, deaths) = Default::default();
        Self { memory, files, hooks, on_stdout, in_file, read: 0, deaths }
    }

    /// After each death. What a process announced was in the outbox by then: with these very words, whatever became of
    /// the ticket later. What is no longer there was announced, and no ticket has a verdict that never was there.
    pub(super) fn judge(&mut self, bench: &Bench, ended: &Ended) {
        self.deaths.push(Instant::now());
        self.memory.read(bench);
        let added = self.lines_of_file(bench);
        let committed: BTreeSet<_> =
            self.memory.outbox.iter().filter_map(|row| verdict_of(&row.payload)).collect();
        for verdict in self.memory.rows.iter().filter_map(|row| row.verdict.as_ref()) {
            assert!(committed.contains(verdict), "in the state file and never in the outbox: {verdict:?}");
        }
        for (said, lines) in [(&mut self.on_stdout, &ended.lines), (&mut self.in_file, &added)] {
            for verdict in lines.iter().filter_map(verdict_of) {
                assert!(committed.contains(&verdict), "announced and not in the state file: {verdict:?}");
                *said.entry(verdict).or_default() += 1;
            }
        }
        let taken = self.memory.outbox.iter().filter(|row| row.is_taken);
        for verdict in taken.filter_map(|row| verdict_of(&row.payload)) {
            assert!(self.is_announced(&verdict), "gone from the outbox, and never announced: {verdict:?}");
        }
        self.files.judge(bench, &self.memory.outbox, &ended.lines, &added);
        self.hooks.judge(bench, &self.memory.events);
    }

    /// Lines of the log file since the last time; a crash may have torn one.
    fn lines_of_file(&mut self, bench: &Bench) -> Vec<Value> {
        let text = fs::read(bench.path("events.jsonl")).unwrap_or_default();
        let added = String::from_utf8_lossy(&text[self.read..]).into_owned();
        self.read = text.len();
        added.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn is_announced(&self, verdict: &Verdict) -> bool {
        self.on_stdout.contains_key(verdict) && self.in_file.contains_key(verdict)
    }

    /// At the end, when nothing is pending. Each verdict that was ever durable was announced; no two of one life of
    /// a ticket differ; and every ticket has what its job came to, or was removed as often as the lists dropped
    /// it and no more.
    pub(super) fn conclude(&self, bench: &Bench, lists: &Lists) {
        let ever: Vec<_> = self.memory.outbox.iter().filter_map(|row| verdict_of(&row.payload)).collect();
        let mut verdicts: BTreeMap<&str, Vec<&Verdict>> = BTreeMap::new();
        for verdict in &ever {
            assert!(self.is_announced(verdict), "never announced: {verdict:?}");
            let of_ticket = verdicts.entry(&verdict.ticket).or_default();
            if of_ticket.last() != Some(&verdict) {
                of_ticket.push(verdict);
            }
        }
        let jobs: BTreeMap<_, _> =
            bench.sim.jobs().into_iter().map(|job| (job.ticket.clone(), job)).collect();
        for (ticket, fate) in lists.entries() {
            let verdicts = verdicts.remove(ticket).unwrap_or_default();
            let ended = judge_lives(&verdicts, lists.drops_of(ticket));
            for verdict in ended {
                match fate {
                    Fate::OfJob => judge_fate(verdict, &jobs[ticket]),
                    fate => judge_fate_of_document(verdict, fate, &bench.sim),
                }
            }
            judge_end(self.memory.rows.iter().rfind(|row| row.ticket == ticket), ticket, lists);
        }
        assert!(verdicts.is_empty(), "no list names {verdicts:?}");
        self.files.conclude(bench, &self.memory.outbox);
        self.hooks.conclude(&self.memory.outbox, &self.memory.events);
        self.judge_requests(bench);
        judge_jobs(bench);
        let twice = |said: &BTreeMap<_, usize>| said.values().filter(|times| **times > 1).count();
        let (stdout, file) = (twice(&self.on_stdout), twice(&self.in_file));
        println!(
            "{} verdicts; announced more than once: {stdout} on standard output, {file} in the log file",
            self.on_stdout.len()
        );
    }

    /// Not even a crash lets the budget be exceeded, and polls are counted together with what they changed.
    fn judge_requests(&self, bench: &Bench) {
        if let Some(refused) = bench.sim.requests().into_iter().find(|request| request.throttled) {
            panic!("refused, by {:?}:\n{:#?}", self.deaths, around(bench, refused.arrived_at));
        }
        let asked = [Endpoint::Query, Endpoint::Download, Endpoint::Create, Endpoint::Node];
        for endpoint in asked.into_iter().chain([Endpoint::TenantToken]) {
            let most = bench.sim.max_in_window(DEFAULT_APP_ID, endpoint, PER);
            assert!(most <= REQUESTS, "{most} requests in {PER:?}");
        }
        let sent = asked.into_iter().map(|endpoint| bench.sim.count(endpoint)).sum();
        let noted = self.memory.queries as usize;
        let polls = polls(&self.memory.rows);
        assert!((polls..=sent).contains(&noted), "{polls} polls by the rows, {noted} noted, {sent} sent");
    }
}

/// The requests of the window that ends with the one that arrived then, and a few more.
fn around(bench: &Bench, arrived_at: Instant) -> Vec<Request> {
    let near = |request: &Request| {
        let apart = request.arrived_at.max(arrived_at) - request.arrived_at.min(arrived_at);
        apart <= 2 * PER
    };
    bench.sim.requests().into_iter().filter(near).collect()
}

/// A verdict's line; none if it says something else.
fn verdict_of(line: &Value) -> Option<Verdict> {
    Some(()).filter(|()| is_verdict(line))?;
    let text = |field: &str| line[field].as_str().map(str::to_owned);
    let finished_at: jiff::Timestamp = line["finished_at"].as_str().unwrap().parse().unwrap();
    Some(Verdict {
        ticket: text(if line["document"].is_null() { "ticket" } else { "token" }).unwrap(),
        token: text("token").unwrap(),
        state: text("state").unwrap(),
        finished_at: finished_at.as_millisecond(),
        file_token: text("file_token"),
        error_kind: text("error.kind"),
        error_job_status: line["error.job_status"].as_i64(),
    })
}

/// A life ends once. A ticket that ended stays so, until its document's token is corrected; one that was removed may come
/// back. No token is listed twice with another in between. Returns the ends that are to be as the job's.
fn judge_lives<'v>(verdicts: &[&'v Verdict], drops: usize) -> Vec<&'v Verdict> {
    for (verdict, next) in verdicts.iter().zip(verdicts.iter().skip(1)) {
        let is_new_life = verdict.state == "removed" || verdict.token != next.token;
        assert!(is_new_life, "two verdicts of one life: {verdict:?}, {next:?}");
    }
    let (removed, ended): (Vec<_>, Vec<_>) = verdicts.iter().partition(|verdict| verdict.state == "removed");
    assert!(removed.len() <= drops, "removed more often than the lists dropped it: {removed:?}");
    ended
}

/// A document ends as its jobs do, or as its create is answered.
fn judge_fate_of_document(verdict: &Verdict, fate: &Fate, sim: &Simulator) {
    let found = (verdict.state.as_str(), verdict.error_kind.as_deref(), verdict.error_job_status);
    match fate {
        Fate::Refused => assert_eq!(found, ("failed", Some("no_permission"), None), "{verdict:?}"),
        Fate::OfDocument { token, job_status: None } => {
            assert_eq!(found, ("completed", None, None), "{verdict:?}");
            let is_its =
                |job: &Job| job.token == *token && Some(&job.file_token) == verdict.file_token.as_ref();
            assert!(sim.jobs().iter().any(is_its), "another document's file: {verdict:?}");
        }
        Fate::OfDocument { job_status, .. } => {
            assert_eq!((found.0, found.2), ("failed", *job_status), "{verdict:?}");
        }
        Fate::OfJob => {}
    }
}

/// Of each document one job is watched, and one more is made at most for each answer that a process did not live to keep.
fn judge_jobs(bench: &Bench) {
    let made = bench.sim.made();
    for (order, Made { tickets, lost, never_polled }) in &made {
        assert!(tickets.len() <= 1 + lost + never_polled, "{order:?}: {tickets:?}, {lost} lost");
    }
    let jobs: usize = made.values().map(|made| made.tickets.len()).sum();
    println!("{jobs} jobs of {} documents", made.len());
}

fn judge_fate(verdict: &Verdict, job: &Job) {
    let (file_token, status) = match job.life {
        _ if verdict.token != job.token => {
            assert_eq!(verdict.error_kind.as_deref(), Some("invalid_param"), "{verdict:?}");
            (None, None)
        }
        Some(Life::Fails { job_status, .. }) => (None, Some(job_status)),
        _ => (Some(job.file_token.as_str()), None),
    };
    assert_eq!(
        (verdict.file_token.as_deref(), verdict.error_job_status),
        (file_token, status),
        "{verdict:?}"
    );
    let state = if file_token.is_some() { "completed" } else { "failed" };
    assert_eq!(verdict.state, state, "{verdict:?}");
}

/// By the last row that was committed of a ticket: what is listed has ended, under the token that is listed; what is not
/// has ended some time, or was removed.
fn judge_end(last: Option<&Row>, ticket: &str, lists: &Lists) {
    match (lists.token_of(ticket), last.map(|row| (row, &row.verdict))) {
        (Some(token), Some((_, Some(last)))) => {
            assert!(last.state != "removed" && last.token == token, "listed with {token}: {last:?}");
        }
        (Some(token), last) => panic!("{ticket} is listed with {token} and has no verdict: {last:?}"),
        (None, Some((last, verdict))) => {
            assert!(verdict.is_some(), "on no list, neither ended nor removed: {last:?}");
        }
        // One that came and went between two looks, or in a moment of which a crash left nothing.
        (None, None) => {}
    }
}

/// How many polls the rows know of, over all lives.
fn polls(rows: &[Row]) -> usize {
    let mut lives: BTreeMap<&str, (&Row, u32)> = BTreeMap::new();
    for row in rows {
        let (before, ended) = lives.remove(row.ticket.as_str()).unwrap_or((row, 0));
        let is_same =
            before.token == row.token && (before.verdict.is_none() || before.verdict == row.verdict);
        let ended = if is_same { ended } else { ended + before.polls };
        lives.insert(&row.ticket, (row, ended));
    }
    lives.values().map(|(row, ended)| (row.polls + ended) as usize).sum()
}
