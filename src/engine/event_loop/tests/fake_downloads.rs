//! Artefacts of the remote that stands in for the real one: bodies that come fast, slowly, broken off or not at all, and
//! that are deleted ten minutes after their jobs ended.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::fakes::{FakeApi, PANIC, SECOND, Sent, detail_of};
use crate::domain::*;
use crate::feishu::*;

/// A body that brings nothing for so long is taken for broken.
pub(super) const IDLE: Duration = Duration::from_secs(30);

type Script = dyn FnMut(&str, u32) -> Delivery + Send;

/// All artefacts of a remote.
pub(super) struct Artefacts {
    /// What the n-th download (from 1) of a ticket's artefact brings.
    pub(super) script: Box<Script>,
    /// When the job of a ticket ended; else with the first answer that says so.
    pub(super) ended: HashMap<String, Instant>,
    pub(super) downloads: Vec<Sent>,
    /// Heads and bodies that are on their way.
    pub(super) in_flight: usize,
    pub(super) most_in_flight: usize,
}

/// What a download brings.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    /// How long the head of the answer takes.
    pub(super) head: Duration,
    pub(super) brings: Brings,
}

#[derive(Clone, Debug)]
pub(super) enum Brings {
    /// An answer in place of the file.
    Answer(Box<Answer>),
    /// These pieces, one at once and the others at intervals.
    Body { pieces: Vec<Bytes>, every: Duration, end: BodyEnd },
}

/// What follows the last piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyEnd {
    Clean,
    Breaks,
    /// Nothing, for ever.
    Stalls,
}

impl Default for Artefacts {
    fn default() -> Self {
        Self {
            script: Box::new(|ticket, _| Delivery::whole(content_of(ticket))),
            ended: HashMap::new(),
            downloads: Vec::new(),
            in_flight: 0,
            most_in_flight: 0,
        }
    }
}

impl Delivery {
    /// The whole body at once.
    pub(super) fn whole(content: impl Into<Bytes>) -> Self {
        Self::pieces(vec![content.into()], Duration::ZERO, BodyEnd::Clean)
    }

    /// The body in so many pieces of about the same length, one after each interval.
    pub(super) fn dripping(content: &Bytes, count: usize, every: Duration) -> Self {
        let length = content.len().div_ceil(count).max(1);
        let pieces = content.chunks(length).map(|piece| content.slice_ref(piece)).collect();
        Self::pieces(pieces, every, BodyEnd::Clean)
    }

    pub(super) const fn pieces(pieces: Vec<Bytes>, every: Duration, end: BodyEnd) -> Self {
        Self { head: Duration::from_millis(100), brings: Brings::Body { pieces, every, end } }
    }

    /// No file, and what comes with such a verdict from a real server.
    pub(super) fn answer(verdict: Verdict) -> Self {
        let detail = match &verdict {
            Verdict::Failed(ErrorKind::Expired) => Detail { code: Some(1_060_001), ..Detail::default() },
            Verdict::Unclear(_) => Detail { message: Some("no docx".into()), ..Detail::default() },
            other => detail_of(other),
        };
        let brings = Brings::Answer(Box::new(Answer { verdict, detail }));
        Self { head: Duration::from_millis(100), brings }
    }

    /// The same in other words.
    pub(super) fn saying(mut self, words: &str) -> Self {
        if let Brings::Answer(answer) = &mut self.brings {
            answer.detail.message = Some(words.into());
        }
        self
    }

    /// The same, with another end.
    pub(super) fn ending(mut self, other: BodyEnd) -> Self {
        if let Brings::Body { end, .. } = &mut self.brings {
            *end = other;
        }
        self
    }
}

/// The artefact does not exist, or no longer.
pub(super) const GONE: Verdict = Verdict::Failed(ErrorKind::Expired);

/// The right body of a ticket's artefact.
pub(super) fn content_of(ticket: &str) -> Bytes {
    format!("the exported document of {ticket}").into()
}

/// The file token of a ticket's artefact.
pub(super) fn file_token_of(ticket: &str) -> String {
    format!("box-{ticket}")
}

impl Artefacts {
    /// The job of the ticket has ended, if it had not before.
    pub(super) fn job_ended(&mut self, ticket: &str) {
        self.ended.entry(ticket.to_owned()).or_insert_with(Instant::now);
    }

    /// What the n-th download brings now.
    fn deliver(&mut self, ticket: &str, nth: u32) -> Delivery {
        let delivery = (self.script)(ticket, nth);
        let ended = self.ended.get(ticket).copied();
        if ended.is_none_or(|ended| ended.elapsed() >= ARTEFACT_LIFE) {
            return Delivery::answer(GONE);
        }
        delivery
    }
}

/// A download that is on its way until it is dropped.
struct OnItsWay(FakeApi);

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.with(|remote| remote.artefacts.in_flight -= 1);
    }
}

/// A body that comes as its script says.
pub(super) struct FakeBody {
    pieces: std::vec::IntoIter<Bytes>,
    every: Duration,
    end: BodyEnd,
    is_first: bool,
    _on_its_way: OnItsWay,
}

impl ArtefactBody for FakeBody {
    async fn chunk(&mut self) -> Result<Option<Bytes>, Box<Answer>> {
        let broken = |why| Err(Box::new(Answer::lost(why)));
        let wait = if std::mem::take(&mut self.is_first) { Duration::ZERO } else { self.every };
        if wait > IDLE || self.pieces.len() == 0 && self.end == BodyEnd::Stalls {
            sleep(IDLE).await;
            return broken("body timed out");
        }
        sleep(wait).await;
        match self.pieces.next() {
            None if self.end == BodyEnd::Breaks => broken("body broke off"),
            piece => Ok(piece),
        }
    }
}

impl FakeApi {
    pub(super) fn with_downloads(self, script: impl FnMut(&str, u32) -> Delivery + Send + 'static) -> Self {
        self.with(|remote| remote.artefacts.script = Box::new(script));
        self
    }

    pub(super) fn downloads_of(&self, ticket: &str) -> Vec<Sent> {
        self.with(|remote| {
            let sent = remote.artefacts.downloads.iter().filter(|sent| sent.ticket == ticket);
            sent.cloned().collect()
        })
    }

    pub(super) fn downloads(&self) -> usize {
        self.with(|remote| remote.artefacts.downloads.len())
    }

    /// Notes the request, and says what it brings.
    fn download_sent(&self, download: &Download) -> (Delivery, OnItsWay) {
        self.with(|remote| {
            let ticket = download.file_token.strip_prefix("box-").expect("a file token that was given out");
            let access_token = download.access_token.expose().to_owned();
            let delivery = if remote.revoked.contains(&access_token) {
                Delivery::answer(Verdict::TokenRejected)
            } else {
                let nth = Self::nth(remote, format!("download {ticket}"));
                remote.artefacts.deliver(ticket, nth)
            };
            let on_the_way = delivery.head * u32::try_from(remote.artefacts.downloads.len() % 3).unwrap() / 2;
            remote.arrived(&download.app, Endpoint::Download, on_the_way);
            let artefacts = &mut remote.artefacts;
            artefacts.downloads.push(Sent {
                app: download.app.to_string(),
                ticket: ticket.to_owned(),
                at: Instant::now(),
                access_token,
                is_final: matches!(delivery.brings, Brings::Body { end: BodyEnd::Clean, .. }),
            });
            artefacts.in_flight += 1;
            artefacts.most_in_flight = artefacts.most_in_flight.max(artefacts.in_flight);
            (delivery, OnItsWay(self.clone()))
        })
    }

    pub(super) async fn deliver(&self, download: Download) -> Result<FakeBody, Box<Answer>> {
        let (Delivery { head, brings }, on_its_way) = self.download_sent(&download);
        sleep(head).await;
        match brings {
            Brings::Body { pieces, every, end } => Ok(FakeBody {
                pieces: pieces.into_iter(),
                every,
                end,
                is_first: true,
                _on_its_way: on_its_way,
            }),
            Brings::Answer(answer) => {
                assert_ne!(answer.verdict, PANIC, "as the script wants it");
                Err(answer)
            }
        }
    }
}

/// Promise: the stand-in deletes an artefact ten minutes after its job ended.
#[tokio::test(start_paused = true)]
async fn an_artefact_lives_for_ten_minutes() {
    let api = FakeApi::new(|_, _| (SECOND, Verdict::Pending));
    api.with(|remote| remote.artefacts.job_ended("1"));
    let download = || Download {
        app: AppName::new("default"),
        file_token: file_token_of("1").into(),
        file_extension: None,
        access_token: AccessToken::new("t"),
    };
    let mut body = api.download(download()).await.unwrap();
    assert_eq!(body.chunk().await, Ok(Some(content_of("1"))));
    assert_eq!(body.chunk().await, Ok(None));
    sleep(ARTEFACT_LIFE).await;
    let answer = api.download(download()).await.err().unwrap();
    assert_eq!((answer.verdict, answer.detail.code), (GONE, Some(1_060_001)));
    drop(body);
    assert_eq!(api.with(|remote| remote.artefacts.in_flight), 0);
}
