//! An error as one text, for places where nothing further up will unfold its causes.

/// The error and its causes, the outermost first, parted by colons.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
