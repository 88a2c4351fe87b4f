//! What is asked for in the address of the page: filters, order and page of the list of tickets. Links hold nothing else,
//! so that they can be shared. Pure.

use thiserror::Error;
use url::form_urlencoded::{self, Serializer};

use super::text::{Foreign, SHORT};
use crate::domain::{AppName, FileState, Link, TicketState};
use crate::store::{Filter, Listing, Order};

/// Tickets of a page.
pub(super) const ON_A_PAGE: usize = 200;

/// Characters of a text that is looked for.
pub(super) const TEXT_MAX: usize = 200;

/// In place of a state: those tickets that a person has to look after.
pub(super) const ATTENTION: &str = "attention";

/// The names of filters, as they stand in links.
const NAMES: [&str; 7] = ["state", "file", "app", "label", "document", "sort", "page"];

/// An address that can't be understood.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum QueryError {
    /// A filter of another name.
    #[error("there is no filter of this name; expected {}", NAMES.join(", "))]
    Name(Foreign),
    /// A value that the filter does not know.
    #[error("{name} has no such value; expected {expected}")]
    Value { name: &'static str, value: Foreign, expected: String },
    /// The same filter again.
    #[error("{0} stands there twice; expected it once")]
    Twice(&'static str),
}

impl QueryError {
    /// What of the address is meant.
    pub(super) fn value(&self) -> Option<&Foreign> {
        match self {
            Self::Name(value) | Self::Value { value, .. } => Some(value),
            Self::Twice(_) => None,
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) needs_attention: bool,
    pub(super) state: Option<TicketState>,
    pub(super) file: Option<FileState>,
    pub(super) app: Option<String>,
    pub(super) label: Option<String>,
    pub(super) document: Option<String>,
    pub(super) sort: Order,
    /// From 1.
    pub(super) page: usize,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            needs_attention: false,
            state: None,
            file: None,
            app: None,
            label: None,
            document: None,
            sort: Order::default(),
            page: 1,
        }
    }
}

impl Query {
    /// Those that a person has to look after.
    pub(super) fn attention() -> Self {
        Self { needs_attention: true, ..Self::default() }
    }

    /// Reads what follows the `?`. A filter without a value, as forms send it, is none.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, QueryError> {
        let mut parsed = Self::default();
        let mut seen = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let known = NAMES.into_iter().find(|known| *known == name);
            let known = known.ok_or_else(|| QueryError::Name(Foreign::new(&name, SHORT)))?;
            if seen.contains(&known) {
                return Err(QueryError::Twice(known));
            }
            seen.push(known);
            let value = value.trim();
            if !value.is_empty() {
                parsed.set(known, value)?;
            }
        }
        Ok(parsed)
    }

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), QueryError> {
        let unknown =
            |expected: String| QueryError::Value { name, value: Foreign::new(value, SHORT), expected };
        let one_of = |names: Vec<&str>| unknown(names.join(", "));
        let is_short = value.chars().count() <= TEXT_MAX;
        let text = || is_short.then(|| value.to_owned());
        let too_long = || unknown(format!("{TEXT_MAX} characters at most"));
        match name {
            "state" if value == ATTENTION => self.needs_attention = true,
            "state" => self.state = Some(value.parse().map_err(|_| one_of(states()))?),
            "file" => self.file = Some(value.parse().map_err(|_| one_of(files()))?),
            "app" => self.app = Some(text().ok_or_else(too_long)?),
            "label" => self.label = Some(text().ok_or_else(too_long)?),
            // A link of the address bar may be longer.
            "document" if Link::parse(value).is_ok() => self.document = Some(value.to_owned()),
            "document" => self.document = Some(text().ok_or_else(too_long)?),
            "sort" => self.sort = value.parse().map_err(|_| one_of(orders()))?,
            _ => {
                let number = value.parse::<u32>().ok().filter(|number| *number > 0);
                self.page = number.ok_or_else(|| unknown("a number from 1 on".to_owned()))? as usize;
            }
        }
        Ok(())
    }

    /// The page of tickets that is asked for. A whole link finds its document by the token, however it was listed.
    pub(super) fn listing(&self) -> Listing {
        let token =
            |text: &String| Link::parse(text).map_or_else(|_| text.clone(), |link| link.token.to_string());
        let filter = Filter {
            needs_attention: self.needs_attention,
            has_file: false,
            state: self.state,
            file: self.file,
            app: self.app.as_deref().map(AppName::new),
            label: self.label.clone(),
            document: self.document.as_ref().map(token),
        };
        Listing { filter, order: self.sort, offset: (self.page - 1) * ON_A_PAGE, limit: ON_A_PAGE }
    }

    /// The value of the filter by state.
    pub(super) fn state_name(&self) -> &'static str {
        if self.needs_attention { ATTENTION } else { self.state.map_or("", TicketState::as_str) }
    }

    /// Whether anything is left out.
    pub(super) fn is_filtered(&self) -> bool {
        Self { sort: Order::default(), page: 1, ..self.clone() } != Self::default()
    }

    /// The link to that page of the same list.
    pub(super) fn href(&self, page: usize) -> String {
        let mut query = Serializer::new(String::new());
        let sort = Some(self.sort).filter(|sort| *sort != Order::default()).map(Order::as_str);
        let page = Some(page).filter(|page| *page > 1).map(|page| page.to_string());
        for (name, value) in [
            ("state", Some(self.state_name())),
            ("file", self.file.map(FileState::as_str)),
            ("app", self.app.as_deref()),
            ("label", self.label.as_deref()),
            ("document", self.document.as_deref()),
            ("sort", sort),
            ("page", page.as_deref()),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        if query.is_empty() { "/#tickets".to_owned() } else { format!("/?{query}#tickets") }
    }
}

/// The values of the filter by state.
pub(super) fn states() -> Vec<&'static str> {
    TicketState::ALL.iter().map(|state| state.as_str()).chain([ATTENTION]).collect()
}

/// The values of the filter by file.
pub(super) fn files() -> Vec<&'static str> {
    FileState::ALL.iter().map(|state| state.as_str()).collect()
}

fn orders() -> Vec<&'static str> {
    Order::ALL.iter().map(|order| order.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(query: &str) -> Result<Query, QueryError> {
        Query::parse(Some(query))
    }

    /// Promise: a link leads where it was copied from.
    #[test]
    fn links_are_read_back() {
        for (query, href) in [
            ("", "/#tickets"),
            ("state=&app=&label=&document=&sort=attention&page=1", "/#tickets"),
            ("state=failed&page=3", "/?state=failed&page=3#tickets"),
            (
                "page=2&label=a%26b+%E5%91%A8&sort=newest",
                "/?label=a%26b+%E5%91%A8&sort=newest&page=2#tickets",
            ),
            ("state=attention&file=expired&app=x", "/?state=attention&file=expired&app=x#tickets"),
        ] {
            let read = parse(query).unwrap();
            assert_eq!(read.href(read.page), href, "{query}");
            let again = href.split_once('?').map(|(_, rest)| rest.trim_end_matches("#tickets"));
            assert_eq!(Query::parse(again).unwrap(), read);
        }
        let link = "https://acme.feishu.cn/docx/DoxcnAbCdEfGhIjKlMnOpQrStUv?from=copy";
        let found = Query { document: Some(link.to_owned()), ..Query::default() }.listing();
        assert_eq!(found.filter.document.as_deref(), Some("DoxcnAbCdEfGhIjKlMnOpQrStUv"));
    }

    /// Promise: what is not understood is said, and never left out without a word.
    #[test]
    fn what_is_not_understood_is_said() {
        for (query, said) in [
            ("status=failed", "there is no filter of this name; expected state, file, app, label, "),
            (
                "state=Failed",
                "state has no such value; expected pending, completed, failed, timed_out, removed, att",
            ),
            ("file=lost", "file has no such value; expected waiting, saved, failed, expired"),
            ("sort=size", "sort has no such value; expected attention, newest, ended, next, name, time_left"),
            ("page=0", "page has no such value; expected a number from 1 on"),
            ("page=-1", "page has no such value"),
            ("page=99999999999", "page has no such value"),
            ("state=failed&state=pending", "state stands there twice"),
            (
                &format!("label={}", "x".repeat(201)),
                "label has no such value; expected 200 characters at most",
            ),
        ] {
            let error = parse(query).unwrap_err().to_string();
            assert!(error.starts_with(said), "{query}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in any::<String>()) {
            if let Ok(read) = parse(&query) {
                let _ = (read.href(read.page), read.listing());
            }
        }
    }
}
