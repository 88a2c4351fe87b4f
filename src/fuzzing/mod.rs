//! What must hold of whatever takes foreign bytes: one function a surface, which hands the bytes to the real code
//! and panics where it breaks a property. Compiled for tests, which replay the inputs kept under `fuzz/`, and
//! behind the feature `fuzzing`, which no release has, for the fuzzer that finds new ones. `fuzz/README.md` says
//! what each function asserts and what an input looks like.
//!
//! The surfaces of the library stand here. Those of the program stand beside what they test, because a library
//! can't reach into it: `log/fuzzing.rs`.

mod answer;
mod config;
mod deceptive;
mod decision_table;
mod report;
mod watch_list;

pub use answer::answer;
pub use config::config;
pub use watch_list::watch_list;

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    /// Promise: a `watcher.toml` of any bytes is refused at a place, without a word of its secrets, or within
    /// bounds.
    #[test]
    fn config_inputs_replay() {
        replay("config", super::config);
    }

    /// Promise: a watch list of any bytes is refused at a place, or within bounds, in however many pieces it is read.
    #[test]
    fn watch_list_inputs_replay() {
        replay("watch_list", super::watch_list);
    }

    /// Promises 2 and 7: whatever a server answers, only what is listed fails a ticket, and no secret is repeated.
    #[test]
    fn answer_inputs_replay() {
        replay("answer", super::answer);
    }
}
