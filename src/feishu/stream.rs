//! The body of an artefact as it arrives: its start, which is collected until the answer can be judged, then the rest,
//! piece by piece.

use std::mem;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::time::timeout;

use super::api::{Answer, ArtefactBody, Detail};
use super::body::{Body, Headers, Received};
use super::detail::tidy;
use super::endpoint::judging::NETWORK;
use crate::domain::with_causes;

/// The body of an answer that was judged to be the file.
#[derive(Debug)]
pub struct HttpBody {
    pieces: Pieces,
    /// What is given out first; empty from then on.
    start: Bytes,
    /// What is known of the answer if the rest does not come.
    detail: Detail,
}

/// What comes over the wire.
#[derive(Debug)]
struct Pieces {
    response: Response,
    idle_timeout: Duration,
}

impl HttpBody {
    /// Takes the answer for the file if `classify` has nothing to say about it. `bytes_to_judge` says how many bytes that
    /// takes, given those that are there.
    ///
    /// # Errors
    /// What the answer means instead, or that its start did not come.
    pub(super) async fn open(
        response: Response,
        idle_timeout: Duration,
        bytes_to_judge: impl Fn(&[u8]) -> usize,
        classify: impl Fn(&Received) -> Option<Answer>,
    ) -> Result<Self, Answer> {
        let (status, headers) = (response.status().as_u16(), Headers::from_map(response.headers()));
        let mut received = Received { status, headers, body: Body::Broken(String::new()) };
        let detail = classify(&received).map(|answer| answer.detail).unwrap_or_default();
        let mut pieces = Pieces { response, idle_timeout };
        received.body = pieces.collect(bytes_to_judge).await.map_or_else(Body::Broken, Body::from_bytes);
        match classify(&received) {
            Some(answer) => Err(answer),
            None => Ok(Self { pieces, start: received.into_body(), detail }),
        }
    }
}

impl ArtefactBody for HttpBody {
    async fn chunk(&mut self) -> Result<Option<Bytes>, Box<Answer>> {
        if !self.start.is_empty() {
            return Ok(Some(mem::take(&mut self.start)));
        }
        self.pieces.next().await.map_err(|cause| {
            let detail = Detail { message: Some(cause.into()), ..self.detail.clone() };
            Box::new(Answer { verdict: NETWORK, detail: tidy(detail, &[]) })
        })
    }
}

impl Pieces {
    /// The start of the body, as much of it as is asked for, or all of it.
    async fn collect(&mut self, bytes_to_judge: impl Fn(&[u8]) -> usize) -> Result<Vec<u8>, String> {
        let mut start = Vec::new();
        let mut wanted = bytes_to_judge(&start);
        while start.len() < wanted {
            let Some(piece) = self.next().await? else { break };
            start.extend_from_slice(&piece);
            if start.len() >= wanted {
                wanted = bytes_to_judge(&start);
            }
        }
        Ok(start)
    }

    /// The next piece; else why none came.
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        match timeout(self.idle_timeout, self.response.chunk()).await {
            // The URL names the file token, which belongs into a field of its own.
            Ok(piece) => piece.map_err(|error| with_causes(&error.without_url())),
            Err(_) => Err(format!("body timed out: no byte came within {:?}", self.idle_timeout)),
        }
    }
}
