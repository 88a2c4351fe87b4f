//! `POST /open-apis/auth/v3/tenant_access_token/internal`: tenant tokens for custom apps.
//!
//! Mirrors the page "自建应用获取 tenant_access_token". The answer is flat, without `data`; a refusal has neither token
//! nor `expire`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::{
    access_token::Rules,
    answer::{Answer, Refusal},
    app::Trouble,
    world::{Arrival, World},
};

/// The body of the request.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Credentials {
    pub(crate) app_id: String,
    app_secret: String,
}

impl Credentials {
    /// Reads them; what is no JSON counts as empty, which is refused.
    pub(crate) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }
}

/// Whether it has the form that the console hands out.
fn is_app_id(text: &str) -> bool {
    let behind = text.strip_prefix("cli_").unwrap_or_default();
    !behind.is_empty() && behind.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl World {
    /// Answers a request for a tenant token.
    pub(crate) fn tenant_token(&mut self, arrival: &Arrival, credentials: &Credentials) -> Answer {
        let switches = self.switches.tokens;
        let refuse = |code| self.refuse(arrival, Refusal::new(switches.refusal_status, code));
        let app = self.apps.get(&credentials.app_id);
        let malformed = app.is_none() && !is_app_id(&credentials.app_id);
        if malformed || credentials.app_secret.is_empty() {
            // The one refusal of this endpoint that has `data`, and nothing in it.
            let body = json!({"code": 10_003, "msg": "invalid param", "data": {}});
            return Answer::json(switches.refusal_status, 10_003, body.to_string());
        }
        let Some(app) = app else {
            return refuse(switches.unknown_app_code);
        };
        if app.settings.app_secret != credentials.app_secret {
            let refusal = Refusal::new(switches.refusal_status, switches.wrong_secret_code);
            return self.refuse(arrival, refusal.with_msg("app secret invalid"));
        }
        if app.settings.trouble == Some(Trouble::Disabled) {
            return refuse(10_014);
        }
        let rules = Rules {
            lifetime: app.settings.token_lifetime,
            renew_below: app.settings.renew_below,
            reissue_revoked: switches.reissue_revoked,
        };
        let (token, left) = self.tokens.issue(&Arc::clone(&app.id), rules, arrival.now);
        let body = json!({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": left.as_secs()});
        Answer::json(200, 0, body.to_string())
    }
}
