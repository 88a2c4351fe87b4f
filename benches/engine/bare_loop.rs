//! What one writes by hand to poll as fast as can be: the same requests over as many connections, each answer parsed
//! and its status looked at, and nothing else. It is a process of its own, as the watcher is.

use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, io};

use serde::Deserialize;

use crate::daemon::document;
use crate::server::{FIRST_TICKET, Server};

/// By this argument the bench knows that it is to be the loop.
pub(crate) const ARGUMENT: &str = "bare-loop";

/// The parts of an answer that a poll is about.
#[derive(Debug, Deserialize)]
struct Envelope {
    code: i64,
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    result: JobResult,
}

#[derive(Debug, Deserialize)]
struct JobResult {
    job_status: i64,
    file_token: String,
}

/// Runs the loop against the server until it sent that many queries.
pub(crate) fn run(
    server: &Server,
    connections: usize,
    tickets: usize,
    queries: usize,
) -> io::Result<ExitStatus> {
    let numbers = [connections, tickets, queries].map(|number| number.to_string());
    Command::new(env::current_exe()?).arg(ARGUMENT).arg(&server.url).args(numbers).status()
}

/// The loop itself, as its arguments say.
pub(crate) fn main(arguments: &[String]) {
    let [url, numbers @ ..] = arguments else { panic!("no address") };
    let numbers: Vec<usize> = numbers.iter().map(|text| text.parse().expect("a number")).collect();
    let [connections, tickets, queries] = numbers[..] else { panic!("three numbers") };
    // As many threads as the watcher's runtime has.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let client = client();
        let next = Arc::new(AtomicUsize::new(0));
        let loops = (0..connections).map(|_| {
            let (client, next, url) = (client.clone(), Arc::clone(&next), url.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= queries {
                        return;
                    }
                    poll(&client, &url, FIRST_TICKET + (number % tickets) as u64).await;
                }
            })
        });
        for polling in loops.collect::<Vec<_>>() {
            polling.await.expect("no poll fails");
        }
    });
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().http1_only().tls_certs_only([]);
    builder.build().expect("a client")
}

async fn poll(client: &reqwest::Client, url: &str, ticket: u64) {
    let url = format!("{url}/open-apis/drive/v1/export_tasks/{ticket}?token={}", document(ticket));
    let answer = client.get(url).bearer_auth("t-bench00000000000000000000000000000000").send().await;
    let body = answer.expect("an answer").bytes().await.expect("a body");
    let envelope: Envelope = serde_json::from_slice(&body).expect("the server's JSON");
    let result = envelope.data.result;
    assert!(envelope.code == 0 && (result.job_status == 2 || !result.file_token.is_empty()));
}
