//! A client just good enough: one request a connection, the answer read to its end, whatever it is.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use export_simulator::{DEFAULT_APP_ID, DEFAULT_APP_SECRET, Job, Scenario, Simulator};
use serde_json::{Value, json};

pub(crate) const APP: &str = DEFAULT_APP_ID;
pub(crate) const TICKET: &str = "6933093124755412345";
pub(crate) const DOCUMENT: &str = "docbcZVGtv1papC6jAVGiyabcef";

pub(crate) const CREATE: &str = "/open-apis/drive/v1/export_tasks";

/// Bounds every wait; no test comes near it unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn code(&self) -> i64 {
        self.json()["code"].as_i64().unwrap()
    }

    pub(crate) fn status_and_code(&self) -> (u16, i64) {
        (self.status, self.code())
    }

    pub(crate) fn result(&self) -> Value {
        self.json()["data"]["result"].clone()
    }

    /// The header that is spelt exactly so, as SDKs that mind the case look it up.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            (key == name).then_some(value)
        })
    }
}

/// Opens a connection and sends a request.
pub(crate) fn send(
    address: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = format!("{line} HTTP/1.1\r\nHost: simulator\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(text.as_bytes())?;
    Ok(stream)
}

/// Reads until the connection ends; an answer cut short is still an answer, nothing at all is an error.
pub(crate) fn read(mut stream: TcpStream) -> io::Result<Reply> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let raw = bytes.split_off(split + 4);
    let body = if head.contains("Transfer-Encoding: chunked") { unchunk(&raw) } else { raw };
    Ok(Reply { status, head, body })
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let from = end + 2;
        body.extend_from_slice(&rest[from..from + length]);
        rest = &rest[from + length + 2..];
        if length == 0 {
            break;
        }
    }
    body
}

/// A simulator with one app and a token of it.
pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) token: String,
}

impl Bench {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let simulator = Simulator::spawn(scenario).unwrap();
        let token = simulator.issue_token(APP);
        Self { simulator, token }
    }

    /// With one job that follows `life`.
    pub(crate) fn with_job(shape: impl FnOnce(Job) -> Job) -> Self {
        let bench = Self::new(Scenario::default());
        bench.simulator.add_job(shape(Job::new(TICKET, DOCUMENT)));
        bench
    }

    pub(crate) fn try_get(&self, path: &str) -> io::Result<Reply> {
        let bearer = format!("Bearer {}", self.token);
        read(send(self.simulator.address(), &format!("GET {path}"), &[("Authorization", &bearer)], "")?)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.try_get(path).unwrap()
    }

    pub(crate) fn query(&self) -> Reply {
        self.get(&query_path(TICKET))
    }

    pub(crate) fn try_query(&self) -> io::Result<Reply> {
        self.try_get(&query_path(TICKET))
    }

    pub(crate) fn query_with(&self, authorization: &str) -> Reply {
        let line = format!("GET {}", query_path(TICKET));
        read(send(self.simulator.address(), &line, &[("Authorization", authorization)], "").unwrap()).unwrap()
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn send_post(&self, path: &str, body: &Value) -> io::Result<TcpStream> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        send(self.simulator.address(), &format!("POST {path}"), &headers, &body.to_string())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send_post(path, body).and_then(read).unwrap()
    }

    pub(crate) fn try_create(&self, order: &Value) -> io::Result<Reply> {
        self.send_post(CREATE, order).and_then(read)
    }

    pub(crate) fn create(&self, order: &Value) -> Reply {
        self.try_create(order).unwrap()
    }

    /// The ticket of one more pdf of that docx document.
    pub(crate) fn ticket_of(&self, document: &str) -> String {
        self.create(&pdf(document)).json()["data"]["ticket"].as_str().unwrap().to_owned()
    }

    pub(crate) fn fetch_token(&self, app_id: &str, secret: &str) -> Reply {
        let body = json!({"app_id": app_id, "app_secret": secret});
        self.post("/open-apis/auth/v3/tenant_access_token/internal", &body)
    }

    pub(crate) fn fetch_own_token(&self) -> Reply {
        self.fetch_token(APP, DEFAULT_APP_SECRET)
    }
}

/// A create of one document as pdf.
pub(crate) fn pdf(document: &str) -> Value {
    json!({"file_extension": "pdf", "token": document, "type": "docx"})
}

pub(crate) fn query_path(ticket: &str) -> String {
    format!("/open-apis/drive/v1/export_tasks/{ticket}?token={DOCUMENT}")
}
