//! Documents: what their exports become, one generation after the other, and whether they may be exported at all.
//! Pure.

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;

use crate::{job::Job, order::Order, switches::Outcome};

/// A document with a script. Table `[[document]]` of a scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its token.
    pub token: String,
    /// Its `type`; a request that names another one finds no such document. Without it any type does.
    #[serde(default, rename = "type")]
    pub doc_type: Option<String>,
    /// The name of its files, where their job has none; without it one with the token.
    #[serde(default)]
    pub title: Option<String>,
    /// What a create is answered: `fine` makes a job.
    #[serde(default)]
    pub access: Outcome,
    /// `auth_result` of the permission check; without it, whether `access` is `fine`.
    #[serde(default)]
    pub may_export: Option<bool>,
    /// The jobs of each export, by generation; the last one repeats. Their document, app, user, format and type are
    /// those of the request; a ticket or file token that is given is used once. Without jobs, the scenario's `export`.
    #[serde(default, rename = "job")]
    pub jobs: Vec<Job>,
}

impl Document {
    /// A document of any type, whose jobs are the scenario's.
    pub fn new(token: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            doc_type: None,
            title: None,
            access: Outcome::Fine,
            may_export: None,
            jobs: Vec::new(),
        }
    }

    /// Adds the job of the next generation.
    #[must_use]
    pub fn job(mut self, job: Job) -> Self {
        self.jobs.push(job);
        self
    }

    /// Says what a create is answered.
    #[must_use]
    pub fn access(mut self, access: Outcome) -> Self {
        self.access = access;
        self
    }
}

/// One job to be made: its ticket is empty unless the script gives one.
#[derive(Debug)]
pub(crate) struct NextJob {
    pub(crate) job: Job,
    /// 1 for the first job of an export.
    pub(crate) generation: usize,
}

/// All documents with a script, and how many jobs each export had.
#[derive(Debug, Default)]
pub(crate) struct DocumentBook {
    documents: HashMap<String, Document>,
    generations: HashMap<(Arc<str>, Order), usize>,
}

impl DocumentBook {
    /// Adds a document, or replaces it; generations go on.
    pub(crate) fn add(&mut self, document: Document) {
        self.documents.insert(document.token.clone(), document);
    }

    /// What a request for that document meets; `unknown` is for those without a script.
    pub(crate) fn access(&self, token: &str, doc_type: &str, unknown: Outcome) -> Outcome {
        match self.documents.get(token) {
            None => unknown,
            Some(document) if document.doc_type.as_deref().is_some_and(|known| known != doc_type) => {
                Outcome::NotFound
            }
            Some(document) => document.access,
        }
    }

    /// `auth_result` as the script has it.
    pub(crate) fn may_export(&self, token: &str) -> Option<bool> {
        self.documents.get(token)?.may_export
    }

    /// The next job of that export; `default` is for documents without jobs of their own.
    pub(crate) fn make(&mut self, app_id: &Arc<str>, order: &Order, default: &Job) -> NextJob {
        let generation = self.generations.entry((Arc::clone(app_id), order.clone())).or_default();
        let document = self.documents.get(&order.token);
        let jobs = document.map_or(&[][..], |document| &document.jobs);
        let job = jobs.get(*generation).or(jobs.last()).unwrap_or(default);
        *generation += 1;
        let mut job = job.clone();
        if job.has_default_name() {
            let title = document.and_then(|document| document.title.clone());
            job.file_name = title.unwrap_or_else(|| format!("document {}", order.token));
        }
        job.app = app_id.to_string();
        job.token.clone_from(&order.token);
        job.file_extension.clone_from(&order.file_extension);
        job.doc_type.clone_from(&order.doc_type);
        NextJob { job, generation: *generation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: each export of a document begins with the script's first job, and its last one repeats.
    #[test]
    fn generations_are_counted_by_export_and_the_last_job_repeats() {
        let mut book = DocumentBook::default();
        let job = |size| Job { file_size: size, ..Job::default() };
        book.add(Document::new("doc").job(job(1)).job(job(2)));
        let (app, other): (Arc<str>, Arc<str>) = ("cli_a".into(), "cli_b".into());
        let (pdf, docx) = (Order::new("doc", "docx", "pdf"), Order::new("doc", "docx", "docx"));
        let mut make = |app, order| {
            let made = book.make(app, order, &Job::default());
            (made.generation, made.job.file_size)
        };
        let made =
            [make(&app, &pdf), make(&app, &pdf), make(&app, &docx), make(&other, &pdf), make(&app, &pdf)];
        assert_eq!(made, [(1, 1), (2, 2), (1, 1), (1, 1), (3, 2)]);
        let unscripted = book.make(&app, &Order::new("new", "sheet", "xlsx"), &job(7)).job;
        let seen = (unscripted.file_size, &*unscripted.file_extension, &*unscripted.file_name);
        assert_eq!(seen, (7, "xlsx", "document new"));
    }
}
