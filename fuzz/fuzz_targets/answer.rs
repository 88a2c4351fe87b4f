//! An answer of the API, as `feishu_export_watcher::fuzzing::answer` has it.

#![no_main]

use feishu_export_watcher::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::answer(bytes));
