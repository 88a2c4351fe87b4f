//! Consumers of the outbox. Each takes the rows that wait for it, in their order, and removes what it has taken; what
//! fails is tried again from the rows.

pub(crate) mod log;
