//! The program: its one line, and what it refuses.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use export_simulator::{DEFAULT_APP_ID, DEFAULT_APP_SECRET};
use serde_json::json;

use crate::client::{CREATE, read, send};

const PROGRAM: &str = env!("CARGO_BIN_EXE_export-simulator");
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/example.toml");

/// Killed when the test ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program, and the address that it says.
fn start(arguments: &[&str]) -> (Running, SocketAddr) {
    let mut command = Command::new(PROGRAM);
    let mut running = Running(command.args(arguments).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("http://").unwrap().parse().unwrap();
    (running, address)
}

/// Promise: without a scenario any document and any wiki node becomes a file, under the limits that the flags say.
#[test]
fn flags_change_limits_jobs_and_faults() {
    let (_running, address) =
        start(&["--limits-times", "2", "--jobs-faster", "1e9", "--faults-percent", "0"]);
    let body = format!(r#"{{"app_id":"{DEFAULT_APP_ID}","app_secret":"{DEFAULT_APP_SECRET}"}}"#);
    let ask = |line: &str, bearer: &str, body: &str| {
        send(address, line, &[("Authorization", bearer)], body).and_then(read).unwrap()
    };
    let token = ask("POST /open-apis/auth/v3/tenant_access_token/internal", "", &body).json();
    let bearer = format!("Bearer {}", token["tenant_access_token"].as_str().unwrap());
    let node = ask("GET /open-apis/wiki/v2/spaces/get_node?token=wiki", &bearer, "").json();
    let object = node["data"]["node"]["obj_token"].as_str().unwrap();
    let order = json!({"file_extension": "pdf", "token": object, "type": "docx"}).to_string();
    let made = ask(&format!("POST {CREATE}"), &bearer, &order).json();
    let query = format!("GET {CREATE}/{}?token={object}", made["data"]["ticket"].as_str().unwrap());
    assert_eq!(ask(&query, &bearer, "").result()["job_status"], 0, "jobs are done at once");
    assert_eq!((0..200).filter(|_| ask(&query, &bearer, "").status == 429).count(), 1, "200 in a minute");
    let (_struck, address) = start(&["--faults-percent", "100"]);
    let answers =
        (0..20).map(|_| send(address, "POST /open-apis/auth/v3/tenant_access_token/internal", &[], &body));
    // A hanging one would be waited for, so only what is sent at once is looked at.
    let good =
        answers.filter_map(|stream| first_bytes(stream.unwrap())).filter(|head| head.contains(" 200 "));
    assert!(good.count() < 20);
}

/// The begin of an answer that comes at once.
fn first_bytes(mut stream: TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut head = [0; 16];
    stream.read_exact(&mut head).ok()?;
    Some(String::from_utf8_lossy(&head).into_owned())
}

#[test]
fn serves_the_example_and_says_where() {
    let (_running, address) = start(&["--port", "0", "--scenario", EXAMPLE]);
    let query = "GET /open-apis/drive/v1/export_tasks/6933093124755410000?token=doc6933093124755410000";
    let headers = [("Authorization", "Bearer u-simulated-user-token")];
    let reply = read(send(address, query, &headers, "").unwrap()).unwrap();
    assert_eq!((reply.status, reply.code()), (200, 0));
}

#[test]
fn refuses_what_it_does_not_understand() {
    let usage = Command::new(PROGRAM).arg("--prot").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
    let missing = Command::new(PROGRAM).args(["--scenario", "/nonexistent.toml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nonexistent.toml"));
}
