//! `retry --hook`: the events that a hook has not taken are sent again, those that were given up among them.

use std::path::PathBuf;

use super::error::CommandError;
use super::state_file::{Place, StateFile};
use crate::domain::{HookName, HookStatus, near_miss};
use crate::store::{Holder, StoreReader as _, StoreRequests as _, store_at};

/// Characters of an unknown hook's name that are repeated at most.
const NAME_MAX: usize = 60;

/// What a hook has not taken.
#[derive(Debug)]
pub struct HookRetry {
    /// The hook.
    pub hook: HookName,
    /// Events that wait for it, or were given up.
    pub events: usize,
    /// Whether its receiver said that it is gone, so that nothing is sent before the watcher is started again.
    pub is_ended: bool,
    path: PathBuf,
}

impl HookRetry {
    /// Looks for a hook that `watcher.toml` names, or, where that is not read, the state file. Writes nothing.
    ///
    /// # Errors
    /// The `watcher.toml` that names the file is invalid, the file can't be read, or the hook is unknown.
    pub fn plan(file: &StateFile, name: &str) -> Result<Self, CommandError> {
        let Place { path, hooks, .. } = file.find()?;
        let known = store_at(&path).hooks()?;
        let mut names = hooks.unwrap_or_else(|| known.iter().map(|hook| hook.name.clone()).collect());
        let hook = names.swap_remove(find_hook(name, &names)?);
        let status = known.into_iter().find(|known| known.name == hook);
        let is_ended = status.as_ref().is_some_and(|status| status.is_ended);
        let events = status.map_or(0, |HookStatus { waiting, failed, .. }| waiting + failed);
        Ok(Self { hook, events, is_ended, path })
    }

    /// Has them sent: within 5 s by the watcher that runs, which is returned, else by the next one.
    ///
    /// # Errors
    /// The state file can't be written.
    pub fn submit(&self) -> Result<Option<Holder>, CommandError> {
        let store = store_at(&self.path);
        store.send_again(&self.hook)?;
        Ok(store.holder()?)
    }
}

/// The place of the hook of that name; the error names the one that was probably meant, or all there are.
pub(super) fn find_hook(name: &str, hooks: &[HookName]) -> Result<usize, CommandError> {
    if let Some(place) = hooks.iter().position(|hook| hook.as_str() == name) {
        return Ok(place);
    }
    let advice = match near_miss(name, hooks.iter().map(HookName::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if hooks.is_empty() => "there is none".to_owned(),
        None => {
            let names: Vec<_> = hooks.iter().map(|hook| format!("`{hook}`")).collect();
            format!("there are {}", names.join(", "))
        }
    };
    let name: String = name.chars().take(NAME_MAX).collect();
    Err(CommandError::Usage(format!("unknown hook `{name}`; {advice}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: a hook that is not there is answered with those that are.
    #[test]
    fn an_unknown_hook_is_answered_with_the_known_ones() {
        let hooks = ["archive", "chat"].map(HookName::new);
        assert_eq!(find_hook("chat", &hooks).unwrap(), 1);
        let said = |name: &str, hooks| find_hook(name, hooks).unwrap_err().to_string();
        assert_eq!(said("archiv", &hooks), "unknown hook `archiv`; did you mean `archive`?");
        assert_eq!(said("other", &hooks), "unknown hook `other`; there are `archive`, `chat`");
        assert_eq!(said("other", &[]), "unknown hook `other`; there is none");
        assert!(said(&"x".repeat(100_000), &hooks).len() < 200);
    }
}
