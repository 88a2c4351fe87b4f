//! Consumers of what the engine makes durable: the log takes verdicts from the outbox (`log`), each hook takes its events
//! (`hooks`). Each takes the rows that wait for it and removes those that it has taken; a delivery that fails is tried
//! again from the rows. A hook hands an event to a `receiver`, a `command` or a `webhook`, again and again as `retries`
//! has it, and logs what failed (`hook_report`).

pub(crate) mod command;
pub(crate) mod hook_report;
pub(crate) mod hooks;
pub(crate) mod log;
pub(crate) mod receiver;
mod retries;
pub(crate) mod webhook;
