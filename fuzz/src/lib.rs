//! What must hold of whatever takes foreign bytes: one function a target, which hands an input to the library's own
//! functions, panics where a promise is broken, and returns whether the input was accepted. The fuzzer calls them with
//! inputs that it makes up, `tests/fuzz_inputs.rs` with those that are kept. `README.md` lists what they assert.

mod answer;
mod config;
mod folder;
mod report;
mod watch_list;
mod words;

pub use answer::answer;
pub use config::config;
pub use watch_list::watch_list;
pub use words::words;
