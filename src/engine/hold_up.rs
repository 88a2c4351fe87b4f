//! Holds the engine's loop up, so that tests can see what notices it. Not compiled without the feature
//! `hold-up`, which no release has.

use std::path::Path;
use std::time::Duration;

/// While the file exists that this environment variable names, the loop stands still.
const VARIABLE: &str = "FEISHU_EXPORT_WATCHER_HOLD_UP";

/// Blocks the thread, as a defect would.
pub(super) fn block_if_asked() {
    let Some(file) = std::env::var_os(VARIABLE) else { return };
    while Path::new(&file).exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
}
