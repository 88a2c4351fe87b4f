//! Reading JSON of which no page says what is left out when: a number may come as a string, and a value of an
//! unexpected type counts as absent instead of spoiling the answer around it. A value that is not asked for is skipped
//! and never kept, so that a hostile body takes no more memory than its own length a few times over.

use std::ops::Deref;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

/// Entries of a list that are kept.
pub(super) const LIST_MAX: usize = 16;

/// Reads a body; none unless it is one JSON object in UTF-8.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    // Checked as a whole, because a string that is skipped would go unchecked.
    let text = std::str::from_utf8(body).ok()?;
    // Some gateways put a byte order mark before what they pass on.
    parse_object(text.strip_prefix('\u{feff}').unwrap_or(text).trim_ascii_start())
}

/// Without the check for a brace a list would be taken for the fields in their order.
fn parse_object<T: DeserializeOwned>(text: &str) -> Option<T> {
    text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

/// Reads an integer, or a truth value; for serde's `deserialize_with`, as all of these.
pub(super) fn number<'de, D: Deserializer<'de>, N: FromStr>(field: D) -> Result<Option<N>, D::Error> {
    Ok(raw(field)?.trim_matches('"').parse().ok())
}

/// Reads a string.
pub(super) fn string<'de, D, S>(field: D) -> Result<Option<S>, D::Error>
where
    D: Deserializer<'de>,
    S: for<'s> From<&'s str> + From<String>,
{
    let raw = raw(field)?;
    // Where nothing is escaped it is taken from the body itself: no copy of an access token is left behind.
    let plain = serde_json::from_str::<&str>(raw).map(S::from);
    Ok(plain.or_else(|_| serde_json::from_str::<String>(raw).map(S::from)).ok())
}

/// A string, as an answer's fields hold it; none where there is none.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Text(#[serde(deserialize_with = "string")] Option<Box<str>>);

impl Deref for Text {
    type Target = Option<Box<str>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Reads an object.
pub(super) fn object<'de, D, T>(field: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(parse_object(raw(field)?))
}

/// Reads the objects of a list.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(field: D) -> Result<Vec<T>, D::Error> {
    let entries: Vec<&RawValue> = serde_json::from_str(raw(field)?).unwrap_or_default();
    Ok(entries.into_iter().filter_map(|entry| parse_object(entry.get())).take(LIST_MAX).collect())
}

/// A value as it is written.
fn raw<'de, D: Deserializer<'de>>(field: D) -> Result<&'de str, D::Error> {
    <&RawValue>::deserialize(field).map(RawValue::get)
}
