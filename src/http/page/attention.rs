//! What needs a person, with what to do: first what holds everything up, then watch lists, apps and hooks, then tickets and
//! files, those of one trouble together. Pure.

use super::apps;
use super::text::{EntryLink, Foreign, LONG};
use crate::domain::{AppName, HookStatus, TicketRecord, Trouble, WallTime};
use crate::engine::AppView;
use crate::store::Listed;

/// Things of each kind that are shown; the list of tickets has all of these.
pub(super) const SHOWN: usize = 20;

const SEE_LOG: &str = "the log says why; `feishu-export-watcher health --ready` says when it is over";
const CORRECT_LIST: &str = "correct the file (`feishu-export-watcher check` shows every problem); it is read again by \
     itself, at once after SIGHUP";

/// Something that needs a person.
pub(super) struct Item {
    /// What it is, in a few words.
    pub(super) what: Foreign,
    /// What it says of itself, in lines.
    pub(super) lines: Vec<Foreign>,
    /// The tickets that it concerns, if it is about some.
    pub(super) entries: Vec<EntryLink>,
    /// What to do.
    pub(super) hint: Foreign,
}

impl Item {
    fn new(what: &str, hint: &str) -> Self {
        let [what, hint] = [what, hint].map(|text| Foreign::new(text, LONG));
        Self { what, lines: Vec::new(), entries: Vec::new(), hint }
    }
}

/// Everything that needs a person, as far as it is shown.
pub(super) struct Attention {
    pub(super) items: Vec<Item>,
    /// Things besides tickets that are left out.
    pub(super) more: usize,
    /// Tickets that are left out.
    pub(super) more_tickets: usize,
}

/// What can need a person.
pub(super) struct Sources<'a> {
    /// A sentence about the loop or the state file, where they are in trouble.
    pub(super) watcher: Option<String>,
    pub(super) apps: &'a [AppView],
    /// What of the watch lists is left out, a line each.
    pub(super) lists: &'a [String],
    pub(super) hooks: &'a [HookStatus],
    pub(super) tickets: &'a Listed,
}

impl Attention {
    pub(super) fn new(from: &Sources<'_>, now: WallTime) -> Self {
        let watcher = from.watcher.iter().map(|line| Item::new(line, SEE_LOG));
        let mut items: Vec<_> = watcher.chain(of_lists(from.lists)).collect();
        let mut more = 0;
        for mut found in [of_apps(from.apps), of_hooks(from.hooks)] {
            more += found.len().saturating_sub(SHOWN);
            found.truncate(SHOWN);
            items.append(&mut found);
        }
        items.append(&mut of_tickets(&from.tickets.tickets, now));
        Self { items, more, more_tickets: from.tickets.total.saturating_sub(from.tickets.tickets.len()) }
    }
}

fn of_apps(apps: &[AppView]) -> Vec<Item> {
    let stopped = |app: &'_ AppView| {
        app.trouble.clone().filter(Trouble::stops_answers).map(|it| (app.name.clone(), it))
    };
    let mut found: Vec<(AppName, Trouble)> = apps.iter().filter_map(stopped).collect();
    found.sort_by_key(|(_, trouble)| trouble.urgency());
    let item = |(name, trouble): &(AppName, Trouble)| {
        let (state, _) = apps::state(Some(trouble));
        Item::new(&format!("app {name} is {state}: {}", trouble.in_words()), &trouble.hint())
    };
    found.iter().map(item).collect()
}

fn of_lists(lists: &[String]) -> Option<Item> {
    let lines = lists.iter().take(SHOWN).map(|line| Foreign::new(line, LONG)).collect();
    let rest = lists.len().saturating_sub(SHOWN);
    let rest = if rest > 0 { format!(" (the first {SHOWN} of {})", lists.len()) } else { String::new() };
    let what = format!("watch lists could not be taken as they are{rest}");
    (!lists.is_empty()).then(|| Item { lines, ..Item::new(&what, CORRECT_LIST) })
}

fn of_hooks(hooks: &[HookStatus]) -> Vec<Item> {
    let item = |hook: &HookStatus| {
        let name = &hook.name;
        let what = match &hook.last_error {
            _ if hook.is_ended => format!("hook {name} has ended"),
            _ if hook.failed > 0 => {
                format!("hook {name} did not take all events: {} were given up", hook.failed)
            }
            Some(error) => format!("hook {name} fails: {}", error.message),
            None => format!("hook {name}"),
        };
        hook.advice().map(|advice| Item::new(&what, &advice))
    };
    hooks.iter().filter_map(item).collect()
}

/// One item for all tickets with one trouble and one advice, in the order in which they come up.
fn of_tickets(tickets: &[TicketRecord], now: WallTime) -> Vec<Item> {
    let mut groups: Vec<((&str, &str), Item)> = Vec::new();
    for ticket in tickets {
        let Some(found) = ticket.attention(now) else { continue };
        let place = groups.iter().position(|(known, _)| *known == found).unwrap_or_else(|| {
            groups.push((found, Item::new(found.0, found.1)));
            groups.len() - 1
        });
        groups[place].1.entries.push(EntryLink::new(ticket));
    }
    groups.into_iter().map(|(_, item)| item).collect()
}
