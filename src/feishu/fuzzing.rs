//! The door for [`crate::fuzzing`]: an answer as bytes, on its way from the network layer to a verdict.

use reqwest::header::HeaderMap;
use secrecy::zeroize::Zeroizing;

use super::api::{Answer, TokenAnswer};
use super::body::{BODY_MAX, Body, Headers, Received};
use super::known_secrets::{Kind, KnownSecrets};
use super::{access_token, judge};
use crate::domain::AppName;

/// How much of a body arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// All of it.
    Whole,
    /// It broke off.
    Broken,
}

/// What the client knows when an answer comes: the secrets of its apps, and the access token that it sent.
pub(crate) struct Asker {
    pub(crate) app_secrets: &'static [&'static str],
    pub(crate) access_token: &'static str,
}

impl Asker {
    fn known(&self) -> KnownSecrets {
        let known = KnownSecrets::default();
        for (number, secret) in self.app_secrets.iter().enumerate() {
            known.remember(&AppName::new(&number.to_string()), Kind::AppSecret, secret);
        }
        known
    }

    /// What an answer of query export task means.
    pub(crate) fn of_query(&self, status: u16, headers: &HeaderMap, body: &[u8], arrival: Arrival) -> Answer {
        let received = received(status, headers, body, arrival);
        let known = self.known();
        known.remember(&AppName::new("asker"), Kind::AccessToken, self.access_token);
        known.with(|secrets| judge::of_answer(&received, secrets))
    }

    /// What an answer of the token endpoint means.
    pub(crate) fn of_token(
        &self,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        arrival: Arrival,
    ) -> TokenAnswer {
        let received = received(status, headers, body, arrival);
        self.known().with(|secrets| access_token::of_answer(&received, secrets))
    }
}

fn received(status: u16, headers: &HeaderMap, body: &[u8], arrival: Arrival) -> Received {
    let body = match arrival {
        Arrival::Broken => Body::Broken("error decoding response body: unexpected end".to_owned()),
        Arrival::Whole if body.len() > BODY_MAX => Body::TooLarge,
        Arrival::Whole => Body::Whole(Zeroizing::new(body.to_vec())),
    };
    Received { status, headers: Headers::of(headers), body }
}
