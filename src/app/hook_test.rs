//! `hook test`: sends a sample event to a hook, once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::error::CommandError;
use super::hooks::HookReceiver;
use super::retry_hook::find_hook;
use super::sample_event::sample_event;
use crate::config::load;
use crate::deliver::receiver::{HookEvent, Receiver as _};
use crate::domain::{Hook, HookTarget, WallTime};
use crate::store::EventId;

/// What came of it.
#[derive(Clone, Debug)]
pub struct HookTest {
    /// What was called, without what may be a secret: arguments, and the path of an address.
    pub called: String,
    /// The name of the event.
    pub event: &'static str,
    /// How long the try took.
    pub took: Duration,
    /// Nothing if the hook took it, else why not.
    pub answer: Result<(), String>,
}

/// Sends a sample of the first of the hook's events.
///
/// # Errors
/// `watcher.toml` is invalid or has no such hook, or the environment leaves no way to it.
pub async fn test_hook(config: &Path, name: &str) -> Result<HookTest, CommandError> {
    let (path, name) = (config.to_owned(), name.to_owned());
    let found = tokio::task::spawn_blocking(move || find(path, &name));
    let (hook, receiver) = found.await??;
    let event = hook.events.first().copied().unwrap_or_default();
    let now = WallTime::now();
    let (id, payload) = (format!("sample-{}", now.as_millis()), sample_event(event, now));
    let began = Instant::now();
    let answer = receiver.call(&HookEvent::new(&id, EventId::default(), &payload)).await;
    let answer = answer.map_err(|error| error.to_string());
    Ok(HookTest { called: called(&hook.target), event, took: began.elapsed(), answer })
}

/// The hook of that name, and the way to it.
fn find(config: PathBuf, name: &str) -> Result<(Hook, HookReceiver), CommandError> {
    let mut hooks = load(&config)?.0.hooks;
    let names: Vec<_> = hooks.iter().map(|hook| hook.name.clone()).collect();
    let hook = hooks.swap_remove(find_hook(name, &names)?);
    let receiver = HookReceiver::from_env(&hook)?;
    Ok((hook, receiver))
}

/// What a hook calls, without what may be a secret.
fn called(target: &HookTarget) -> String {
    match target {
        HookTarget::Command(words) => format!("command {}", words.first().map_or("", String::as_str)),
        HookTarget::Webhook(webhook) => {
            let signed = if webhook.secret.is_some() { "" } else { ", not signed" };
            format!("webhook at {}{signed}", webhook.host())
        }
    }
}
