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

impl World {
    /// Answers a request for a tenant token.
    pub(crate) fn tenant_token(&mut self, arrival: &Arrival, credentials: &Credentials) -> Answer {
        let switches = self.switches.tokens;
        let refuse = |code| self.refuse(arrival, Refusal::new(switches.refusal_status, code));
        if credentials.app_id.is_empty() || credentials.app_secret.is_empty() {
            return refuse(10_003);
        }
        let Some(app) = self.apps.get(&credentials.app_id) else {
            return refuse(switches.unknown_app_code);
        };
        if app.settings.app_secret != credentials.app_secret {
            return refuse(switches.wrong_secret_code);
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
