//! The state by itself, without loop, remote or state file: events go in, effects come out.

use super::fakes::*;
use crate::domain::*;
use crate::engine::event::{CallEnd, Effect, Event, FlightId, Request};
use crate::engine::now::Now;
use crate::engine::state::State;
use crate::engine::*;
use crate::feishu::*;
use crate::store::{Batch, EventId, Loaded};

fn act(state: &mut State, now: Now) -> Vec<Effect> {
    state.act(now);
    state.take_effects()
}

fn sent(effects: &[Effect]) -> FlightId {
    let flight =
        effects.iter().find_map(|it| if let Effect::Send(flight, _) = it { Some(*flight) } else { None });
    flight.unwrap()
}

fn batch(effects: Vec<Effect>) -> Batch {
    let batch =
        effects.into_iter().find_map(|it| if let Effect::Commit(batch) = it { Some(batch) } else { None });
    batch.unwrap()
}

/// Promise 4: a verdict is announced by an effect of its own, after the one that makes it durable has ended.
#[tokio::test(start_paused = true)]
async fn a_ticket_passes_from_event_to_effect() {
    let bench = Bench::new(FakeApi::new(|_, _| (SECOND, completed())));
    let now = Clock::with_wall(|| START).now();
    let list = WatchList { entries: vec![entry("default", "1")], rejected: Vec::new() };
    let mut state = State::new(bench.apps, bench.settings, bench.meters, now);
    state.begin(Loaded::default(), list, now);
    assert!(matches!(state.take_effects()[..], [Effect::WakeConsumers(EventId(0))]));

    let effects = act(&mut state, now);
    assert!(matches!(
        effects[..],
        [Effect::Send(_, Request::Token(_)), Effect::Ping, Effect::QueryRetries(_)]
    ));
    let grant = Grant { token: AccessToken::new("t-1".to_owned()), expires_in: Some(120 * MINUTE) };
    let token = CallEnd::Token(TokenAnswer { result: Ok(grant), detail: Detail::default() });
    state.handle(Event::CallEnded(sent(&effects), Ok(token)), now);

    let effects = act(&mut state, now);
    assert!(matches!(effects[..], [Effect::Send(_, Request::Query(_))]));
    let detail = Detail { code: Some(0), job_status: Some(0), ..Detail::default() };
    let answer = CallEnd::Query(Answer { verdict: completed(), detail });
    state.handle(Event::CallEnded(sent(&effects), Ok(answer)), now);

    let batch = batch(act(&mut state, now));
    assert_eq!((batch.tickets[0].state, batch.outbox.len()), (TicketState::Completed, 1));
    assert!(act(&mut state, now).is_empty(), "nothing is announced before it is durable");
    state.handle(Event::Committed(Some(Ok(()))), now);
    let effects = state.take_effects();
    assert!(matches!(effects[..], [Effect::WakeConsumers(last)] if last == batch.outbox[0].id));
    assert!(state.is_over(now), "nothing is pending");
}
