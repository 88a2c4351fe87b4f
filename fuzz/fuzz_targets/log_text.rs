//! The lines of the log. They are made in the program, which no other crate can use, so its files are taken by path,
//! as the demo takes them.

#![no_main]

#[path = "../../src/fuzzing/deceptive.rs"]
mod deceptive;
#[path = "../../src/bin/feishu-export-watcher/log/columns.rs"]
mod columns;
#[path = "../../src/bin/feishu-export-watcher/log/fuzzing.rs"]
mod fuzzing;
#[path = "../../src/bin/feishu-export-watcher/log/harmless.rs"]
mod harmless;
#[path = "../../src/bin/feishu-export-watcher/log/json.rs"]
mod json;
#[path = "../../src/bin/feishu-export-watcher/log/record.rs"]
#[expect(dead_code, reason = "what the log says about itself, and which lines may be left out")]
mod record;
#[path = "../../src/bin/feishu-export-watcher/log/text.rs"]
mod text;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::log_text(bytes));
