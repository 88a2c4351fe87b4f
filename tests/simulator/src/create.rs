//! `POST /open-apis/drive/v1/export_tasks`: a new export job. Mirrors the page "创建导出任务"; slides and `base` are
//! known from the official CLI alone.

use serde::Deserialize;
use serde_json::json;

use crate::{
    answer::{Answer, Refusal},
    job::Job,
    world::{Arrival, World},
};

/// Tickets made here start with a seven, and are as long as those on the pages.
const FIRST_TICKET: u64 = 7_000_000_000_000_000_000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Order {
    file_extension: String,
    token: String,
    #[serde(rename = "type")]
    doc_type: String,
    sub_id: String,
}

impl World {
    /// Answers a create request with that body.
    pub(crate) fn create(&mut self, arrival: &Arrival, body: &[u8]) -> Answer {
        let app_id = match self.admit(arrival) {
            Ok(app_id) => app_id,
            Err(refusal) => return refusal,
        };
        let order: Order = match serde_json::from_slice(body) {
            Ok(order) => order,
            Err(_) => return self.refuse(arrival, Refusal::new(400, 99_992_402)),
        };
        if let Some(code) = flaw_of(&order) {
            return self.refuse(arrival, Refusal::new(400, code));
        }
        let ticket = (FIRST_TICKET + arrival.ordinal).to_string();
        let mut job = Job::new(ticket, order.token).app(&*app_id);
        job.user.clone_from(&arrival.user);
        job.file_extension = order.file_extension;
        job.doc_type = order.doc_type;
        // A job made by a request begins to age at once, whatever those of the scenario do.
        let ticket = self.add_job_born(job, Some(arrival.now));
        let body = json!({"code": 0, "msg": "success", "data": {"ticket": ticket.as_deref()}});
        if let Some(entry) = self.journal.entry(arrival.ordinal) {
            entry.ticket = ticket;
        }
        Answer::json(200, 0, body.to_string())
    }
}

fn flaw_of(order: &Order) -> Option<i64> {
    let fits = match order.doc_type.as_str() {
        "doc" | "docx" => matches!(order.file_extension.as_str(), "docx" | "pdf"),
        "sheet" => matches!(order.file_extension.as_str(), "xlsx" | "csv"),
        "bitable" => matches!(order.file_extension.as_str(), "xlsx" | "csv" | "base"),
        "slides" => matches!(order.file_extension.as_str(), "pptx" | "pdf"),
        _ => return Some(1_069_904),
    };
    if !fits {
        return Some(1_069_918);
    }
    let token_is_odd = order.token.is_empty() || order.token.chars().count() > 27;
    let sheet_is_missing = order.file_extension == "csv" && order.sub_id.is_empty();
    (token_is_odd || sheet_is_missing).then_some(1_069_904)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(doc_type: &str, file_extension: &str, token: &str, sub_id: &str) -> Option<i64> {
        let [doc_type, file_extension, token, sub_id] =
            [doc_type, file_extension, token, sub_id].map(str::to_owned);
        flaw_of(&Order { file_extension, token, doc_type, sub_id })
    }

    #[test]
    fn only_the_known_combinations_are_taken() {
        for (doc_type, extension) in [
            ("doc", "pdf"),
            ("docx", "docx"),
            ("sheet", "xlsx"),
            ("bitable", "xlsx"),
            ("bitable", "base"),
            ("slides", "pptx"),
            ("slides", "pdf"),
        ] {
            assert_eq!(flaw(doc_type, extension, "docbc", ""), None);
        }
        assert_eq!(flaw("sheet", "base", "shtcn", ""), Some(1_069_918));
        assert_eq!(flaw("slides", "docx", "sldcn", ""), Some(1_069_918));
        assert_eq!(flaw("sheet", "csv", "shtcn", "0b"), None);
        assert_eq!(flaw("sheet", "csv", "shtcn", ""), Some(1_069_904));
        assert_eq!(flaw("docx", "xlsx", "docbc", ""), Some(1_069_918));
        assert_eq!(flaw("mindnote", "pdf", "docbc", ""), Some(1_069_904));
        assert_eq!(flaw("docx", "pdf", "", ""), Some(1_069_904));
        assert_eq!(flaw("docx", "pdf", &"d".repeat(28), ""), Some(1_069_904));
    }
}
