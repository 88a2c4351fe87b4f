//! A watch list.

#![no_main]

use feishu_export_watcher_fuzz::watch_list;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    watch_list(bytes);
});
