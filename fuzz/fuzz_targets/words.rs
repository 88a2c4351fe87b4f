//! Short texts that people type.

#![no_main]

use feishu_export_watcher_fuzz::words;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    words(bytes);
});
