//! Get wiki node information, `GET /open-apis/wiki/v2/spaces/get_node?token=…`: the request, and what the node leads to.
//! All errors that the page lists come with HTTP 400.

use percent_encoding::utf8_percent_encode;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, RequestBuilder};

use super::judging::{Rules, bearer, judge_value};
use crate::domain::{BaseUrl, DocumentToken, Endpoint, Object, WIKI};
use crate::feishu::address::{RESERVED, endpoint_url};
use crate::feishu::api::{Answer, Node};
use crate::feishu::body::Received;
use crate::feishu::detail::found_in;
use crate::feishu::wire::NodePart;

/// The path of the endpoint.
const PATH: &str = "/open-apis/wiki/v2/spaces/get_node";

/// Bytes of a document's kind at most.
const TYPE_MAX: usize = 64;

const RULES: Rules =
    Rules::new(Endpoint::Node, |_| "answer has no obj_type and obj_token in data.node that can be exported");

/// The request; none if no header can carry the access token.
pub(in crate::feishu) fn request(client: &Client, base_url: &BaseUrl, node: &Node) -> Option<RequestBuilder> {
    let mut url = endpoint_url(base_url, PATH);
    // The token is the user's text: it must arrive as it stands, as one parameter, whatever it holds.
    url.set_query(Some(&format!("token={}", utf8_percent_encode(node.token.as_str(), RESERVED))));
    Some(client.get(url).header(AUTHORIZATION, bearer(node.access_token.expose())?))
}

/// What the node leads to, or what came in its place. `secrets` is what the server has seen: it is kept out of the texts.
/// The longest comes first, because one may be part of another.
///
/// # Errors
/// Everything but code 0 with kind and token of a document.
pub fn classify_node(received: &Received, secrets: &[&str]) -> Result<Object, Answer> {
    judge_value(received, &RULES, secrets, |envelope| object(envelope.data.as_ref()?.node.as_ref()?, secrets))
}

/// Both become part of requests, and of the export's row: what could be more than a word is none.
fn object(node: &NodePart, secrets: &[&str]) -> Option<Object> {
    let is_word = |text: &str, also: &[u8], is_letter: fn(&u8) -> bool| {
        !text.is_empty() && text.bytes().all(|byte| is_letter(&byte) || also.contains(&byte))
    };
    let clean = |text: &&str| found_in(text, secrets).next().is_none();
    let doc_type = node.obj_type.as_deref().filter(clean)?;
    let token = node.obj_token.as_deref().filter(clean)?;
    // A node that led to a node would be resolved for ever.
    let is_type = doc_type.len() <= TYPE_MAX && doc_type != WIKI;
    let is_object = is_type
        && is_word(doc_type, b"_", u8::is_ascii_alphabetic)
        && is_word(token, b"-_", u8::is_ascii_alphanumeric);
    is_object
        .then(|| DocumentToken::parse(token))
        .flatten()
        .map(|token| Object { doc_type: doc_type.into(), token })
}

#[cfg(test)]
mod tests;
