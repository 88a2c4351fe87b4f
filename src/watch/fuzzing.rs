//! The door for [`crate::fuzzing`]: what the engine's pure decisions make of an answer.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::gate::Gate;
use super::now::Now;
use super::step::{EndedPoll, after_poll};
use crate::domain::{
    AppName, DocumentToken, TicketId, TicketKey, TicketRecord, TicketState, WallTime, WatchEntry,
};
use crate::feishu::Answer;

/// 2026-11-22T10:00:00Z
const NOON: WallTime = WallTime::from_millis(1_795_341_600_000);

/// Where a ticket stands that was never asked about, once this answer came.
#[expect(clippy::expect_used, reason = "three letters fit")]
pub(crate) fn first_state(answer: &Answer) -> TicketState {
    let token = DocumentToken::parse("doc").expect("three letters fit");
    let key = TicketKey { app: AppName::new("default"), ticket: TicketId::new("1") };
    let source = Path::new("/etc/list.toml").into();
    let entry = WatchEntry { key, token, label: None, created_at: None, request: None, source };
    let mut ticket = TicketRecord::new(entry, NOON);
    let poll =
        EndedPoll { answer, sent: NOON, now: NOON, watched: Duration::ZERO, counts: false, proven: false };
    after_poll(&mut ticket, &poll, Duration::from_secs(7200));
    ticket.state
}

/// How long an app is left alone whose server names this wait, if it names one.
pub(crate) fn throttled_for(reset: Option<Duration>) -> Option<Duration> {
    let now = Now { at: Instant::now(), wall: NOON };
    let mut gate = Gate::default();
    gate.throttled(reset, now.at, now);
    gate.pause().map(|pause| pause.next - now.at)
}
