//! An app's access token: the one in use, when to renew it, what a refusal means. Pure; the fetching
//! itself is the engine's, one at a time per app, because it owns this.

use std::time::Duration;

use tokio::time::Instant;

use crate::feishu::{AccessToken, Grant};

/// A token is renewed this long before it ends, or at half its life if that is later.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// A token that others keep fresh is read again this often while it is used.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// The wait after the first fetch that failed; doubled each time …
const FETCH_AGAIN: Duration = Duration::from_secs(1);

/// … up to this.
const FETCH_AGAIN_MAX: Duration = Duration::from_secs(60);

/// An app's access token.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    held: Option<Held>,
    /// Counts tokens, so that a late answer is not taken for one that concerns the token in use.
    generation: u64,
    /// A token was refused and no answer was accepted since: the next refusal is the app's fault.
    on_trial: bool,
    /// The token that was dropped last: the endpoint may hand it out again.
    dropped: Option<AccessToken>,
    failures: u32,
    refusal_reported: bool,
    not_before: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Held {
    token: AccessToken,
    renew_at: Instant,
    ends_at: Option<Instant>,
}

/// What the refusal of a token means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The poll carried an older token: nothing.
    Stale,
    /// The token in use is bad: it is dropped, a new one is fetched and the poll repeated.
    Evicted,
    /// A newly fetched token is bad, too: the app's fault.
    AppFault,
}

impl Access {
    /// The token to use at `now`, and its generation.
    #[must_use]
    pub(super) fn usable(&self, now: Instant) -> Option<(&AccessToken, u64)> {
        let held = self.held.as_ref().filter(|held| held.ends_at.is_none_or(|end| now < end))?;
        Some((&held.token, self.generation))
    }

    /// When the token ends that was granted last, if that is known. It may be over.
    #[must_use]
    pub(super) fn ends_at(&self) -> Option<Instant> {
        self.held.as_ref()?.ends_at
    }

    /// When a fetch is wanted.
    #[must_use]
    pub(super) fn fetch_due(&self, now: Instant) -> Instant {
        let wanted = self.held.as_ref().map_or(now, |held| held.renew_at);
        self.not_before.map_or(wanted, |earliest| wanted.max(earliest))
    }

    /// A fetch that was sent at `sent` brought a token. Says whether it is another one than before.
    pub(super) fn granted(&mut self, grant: Grant, sent: Instant, now: Instant) -> bool {
        self.failures = 0;
        self.refusal_reported = false;
        self.not_before = None;
        let same = self.held.as_ref().is_some_and(|held| held.token.is_same(&grant.token));
        if !same {
            self.generation += 1;
        }
        // A token that was refused is tried once more, hence the generation, but it is no news.
        let known = same || self.dropped.take().is_some_and(|token| token.is_same(&grant.token));
        self.held = Some(match grant.expires_in {
            // The life began somewhere between sending and answer; the earlier end is the safe one. A
            // life shorter than the answer took is still worth a try, or fetching would never end.
            Some(life) => Held {
                token: grant.token,
                renew_at: sent + life - RENEW_BEFORE.min(life / 2),
                ends_at: Some((sent + life).max(now + life / 2)),
            },
            None => Held { token: grant.token, renew_at: now + READ_AGAIN, ends_at: None },
        });
        !known
    }

    /// A renewal was refused while the token in use still works. Says whether that is news since the last
    /// token was granted.
    pub(super) fn refusal_is_news(&mut self) -> bool {
        !std::mem::replace(&mut self.refusal_reported, true)
    }

    /// A fetch brought nothing. The token in use stays good until it ends.
    pub(super) fn fetch_failed(&mut self, now: Instant) {
        let wait = FETCH_AGAIN.saturating_mul(1 << self.failures.min(8)).min(FETCH_AGAIN_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + wait);
    }

    /// A fetch failed by the app's fault; when to try again is decided by the app's pause.
    pub(super) fn fetch_refused(&mut self) {
        self.not_before = None;
    }

    /// `by` may have passed that the monotonic clock did not see: the token ends as much earlier, and is renewed
    /// in time for that.
    pub(super) fn aged(&mut self, by: Duration, now: Instant) {
        if let Some(held) = &mut self.held {
            let earlier = |moment: Instant| moment.checked_sub(by).unwrap_or(now).max(now);
            held.ends_at = held.ends_at.map(earlier);
            held.renew_at = earlier(held.renew_at);
        }
    }

    /// A poll that carried the token of `generation` was refused for it.
    pub(super) fn refused(&mut self, generation: u64) -> Refusal {
        if generation != self.generation || self.held.is_none() {
            return Refusal::Stale;
        }
        self.dropped = self.held.take().map(|held| held.token);
        // A renewal may have been waiting; now a token is needed at once.
        self.not_before = None;
        if std::mem::replace(&mut self.on_trial, true) { Refusal::AppFault } else { Refusal::Evicted }
    }

    /// A poll that carried the token of `generation` was accepted.
    pub(super) fn accepted(&mut self, generation: u64) {
        if generation == self.generation {
            self.on_trial = false;
        }
    }

    /// The secret, or a token that others keep fresh, may have changed: it is read again at the next chance.
    pub(super) fn read_again(&mut self, now: Instant) {
        self.not_before = None;
        if let Some(held) = self.held.as_mut().filter(|held| held.ends_at.is_none()) {
            held.renew_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn grant(text: &str, life: Option<u64>) -> Grant {
        Grant { token: AccessToken::new(text), expires_in: life.map(Duration::from_secs) }
    }

    #[test]
    fn renewed_five_minutes_before_the_end_or_at_half_life() {
        let start = Instant::now();
        for (life, renew) in [(7200, 6900), (600, 300), (60, 30), (1, 0)] {
            let mut access = Access::default();
            access.granted(grant("t-1", Some(life)), start, start + SECOND / 10);
            let due = access.fetch_due(start);
            assert_eq!((due - start).as_secs(), renew, "life {life}");
            assert!(access.usable(start + SECOND * u32::try_from(life).unwrap()).is_none());
        }
    }

    #[test]
    fn evicted_once_then_the_apps_fault() {
        let (start, mut access) = (Instant::now(), Access::default());
        access.granted(grant("t-1", Some(7200)), start, start);
        let (_, first) = access.usable(start).unwrap();
        assert_eq!(access.refused(first), Refusal::Evicted);
        assert_eq!(access.refused(first), Refusal::Stale, "thirty polls in flight, one eviction");
        assert!(access.usable(start).is_none());
        // The endpoint may hand out the very same token while it has half an hour to live.
        access.granted(grant("t-1", Some(7000)), start, start);
        let (_, second) = access.usable(start).unwrap();
        assert_eq!(access.refused(first), Refusal::Stale);
        assert_eq!(access.refused(second), Refusal::AppFault);
        access.granted(grant("t-2", Some(7000)), start, start);
        let (_, third) = access.usable(start).unwrap();
        assert_eq!(access.refused(third), Refusal::AppFault, "every probe fetches anew and counts at once");
    }

    #[test]
    fn an_accepted_answer_ends_the_trial() {
        let (start, mut access) = (Instant::now(), Access::default());
        access.granted(grant("t-1", None), start, start);
        access.refused(1);
        access.granted(grant("t-2", None), start, start);
        access.accepted(1);
        assert_eq!(
            access.clone().refused(2),
            Refusal::AppFault,
            "a late answer to the old token proves nothing"
        );
        access.accepted(2);
        assert_eq!(access.refused(2), Refusal::Evicted);
    }

    #[test]
    fn a_failed_fetch_leaves_the_old_token_in_use() {
        let (start, mut access) = (Instant::now(), Access::default());
        access.granted(grant("t-1", Some(7200)), start, start);
        let late = start + 7000 * SECOND;
        access.fetch_failed(late);
        assert!(access.usable(late).is_some());
        assert_eq!(access.fetch_due(late), late + SECOND);
        access.fetch_failed(late);
        assert_eq!(access.fetch_due(late), late + 2 * SECOND);
        for _ in 0..20 {
            access.fetch_failed(late);
        }
        assert_eq!(access.fetch_due(late), late + FETCH_AGAIN_MAX);
    }

    #[test]
    fn a_ready_made_token_is_read_again_and_keeps_its_generation_while_unchanged() {
        let (start, mut access) = (Instant::now(), Access::default());
        assert!(access.granted(grant("u-1", None), start, start));
        assert_eq!(access.fetch_due(start), start + READ_AGAIN);
        assert!(!access.granted(grant("u-1", None), start, start));
        assert!(access.granted(grant("u-2", None), start, start));
        access.read_again(start);
        assert_eq!(access.fetch_due(start), start);
    }
}
