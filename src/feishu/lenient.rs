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
    serde_json::from_str::<Loose<Option<T>>>(text).ok()?.0
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
