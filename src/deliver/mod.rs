//! Consumers of the outbox. Each takes the rows that wait for it, in their order, and removes those that it has taken; a
//! delivery that fails is tried again from the rows.

pub(crate) mod log;
