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
    use std::fs;
    use std::path::Path;

    use super::replay::replay;
    use crate::config::fuzzing::{read_config, read_list};
    use crate::domain::{AppName, WallTime};

    fn seed(name: &str) -> Vec<u8> {
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name)).unwrap()
    }

    /// Promise: inputs that are to be accepted are, so that the properties of what is accepted are looked at.
    #[test]
    fn good_inputs_are_accepted() {
        let path = Path::new("/etc/watcher/watcher.toml").into();
        for name in ["smallest", "every_key", "least_of_everything", "env_and_credential", "byte_order_mark"]
        {
            let reading = read_config(&path, &seed(&format!("config/{name}")));
            assert!(reading.config.is_some(), "{name}: {:?}", reading.problems);
        }
        let apps = [AppName::new("default"), AppName::new("other")];
        for (name, tickets) in
            [("many", 40), ("inline_array", 2), ("label_200_characters", 1), ("same_twice", 1)]
        {
            let bytes = seed(&format!("watch_list/{name}"));
            let reading = read_list(&bytes, Some(&apps), WallTime::from_millis(1), None);
            assert_eq!(reading.entries.len(), tickets, "{name}: {:?}", reading.problems);
        }
        assert!(super::answer::completes(&seed("answer/job_0_with_a_file")));
        assert!(!super::answer::completes(&seed("answer/job_0_without_a_file")));
        for name in ["full", "fresh", "source_blob", "times_least", "state_pending"] {
            assert!(super::row::is_read(&seed(&format!("row/{name}"))), "{name}");
        }
    }

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
