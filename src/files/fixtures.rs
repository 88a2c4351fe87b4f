//! A completed ticket for tests.

use std::path::Path;

use crate::domain::{
    AppName, Artefact, DocumentToken, EntryId, EntryKey, TicketRecord, TicketState, WallTime, WatchEntry,
};

/// A ticket with an artefact of that title and format; an empty text is none.
pub(super) fn ticket(title: &str, extension: &str) -> TicketRecord {
    let entry = WatchEntry {
        key: EntryKey { app: AppName::new("default"), id: EntryId::new("70") },
        token: DocumentToken::parse("doc70").unwrap(),
        label: Some("../周报".into()),
        created_at: None,
        request: None,
        download: true,
        source: Path::new("list.toml").into(),
    };
    let text = |text: &str| (!text.is_empty()).then(|| text.into());
    let artefact = Artefact {
        file_token: "box70".into(),
        file_name: text(title),
        file_extension: text(extension),
        ..Artefact::default()
    };
    let now = WallTime::from_millis(1_795_391_999_999);
    TicketRecord {
        state: TicketState::Completed,
        artefact: Some(Box::new(artefact)),
        finished_at: Some(now),
        ..TicketRecord::new(entry, now)
    }
}
