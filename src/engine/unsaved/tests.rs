//! What is written when, and that nothing is lost or announced before.

use std::path::Path;

use super::*;
use crate::domain::{AppName, DocumentToken, EntryId, HookName, TicketRecord, TicketState, WatchEntry};

fn known() -> (Tickets, TicketIndex) {
    let mut tickets = Tickets::new(1);
    let index = insert(&mut tickets, "1");
    (tickets, index)
}

fn insert(tickets: &mut Tickets, ticket: &str) -> TicketIndex {
    let key = EntryKey { app: AppName::new("a"), id: EntryId::new(ticket) };
    let source = Path::new("l").into();
    let entry = WatchEntry {
        key,
        token: DocumentToken::parse("doc").unwrap(),
        label: None,
        created_at: None,
        request: None,
        download: true,
        source,
    };
    tickets.insert(TicketRecord::new(entry, WallTime::from_millis(1)), Some(0), Duration::ZERO)
}

fn row(id: i64) -> OutboxRow {
    OutboxRow { id: EventId(id), payload: "{}".into() }
}

fn event(id: i64, hooks: &[&str]) -> EventRow {
    EventRow {
        id: EventId(id),
        event: crate::domain::event::APP_PAUSED,
        at: WallTime::from_millis(1),
        key: None,
        kind: None,
        hooks: hooks.iter().map(|name| HookName::new(name)).collect(),
        payload: "{}".into(),
    }
}

fn decide(unsaved: &mut Unsaved, tickets: &mut Tickets, index: TicketIndex, id: i64) {
    tickets.change(index, |slot| slot.record.state = TicketState::Failed);
    unsaved.decided(index, row(id), event(id, &[]), Instant::now());
}

fn next(unsaved: &mut Unsaved, tickets: &Tickets) -> Batch {
    unsaved.start_commit(tickets, WallTime::from_millis(1), Instant::now())
}

#[test]
fn counters_wait_for_company_and_verdicts_do_not() {
    let (start, (_, index)) = (Instant::now(), known());
    let mut unsaved = Unsaved::default();
    assert_eq!(unsaved.commit_due(), None);
    unsaved.changed(index, start);
    assert_eq!(unsaved.commit_due(), Some(start + FLUSH_EVERY));
    unsaved.decided(index, row(1), event(1, &[]), start + FLUSH_EVERY / 2);
    assert_eq!(unsaved.commit_due(), Some(start));
}

/// Promise 4: nothing is announced that is not committed, and a failed commit loses nothing, not even one whose
/// task broke off.
#[test]
fn a_verdict_is_held_back_until_it_is_durable() {
    let (start, (mut tickets, index)) = (Instant::now(), known());
    let mut unsaved = Unsaved::default();
    decide(&mut unsaved, &mut tickets, index, 1);
    let batch = next(&mut unsaved, &tickets);
    assert_eq!((batch.tickets.len(), &*batch.outbox), (1, &[row(1)][..]));
    assert!(unsaved.commit_failed(batch, &tickets, start), "the first failure is news");
    assert_eq!(unsaved.commit_due(), Some(start + TRY_AGAIN));
    let batch = next(&mut unsaved, &tickets);
    assert!(!unsaved.commit_failed(batch, &tickets, start), "the second is not");
    drop(next(&mut unsaved, &tickets));
    unsaved.commit_lost(&tickets, start);
    let batch = next(&mut unsaved, &tickets);
    assert_eq!((batch.tickets.len(), &*batch.outbox), (1, &[row(1)][..]));
    assert_eq!(unsaved.committed().last, Some(EventId(1)));
    assert!(unsaved.works() && !unsaved.works());
    assert!(unsaved.is_written() && next(&mut unsaved, &tickets).outbox.is_empty());
}

#[test]
fn verdicts_go_before_counters_in_the_order_in_which_they_came() {
    let start = Instant::now();
    let mut tickets = Tickets::new(1);
    let all: Vec<_> = (0..ROWS_MAX + 10).map(|number| insert(&mut tickets, &number.to_string())).collect();
    let mut unsaved = Unsaved::default();
    for index in &all {
        unsaved.changed(*index, start);
    }
    decide(&mut unsaved, &mut tickets, all[ROWS_MAX + 5], 1);
    decide(&mut unsaved, &mut tickets, all[3], 2);
    let batch = next(&mut unsaved, &tickets);
    let first: Vec<_> = batch.tickets[..2].iter().map(|row| row.entry.key.id.to_string()).collect();
    assert_eq!(first, [(ROWS_MAX + 5).to_string(), "3".to_owned()]);
    assert_eq!((batch.tickets.len(), batch.outbox), (ROWS_MAX, vec![row(1), row(2)]));
    assert_eq!(unsaved.committed().last, Some(EventId(2)));
    assert!(unsaved.commit_due().is_some() && !unsaved.is_written(), "the rest waits for the next batch");
    assert_eq!(next(&mut unsaved, &tickets).tickets.len(), 10);
    assert!(unsaved.is_written());
}

/// Promise 4: a ticket is never durable with a verdict whose row of the outbox is not.
#[test]
fn a_ticket_goes_with_the_last_of_its_verdicts() {
    let mut tickets = Tickets::new(1);
    let mut unsaved = Unsaved::default();
    let all: Vec<_> = (0..2 * ROWS_MAX).map(|number| insert(&mut tickets, &number.to_string())).collect();
    for (index, id) in all.iter().zip(1..) {
        decide(&mut unsaved, &mut tickets, *index, id);
    }
    let batch = next(&mut unsaved, &tickets);
    assert_eq!((batch.tickets.len(), batch.outbox.len()), (ROWS_MAX, ROWS_MAX));
    unsaved.commit_failed(batch, &tickets, Instant::now());
    // It was listed anew since.
    decide(&mut unsaved, &mut tickets, all[0], 10_000);
    let batch = next(&mut unsaved, &tickets);
    assert_eq!((batch.tickets.len(), batch.outbox.len()), (2 * ROWS_MAX, 2 * ROWS_MAX + 1));
    assert_eq!(unsaved.committed().last, Some(EventId(10_000)));
}

/// Promise 4: what happened to an app is written at once, with no ticket; hooks are woken only by what they take; and what
/// a failed commit had goes with the next.
#[test]
fn events_are_held_back_until_they_are_durable() {
    let (start, (mut tickets, index)) = (Instant::now(), known());
    let mut unsaved = Unsaved::default();
    unsaved.app_event(event(1, &["a"]), start);
    assert_eq!(unsaved.commit_due(), Some(start));
    let batch = next(&mut unsaved, &tickets);
    assert_eq!((batch.tickets.len(), batch.events.len()), (0, 1));
    unsaved.commit_failed(batch, &tickets, start);
    decide(&mut unsaved, &mut tickets, index, 2);
    unsaved.happened(index, event(3, &[]), start);
    let batch = next(&mut unsaved, &tickets);
    assert_eq!(batch.events.iter().map(|event| event.id.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((batch.tickets.len(), batch.outbox.len()), (1, 1));
    let durable = unsaved.committed();
    assert_eq!((durable.last, durable.last_for_hooks), (Some(EventId(2)), Some(EventId(1))));
    unsaved.happened(index, event(4, &[]), start);
    next(&mut unsaved, &tickets);
    assert_eq!(unsaved.committed().last_for_hooks, None);
    (0..2 * APP_EVENTS_MAX as i64).for_each(|id| unsaved.app_event(event(id, &["a"]), start));
    assert_eq!(next(&mut unsaved, &tickets).events.len(), APP_EVENTS_MAX);
}

/// Promise 6: a request leaves the state file with the last row that it changed: a crash before that finds it
/// there. A commit that fails takes it along to the next.
#[test]
fn a_request_goes_with_the_last_of_the_rows() {
    let start = Instant::now();
    let mut tickets = Tickets::new(1);
    let mut unsaved = Unsaved::default();
    for number in 0..=ROWS_MAX {
        unsaved.changed(insert(&mut tickets, &number.to_string()), start);
    }
    unsaved.retried(RetryId(7), start);
    let next = |unsaved: &mut Unsaved| unsaved.start_commit(&tickets, WallTime::from_millis(1), start);
    assert_eq!(next(&mut unsaved).retried, None, "a row is left");
    unsaved.committed();
    let last = next(&mut unsaved);
    assert_eq!((last.tickets.len(), last.retried), (1, Some(RetryId(7))));
    unsaved.commit_failed(last, &tickets, start);
    assert_eq!(next(&mut unsaved).retried, Some(RetryId(7)));
    unsaved.committed();
    unsaved.retried(RetryId(8), start);
    assert_eq!(next(&mut unsaved).retried, Some(RetryId(8)));
}

/// Promise 4: a ticket that is no longer kept leaves the file only after its verdict has a row of the outbox, however
/// many verdicts wait before it.
#[test]
fn a_forgotten_ticket_waits_for_its_verdict() {
    let start = Instant::now();
    let mut tickets = Tickets::new(1);
    let mut unsaved = Unsaved::default();
    for number in 0..=ROWS_MAX {
        let index = insert(&mut tickets, &number.to_string());
        decide(&mut unsaved, &mut tickets, index, number as i64);
        let key = tickets.get(index).unwrap().record.entry.key.clone();
        unsaved.forgotten(index, key, start);
    }
    let next = |unsaved: &mut Unsaved| {
        let batch = unsaved.start_commit(&tickets, WallTime::from_millis(1), start);
        unsaved.committed();
        (batch.outbox.len(), batch.forgotten.len())
    };
    assert_eq!(next(&mut unsaved), (ROWS_MAX, 0));
    assert!(!unsaved.is_written() && unsaved.commit_due().is_some());
    assert_eq!(next(&mut unsaved), (1, ROWS_MAX + 1));
    assert!(unsaved.is_written());
}

#[test]
fn old_releases_are_not_piled_up() {
    let (start, (tickets, _)) = (Instant::now(), known());
    let release = |millis| Release {
        id: EventId(millis),
        budget: "h/a".into(),
        endpoint: crate::domain::Endpoint::Query,
        at: WallTime::from_millis(millis),
    };
    let mut unsaved = Unsaved::default();
    unsaved.released(release(1), start);
    unsaved.released(release(100), start);
    assert_eq!(unsaved.start_commit(&tickets, WallTime::from_millis(50), start).released, [release(100)]);
}
