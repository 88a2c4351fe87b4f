//! The secrets that webhooks are signed with, as Standard Webhooks writes them: `whsec_` and base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretSlice;

/// What each begins with.
const PREFIX: &str = "whsec_";

/// Keys at a time: the new one and the old ones that some receiver may still know.
const KEYS_MAX: usize = 4;

/// The keys in a text, between blanks: 1 to 4 of 24 to 64 bytes each; none if the text is anything else.
#[must_use]
pub fn signing_keys(text: &str) -> Option<Vec<SecretSlice<u8>>> {
    let keys = text.split_ascii_whitespace().map(signing_key).collect::<Option<Vec<_>>>()?;
    (1..=KEYS_MAX).contains(&keys.len()).then_some(keys)
}

fn signing_key(word: &str) -> Option<SecretSlice<u8>> {
    let key = SecretSlice::from(STANDARD.decode(word.strip_prefix(PREFIX)?).ok()?);
    let length = secrecy::ExposeSecret::expose_secret(&key).len();
    (24..=64).contains(&length).then_some(key)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn word(length: usize) -> String {
        format!("{PREFIX}{}", STANDARD.encode(vec![7; length]))
    }

    /// Promise: what receivers of Standard Webhooks accept as a key is taken, several for a rotation; nothing else is.
    #[test]
    fn keys_are_read_as_the_specification_writes_them() {
        for length in [24, 32, 64] {
            let keys = signing_keys(&word(length)).unwrap();
            assert_eq!(keys[0].expose_secret(), vec![7; length]);
        }
        assert_eq!(signing_keys(&[word(24), word(32)].join(" \n\t")).unwrap().len(), 2);
        assert_eq!(signing_keys(&vec![word(24); 4].join(" ")).unwrap().len(), 4);
        let bare = STANDARD.encode([7; 32]);
        for bad in
            ["", " ", "whsec_", &bare, &word(23), &word(65), "whsec_hunter2-hunter2-hunter2-hunter2-hunter2"]
        {
            assert!(signing_keys(bad).is_none(), "{bad}");
        }
        assert!(signing_keys(&vec![word(24); 5].join(" ")).is_none());
        assert!(signing_keys(&format!("{} {bare}", word(24))).is_none());
    }
}
