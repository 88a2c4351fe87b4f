//! Create export task, `POST /open-apis/drive/v1/export_tasks`: the request, and whether what comes is a ticket. The page
//! knows no idempotency key, so an answer that is lost leaves it open whether a job was started.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder};
use serde::Serialize;

use super::judging::{Rules, bearer, judge_value};
use crate::domain::{BaseUrl, Endpoint, TicketId};
use crate::feishu::address::endpoint_url;
use crate::feishu::api::{Create, NotCreated};
use crate::feishu::body::Received;
use crate::feishu::detail::found_in;

/// The path of the endpoint.
const PATH: &str = "/open-apis/drive/v1/export_tasks";

/// Bytes of a ticket at most, as watch lists have it.
const TICKET_MAX: usize = 128;

const RULES: Rules = Rules::new(Endpoint::Create, |_| "answer has no data.ticket that can be asked about");

/// The request; none if no header can carry the access token.
pub(in crate::feishu) fn request(
    client: &Client,
    base_url: &BaseUrl,
    create: &Create,
) -> Option<RequestBuilder> {
    #[derive(Serialize)]
    struct Body<'a> {
        file_extension: &'a str,
        token: &'a str,
        r#type: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        sub_id: Option<&'a str>,
    }
    // A few texts can always be written as JSON.
    let body = serde_json::to_vec(&Body {
        file_extension: &create.file_extension,
        token: create.object.token.as_str(),
        r#type: &create.object.doc_type,
        sub_id: create.sub_id.as_deref(),
    });
    let request = client
        .post(endpoint_url(base_url, PATH))
        .header(AUTHORIZATION, bearer(create.access_token.expose())?)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    Some(request.body(body.ok()?))
}

/// The ticket, or what came in its place. `secrets` is what the server has seen: it is kept out of the texts. The longest
/// comes first, because one may be part of another.
///
/// # Errors
/// Everything but code 0 with a ticket. Only an envelope with another code shows that no job was started.
pub fn classify_create(received: &Received, secrets: &[&str]) -> Result<TicketId, NotCreated> {
    let ticket_of = |ticket: &str| is_ticket(ticket, secrets).then(|| TicketId::new(ticket));
    let result = judge_value(received, &RULES, secrets, |envelope| {
        envelope.data.as_ref()?.ticket.as_deref().and_then(ticket_of)
    });
    result.map_err(|answer| NotCreated { may_exist: answer.detail.code.is_none_or(|code| code == 0), answer })
}

/// What polls can carry and watch lists may name.
fn is_ticket(text: &str, secrets: &[&str]) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"/\\?#%".contains(&byte);
    (1..=TICKET_MAX).contains(&text.len())
        && text.bytes().all(is_plain)
        && ![".", ".."].contains(&text)
        && found_in(text, secrets).next().is_none()
}

#[cfg(test)]
mod tests;
