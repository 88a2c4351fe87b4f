//! Follows export tickets of Feishu and Lark until each yields its file token.

pub mod config;
pub mod domain;
pub mod feishu;
pub mod schedule;
pub mod store;
pub mod watch;
