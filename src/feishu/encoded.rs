//! The shapes in which a server or a gateway may repeat a secret without knowing: in a URL, or where it shows
//! headers and bodies as base64 or hex.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What RFC 3986 calls for; others encode more.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret's shapes, but for the secret itself.
pub(super) fn shapes(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex = |digits: fn(&u8) -> String| bytes.iter().map(digits).collect();
    let percent = |set| utf8_percent_encode(secret, set).to_string();
    let percent_lower = |set| utf8_percent_encode(secret, set).map(lower_digits).collect();
    let mut shapes = vec![percent(RESERVED), percent(NON_ALPHANUMERIC)];
    shapes.extend([percent_lower(RESERVED), percent_lower(NON_ALPHANUMERIC)]);
    shapes.extend([hex(|byte| format!("{byte:02x}")), hex(|byte| format!("{byte:02X}"))]);
    for before in 0..3 {
        shapes.extend([base64(&STANDARD_NO_PAD, bytes, before), base64(&URL_SAFE_NO_PAD, bytes, before)]);
    }
    // Most secrets are of letters and digits, which many encodings leave as they are.
    shapes.sort_unstable();
    shapes.dedup();
    shapes.retain(|shape| shape != secret);
    shapes
}

/// A piece of a percent-encoded text, with the other digits that RFC 3986 allows. A bare `%` is no piece: it is
/// encoded as well.
fn lower_digits(piece: &str) -> String {
    if piece.starts_with('%') { piece.to_ascii_lowercase() } else { piece.to_owned() }
}

/// The characters that the secret alone decides where it stands in a longer text, such as behind `Bearer `: its first
/// byte may be any of the three that become four characters. `before` counts those that stand before it.
fn base64(engine: &impl Engine, secret: &[u8], before: usize) -> String {
    let whole = engine.encode([&[0; 2][..before], secret].concat());
    let its_own = (before * 8).div_ceil(6)..(before + secret.len()) * 8 / 6;
    whole.get(its_own).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    /// Promise 7: whatever stands around a secret, an encoded text holds one of its shapes.
    #[test]
    fn an_encoded_text_holds_a_shape() {
        for secret in ["t-g1044.q_eGEDXTB6NDJ", "dskLLdkasdjlasdKK", "with+all/the=special?ones"] {
            let shapes = shapes(secret);
            for (before, behind) in
                [("", ""), ("B", "\""), ("Be", "ar"), ("Bearer ", "\r\n"), ("{\"a\":\"Bearer ", "\"}\n\n")]
            {
                let text = format!("{before}{secret}{behind}");
                for encoded in [
                    STANDARD.encode(&text),
                    URL_SAFE.encode(&text),
                    utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string(),
                    text.bytes().map(|byte| format!("{byte:02x}")).collect(),
                    text.bytes().map(|byte| format!("{byte:02X}")).collect(),
                ] {
                    let holds = shapes.iter().any(|shape| encoded.contains(shape));
                    assert!(holds || encoded.contains(secret), "{text}: {encoded}");
                }
            }
        }
    }

    /// Promise 7: a URL may be written with upper or lower digits, and with all or only the needed ones encoded.
    #[test]
    fn a_secret_in_a_url_has_a_shape() {
        let shapes = shapes("Ab+/=&-9%Z");
        for url in [
            "Ab%2B%2F%3D%26-9%25Z",
            "Ab%2b%2f%3d%26-9%25Z",
            "Ab%2B%2F%3D%26%2D9%25Z",
            "Ab%2b%2f%3d%26%2d9%25Z",
        ] {
            assert!(shapes.contains(&url.to_owned()), "{url}");
        }
    }

    /// Nothing short comes of it that could maim an ordinary text.
    #[test]
    fn shapes_are_no_shorter_than_their_secret() {
        for secret in ["abcdef", "abcdefg", "abcdefgh", "t-c4nary"] {
            assert!(shapes(secret).iter().all(|shape| shape.len() > secret.len()), "{secret}");
        }
    }
}
