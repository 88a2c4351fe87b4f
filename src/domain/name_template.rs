//! The template by which saved files are named, `{file_name}.{file_extension}` for instance. What the fields become in a
//! path is decided where files are written.

use std::str::FromStr;

use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

/// Folders that a template may name below the folder of all files, at most.
pub const NAME_FOLDERS_MAX: usize = 8;

/// A template for names, checked: it names at least one field, and no part of it leads out of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate {
    parts: Vec<NamePart>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePart {
    /// Stands as it is.
    Text(Box<str>),
    /// Is filled in.
    Field(NameField),
    /// Makes what stands before it a folder.
    Slash,
}

/// What a template may be filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum NameField {
    /// The artefact's name.
    FileName,
    /// The artefact's format.
    FileExtension,
    /// The label of the watch list.
    Label,
    /// The name of the app.
    App,
    /// The ticket.
    Ticket,
    /// The source document's token.
    Document,
    /// The day on which the ticket was completed, UTC, as 2026-11-22.
    Date,
}

/// Why a text is no template.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NameTemplateError {
    /// A name in braces that is no field.
    #[error("unknown field; expected {}", fields())]
    UnknownField {
        /// The name, which no message repeats: it may be a secret in the wrong place.
        name: String,
    },
    /// A brace without its counterpart.
    #[error("a brace without its counterpart")]
    LoneBrace,
    /// All files would have one name.
    #[error("names no field; expected at least one of {}", fields())]
    NoField,
    /// An empty name, one of dots, or too many of them.
    #[error(
        "must be a relative path without empty names, `.` and `..`, at most {NAME_FOLDERS_MAX} folders deep"
    )]
    Path,
    /// A character that is not visible, or a backslash.
    #[error("must not hold control characters or backslashes")]
    Character,
}

fn fields() -> String {
    let names: Vec<_> = NameField::VARIANTS.iter().map(|field| format!("{{{field}}}")).collect();
    names.join(", ")
}

impl NameTemplate {
    /// The pieces, in their order.
    #[must_use]
    pub fn parts(&self) -> &[NamePart] {
        &self.parts
    }

    /// Folders that a name has below the folder of all files.
    #[must_use]
    pub fn folders(&self) -> usize {
        self.parts.iter().filter(|part| **part == NamePart::Slash).count()
    }
}

impl FromStr for NameTemplate {
    type Err = NameTemplateError;

    fn from_str(text: &str) -> Result<Self, NameTemplateError> {
        if text.contains(|c: char| c.is_control() || c == '\\') {
            return Err(NameTemplateError::Character);
        }
        let is_bad = |name: &str| name.trim().trim_matches('.').is_empty();
        if text.split('/').any(is_bad) || text.matches('/').count() > NAME_FOLDERS_MAX {
            return Err(NameTemplateError::Path);
        }
        let mut parts = Vec::new();
        for (place, name) in text.split('/').enumerate() {
            if place > 0 {
                parts.push(NamePart::Slash);
            }
            parse_name(name, &mut parts)?;
        }
        let has_field = parts.iter().any(|part| matches!(part, NamePart::Field(_)));
        if has_field { Ok(Self { parts }) } else { Err(NameTemplateError::NoField) }
    }
}

fn parse_name(mut rest: &str, parts: &mut Vec<NamePart>) -> Result<(), NameTemplateError> {
    while let Some(brace) = rest.find(['{', '}']) {
        let (text, field) = rest.split_at(brace);
        let field = field.strip_prefix('{').ok_or(NameTemplateError::LoneBrace)?;
        let (name, after) = field.split_once('}').ok_or(NameTemplateError::LoneBrace)?;
        let field = name.parse().map_err(|_| NameTemplateError::UnknownField { name: name.to_owned() })?;
        push_text(text, parts);
        parts.push(NamePart::Field(field));
        rest = after;
    }
    push_text(rest, parts);
    Ok(())
}

fn push_text(text: &str, parts: &mut Vec<NamePart>) {
    if !text.is_empty() {
        parts.push(NamePart::Text(text.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_texts_and_folders_are_told_apart() {
        let template: NameTemplate = "{app}/{date}/{file_name} of {label}.{file_extension}".parse().unwrap();
        assert_eq!(template.folders(), 2);
        assert_eq!(template.parts().len(), 9);
        assert_eq!(template.parts()[5], NamePart::Text(" of ".into()));
    }

    /// Promise: no template leads out of the folder or gives all files one name.
    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        let error = |text: &str| text.parse::<NameTemplate>().unwrap_err();
        for text in
            ["", "/{app}", "{app}/", "../{app}", "a/../{app}", "{app}/..", "./{app}", "a//{app}", " /{app}"]
        {
            assert_eq!(error(text), NameTemplateError::Path, "{text}");
        }
        assert_eq!(error(&format!("{}{{app}}", "a/".repeat(9))), NameTemplateError::Path);
        assert_eq!(error("report.pdf"), NameTemplateError::NoField);
        for text in ["{app", "app}", "{{app}}", "{app}}"] {
            let is_right =
                matches!(error(text), NameTemplateError::LoneBrace | NameTemplateError::UnknownField { .. });
            assert!(is_right, "{text}");
        }
        assert_eq!(error("{title}"), NameTemplateError::UnknownField { name: "title".into() });
        for text in ["a\\{app}", "{app}\n", "\0{app}"] {
            assert_eq!(error(text), NameTemplateError::Character, "{text:?}");
        }
    }
}
