//! What the text of a secret may be: one rule for `check`, before the first request, and for each request. No
//! message repeats any of it.

use thiserror::Error;

use super::signing_keys;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretPurpose {
    /// The app secret, which travels in a JSON text.
    AppSecret,
    /// An access token, which travels in a header behind `Bearer `.
    AccessToken,
    /// The keys that webhooks are signed with, one or several between blanks.
    SigningKeys,
}

/// Why a text is no secret. Each reads on from the place where it lies.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SecretFault {
    /// Nothing but blanks.
    #[error("is empty")]
    Empty,
    /// Another encoding, or no text at all.
    #[error("is not UTF-8")]
    NotUtf8,
    /// Quotes that a shell would have taken away.
    #[error("stands in quotes; leave them out")]
    Quoted,
    /// A header's value rather than the token in it.
    #[error("begins with `Bearer `; leave that out, and put the token alone there")]
    Bearer,
    /// Several lines, blanks inside, letters beyond ASCII.
    #[error("is not one line of letters, digits and signs without blanks")]
    NotOneWord,
    /// Something else than keys of Standard Webhooks.
    #[error(
        "is not `whsec_` and the base64 of 24 to 64 bytes, or up to four such words between blanks; docs/hooks.md says what makes one"
    )]
    NotSigningKeys,
}

/// The secret in what a file, a variable or a credential holds. Blanks, line ends and a byte order mark around it do not
/// count, since no secret has any and editors add them; whatever else is not part of a secret is refused, not guessed
/// at.
///
/// # Errors
/// Says what the text is instead of a secret.
pub fn secret_text(bytes: &[u8], purpose: SecretPurpose) -> Result<&str, SecretFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| SecretFault::NotUtf8)?;
    let text = text.trim_matches(|end: char| end.is_whitespace() || end == '\u{feff}');
    let is_bearer = text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("Bearer "));
    let is_quote = |end: char| "\"'`“”‘’".contains(end);
    match text {
        "" => Err(SecretFault::Empty),
        _ if text.starts_with(is_quote) || text.ends_with(is_quote) => Err(SecretFault::Quoted),
        _ if is_bearer && purpose == SecretPurpose::AccessToken => Err(SecretFault::Bearer),
        _ if purpose == SecretPurpose::SigningKeys => {
            signing_keys(text).map(|_| text).ok_or(SecretFault::NotSigningKeys)
        }
        _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Err(SecretFault::NotOneWord),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_a_secret_do_not_count() {
        for text in ["hunter2", "hunter2\n", "\u{feff} hunter2\r\n\n", "\thunter2\u{a0}"] {
            for purpose in [SecretPurpose::AppSecret, SecretPurpose::AccessToken] {
                assert_eq!(secret_text(text.as_bytes(), purpose), Ok("hunter2"), "{text:?}");
            }
        }
    }

    /// Promise: what a request could not carry, or only by guessing, is refused with the reason.
    #[test]
    fn what_is_no_secret_is_refused() {
        use SecretFault::{Bearer, Empty, NotOneWord, NotSigningKeys, NotUtf8, Quoted};
        use SecretPurpose::{AccessToken, AppSecret, SigningKeys};
        for (text, purpose, fault) in [
            (&b""[..], AppSecret, Empty),
            (b" \r\n\n", AppSecret, Empty),
            (b"hunter2\xff", AppSecret, NotUtf8),
            (b"\"hunter2\"\n", AppSecret, Quoted),
            (b" 'hunter2'", AccessToken, Quoted),
            (b"\"hunter2", AccessToken, Quoted),
            (b"Bearer t-hunter2", AccessToken, Bearer),
            (b"bearer t-hunter2\n", AccessToken, Bearer),
            (b"Bearer hunter2", AppSecret, NotOneWord),
            (b"hunter2 hunter3", AppSecret, NotOneWord),
            (b"hunter2\nhunter3", AccessToken, NotOneWord),
            ("pässwort".as_bytes(), AppSecret, NotOneWord),
            (b"hunter\x072", AppSecret, NotOneWord),
            (b"hunter2", SigningKeys, NotSigningKeys),
            (b"'whsec_hunter2'", SigningKeys, Quoted),
            (b" \n", SigningKeys, Empty),
        ] {
            assert_eq!(secret_text(text, purpose), Err(fault), "{}", String::from_utf8_lossy(text));
            assert!(!format!("{fault}{fault:?}").contains("hunter"));
        }
        assert_eq!(secret_text(b"Bearerhunter2", AccessToken), Ok("Bearerhunter2"));
    }
}
