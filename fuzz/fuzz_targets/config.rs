//! `watcher.toml`.

#![no_main]

use feishu_export_watcher_fuzz::config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    config(bytes);
});
