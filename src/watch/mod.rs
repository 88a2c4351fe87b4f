//! The engine: one loop that owns every ticket, and the pure decisions it makes.

mod announce;

pub use announce::Announcer;
