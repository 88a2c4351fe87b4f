//! Which of several known words was probably meant.

/// Longer words are no typing mistake, and comparing them costs time.
const LENGTH_MAX: usize = 40;

/// The known word nearest to `word`, if it is near enough to be meant. Case and the kind of dash make no
/// difference; of two that are as near, the first by alphabet.
#[must_use]
pub fn near_miss<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > LENGTH_MAX {
        return None;
    }
    let plain = |word: &str| word.to_lowercase().replace('-', "_");
    let word = plain(word);
    known
        .into_iter()
        .filter(|known| known.len().abs_diff(word.len()) <= typos_in(known))
        .map(|known| (strsim::damerau_levenshtein(&word, &plain(known)), known))
        .filter(|(distance, known)| *distance <= typos_in(known))
        .min()
        .map(|(_, known)| known)
}

/// Typing mistakes at most in a word, in characters.
fn typos_in(word: &str) -> usize {
    (word.len() / 3).clamp(1, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_find_the_known_word() {
        const KNOWN: [&str; 6] = ["initial_interval", "max_interval", "jitter", "apps", "poll", "Team-A"];
        for (typo, known) in [
            ("intial_interval", "initial_interval"),
            ("max-interval", "max_interval"),
            ("Jitter", "jitter"),
            ("jiter", "jitter"),
            ("app", "apps"),
            ("pol", "poll"),
            ("team_a", "Team-A"),
        ] {
            assert_eq!(near_miss(typo, KNOWN), Some(known), "{typo}");
        }
        for other in ["", "interval_of_polls", "timeout", &"x".repeat(100_000)] {
            assert_eq!(near_miss(other, KNOWN), None);
        }
        assert_eq!(near_miss("6933093124755412435", ["6933093124755412345"]), Some("6933093124755412345"));
    }
}
