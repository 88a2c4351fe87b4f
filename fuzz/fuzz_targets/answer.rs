//! An answer of the API.

#![no_main]

use feishu_export_watcher_fuzz::answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    answer(bytes);
});
