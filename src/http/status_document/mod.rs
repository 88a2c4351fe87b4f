//! The JSON that `status --format json` prints and `/status` answers with. Scripts rely on its names.

mod apps;
mod document;
mod view;

pub use apps::AppStatus;
pub use document::{Document, write_ticket};
pub use view::{ErrorView, TicketView, Time};
