//! Short texts that people type, as `feishu_export_watcher::fuzzing::words` has it.

#![no_main]

use feishu_export_watcher::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::words(bytes));
