//! `/`: what needs a person, apps, files, hooks and tickets.

use askama::Template;
use tokio::time::Instant;

use super::apps::{self, AppRow};
use super::attention::{Attention, SHOWN, Sources};
use super::hooks::{self, HookRow};
use super::query::{self, ON_A_PAGE, Query};
use super::tickets::{FileRow, TicketRow};
use crate::domain::words::grouped;
use crate::domain::{HookStatus, WallTime};
use crate::engine::{Meters, Snapshot};
use crate::http::shared::{RejectedLists, Shared};
use crate::http::vitals;
use crate::store::{Filter, Listed, Listing, Order, StoreError};

/// Files that are shown.
const FILES: usize = 20;

/// The page.
#[derive(Template)]
#[template(path = "overview.html", config = "src/http/page/askama.toml")]
pub(super) struct Overview {
    attention: Attention,
    /// The link to all tickets that need a person.
    all_attention: String,
    apps: Vec<AppRow>,
    more_apps: usize,
    files: Vec<FileRow>,
    more_files: usize,
    hooks: Vec<HookRow>,
    more_hooks: usize,
    form: Form,
    tickets: Vec<TicketRow>,
    pages: Pages,
}

/// The filters as they are set.
struct Form {
    selects: [Select; 4],
    label: String,
    document: String,
    is_filtered: bool,
}

/// One of a few values.
struct Select {
    name: &'static str,
    label: &'static str,
    choices: Vec<Choice>,
}

struct Choice {
    value: String,
    words: String,
    is_set: bool,
}

/// Where in the list the page is.
struct Pages {
    /// "450 tickets match, 201 to 400 shown".
    words: String,
    number: usize,
    last: usize,
    previous: Option<String>,
    next: Option<String>,
}

/// What the page is made of: one moment of the state file, one of the engine, one of the hooks.
pub(super) struct Moments {
    pub(super) view: Snapshot,
    pub(super) lists: RejectedLists,
    pub(super) hooks: Vec<HookStatus>,
    /// What needs a person, files, and the page of tickets that is asked for.
    pub(super) listed: [Listed; 3],
}

impl Overview {
    /// Reads and makes the page. Blocks while the state file is read.
    ///
    /// # Errors
    /// The state file can't be read.
    pub(super) fn read(shared: &Shared, query: &Query) -> Result<Self, StoreError> {
        let now = WallTime::now();
        let listed = shared.state.list(&listings(query))?.try_into().unwrap_or_default();
        let (view, lists) = (shared.view.borrow().clone(), shared.lists.borrow().clone());
        let moments = Moments { view, lists, hooks: shared.hooks.borrow().clone(), listed };
        let watcher = vitals::trouble(&moments.view, shared.began, Instant::now());
        Ok(Self::new(&moments, watcher, &shared.meters, query, now))
    }

    pub(super) fn new(
        moments: &Moments,
        watcher: Option<String>,
        meters: &Meters,
        query: &Query,
        now: WallTime,
    ) -> Self {
        let Moments { view, lists, hooks, listed: [attention, files, tickets] } = moments;
        let (apps, more_apps) = apps::rows(&view.apps, |app| meters.last_hour(app, now), now);
        let (hook_rows, more_hooks) = hooks::rows(hooks);
        let sources = Sources { watcher, apps: &view.apps, lists, hooks, tickets: attention };
        let file_rows: Vec<_> = files.tickets.iter().filter_map(|it| FileRow::new(it, now)).collect();
        Self {
            attention: Attention::new(&sources, now),
            all_attention: Query::attention().href(1),
            apps,
            more_apps,
            more_files: files.total - file_rows.len(),
            files: file_rows,
            hooks: hook_rows,
            more_hooks,
            form: Form::new(query, view),
            tickets: tickets.tickets.iter().map(TicketRow::new).collect(),
            pages: Pages::new(query, tickets),
        }
    }
}

fn listings(query: &Query) -> [Listing; 3] {
    let first = |filter, order, limit| Listing { filter, order, offset: 0, limit };
    [
        first(Filter { needs_attention: true, ..Filter::default() }, Order::Attention, SHOWN),
        first(Filter { has_file: true, ..Filter::default() }, Order::TimeLeft, FILES),
        query.listing(),
    ]
}

impl Form {
    fn new(query: &Query, view: &Snapshot) -> Self {
        let named =
            |value: &str| Choice { value: value.to_owned(), words: value.replace('_', " "), is_set: false };
        let mut apps: Vec<_> = view.apps.iter().map(|app| app.name.as_str()).collect();
        // An app that is not configured may have tickets still.
        apps.extend(query.app.as_deref().filter(|app| !apps.contains(app)));
        let file = query.file.map_or("", |file| file.as_str());
        let select = |name, label, any: &str, values: Vec<&str>, set: &str| {
            let any = Choice { value: String::new(), words: any.to_owned(), is_set: false };
            let mut choices: Vec<_> = [any].into_iter().chain(values.into_iter().map(named)).collect();
            choices.iter_mut().for_each(|choice| choice.is_set = choice.value == set);
            Select { name, label, choices }
        };
        Self {
            selects: [
                select("state", "State", "any", query::states(), query.state_name()),
                select("file", "File", "any or none", query::files(), file),
                select("app", "App", "any", apps, query.app.as_deref().unwrap_or_default()),
                Select { name: "sort", label: "Order", choices: orders(query.sort) },
            ],
            label: query.label.clone().unwrap_or_default(),
            document: query.document.clone().unwrap_or_default(),
            is_filtered: query.is_filtered(),
        }
    }
}

fn orders(set: Order) -> Vec<Choice> {
    let words = |order| match order {
        Order::Attention => "what needs attention first",
        Order::Newest => "newest first",
        Order::Ended => "ended last first",
        Order::Next => "next poll first",
        Order::Name => "by app and ticket",
        Order::TimeLeft => "by time left of the file",
    };
    let choice = |order: &Order| Choice {
        value: order.as_str().to_owned(),
        words: words(*order).to_owned(),
        is_set: *order == set,
    };
    Order::ALL.iter().map(choice).collect()
}

impl Pages {
    fn new(query: &Query, listed: &Listed) -> Self {
        let (number, last) = (query.page, listed.total.div_ceil(ON_A_PAGE).max(1));
        let end = (number - 1) * ON_A_PAGE + listed.tickets.len();
        let first = end - listed.tickets.len() + 1;
        let verb = match (query.is_filtered(), listed.total) {
            (false, 1) => "ticket",
            (false, _) => "tickets",
            (true, 1) => "ticket matches",
            (true, _) => "tickets match",
        };
        let shown = format!(", {} to {} shown", grouped(first), grouped(end));
        let shown = if listed.tickets.is_empty() { String::new() } else { shown };
        Self {
            words: format!("{} {verb}{shown}", grouped(listed.total)),
            number,
            last,
            previous: (number > 1).then(|| query.href((number - 1).min(last))),
            next: (number < last).then(|| query.href(number + 1)),
        }
    }
}
