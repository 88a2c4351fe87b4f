//! An app that somebody names on the command line: one that `watcher.toml` or the state file knows, or else what
//! was probably meant.

use thiserror::Error;

use crate::domain::{AppName, near_miss};

/// Apps that an error names at most.
const NAMED_MAX: usize = 10;

/// Characters of an unknown app's name that are repeated at most.
const NAME_MAX: usize = 60;

/// Nobody knows the app.
#[derive(Debug, Error)]
#[error("unknown app `{name}`; {advice}")]
pub struct UnknownApp {
    /// As it was given, cut to a sane length.
    name: String,
    /// The one that was probably meant, or all there are.
    advice: String,
}

/// The app of that name among those that are known, each of them named once.
pub(super) fn known_app<'n>(
    said: &str,
    known: impl IntoIterator<Item = &'n AppName>,
) -> Result<&'n AppName, UnknownApp> {
    let known: Vec<_> = known.into_iter().collect();
    if let Some(name) = known.iter().find(|name| name.as_str() == said) {
        return Ok(name);
    }
    let advice = match near_miss(said, known.iter().map(|name| name.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "neither watcher.toml nor the state file names any".to_owned(),
        None => {
            let more = if known.len() > NAMED_MAX { ", …" } else { "" };
            let names: Vec<_> = known.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
            format!("watcher.toml and the state file know {}{more}", names.join(", "))
        }
    };
    Err(UnknownApp { name: said.chars().take(NAME_MAX).collect(), advice })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: an error is of a bearable length, however many apps there are and whatever was typed.
    #[test]
    fn what_is_known_is_named_but_not_at_length() {
        let names: Vec<_> = (0..1000).map(|number| AppName::new(&format!("team-{number:03}"))).collect();
        assert_eq!(known_app("team-042", &names).unwrap(), &names[42]);
        let said = known_app(&"x".repeat(100_000), &names).unwrap_err().to_string();
        assert!(said.len() < 300 && said.ends_with("`team-009`, …"), "{said}");
        let said = known_app("a", &[]).unwrap_err().to_string();
        assert_eq!(said, "unknown app `a`; neither watcher.toml nor the state file names any");
    }
}
