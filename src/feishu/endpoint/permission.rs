//! Whether app or user may export a document,
//! `GET /open-apis/drive/v1/permissions/:token/members/auth?type=…&action=export`: the request, and what its answers mean.
//! Asked before there is a job, by a check and not by the watcher: no budget counts it.

use percent_encoding::utf8_percent_encode;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, RequestBuilder};

use super::judging::{Rules, bearer, judge_value};
use crate::domain::{BaseUrl, Endpoint, ErrorKind, Object};
use crate::feishu::address::{RESERVED, endpoint_url, segment};
use crate::feishu::api::{AccessToken, Answer};
use crate::feishu::body::Received;
use crate::feishu::verdict::{Strange, Verdict};

/// The path, up to the document's token.
const PATH: &str = "/open-apis/drive/v1/permissions/";

/// Of the scopes that its page lists, the one that is good for this question alone.
const SCOPE: &str = "docs:permission.member:auth";

/// Besides its own codes it sends those that a create sends as well.
const RULES: Rules =
    Rules { scopes: Some(SCOPE), ..Rules::new(Endpoint::Create, |_| "answer has no data.auth_result") };

/// The request; none if no header can carry the access token.
pub(in crate::feishu) fn request(
    client: &Client,
    base_url: &BaseUrl,
    object: &Object,
    access_token: &AccessToken,
) -> Option<RequestBuilder> {
    let path = format!("{PATH}{}/members/auth", segment(object.token.as_str()));
    let mut url = endpoint_url(base_url, &path);
    let doc_type = utf8_percent_encode(&object.doc_type, RESERVED);
    url.set_query(Some(&format!("type={doc_type}&action=export")));
    Some(client.get(url).header(AUTHORIZATION, bearer(access_token.expose())?))
}

/// Whether the document may be exported, or what came in place of that. `secrets` is what the server has seen: it is kept
/// out of the texts. The longest comes first, because one may be part of another.
pub(in crate::feishu) fn classify_permission(received: &Received, secrets: &[&str]) -> Result<bool, Answer> {
    let result = judge_value(received, &RULES, secrets, |envelope| envelope.data.as_ref()?.auth_result);
    result.map_err(|answer| match own_code(&answer) {
        Some(kind) => Answer { verdict: Verdict::Failed(kind), ..answer },
        None => answer,
    })
}

/// The codes that this endpoint alone sends, as far as they are final. The others of its page come with the statuses 429
/// and 500, which say enough.
fn own_code(answer: &Answer) -> Option<ErrorKind> {
    let is_unlisted = answer.verdict == Verdict::Strange(Strange::UnlistedCode);
    match answer.detail.code.filter(|_| is_unlisted)? {
        // Type and token do not belong together, or there is no such document.
        1_063_001 => Some(ErrorKind::InvalidParam),
        1_063_002 => Some(ErrorKind::NoPermission),
        1_063_005 => Some(ErrorKind::DocumentDeleted),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PauseReason;

    /// Promise: each answer that the page lists is a verdict of its own, and nothing else is a "yes".
    #[test]
    fn answers_are_judged() {
        let failed = |kind| Err(Verdict::Failed(kind));
        for (status, body, expected) in [
            (200, r#"{"code":0,"msg":"success","data":{"auth_result":true}}"#, Ok(true)),
            (200, r#"{"code":0,"data":{"auth_result":false}}"#, Ok(false)),
            (200, r#"{"code":0,"data":{"auth_result":1}}"#, Err(Verdict::Strange(Strange::NoStatus))),
            (200, r#"{"code":0,"data":null}"#, Err(Verdict::Strange(Strange::NoStatus))),
            (200, r#"{"data":{"auth_result":true}}"#, Err(Verdict::Strange(Strange::Page))),
            (403, r#"{"code":0,"data":{"auth_result":true}}"#, Err(Verdict::Strange(Strange::UnlistedCode))),
            (400, r#"{"code":1063001}"#, failed(ErrorKind::InvalidParam)),
            (403, r#"{"code":1063002}"#, failed(ErrorKind::NoPermission)),
            (404, r#"{"code":1063005}"#, failed(ErrorKind::DocumentDeleted)),
            (429, r#"{"code":1063006}"#, Err(Verdict::Throttled { reset: None })),
            (400, r#"{"code":1063003}"#, Err(Verdict::Strange(Strange::UnlistedCode))),
            (400, r#"{"code":99991672}"#, Err(Verdict::AppFault(PauseReason::ScopeMissing))),
        ] {
            let result = classify_permission(&Received::from_body(status, body), &[]);
            if result.as_ref().is_err_and(|answer| answer.detail.code == Some(99_991_672)) {
                let remedy = result.as_ref().unwrap_err().detail.remedy.as_deref();
                assert_eq!(remedy, Some("missing scope: docs:permission.member:auth"));
            }
            assert_eq!(result.map_err(|answer| answer.verdict), expected, "{body}");
        }
    }
}
