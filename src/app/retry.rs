//! `retry`: ended tickets are to be polled again. Chooses them by what the state file knows, and leaves the
//! request there; to carry it out is the watcher's affair, now or at its next start.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::known_app::{UnknownApp, known_app};
use super::state_file::StateFile;
use crate::config::ConfigError;
use crate::domain::{AppName, ErrorKind, TicketId, TicketRecord, TicketState, near_miss};
use crate::store::{Holder, StoreError, StoreReader as _, StoreRequests as _, store_at};

/// A watcher takes requests up within a second; a slow disk, or a hundred thousand of them, may need more.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Which tickets somebody wants to be polled again.
#[derive(Clone, Debug, Default)]
pub struct RetryWish {
    /// These, by id.
    pub tickets: Vec<String>,
    /// All that failed or timed out.
    pub failed: bool,
    /// Of those, only the ones with this kind of error.
    pub kind: Option<ErrorKind>,
    /// Only this app's.
    pub app: Option<String>,
}

/// Why nothing was asked for.
#[derive(Debug, Error)]
pub enum RetryError {
    /// The state file can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `watcher.toml` is invalid, or can't be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Neither `watcher.toml` nor the state file has the app.
    #[error(transparent)]
    UnknownApp(#[from] UnknownApp),
    /// The state file does not have the ticket.
    #[error("unknown ticket {ticket}{}", near.as_ref().map_or_else(|| "; `status` shows those that are known".to_owned(), |_| meant(near)))]
    UnknownTicket {
        /// What was said.
        ticket: String,
        /// What was probably meant.
        near: Option<String>,
    },
    /// The ticket is another app's than the one that was named.
    #[error("ticket {ticket} is of app {apps}, not of {app}")]
    OtherApp {
        /// The id.
        ticket: String,
        /// The app that was named.
        app: AppName,
        /// Whose it is, separated by commas.
        apps: String,
    },
    /// Several apps have a ticket of this id.
    #[error("ticket {ticket} is known of the apps {apps}; say which with --app")]
    Ambiguous {
        /// The id.
        ticket: String,
        /// The apps, separated by commas.
        apps: String,
    },
    /// The configuration does not have the ticket's app.
    #[error("ticket {ticket} is of app {app}, which is not in watcher.toml")]
    NoApp {
        /// The id.
        ticket: String,
        /// Its app.
        app: AppName,
    },
    /// The ticket is on no watch list.
    #[error("ticket {ticket} left the watch list; list it again to have it polled")]
    Unlisted {
        /// The id.
        ticket: String,
    },
}

fn meant(near: &Option<String>) -> String {
    near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

/// What is to be asked for.
#[derive(Debug)]
pub struct RetryPlan {
    /// The tickets, in the order in which they were named, else of app and ticket.
    pub tickets: Vec<TicketRecord>,
    /// Tickets that were named and are pending already.
    pub pending: Vec<TicketId>,
    /// Tickets that would have been chosen, but left the watch list, or their app `watcher.toml`.
    pub unlisted: usize,
    /// Whether there is a state file at all.
    pub exists: bool,
    /// The state file.
    pub path: PathBuf,
    /// The apps of `watcher.toml`; none where that is not read.
    apps: Option<Vec<AppName>>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The watcher that runs has taken it up.
    TakenUp,
    /// A watcher runs and has not taken it up within seconds; the request stands.
    NotYet(Holder),
    /// No watcher runs; the next one takes it up when it starts.
    AtNextStart,
}

/// Chooses the tickets from a state file. Writes nothing.
///
/// # Errors
/// The `watcher.toml` that names the file is invalid, or the file can't be read; a ticket or an app is unknown, or
/// can't be retried.
pub fn plan_retry(file: &StateFile, wish: &RetryWish) -> Result<RetryPlan, RetryError> {
    let (path, apps) = file.locate()?;
    let known = store_at(&path).known()?;
    let exists = known.is_some();
    let tickets = known.unwrap_or_default().tickets;
    let app = wish.app.as_ref().map(|said| {
        let of_tickets = tickets.iter().map(|ticket| &ticket.key.app);
        let names: BTreeSet<_> = apps.iter().flatten().chain(of_tickets).collect();
        known_app(said, names).cloned()
    });
    let app = app.transpose()?;
    let mut plan = RetryPlan { tickets: Vec::new(), pending: Vec::new(), unlisted: 0, exists, path, apps };
    if wish.failed {
        plan.take_failed(tickets, app.as_ref(), wish.kind);
    } else {
        for ticket in &wish.tickets {
            plan.take_named(ticket, app.as_ref(), &tickets)?;
        }
    }
    Ok(plan)
}

/// The apps that have a ticket of that id, separated by commas.
fn apps_of(said: &str, tickets: &[TicketRecord]) -> String {
    let of_id = tickets.iter().filter(|ticket| ticket.key.ticket.as_str() == said);
    of_id.map(|ticket| ticket.key.app.as_str()).collect::<Vec<_>>().join(", ")
}

impl RetryPlan {
    /// Whether `watcher.toml` may have the ticket's app.
    fn has_app_of(&self, ticket: &TicketRecord) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.contains(&ticket.key.app))
    }

    fn take_failed(&mut self, tickets: Vec<TicketRecord>, app: Option<&AppName>, kind: Option<ErrorKind>) {
        let came_to_nothing =
            |ticket: &TicketRecord| matches!(ticket.state, TicketState::Failed | TicketState::TimedOut);
        let is_wanted = |ticket: &TicketRecord| {
            let of_kind = |kind| ticket.error.as_deref().is_some_and(|error| error.kind == kind);
            came_to_nothing(ticket)
                && app.is_none_or(|app| ticket.key.app == *app)
                && kind.is_none_or(of_kind)
        };
        let (listed, unlisted): (Vec<_>, Vec<_>) = tickets
            .into_iter()
            .filter(is_wanted)
            .partition(|ticket| ticket.unlisted_since.is_none() && self.has_app_of(ticket));
        self.unlisted = unlisted.len();
        self.tickets = listed;
    }

    fn take_named(
        &mut self,
        said: &str,
        app: Option<&AppName>,
        tickets: &[TicketRecord],
    ) -> Result<(), RetryError> {
        let of_app = || tickets.iter().filter(|ticket| app.is_none_or(|app| ticket.key.app == *app));
        let found: Vec<_> = of_app().filter(|ticket| ticket.key.ticket.as_str() == said).collect();
        let ticket = || said.to_owned();
        match found[..] {
            [] => match (app, apps_of(said, tickets)) {
                (Some(app), apps) if !apps.is_empty() => {
                    Err(RetryError::OtherApp { ticket: ticket(), app: app.clone(), apps })
                }
                _ => {
                    let near = near_miss(said, of_app().map(|ticket| ticket.key.ticket.as_str()));
                    Err(RetryError::UnknownTicket { ticket: ticket(), near: near.map(str::to_owned) })
                }
            },
            [only] if only.state == TicketState::Pending => {
                self.pending.push(only.key.ticket.clone());
                Ok(())
            }
            [only] if !self.has_app_of(only) => {
                Err(RetryError::NoApp { ticket: ticket(), app: only.key.app.clone() })
            }
            [only] if only.unlisted_since.is_some() => Err(RetryError::Unlisted { ticket: ticket() }),
            [only] => {
                if !self.tickets.iter().any(|chosen| chosen.key == only.key) {
                    self.tickets.push(only.clone());
                }
                Ok(())
            }
            _ => Err(RetryError::Ambiguous { ticket: ticket(), apps: apps_of(said, tickets) }),
        }
    }

    /// Leaves the request in the state file, durably, and waits a few seconds whether a watcher takes it up.
    ///
    /// # Errors
    /// The state file can't be written.
    pub fn ask(&self) -> Result<Asked, StoreError> {
        let keys: Vec<_> = self.tickets.iter().map(|ticket| ticket.key.clone()).collect();
        let store = store_at(&self.path);
        let last = store.ask_to_retry(&keys)?;
        let until = Instant::now() + TAKEN_WITHIN;
        while store.is_waiting(last)? {
            match store.holder()? {
                None => return Ok(Asked::AtNextStart),
                Some(holder) if Instant::now() >= until => return Ok(Asked::NotYet(holder)),
                Some(_) => thread::sleep(LOOK_EVERY),
            }
        }
        Ok(Asked::TakenUp)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::domain::{DocumentToken, Failure, TicketKey, WallTime, WatchEntry};
    use crate::store::{Batch, SqliteStore, Store as _};

    fn ticket(app: &str, ticket: &str, state: TicketState, kind: ErrorKind) -> TicketRecord {
        let key = TicketKey { app: AppName::new(app), ticket: TicketId::new(ticket) };
        let source = Path::new("list.toml").into();
        let entry = WatchEntry {
            key,
            token: DocumentToken::parse("doc").unwrap(),
            label: None,
            created_at: None,
            request: None,
            source,
        };
        let error = Some(Box::new(Failure::of(kind)));
        TicketRecord { state, error, ..TicketRecord::new(entry, WallTime::from_millis(1)) }
    }

    async fn place() -> (tempfile::TempDir, StateFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watcher.toml");
        let app = |name: &str, host: &str| {
            format!(
                "[apps.{name}]\nbase_url = \"https://{host}\"\napp_id = \"cli_{name}\"\napp_secret = {{ env = \"A\" }}\n"
            )
        };
        let (feishu, lark) = (app("default", "open.feishu.cn"), app("lark", "open.larksuite.com"));
        let text = format!("watchlist = [\"list.toml\"]\n{feishu}{lark}");
        fs::write(&path, text).unwrap();
        let store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
        let mut unlisted = ticket("default", "5", TicketState::Failed, ErrorKind::ExportTimeout);
        unlisted.unlisted_since = Some(WallTime::from_millis(2));
        let tickets = vec![
            ticket("default", "1001", TicketState::Failed, ErrorKind::ExportTimeout),
            ticket("default", "1002", TicketState::Failed, ErrorKind::DocumentDeleted),
            ticket("default", "1003", TicketState::Pending, ErrorKind::Network),
            ticket("lark", "1001", TicketState::TimedOut, ErrorKind::Network),
            ticket("lark", "1004", TicketState::Completed, ErrorKind::Network),
            ticket("former", "1005", TicketState::Failed, ErrorKind::Network),
            unlisted,
        ];
        store.commit(Batch { tickets, ..Batch::default() }).await.unwrap();
        store.close().await;
        (folder, StateFile::OfConfig(path))
    }

    fn chosen(file: &StateFile, wish: &RetryWish) -> Vec<String> {
        let name = |ticket: &TicketRecord| format!("{}/{}", ticket.key.app, ticket.key.ticket);
        plan_retry(file, wish).unwrap().tickets.iter().map(name).collect()
    }

    /// Promise: exactly those are chosen that were asked for.
    #[tokio::test]
    async fn tickets_are_chosen_as_asked() {
        let (_folder, config) = place().await;
        let failed = RetryWish { failed: true, ..RetryWish::default() };
        assert_eq!(chosen(&config, &failed), ["default/1001", "default/1002", "lark/1001"]);
        assert_eq!(plan_retry(&config, &failed).unwrap().unlisted, 2);
        let kind = RetryWish { kind: Some(ErrorKind::DocumentDeleted), ..failed.clone() };
        assert_eq!(chosen(&config, &kind), ["default/1002"]);
        let app = RetryWish { app: Some("lark".into()), ..failed };
        assert_eq!(chosen(&config, &app), ["lark/1001"]);
        let named = |tickets: &[&str], app: Option<&str>| RetryWish {
            tickets: tickets.iter().map(|&ticket| ticket.to_owned()).collect(),
            app: app.map(str::to_owned),
            ..RetryWish::default()
        };
        assert_eq!(chosen(&config, &named(&["1004", "1002", "1004"], None)), ["lark/1004", "default/1002"]);
        assert_eq!(chosen(&config, &named(&["1001"], Some("default"))), ["default/1001"]);
        let plan = plan_retry(&config, &named(&["1003"], None)).unwrap();
        assert!(plan.tickets.is_empty() && plan.pending.len() == 1);

        for (wish, message) in [
            (named(&["1001"], None), "ticket 1001 is known of the apps default, lark; say which with --app"),
            (named(&["1003x"], None), "unknown ticket 1003x; did you mean 1003?"),
            (named(&["77777"], None), "unknown ticket 77777; `status` shows those that are known"),
            (named(&["1002"], Some("lark")), "ticket 1002 is of app default, not of lark"),
            (named(&["1006"], Some("lark")), "unknown ticket 1006; did you mean 1001?"),
            (named(&["1005"], None), "ticket 1005 is of app former, which is not in watcher.toml"),
            (named(&["5"], None), "ticket 5 left the watch list; list it again to have it polled"),
            (named(&["1001"], Some("defualt")), "unknown app `defualt`; did you mean `default`?"),
        ] {
            assert_eq!(plan_retry(&config, &wish).unwrap_err().to_string(), message);
        }
    }

    /// Promise: without a watcher the request waits for its next start. Without a configuration every app counts.
    #[tokio::test]
    async fn a_request_stands_until_the_next_start() {
        let (folder, _) = place().await;
        let path = folder.path().join("state.db");
        let wish = RetryWish { failed: true, ..RetryWish::default() };
        let plan = plan_retry(&StateFile::At(path.clone()), &wish).unwrap();
        assert_eq!(plan.ask().unwrap(), Asked::AtNextStart);
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.load().await.unwrap().retries.len(), 4);
    }
}
