//! When to ask: intervals between the polls of one ticket, requests an app may still send, and the
//! order of tickets. Pure arithmetic on the caller's clock: nothing here sleeps or reads a clock.

mod backoff;
mod budget;
mod queue;

pub use backoff::{Backoff, BackoffError};
pub use budget::Budget;
pub use queue::Queue;
