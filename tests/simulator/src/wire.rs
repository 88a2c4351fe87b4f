//! From an answer, and perhaps a fault, to what goes over the connection.

use std::{convert::Infallible, future, io, sync::LazyLock, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{Response, header},
};
use futures_util::stream;

use crate::{
    answer::{Answer, Payload, Refusal},
    connection::Line,
    export_file::{ExportFile, cut},
    fault::Fault,
    record::Sent,
    switches::LogIdPlace,
};

/// Most bytes of one write of a long body.
const CHUNK: u64 = 64 << 10;

/// The body of [`Fault::Huge`]: one endless JSON string.
static FILLER: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![b'a'; 64 << 10]));

/// The head of the body of [`Fault::Huge`].
const HUGE_HEAD: &[u8] = br#"{"code":0,"msg":""#;

/// What a client is sent, and how far: for the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<i64>,
}

/// Bytes that can be cut into pieces without being held at once.
enum Source {
    Bytes(Bytes),
    File { file: Box<ExportFile>, from: u64, bytes: u64 },
    Huge { bytes: u64 },
}

impl Source {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { bytes, .. } | Self::Huge { bytes } => *bytes,
        }
    }

    /// At most `most` bytes from `offset` on; at least one, where there are any.
    fn piece(&self, offset: u64, most: u64) -> Bytes {
        match self {
            Self::Bytes(bytes) => cut(bytes, offset, most),
            Self::File { file, from, bytes } => file.piece(from + offset, most.min(bytes - offset)),
            Self::Huge { .. } if offset < HUGE_HEAD.len() as u64 => {
                cut(&Bytes::from_static(HUGE_HEAD), offset, most)
            }
            Self::Huge { bytes } => cut(&FILLER, 0, most.min(bytes - offset)),
        }
    }
}

/// What comes after the last piece.
#[derive(Clone, Copy)]
enum Tail {
    End,
    Break,
    Silence,
}

/// How a body is sent.
struct Pace {
    upto: u64,
    chunk: u64,
    every: Option<Duration>,
    tail: Tail,
}

impl Pace {
    /// All of it, as fast as it is read.
    fn even(upto: u64) -> Self {
        Self { upto, chunk: CHUNK, every: None, tail: Tail::End }
    }

    fn half(length: u64, tail: Tail) -> Self {
        Self { tail, ..Self::even(length / 2) }
    }
}

/// Records how much of a body was sent. Called once.
pub(crate) type Receipt = Box<dyn FnOnce(Sent) + Send>;

/// A body that is being sent. Dropped when all of it is sent, or when its client leaves.
struct Sending {
    source: Source,
    pace: Pace,
    offset: u64,
    receipt: Option<Receipt>,
}

impl Sending {
    fn new(source: Source, pace: Pace, receipt: Receipt) -> Self {
        Self { source, pace, offset: 0, receipt: Some(receipt) }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let whole = self.offset >= self.pace.upto && matches!(self.pace.tail, Tail::End);
        if let Some(receipt) = self.receipt.take() {
            receipt(Sent { bytes: self.offset, whole });
        }
    }
}

/// An answer that no fault struck.
pub(crate) fn whole(mut answer: Answer, receipt: Receipt) -> Response<Body> {
    match std::mem::replace(&mut answer.payload, Payload::Bytes(Vec::new())) {
        Payload::Bytes(bytes) => answer.into_response(Body::from(bytes)),
        Payload::File { file, from, bytes, content_length } => {
            let sending = Sending::new(Source::File { file, from, bytes }, Pace::even(bytes), receipt);
            paced(answer, sending, content_length)
        }
    }
}

/// The answer that a fault makes of the true one; it may take its time, or never come.
pub(crate) async fn spoilt(
    fault: Fault,
    answer: Answer,
    line: &Line,
    log: (&str, LogIdPlace),
    receipt: Receipt,
) -> Spoilt {
    match fault.innermost() {
        Fault::Reset => {
            line.reset();
            Spoilt::cut()
        }
        Fault::Close => {
            line.close();
            Spoilt::cut()
        }
        Fault::Hang => future::pending().await,
        Fault::Delay { by } => {
            tokio::time::sleep(by).await;
            Spoilt::new(answer, receipt)
        }
        Fault::Slow { bytes, every } => {
            let chunk = (bytes as u64).clamp(1, CHUNK);
            Spoilt::paced(answer, receipt, |length| Pace { chunk, every: Some(every), ..Pace::even(length) })
        }
        Fault::HalfBody => Spoilt::paced(answer, receipt, |length| Pace::half(length, Tail::Break)),
        Fault::Stall => Spoilt::paced(answer, receipt, |length| Pace::half(length, Tail::Silence)),
        fault @ (Fault::ShortFile { .. } | Fault::LongFile { .. } | Fault::WrongStart) => {
            Spoilt::new(altered(answer, &fault), receipt)
        }
        // The refusal that it brings is the answer already.
        Fault::Trouble(_) => Spoilt::new(answer, receipt),
        Fault::Huge { bytes, content_length } => {
            let answer = Answer::json(200, 0, Vec::new());
            let outcome = Outcome { status: Some(200), code: None };
            let response = paced(
                answer,
                Sending::new(Source::Huge { bytes }, Pace::even(bytes), receipt),
                content_length,
            );
            Spoilt { outcome, response }
        }
        other => Spoilt::new(replaced(other, log), receipt),
    }
}

/// The true answer with another file.
fn altered(mut answer: Answer, fault: &Fault) -> Answer {
    if let Payload::File { file, bytes, .. } = &mut answer.payload {
        match *fault {
            Fault::ShortFile { by } => *bytes = bytes.saturating_sub(by),
            Fault::LongFile { by } => *bytes = bytes.saturating_add(by),
            _ => file.spoil_start(),
        }
    }
    answer
}

/// The faults that are nothing but another answer.
fn replaced(fault: Fault, (log_id, place): (&str, LogIdPlace)) -> Answer {
    const OK: u16 = 200;
    match fault {
        Fault::WrongJson => {
            Answer::plain(OK, crate::answer::JSON, r#"{"code":0,"msg":"success","data":{"result":{"#)
        }
        Fault::InvalidUtf8 => {
            Answer::plain(OK, crate::answer::JSON, &b"{\"code\":0,\"msg\":\"succ\xff\xfe\",\"data\":{}}"[..])
        }
        Fault::Empty { status } => Answer::plain(status, crate::answer::JSON, ""),
        Fault::Html { status } => Answer::plain(status, "text/html", html(status)),
        Fault::Unavailable { retry_after } => {
            let answer = Answer::plain(503, "text/plain", "service unavailable");
            match retry_after {
                Some(seconds) => answer.with_header("Retry-After", seconds.to_string()),
                None => answer,
            }
        }
        Fault::Redirect { status, location } => {
            Answer::plain(status, "text/html", html(status)).with_header("Location", location)
        }
        Fault::Answer { status, code, msg, headers } => {
            let refusal = Refusal::new(status, code);
            let refusal = if msg.is_empty() { refusal } else { refusal.with_msg(msg) };
            let answer = refusal.into_answer(log_id, place).with_header("X-Tt-Logid", log_id);
            headers.into_iter().fold(answer, |answer, (name, value)| answer.with_header(name, value))
        }
        Fault::Raw { status, content_type, body } => Answer::plain(status, content_type, body),
        // The rest is no answer of its own and was dealt with before.
        _ => Answer::page_not_found(),
    }
}

fn html(status: u16) -> String {
    format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body><center><h1>{status}</h1></center></body>\r\n</html>"
    )
}

/// A response and what it says.
pub(crate) struct Spoilt {
    pub(crate) outcome: Outcome,
    pub(crate) response: Response<Body>,
}

impl Spoilt {
    fn cut() -> Self {
        Self { outcome: Outcome { status: None, code: None }, response: Response::new(Body::empty()) }
    }

    fn new(answer: Answer, receipt: Receipt) -> Self {
        Self {
            outcome: Outcome { status: Some(answer.status), code: answer.code },
            response: whole(answer, receipt),
        }
    }

    fn paced(mut answer: Answer, receipt: Receipt, pace: impl Fn(u64) -> Pace) -> Self {
        let outcome = Outcome { status: Some(answer.status), code: answer.code };
        let (source, content_length) =
            match std::mem::replace(&mut answer.payload, Payload::Bytes(Vec::new())) {
                Payload::Bytes(bytes) => (Source::Bytes(bytes.into()), true),
                Payload::File { file, from, bytes, content_length } => {
                    (Source::File { file, from, bytes }, content_length)
                }
            };
        let pace = pace(source.len());
        Self { outcome, response: paced(answer, Sending::new(source, pace, receipt), content_length) }
    }
}

/// A body sent piece by piece; `Content-Length`, where it is sent, promises all of it, however much comes.
fn paced(answer: Answer, sending: Sending, content_length: bool) -> Response<Body> {
    let length = sending.source.len();
    let pieces = stream::unfold(sending, |mut sending| async move {
        if sending.offset >= sending.pace.upto {
            return match sending.pace.tail {
                Tail::End => None,
                Tail::Silence => future::pending::<Option<Infallible>>().await.map(|never| match never {}),
                Tail::Break => {
                    // Gives the connection a turn to send what it holds before it breaks.
                    tokio::task::yield_now().await;
                    Some((Err(io::Error::from(io::ErrorKind::UnexpectedEof)), sending))
                }
            };
        }
        if let Some(every) = sending.pace.every {
            tokio::time::sleep(every).await;
        }
        let most = sending.pace.chunk.min(sending.pace.upto - sending.offset);
        let piece = sending.source.piece(sending.offset, most);
        sending.offset += piece.len() as u64;
        Some((Ok::<_, io::Error>(piece), sending))
    });
    let mut response = answer.into_response(Body::from_stream(pieces));
    if content_length {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &Source, chunk: u64) -> Vec<u8> {
        let mut all = Vec::new();
        while (all.len() as u64) < source.len() {
            all.extend_from_slice(&source.piece(all.len() as u64, chunk));
        }
        all
    }

    #[test]
    fn a_huge_body_has_the_length_it_says() {
        let body = read(&Source::Huge { bytes: 200_000 }, CHUNK);
        assert_eq!(body.len(), 200_000);
        assert!(body.starts_with(HUGE_HEAD) && body.ends_with(b"a"));
    }
}
