//! A watch list, as `feishu_export_watcher::fuzzing::watch_list` has it.

#![no_main]

use feishu_export_watcher::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::watch_list(bytes));
