//! `POST /open-apis/drive/v1/export_tasks`: a new export job. Mirrors the page "创建导出任务"; slides and `base` are
//! known from the official CLI alone.

use std::sync::Arc;

use serde_json::json;

use crate::{
    answer::{Answer, Refusal},
    document::NextJob,
    order::Order,
    seed,
    switches::Outcome,
    world::{Arrival, World},
};

/// Tickets made here start with a seven, and are as long as those on the pages.
const FIRST_TICKET: u64 = 7_000_000_000_000_000_000;

/// How many tickets there are to choose from.
const TICKETS: u64 = 1_000_000_000_000_000_000;

/// HTTP status of 1069906 by the create page.
const DELETED_STATUS: u16 = 404;

impl World {
    /// Answers a create request; `order` is none where the body could not be read.
    pub(crate) fn create(&mut self, arrival: &Arrival, order: Option<&Order>) -> Answer {
        let app_id = match self.admit(arrival) {
            Ok(app_id) => app_id,
            Err(refusal) => return refusal,
        };
        let Some(order) = order else {
            return self.refuse(arrival, Refusal::new(400, 99_992_402));
        };
        if let Some((status, code)) = self.refusal_of(order) {
            return self.refuse(arrival, Refusal::new(status, code));
        }
        if arrival.fault.as_ref().is_some_and(|fault| !fault.lets_jobs_be_made()) {
            // Never sent: the fault has an answer of its own, or none.
            return self.refuse(arrival, Refusal::new(500, 1_069_901));
        }
        let ticket = self.make(arrival, &app_id, order);
        let body = json!({"code": 0, "msg": "success", "data": {"ticket": ticket.as_deref()}});
        Answer::json(200, 0, body.to_string())
    }

    fn refusal_of(&self, order: &Order) -> Option<(u16, i64)> {
        if let Some(code) = flaw_of(order) {
            return Some((400, code));
        }
        // A wiki node is no document.
        let access = match self.nodes.get(&order.token) {
            Some(_) => Outcome::NotFound,
            None => {
                let unknown = self.switches.answers.unknown_document;
                self.documents.access(&order.token, &order.doc_type, unknown)
            }
        };
        access.refusal(DELETED_STATUS)
    }

    /// Makes the job, notes it in the journal, and returns its ticket.
    fn make(&mut self, arrival: &Arrival, app_id: &Arc<str>, order: &Order) -> Option<Arc<str>> {
        let NextJob { mut job, generation } = self.documents.make(app_id, order, &self.export);
        job.user.clone_from(&arrival.user);
        if job.ticket.is_empty() || self.jobs.is_taken(&job.ticket) {
            job.ticket = self.new_ticket(app_id, order, generation);
        }
        // A job of the script that repeats must not take over the file of the one before.
        if self.jobs.of_file(&job.file_token).is_some() {
            job.file_token.clear();
        }
        // A job made by a request begins to age at once, whatever those of the scenario do.
        let ticket = self.add_job_born(job, Some(arrival.now));
        if let Some(entry) = self.journal.entry(arrival.ordinal) {
            entry.ticket.clone_from(&ticket);
            entry.answer_lost = arrival.fault.as_ref().is_some_and(|fault| !fault.lets_answers_through());
        }
        ticket
    }

    /// The same for the same export and generation, so that chance does not depend on the order of arrival.
    fn new_ticket(&self, app_id: &str, order: &Order, generation: usize) -> String {
        let Order { token, doc_type, file_extension, sub_id } = order;
        let text = format!("{app_id} {token} {doc_type} {file_extension} {sub_id} {generation}");
        let mut number = FIRST_TICKET + seed::mix(self.seed, &text) % TICKETS;
        while self.jobs.is_taken(&number.to_string()) {
            number += 1;
        }
        number.to_string()
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
