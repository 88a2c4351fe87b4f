//! Advice about a failure or a pause, for people. The texts stand in the tables of kinds and reasons; this is their
//! form.

use serde::Serialize;

/// What is known about a failure or a pause, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What it means, in whole sentences.
    pub means: &'static str,
    /// Whether asking the server again, later, can bring the file.
    pub waiting: Help,
    /// Whether exporting the document once more can bring it.
    pub new_export: Help,
    /// What to do next, as part of a line: no capital at its start, no full stop at its end. This is `error.hint`.
    pub hint: &'static str,
}

impl Advice {
    /// Advice in the order of the tables.
    #[must_use]
    pub const fn new(waiting: Help, new_export: Help, means: &'static str, hint: &'static str) -> Self {
        Self { means, waiting, new_export, hint }
    }
}

/// Whether something can help. Scripts read the name in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Help {
    /// It is what to do.
    Yes,
    /// It is worth a try.
    Maybe,
    /// Only after the hint was followed.
    OnceFixed,
    /// Only for files whose ten minutes passed unasked.
    IfLost,
    /// It brings nothing.
    No,
    /// Nothing is wrong.
    NotNeeded,
}

impl Help {
    /// The words for people, to go on after "waiting" or "a new export".
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Yes => "helps",
            Self::Maybe => "may help",
            Self::OnceFixed => "helps once that is fixed",
            Self::IfLost => "helps only for files that were lost meanwhile",
            Self::No => "does not help",
            Self::NotNeeded => "is not needed",
        }
    }
}

/// Whether texts and columns are where they belong, and as they should be.
#[cfg(test)]
pub(super) fn assert_well_formed(name: &str, advice: &Advice) {
    let Advice { means, hint, .. } = advice;
    assert!(means.starts_with(char::is_uppercase) && means.ends_with('.'), "{name}: {means}");
    assert!(hint.starts_with(char::is_lowercase) && !hint.ends_with('.'), "{name}: {hint}");
    // The hint ends a line of the log.
    assert!(hint.chars().count() < 300, "{name}: {hint}");
    for text in [means, hint] {
        assert!(!text.contains("  ") && !text.contains('\n'), "{name}: {text}");
    }
}
