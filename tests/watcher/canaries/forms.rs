//! The shapes in which a secret may turn up although it was not printed as it is.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Each shape with its name.
pub(super) fn all(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let json = serde_json::to_string(secret).unwrap();
    let join =
        |byte: fn(&u8) -> String, between: &str| bytes.iter().map(byte).collect::<Vec<_>>().join(between);
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let mut forms = vec![
        ("plain", secret.to_owned()),
        ("reversed", secret.chars().rev().collect()),
        ("JSON", json[1..json.len() - 1].to_owned()),
        ("twice JSON", json[1..json.len() - 1].replace('\\', "\\\\").replace('"', "\\\"")),
        ("percent-encoded in lower case", lower_escapes(&percent)),
        ("percent-encoded", percent),
        ("percent-encoded throughout", join(|byte| format!("%{byte:02X}"), "")),
        ("bytes for debugging", join(u8::to_string, ", ")),
        ("bytes as JSON", join(u8::to_string, ",")),
    ];
    // A secret without any special character looks the same in many of them.
    let mut seen = std::collections::BTreeSet::new();
    forms.retain(|(_, form)| seen.insert(form.clone()));
    forms
}

/// `%2F` becomes `%2f`, and letters stay as they are.
fn lower_escapes(text: &str) -> String {
    let mut pieces = text.split('%');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |whole, piece| {
        let (escape, rest) = piece.split_at(2);
        whole + "%" + &escape.to_lowercase() + rest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "t-c4nary.With+All/The\"Spec%ial\\Ones~?";

    /// Whatever it is part of, an encoded text holds one of the forms.
    #[test]
    fn a_secret_inside_of_an_encoded_text_is_found() {
        let forms = all(SECRET);
        let found = |text: &str| forms.iter().any(|(_, form)| text.contains(form));
        for before in ["", "B", "Be", "Bearer ", "{\"authorization\":\"Bearer ", "cli_a1b2:"] {
            for behind in ["", "x", "xy", "xyz", "\"}\n"] {
                let text = format!("{before}{SECRET}{behind}");
                let bytes = text.as_bytes();
                for encoded in [
                    text.clone(),
                    serde_json::to_string(&text).unwrap(),
                    serde_json::to_string(&serde_json::to_string(&text).unwrap()).unwrap(),
                    format!("{text:?}"),
                    format!("{bytes:?}"),
                    serde_json::to_string(bytes).unwrap(),
                    utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string(),
                    text.chars().rev().collect(),
                ] {
                    assert!(found(&encoded), "{encoded}");
                }
            }
        }
        assert!(!found("t-c4nary.With+All/The"));
    }
}
