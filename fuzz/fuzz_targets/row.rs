//! A row of the state file, as `feishu_export_watcher::fuzzing::row` has it.

#![no_main]

use feishu_export_watcher::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::row(bytes));
