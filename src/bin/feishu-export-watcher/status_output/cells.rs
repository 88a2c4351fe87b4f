//! A ticket in words, for people. Pure: the report names the time.

use std::borrow::Cow;
use std::time::Duration;

use feishu_export_watcher::AppReport;
use feishu_export_watcher::domain::words::span;
use feishu_export_watcher::domain::{
    AppName, Availability, Failure, FileRecord, FileState, TicketRecord, TicketState, WallTime, escape,
    size_in_words,
};

use super::attention::born_at;
use super::report::Report;

/// The user's label for it, else the file's name, else the document.
pub(crate) fn name(ticket: &TicketRecord) -> Cow<'_, str> {
    let file = ticket.artefact.as_deref().and_then(|file| file.file_name.as_deref());
    escape(ticket.entry.label.as_deref().or(file).unwrap_or(ticket.entry.token.as_str()))
}

/// The ticket; of a document that has none, what it waits for.
pub(super) fn ticket(ticket: &TicketRecord) -> Cow<'_, str> {
    let Some(export) = ticket.export.as_deref().filter(|_| ticket.is_uncreated()) else {
        return escape(ticket.ticket().unwrap_or_default());
    };
    let is_pending = ticket.state == TicketState::Pending;
    Cow::Borrowed(match export.object {
        _ if is_pending && export.is_creating => "creating",
        None if is_pending => "resolving",
        _ => "not created",
    })
}

/// Where its file stands, if that is downloaded, else the ticket.
pub(crate) fn state(ticket: &TicketRecord) -> &'static str {
    ticket.file_state().map_or(ticket.state.as_str(), FileState::as_str)
}

/// The path of the saved file, else its error; else the file token, else the ticket's error.
pub(crate) fn result(ticket: &TicketRecord) -> Cow<'_, str> {
    match ticket.file.as_deref() {
        Some(FileRecord { state: FileState::Saved, path: Some(path), .. }) => {
            return Cow::Owned(escape(&path.to_string_lossy()).into_owned());
        }
        Some(FileRecord { state, error: Some(error), .. }) if *state != FileState::Saved => {
            return trouble(error);
        }
        _ => {}
    }
    match (&ticket.artefact, &ticket.error) {
        (Some(file), _) => escape(&file.file_token),
        (None, Some(failure)) => trouble(failure),
        (None, None) => Cow::Borrowed("-"),
    }
}

/// The kind, with the number by which the server's documentation knows it.
fn trouble(failure: &Failure) -> Cow<'static, str> {
    let number = failure.code.filter(|code| *code != 0).or(failure.job_status);
    match number {
        Some(number) => Cow::Owned(format!("{} ({number})", failure.kind)),
        None => Cow::Borrowed(failure.kind.as_str()),
    }
}

impl Report<'_> {
    /// What [`result`] says; where the ticket or its file only waits, its app's trouble.
    pub(super) fn result<'t>(&self, ticket: &'t TicketRecord) -> Cow<'t, str> {
        let is_silent = match ticket.file_state() {
            Some(state) => state == FileState::Waiting && ticket.file_error().is_none(),
            None => ticket.state == TicketState::Pending && ticket.error.is_none(),
        };
        match self.app(&ticket.entry.key.app).and_then(|app| app.trouble.as_ref()) {
            Some(trouble) if is_silent => trouble.cause.as_str().into(),
            _ => result(ticket),
        }
    }

    fn app(&self, name: &AppName) -> Option<&AppReport> {
        self.apps.binary_search_by(|app| app.name.cmp(name)).ok().map(|found| &self.apps[found])
    }

    /// How old the job is, as far as is known.
    pub(super) fn age(&self, ticket: &TicketRecord) -> String {
        span(self.now.since(born_at(ticket)))
    }

    /// The next step, or else the last one.
    pub(super) fn when(&self, ticket: &TicketRecord) -> String {
        match (ticket.state, ticket.finished_at) {
            (TicketState::Pending, _) => self.next_poll(ticket),
            (TicketState::Completed, _) => match ticket.file.as_deref() {
                Some(file) => self.of_file(ticket, file),
                None => self.download(ticket),
            },
            (_, Some(finished)) => format!("ended {}", ago(finished, self.now)),
            (_, None) => "ended".to_owned(),
        }
    }

    fn next_poll(&self, ticket: &TicketRecord) -> String {
        if !self.is_watched {
            return "waits for a watcher".to_owned();
        }
        match ticket.next_poll_at {
            next if self.waits_for_app(&ticket.entry.key.app, next) => "waits for its app".to_owned(),
            Some(next) if next > self.now && ticket.is_uncreated() => {
                format!("next try in {}", span(next.since(self.now)))
            }
            _ if ticket.is_uncreated() => "waits for its turn".to_owned(),
            Some(next) if next > self.now => format!("poll in {}", span(next.since(self.now))),
            Some(next) => format!("poll due {}", ago(next, self.now)),
            None => "poll due".to_owned(),
        }
    }

    /// Whether the app holds the poll up: no watcher polls for one that is not configured; one that is paused waits at
    /// least until it is tried again, and one whose calls fail sends few.
    fn waits_for_app(&self, name: &AppName, next_poll: Option<WallTime>) -> bool {
        let Some(app) = self.app(name) else { return false };
        let due_by = |moment| next_poll.is_none_or(|next| next <= moment);
        match &app.trouble {
            Some(trouble) => due_by(trouble.next.map_or(self.now, |next| next.max(self.now))),
            None => app.is_configured == Some(false) && due_by(self.now),
        }
    }

    /// The size of a saved file; for how long the artefact lives of one that waits, and what was tried.
    fn of_file(&self, ticket: &TicketRecord, file: &FileRecord) -> String {
        let plural = if file.attempts == 1 { "" } else { "s" };
        let attempts = format!("{} attempt{plural}", file.attempts);
        if file.state != FileState::Waiting {
            let size = file.size.filter(|_| file.state == FileState::Saved);
            return size.map_or(attempts, size_in_words);
        }
        let life = match Availability::new(ticket, self.now) {
            _ if file.is_whole() => "whole, waits for its name".to_owned(),
            Availability::Sure(until) => format!("lives {} more", span(until.since(self.now))),
            Availability::Unknown => "lives 10 min at most".to_owned(),
            Availability::Passed(_) | Availability::Over(_) => "may be gone".to_owned(),
        };
        let watcher = if self.is_watched { "" } else { "waits for a watcher, " };
        let attempts = if file.attempts > 0 { format!(", {attempts}") } else { String::new() };
        format!("{watcher}{life}{attempts}")
    }

    fn download(&self, ticket: &TicketRecord) -> String {
        match Availability::new(ticket, self.now) {
            Availability::Sure(until) => format!("download within {}", span(until.since(self.now))),
            Availability::Unknown => "download at once".to_owned(),
            Availability::Passed(_) => "may be gone, try at once".to_owned(),
            Availability::Over(since) => format!("expired {}", ago(since, self.now)),
        }
    }
}

/// How long ago a moment was. One that lies ahead (a clock that was set back) counts as now.
fn ago(moment: WallTime, now: WallTime) -> String {
    let passed = now.since(moment);
    if passed < Duration::from_secs(1) { "now".to_owned() } else { format!("{} ago", span(passed)) }
}

#[cfg(test)]
mod tests {
    use feishu_export_watcher::AppReport;
    use feishu_export_watcher::domain::{AppCondition, Endpoint, ErrorKind, PauseReason, Trouble};

    use super::super::fixtures::{self, NOW, after, ended, pause, pending};
    use super::*;

    fn when(ticket: &TicketRecord, apps: &[AppReport], is_watched: bool) -> String {
        Report { apps, is_watched, ..fixtures::report(&[]) }.when(ticket)
    }

    fn pending_until(next: Option<f64>) -> TicketRecord {
        TicketRecord { next_poll_at: next.map(after), ..pending("default", "1", "doxcn") }
    }

    /// Promise: a moment that passed, or that will not come, is not announced.
    #[test]
    fn next_polls_are_true() {
        let mut apps = fixtures::app_reports();
        for (next, words) in [
            (Some(12.0), "poll in 12 s"),
            (Some(-30.0), "poll due 30 s ago"),
            (Some(0.0), "poll due now"),
            (None, "poll due"),
        ] {
            assert_eq!(when(&pending_until(next), &apps, true), words);
            assert_eq!(when(&pending_until(next), &apps, false), "waits for a watcher");
        }
        apps[0].trouble = Some(pause(PauseReason::RateLimited));
        for (next, words) in [
            (None, "waits for its app"),
            (Some(-30.0), "waits for its app"),
            (Some(38.0), "waits for its app"),
            (Some(40.0), "poll in 40 s"),
        ] {
            assert_eq!(when(&pending_until(next), &apps, true), words, "paused for 38 s");
        }
        // The moment at which the pause is tried to end passed, and its end is not in the state file yet.
        apps[0].trouble.as_mut().unwrap().next = Some(after(-5.0));
        assert_eq!(when(&pending_until(Some(-1.0)), &apps, true), "waits for its app");
        let lark = TicketRecord { entry: pending("lark", "1", "d").entry, ..pending_until(Some(-1.0)) };
        assert_eq!(when(&lark, &apps, true), "poll due 1 s ago", "another app's pause");
        apps[1].is_configured = Some(false);
        assert_eq!(when(&lark, &apps, true), "waits for its app");
    }

    /// Promise: a ticket that has no answer yet because its app gets none shows it, from the first trouble on.
    #[test]
    fn tickets_show_the_trouble_of_their_app() {
        use AppCondition::{Active, Degraded};
        for condition in [Active, Degraded] {
            let mut apps = fixtures::app_reports();
            let outage = Trouble::from_calls(condition, Endpoint::Token, ErrorKind::Network, after(-74.0));
            apps[0].trouble = Some(outage);
            let ticket = pending_until(Some(-74.0));
            assert_eq!(when(&ticket, &apps, true), "waits for its app");
            let report = Report { apps: &apps, ..fixtures::report(&[]) };
            assert_eq!(report.result(&ticket), "network");
            let own = TicketRecord { error: Some(Box::new(Failure::new(ErrorKind::Throttled))), ..ticket };
            assert_eq!(report.result(&own), "throttled");
        }
    }

    #[test]
    fn files_are_there_or_gone() {
        let [mut completed, ..] = fixtures::tickets();
        for (until, finished, words) in [
            (Some(510.0), -59.0, "download within 8 min"),
            (Some(-240.0), -599.0, "may be gone, try at once"),
            (None, -599.0, "download at once"),
            (Some(-240.0), -720.0, "expired 2 min ago"),
            (None, -600.0, "expired now"),
        ] {
            completed.download_by = until.map(after);
            completed.finished_at = Some(after(finished));
            assert_eq!(when(&completed, &[], false), words);
        }
        assert_eq!(when(&ended("1", TicketState::Failed, -7200.0), &[], true), "ended 2 h ago");
    }

    #[test]
    fn age_is_the_jobs_where_that_is_known() {
        let report = fixtures::report(&[]);
        let mut ticket = pending("default", "1", "doxcn");
        assert_eq!(report.age(&ticket), "90 s");
        ticket.entry.created_at = Some(after(-7200.0));
        assert_eq!(report.age(&ticket), "2 h");
        ticket.entry.created_at = Some(NOW + Duration::from_secs(9));
        assert_eq!(report.age(&ticket), "0 s");
    }

    #[test]
    fn words_fit_the_distance() {
        for (seconds, words) in [
            (0.0, "now"),
            (-0.5, "now"),
            (-90.0, "90 s ago"),
            (-240.0, "4 min ago"),
            (-7_200.0, "2 h ago"),
            (-260_000.0, "3 d ago"),
        ] {
            assert_eq!(ago(after(seconds), NOW), words);
        }
        assert_eq!(ago(after(5.0), NOW), "now");
    }
}
