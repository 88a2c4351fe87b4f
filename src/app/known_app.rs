//! An app that is named on the command line: one that `watcher.toml` or the state file knows, or else the name
//! that was probably meant.

use std::collections::BTreeSet;

use super::error::CommandError;
use crate::domain::{AppName, near_miss};

/// Apps that an error names at most.
const NAMED_MAX: usize = 10;

/// Characters of an unknown app's name that are repeated at most.
const NAME_MAX: usize = 60;

/// Finds the name among those that are known; the error names the one that was probably meant, or all there are.
pub(super) fn check_app<'n>(
    name: &str,
    known: impl IntoIterator<Item = &'n AppName>,
) -> Result<(), CommandError> {
    let known: BTreeSet<_> = known.into_iter().map(AppName::as_str).collect();
    if known.contains(name) {
        return Ok(());
    }
    let advice = match near_miss(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "neither watcher.toml nor the state file names any".to_owned(),
        None => {
            let more = if known.len() > NAMED_MAX { ", …" } else { "" };
            let names: Vec<_> = known.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
            format!("watcher.toml and the state file know {}{more}", names.join(", "))
        }
    };
    let name: String = name.chars().take(NAME_MAX).collect();
    Err(CommandError::Usage(format!("unknown app `{name}`; {advice}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: an error is short for any number of apps and any name.
    #[test]
    fn known_apps_are_named_but_not_at_length() {
        let names: Vec<_> = (0..1000).map(|number| AppName::new(&format!("team-{number:03}"))).collect();
        assert!(check_app("team-042", &names).is_ok());
        let message = check_app(&"x".repeat(100_000), &names).unwrap_err().to_string();
        assert!(message.len() < 300 && message.ends_with("`team-009`, …"), "{message}");
        let message = check_app("a", &[]).unwrap_err().to_string();
        assert_eq!(message, "unknown app `a`; neither watcher.toml nor the state file names any");
    }
}
