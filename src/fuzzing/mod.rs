//! What must hold of whatever takes foreign bytes: one function a surface, which hands the bytes to the real code
//! and panics where it breaks a property. Compiled for tests, which replay the inputs kept under `fuzz/`, and
//! behind the feature `fuzzing`, which no release has, for the fuzzer that finds new ones. `fuzz/README.md` says
//! what each function asserts and what an input looks like.
//!
//! The surfaces of the library stand here. Those of the program stand beside what they test, because a library
//! can't reach into it: `log/fuzzing.rs` and `server/fuzzing.rs`.

mod answer;
mod config;
mod deceptive;
mod decision_table;
mod report;
mod row;
mod watch_list;
mod words;

pub use answer::answer;
pub use config::config;
pub use row::row;
pub use watch_list::watch_list;
pub use words::words;

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

    /// Promise: whatever a row of the state file holds, it is read in full or named as damaged.
    #[test]
    fn row_inputs_replay() {
        replay("row", super::row);
    }

    /// Promise: a duration, directives or a pattern of any text is refused, or means what its signs say.
    #[test]
    fn words_inputs_replay() {
        replay("words", super::words);
    }
}
