//! Reading JSON without taking offence: a number may come as a string, and a value of an unexpected
//! type counts as absent instead of spoiling the answer around it. Values are read as they stream by,
//! so a hostile body can't blow up in memory.

use std::fmt;
use std::marker::PhantomData;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Entries of a list that are read; the rest is skipped.
pub(super) const LIST_MAX: usize = 16;

/// Reads a body; none unless it is one JSON object in UTF-8.
pub(super) fn parse<T: JsonObject + DeserializeOwned>(body: &[u8]) -> Option<T> {
    // Checked as a whole, because text that is skipped would go unchecked.
    let text = std::str::from_utf8(body).ok()?;
    // Some gateways put a byte order mark before what they pass on.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let read = |text: &str| serde_json::from_str::<Loose<Option<T>>>(text);
    read(text).or_else(|_| read(&mend_surrogates(text))).ok()?.0
}

/// Replaces halves of surrogate pairs by U+FFFD. They appear where somebody cut a name in the middle
/// of an emoji, and a file must not be lost for its name.
fn mend_surrogates(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let (escape, length) = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(0xD800..0xDC00), Some(0xDC00..)) => (&rest[..12], 12),
            (Some(_), _) => ("\\ufffd", 6),
            // Two characters at once, so that an escaped backslash does not begin an escape.
            (None, _) => {
                let length = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
                (&rest[..length], length)
            }
        };
        mended.push_str(escape);
        rest = &rest[length..];
    }
    mended + rest
}

/// The surrogate that a text begins with, as an escape.
fn surrogate(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok().filter(|unit| (0xD800..0xE000).contains(unit))
}

/// What a JSON value of each type becomes; a type that is not named counts as an absent value.
pub(super) trait Lenient<'de>: Default {
    fn of_integer(_: i128) -> Self {
        Self::default()
    }

    fn of_text(_: &str) -> Self {
        Self::default()
    }

    fn of_object<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

/// Marks the structs of the answers, so that they can be told from numbers and texts.
pub(super) trait JsonObject {}

impl Lenient<'_> for Option<i64> {
    fn of_integer(number: i128) -> Self {
        number.try_into().ok()
    }

    fn of_text(text: &str) -> Self {
        text.parse().ok()
    }
}

impl Lenient<'_> for Option<u64> {
    fn of_integer(number: i128) -> Self {
        number.try_into().ok()
    }

    fn of_text(text: &str) -> Self {
        text.parse().ok()
    }
}

impl Lenient<'_> for Option<Box<str>> {
    fn of_text(text: &str) -> Self {
        Some(text.into())
    }
}

impl Lenient<'_> for Option<SecretString> {
    fn of_text(text: &str) -> Self {
        Some(text.into())
    }
}

impl<'de, T: JsonObject + Deserialize<'de>> Lenient<'de> for Option<T> {
    fn of_object<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

impl<'de, T: JsonObject + Deserialize<'de>> Lenient<'de> for Vec<T> {
    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut entries = Self::new();
        while entries.len() < LIST_MAX {
            let Some(Loose(entry)) = list.next_element::<Loose<Option<T>>>()? else { return Ok(entries) };
            entries.extend(entry);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(entries)
    }
}

/// A value that is read leniently.
struct Loose<T>(T);

impl<'de, T: Lenient<'de>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient(deserializer).map(Self)
    }
}

/// Reads a field; for serde's `deserialize_with`.
pub(super) fn lenient<'de, D: Deserializer<'de>, T: Lenient<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(AnyValue(PhantomData))
}

struct AnyValue<T>(PhantomData<T>);

impl<'de, T: Lenient<'de>> Visitor<'de> for AnyValue<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(T::of_integer(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(T::of_integer(number.into()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::of_text(text))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::of_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::of_object(map)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_an_emoji_does_not_spoil_an_answer() {
        for (text, expected) in [
            (r"a\ud83d", r"a\ufffd"),
            (r"\ude00\ud83d\ude00", r"\ufffd\ud83d\ude00"),
            (r"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00"),
            (r"\\ud83d \n\u00e4\", r"\\ud83d \n\u00e4\"),
            (r"\ud83d\u0041 \u+d83", r"\ufffd\u0041 \u+d83"),
            (r"\ü\ud8", r"\ü\ud8"),
        ] {
            assert_eq!(mend_surrogates(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_serde_can_write_needs_no_mending(text in "\\PC*") {
            let json = serde_json::json!(text).to_string();
            prop_assert_eq!(mend_surrogates(&json), json);
        }

        #[test]
        fn mending_takes_any_text(text in "(\\\\|u|d8|dc|0|ü|\\PC){0,40}") {
            prop_assert!(mend_surrogates(&text).len() <= text.len());
        }
    }
}
