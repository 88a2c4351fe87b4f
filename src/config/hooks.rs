//! `[[hook]]`: the commands and webhooks that take events. Nothing of a `url` or `secret` is ever repeated in a message, nor
//! of a command: its arguments may hold a password.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;
use url::Url;

use super::ca_file;
use super::durations::Bounds;
use super::problem::Position;
use super::secret_source;
use super::section::{Field, Section, is_word};
use crate::domain::event::HOOK_EVENTS;
use crate::domain::{Hook, HookName, HookTarget, Webhook, is_loopback, near_miss};

pub(super) const HOOK_KEYS: &[&str] =
    &["name", "events", "command", "url", "secret", "ca_file", "allow_http", "timeout"];

/// Keys that only a webhook has.
const WEBHOOK_KEYS: [&str; 3] = ["secret", "ca_file", "allow_http"];

/// Hooks at most.
const HOOKS_MAX: usize = 32;

const NAME: &str = "1 to 64 letters, digits, `-` and `_`";
const EVENTS: &str = "an array of at least one event, such as [\"file.saved\", \"ticket.failed\"]";
const COMMAND: &str = "an array of the program and its arguments, such as [\"/usr/local/bin/archive\", \"--quick\"]; \
    no shell reads it";
const URL: &str = "an address such as \"https://hooks.example.com/feishu\"";

/// How long a try may take.
const TIMEOUT: Bounds =
    Bounds { least: Duration::from_secs(1), most: Duration::from_secs(600), words: "from 1s to 10m" };

/// What holds where a hook does not say.
const USUAL_TIMEOUT: Duration = Duration::from_secs(20);

/// A hook, and where its command or its secret is named.
type Placed = (Hook, Position);

/// Reads every hook; none if one has an error.
pub(super) fn read(root: &Section<'_>, folder: &Path) -> Option<(Vec<Hook>, Vec<Position>)> {
    // A key that stands here by mistake may be a secret.
    let Some(field) = root.clone().discreet().field("hook") else {
        return Some((Vec::new(), Vec::new()));
    };
    let expected = "a list of hooks, each below a line [[hook]] of its own";
    let elements = field.array(expected)?;
    if elements.len() > HOOKS_MAX {
        return field.error(|| format!("more than {HOOKS_MAX} hooks; let one take several events"));
    }
    let mut names = HashSet::new();
    let hooks: Vec<_> = elements
        .iter()
        .map(|element| match element.value {
            DeValue::Table(table) => read_hook(&element.section(table, HOOK_KEYS), folder, &mut names),
            _ => element.unexpected(expected),
        })
        .collect();
    let hooks: Option<Vec<_>> = hooks.into_iter().collect();
    Some(hooks?.into_iter().unzip())
}

fn read_hook(section: &Section<'_>, folder: &Path, names: &mut HashSet<HookName>) -> Option<Placed> {
    let name = section.required("name", NAME).and_then(|field| read_name(&field, names));
    let events = section.required("events", EVENTS).and_then(|field| read_events(&field));
    let target = read_target(section, folder);
    let timeout = match section.field("timeout") {
        Some(_) => section.duration("timeout", TIMEOUT),
        None => Some(USUAL_TIMEOUT),
    };
    let (target, position) = target?;
    Some((Hook { name: name?, events: events?, target, timeout: timeout? }, position))
}

fn read_name(field: &Field<'_>, names: &mut HashSet<HookName>) -> Option<HookName> {
    let name = HookName::new(field.text_where(NAME, |text| is_word(text, 64, b"-_"))?);
    if !names.insert(name.clone()) {
        return field.error(|| "`name`: another hook has this name; give each one of its own".to_owned());
    }
    Some(name)
}

fn read_events(field: &Field<'_>) -> Option<Vec<&'static str>> {
    let elements = field.array(EVENTS)?;
    if elements.is_empty() {
        return field.unfit(EVENTS);
    }
    let events: Vec<_> = elements.iter().map(read_event).collect();
    let mut events = events.into_iter().collect::<Option<Vec<_>>>()?;
    let mut seen = HashSet::new();
    events.retain(|event| seen.insert(*event));
    Some(events)
}

fn read_event(field: &Field<'_>) -> Option<&'static str> {
    let text = field.text("the name of an event")?;
    let known = HOOK_EVENTS.iter().find(|event| **event == text);
    known.copied().or_else(|| match near_miss(text, HOOK_EVENTS.iter().copied()) {
        Some(close) => field.error(|| format!("`events`: unknown event; did you mean `{close}`?")),
        None => field.error(|| format!("`events`: unknown event; hooks take {}", HOOK_EVENTS.join(", "))),
    })
}

/// Exactly one of command and webhook, and the place of the command, the secret or the address.
fn read_target(section: &Section<'_>, folder: &Path) -> Option<(HookTarget, Position)> {
    let (command, url) = (section.field("command"), section.field("url"));
    // Both are read even where only one may be, so that all their problems come out at once.
    let program = command.as_ref().and_then(|field| read_command(field, folder));
    let webhook = url.as_ref().and_then(|field| read_webhook(field, section, folder));
    match (command, url) {
        (Some(command), None) => {
            check_strays(section);
            Some((HookTarget::Command(program?), command.position()))
        }
        (None, Some(url)) => {
            let place = section.field("secret").unwrap_or(url);
            Some((HookTarget::Webhook(Box::new(webhook?)), place.position()))
        }
        (Some(_), Some(url)) => {
            url.error(|| "both `command` and `url`; a hook has exactly one of them".to_owned())
        }
        (None, None) => {
            let message = || format!("`command` or `url` is missing; expected {COMMAND}, or {URL}");
            section.missing(&["command", "url"], message)
        }
    }
}

fn check_strays(section: &Section<'_>) {
    for field in WEBHOOK_KEYS.iter().filter_map(|key| section.field(key)) {
        let message = || format!("`{}` is for a hook with a `url`; a command has no use for it", field.key);
        field.error::<()>(message);
    }
}

fn read_command(field: &Field<'_>, folder: &Path) -> Option<Vec<String>> {
    let elements = field.array(COMMAND)?;
    let Some((program, arguments)) = elements.split_first() else {
        return field.unfit(COMMAND);
    };
    let plain = |element: &Field<'_>| {
        let text = element.text_where("a text without NUL", |text| !text.contains('\0'))?;
        Some(text.to_owned())
    };
    let program = read_program(program, folder);
    let arguments: Vec<_> = arguments.iter().map(plain).collect();
    let arguments = arguments.into_iter().collect::<Option<Vec<_>>>()?;
    Some([program?].into_iter().chain(arguments).collect())
}

/// A name that is looked for in `PATH`, or else a path from the folder of the configuration.
fn read_program(field: &Field<'_>, folder: &Path) -> Option<String> {
    let path = field.path(folder)?;
    let text = field.text(COMMAND)?;
    if !text.contains('/') {
        return Some(text.to_owned());
    }
    let path = path.to_str().map(ToOwned::to_owned);
    path.or_else(|| field.unfit("a program below a folder whose name is UTF-8"))
}

fn read_webhook(field: &Field<'_>, section: &Section<'_>, folder: &Path) -> Option<Webhook> {
    let secret = section.optional("secret", |field| secret_source::read(field, folder));
    let ca_file = section.optional("ca_file", |field| ca_file::read(field, folder));
    let allow_http = section.optional("allow_http", |field| field.boolean());
    // Where it is itself in error, that is report enough.
    let is_http_allowed = allow_http.is_none_or(|allowed| allowed == Some(true));
    let url = read_url(field, is_http_allowed);
    allow_http?;
    Some(Webhook { url: url?, secret: secret?, ca_file: ca_file? })
}

fn read_url(field: &Field<'_>, is_http_allowed: bool) -> Option<Url> {
    let text = field.text_where(URL, |text| text.bytes().all(|byte| byte.is_ascii_graphic()))?;
    let Ok(url) = Url::parse(text) else { return field.unfit(URL) };
    if !url.username().is_empty() || url.password().is_some() {
        return field.error(|| {
            "`url` must not carry a user name or password; `secret` lets the receiver see the sender"
                .to_owned()
        });
    }
    if url.fragment().is_some() {
        return field.error(|| "`url` must end before `#`: no request carries what follows".to_owned());
    }
    match url.scheme() {
        "https" => Some(url),
        "http" if is_http_allowed || is_loopback(&url) => Some(url),
        "http" => field.error(|| {
            "`url`: plain http would show the events to the network; use https, or say allow_http = true"
                .to_owned()
        }),
        _ => field.unfit(URL),
    }
}

#[cfg(test)]
#[path = "hooks/tests.rs"]
mod tests;
