//! Where a secret lies: a table with exactly one of three keys. As nothing of it is ever repeated, a secret that stands in
//! its place stays unseen.

use std::path::Path;

use toml::de::DeValue;

use super::section::{Field, is_word};
use crate::domain::SecretSource;

pub(super) const SOURCE_KEYS: &[&str] = &["file", "env", "credential"];

/// Characters of a name at most.
const NAME_MAX: usize = 128;

const INLINE: &str = "a secret never stands in the configuration itself; put it into a file that only the \
    service can read and write { file = \"…\" }, or use { env = \"NAME\" } or { credential = \"name\" }";
/// How a place is written.
pub(super) const PLACES: &str = "{ file = \"…\" }, { env = \"NAME\" } or { credential = \"name\" }";

/// Reads the place; nothing if there is no such place, or more than one.
pub(super) fn read(field: &Field<'_>, folder: &Path) -> Option<SecretSource> {
    let DeValue::Table(table) = field.value else {
        return field.error(|| format!("`{}`: {INLINE}", field.key));
    };
    let section = field.section(table, SOURCE_KEYS);
    let given: Vec<_> = SOURCE_KEYS.iter().filter_map(|key| section.field(key)).collect();
    let [place] = given.as_slice() else {
        let message = || format!("`{}`: expected exactly one of {PLACES}", field.key);
        return match given.is_empty() {
            true => section.missing(SOURCE_KEYS, message),
            false => field.error(message),
        };
    };
    match place.key {
        "file" => place.path(folder).map(SecretSource::File),
        "env" => place.text_where(ENV_NAME, is_env_name).map(|name| SecretSource::Env(name.to_owned())),
        _ => place
            .text_where(CREDENTIAL_NAME, is_credential_name)
            .map(|name| SecretSource::Credential(name.to_owned())),
    }
}

const ENV_NAME: &str = "the name of an environment variable: letters, digits and `_`, no digit first";

fn is_env_name(text: &str) -> bool {
    is_word(text, NAME_MAX, b"_") && !text.starts_with(|first: char| first.is_ascii_digit())
}

const CREDENTIAL_NAME: &str = "the name of a systemd credential: letters, digits, `.`, `_` and `-`";

fn is_credential_name(text: &str) -> bool {
    is_word(text, NAME_MAX, b"._-") && text != "." && text != ".."
}
