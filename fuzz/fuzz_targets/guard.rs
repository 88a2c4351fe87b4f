//! Who may ask the server. The guard is in the program, which no other crate can use, so its file is taken by path.

#![no_main]

#[path = "../../src/bin/feishu-export-watcher/server/fuzzing.rs"]
mod fuzzing;
#[path = "../../src/bin/feishu-export-watcher/server/guard.rs"]
mod guard;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::request(bytes));
