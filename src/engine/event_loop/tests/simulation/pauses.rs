//! What the log of a history says of pauses: each is announced once, and outside of them, and of what else keeps an app
//! from its tickets, no ticket goes unpolled for long.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::super::fakes::*;
use super::Diary;
use super::lists::Lists;
use super::world::World;
use crate::domain::event::*;

/// A ticket that may be polled is polled this often: the longest interval, and the longest life of a request.
const POLLED_WITHIN: Duration = Duration::from_secs(60 + 20);

/// As many requests as fill a window matter for so long.
const SETTLED_AFTER: Duration = Duration::from_secs(60);

/// After a start as many may be assumed as the process before could have sent, those that it had on their way for as long
/// as a request lives besides.
const STARTED_AFTER: Duration = Duration::from_secs(60 + 15);

/// Why an app's tickets are not polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Hindrance {
    /// The pause of its queries.
    Paused,
    /// The token endpoint is paused.
    TokenPaused,
    /// The pause of its downloads.
    DownloadsPaused,
    /// The pause of its creates, which holds up neither polls nor downloads.
    CreatesPaused,
    /// The same of questions about wiki nodes.
    NodesPaused,
    /// It has no access token, or waits for a new one.
    NoToken,
    /// Polls fail one after the other: few are in flight.
    Degraded,
}

/// Stretches of time, in no order, that may overlap.
#[derive(Debug, Default)]
pub(super) struct Spans(Vec<(Instant, Instant)>);

impl Spans {
    pub(super) fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    pub(super) fn add(&mut self, from: Instant, to: Instant) {
        self.0.push((from, to));
    }

    /// How much of the time between lies outside of these and those.
    pub(super) fn left_of(&self, others: &Self, from: Instant, to: Instant) -> Duration {
        let mut inside: Vec<_> = [&self.0, &others.0]
            .into_iter()
            .flatten()
            .map(|(start, end)| (*start.max(&from), *end.min(&to)))
            .filter(|(a, b)| a < b)
            .collect();
        inside.sort();
        let (mut left, mut seen) = (Duration::ZERO, from);
        for (start, end) in inside {
            left += start.saturating_duration_since(seen);
            seen = seen.max(end);
        }
        left + to.saturating_duration_since(seen)
    }
}

/// The hindrances in force, and those that are over, by app.
#[derive(Default)]
struct Hindrances {
    open: HashMap<(String, Hindrance), (Instant, String)>,
    /// Those of polls.
    over: HashMap<String, Spans>,
    /// Those that downloads have besides.
    of_downloads: HashMap<String, Spans>,
    /// Those that exports have besides.
    of_exports: HashMap<String, Spans>,
}

impl Hindrances {
    fn begin(&mut self, app: &str, what: Hindrance, why: &str, at: Instant) {
        let since = self.open.get(&(app.to_owned(), what)).map_or(at, |(since, _)| *since);
        self.open.insert((app.to_owned(), what), (since, why.to_owned()));
    }

    fn end(&mut self, app: &str, what: Hindrance, at: Instant) {
        if let Some((since, _)) = self.open.remove(&(app.to_owned(), what)) {
            self.spans(app, what).add(since, at);
        }
    }

    fn spans(&mut self, app: &str, what: Hindrance) -> &mut Spans {
        let all = match what {
            Hindrance::DownloadsPaused => &mut self.of_downloads,
            Hindrance::CreatesPaused | Hindrance::NodesPaused => &mut self.of_exports,
            _ => &mut self.over,
        };
        all.entry(app.to_owned()).or_default()
    }

    /// The polls that were refused took their slots, a window's worth at most, and are repeated first.
    fn refused(&mut self, app: &str, what: Hindrance, at: Instant) {
        self.spans(app, what).add(at, at + SETTLED_AFTER);
    }

    /// A process ended, and with it all that it knew.
    fn end_all(&mut self, at: Instant) {
        for ((app, what), (since, _)) in std::mem::take(&mut self.open) {
            self.spans(&app, what).add(since, at);
        }
    }

    fn see(&mut self, line: &HashMap<String, String>, at: Instant) {
        let field = |name| line.get(name).map_or("", String::as_str);
        let (app, reason) = (field("app"), field("reason"));
        let at_token = reason == "rate_limited" && field("endpoint") == "token";
        let paused = match field("endpoint") {
            "download" => Hindrance::DownloadsPaused,
            "create" => Hindrance::CreatesPaused,
            "node" => Hindrance::NodesPaused,
            _ if at_token => Hindrance::TokenPaused,
            _ => Hindrance::Paused,
        };
        match field("event") {
            APP_PAUSED => {
                let known = self.open.get(&(app.to_owned(), paused));
                // Promise 3: once.
                assert!(
                    known.is_none_or(|(_, why)| why != reason),
                    "announced twice: {line:?}, {known:?}, {at:?}"
                );
                self.begin(app, paused, reason, at);
                if field("endpoint") != "token" {
                    self.refused(app, paused, at);
                }
            }
            APP_RESUMED => self.end(app, paused, at),
            APP_DEGRADED => self.begin(app, Hindrance::Degraded, "", at),
            APP_RECOVERED => self.end(app, Hindrance::Degraded, at),
            TOKEN_RETRY => self.begin(app, Hindrance::NoToken, "", at),
            TOKEN_REJECTED => {
                self.begin(app, Hindrance::NoToken, "", at);
                self.refused(app, Hindrance::NoToken, at);
            }
            TOKEN_REFRESHED => self.end(app, Hindrance::NoToken, at),
            _ => {}
        }
    }
}

/// Reads the log from its beginning, restarts included.
fn hindrances(world: &World, bench: &Bench, diary: &Diary) -> Hindrances {
    let mut seen = Hindrances::default();
    let lives = diary.lives.lock().unwrap().clone();
    let mut ends = lives.iter().peekable();
    let (lines, times) = bench.log.with(|log| (log.lines.clone(), log.times.clone()));
    for (line, at) in lines.iter().zip(&times) {
        while let Some((down, _)) =
            ends.next_if(|(down, up)| down <= at && line["event"] == WATCHER_STARTED || up < at)
        {
            seen.end_all(*down);
        }
        seen.see(line, *at);
    }

    seen.end_all(Instant::now());
    for app in &world.apps {
        let spans = seen.over.entry(app.name.to_string()).or_default();
        lives.iter().for_each(|(down, up)| spans.add(*down, *up + STARTED_AFTER));
    }
    seen
}

/// What keeps each app from its downloads.
pub(super) fn hindrances_of_downloads(world: &World, bench: &Bench, diary: &Diary) -> HashMap<String, Spans> {
    let Hindrances { over: mut all, of_downloads, .. } = hindrances(world, bench, diary);
    for (app, spans) in &of_downloads {
        all.entry(app.clone()).or_default().extend(spans);
    }
    all
}

/// When there was nothing to ask of a ticket: from when it left the list until it was pending again. One that is back on
/// the list starts over once the verdict that it was removed is announced, and state file and log may fail meanwhile. One
/// that is done within the same batch is never written as pending: then its poll shows it.
fn away(ticket: &str, bench: &Bench, diary: &Diary) -> Spans {
    let off_the_list = diary.off_the_list.lock().unwrap();
    let pending = bench.store.with(|kept| kept.pending.get(ticket).cloned().unwrap_or_default());
    let mut away = Spans::default();
    for (from, to) in off_the_list.get(ticket).into_iter().flat_map(|spans| &spans.0) {
        let again = pending.iter().copied().find(|made| made >= to);
        let polled = || bench.api.polls_of(ticket).iter().map(|sent| sent.at).find(|at| at >= to);
        away.add(*from, again.or_else(polled).unwrap_or(*to));
    }
    away
}

/// When a wait begins anew without a poll: when a list gives the ticket another document, so that it starts over, and when
/// a process begins that can't know the place in line that the one before it came to.
fn begun_anew(ticket: &str, lists: &Lists, diary: &Diary) -> Vec<Instant> {
    let mut anew = lists.started_over.get(ticket).cloned().unwrap_or_default();
    anew.extend(diary.without_memory.lock().unwrap().iter());
    anew.sort();
    anew
}

/// The time between, cut at the moments that lie in it.
fn split((from, to): (Instant, Instant), at: &[Instant]) -> Vec<(Instant, Instant)> {
    let inside = at.iter().copied().filter(|moment| from < *moment && *moment < to);
    let moments: Vec<_> = [from].into_iter().chain(inside).chain([to]).collect();
    moments.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// Promises 3 and 5, whatever goes wrong: a pause is announced once, and no ticket that may be polled goes unpolled for
/// longer than the longest interval, a request's life, and one sweep over the tickets of its app's budget; not before its first poll
/// either.
pub(super) fn never_forgotten(world: &World, bench: &Bench, lists: &Lists, diary: &Diary) {
    let hindrances = hindrances(world, bench, diary).over;
    for app in &world.apps {
        let name = app.name.as_str();
        let bound = POLLED_WITHIN + world.sweep(app);
        for ticket in world.jobs.keys().filter(|ticket| ticket.starts_with(name)) {
            let away = away(ticket, bench, diary);
            let polls = bench.api.polls_of(ticket);
            let next = polls.windows(2).filter(|polls| !polls[0].is_final);
            let gaps = next.map(|polls| (polls[0].at, polls[1].at));
            let anew = begun_anew(ticket, lists, diary);
            let waits = gaps.chain([(diary.began, polls[0].at)]).flat_map(|gap| split(gap, &anew));
            for (from, to) in waits {
                let unpolled = hindrances[name].left_of(&away, from, to);
                assert!(
                    unpolled <= bound,
                    "{ticket} was not polled for {unpolled:?}, of {:?} from {:?} on",
                    to - from,
                    from - diary.began
                );
            }
        }
    }
}
