//! The program: its one line, and what it refuses.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::client::{read, send};

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

#[test]
fn serves_the_example_and_says_where() {
    let mut command = Command::new(PROGRAM);
    command.args(["--port", "0", "--scenario", EXAMPLE]).stdout(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("http://").unwrap().parse().unwrap();
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
