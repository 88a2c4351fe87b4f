//! The jobs that the server knows, found by ticket or by file token without a search.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    job::{Course, Job, Life},
    seed,
};

/// A job with what is settled about it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) job: Job,
    pub(crate) app_id: Arc<str>,
    pub(crate) ticket: Arc<str>,
    pub(crate) course: Course,
    /// None while its age has not begun.
    pub(crate) born_at: Option<Instant>,
}

impl Held {
    /// How old it is; where the age has not begun, it begins now.
    pub(crate) fn age(&mut self, now: Instant) -> Duration {
        let born_at = *self.born_at.get_or_insert(now);
        now.saturating_duration_since(born_at).saturating_add(self.job.age)
    }

    /// May that app, with that user token or none, see it?
    pub(crate) fn is_created_by(&self, app_id: &str, user: Option<&str>) -> bool {
        &*self.app_id == app_id && self.job.user.as_deref().is_none_or(|creator| user == Some(creator))
    }
}

/// All jobs. Two apps may hold the same ticket.
#[derive(Debug, Default)]
pub(crate) struct JobBook {
    jobs: Vec<Held>,
    by_ticket: HashMap<Arc<str>, Vec<usize>>,
    by_file_token: HashMap<String, usize>,
}

impl JobBook {
    /// Adds a job, or replaces that of the same app and ticket.
    pub(crate) fn add(
        &mut self,
        mut job: Job,
        app_id: Arc<str>,
        course: Course,
        born_at: Option<Instant>,
    ) -> Arc<str> {
        let ticket: Arc<str> = job.ticket.as_str().into();
        if job.file_token.is_empty() {
            job.file_token = derive_file_token(&app_id, &ticket);
        }
        job.app = app_id.to_string();
        let indices = self.by_ticket.entry(Arc::clone(&ticket)).or_default();
        let known = indices.iter().copied().find(|&index| self.jobs[index].app_id == app_id);
        let index = known.unwrap_or(self.jobs.len());
        self.by_file_token.insert(job.file_token.clone(), index);
        let held = Held { job, app_id, ticket: Arc::clone(&ticket), course, born_at };
        match known {
            Some(index) => self.jobs[index] = held,
            None => {
                indices.push(index);
                self.jobs.push(held);
            }
        }
        ticket
    }

    /// Forgets a ticket, in every app.
    pub(crate) fn remove(&mut self, ticket: &str) {
        self.by_ticket.remove(ticket);
    }

    /// Whether any app holds that ticket.
    pub(crate) fn is_taken(&self, ticket: &str) -> bool {
        self.by_ticket.contains_key(ticket)
    }

    /// The job of that ticket; that app's own before another's.
    pub(crate) fn of_ticket(&mut self, ticket: &str, app_id: &str) -> Option<&mut Held> {
        let indices = self.by_ticket.get(ticket)?;
        let own = indices.iter().find(|&&index| &*self.jobs[index].app_id == app_id);
        let index = *own.or(indices.first())?;
        self.jobs.get_mut(index)
    }

    /// The job that made that file.
    pub(crate) fn of_file(&mut self, file_token: &str) -> Option<&mut Held> {
        let held = self.jobs.get_mut(*self.by_file_token.get(file_token)?)?;
        self.by_ticket.contains_key(&held.ticket).then_some(held)
    }

    /// Gives the jobs of that ticket another life, from what `life` makes of their present age.
    pub(crate) fn change(
        &mut self,
        ticket: &str,
        seed: u64,
        now: Instant,
        life: impl Fn(Duration) -> Life,
    ) -> bool {
        let Some(indices) = self.by_ticket.get(ticket) else {
            return false;
        };
        for &index in indices {
            let held = &mut self.jobs[index];
            let life = life(held.age(now));
            held.course = life.settle(seed, ticket);
            held.job.life = Some(life);
        }
        true
    }

    /// Every job that is not forgotten, in the order they were added.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|held| self.by_ticket.contains_key(&held.ticket)).map(|held| &held.job)
    }
}

fn derive_file_token(app_id: &str, ticket: &str) -> String {
    format!("boxcn{:016x}", seed::mix(seed::mix(0, app_id), ticket))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(book: &mut JobBook, ticket: &str, app_id: &str) {
        let course = Life::Forever.settle(0, ticket);
        book.add(Job::new(ticket, "doc"), app_id.into(), course, None);
    }

    #[test]
    fn two_apps_may_hold_one_ticket() {
        let mut book = JobBook::default();
        add(&mut book, "1", "cli_a");
        add(&mut book, "1", "cli_b");
        add(&mut book, "1", "cli_b");
        assert_eq!(book.all().count(), 2);
        assert_eq!(&*book.of_ticket("1", "cli_b").unwrap().app_id, "cli_b");
        assert_eq!(&*book.of_ticket("1", "cli_c").unwrap().app_id, "cli_a");
        let files: Vec<String> = book.all().map(|job| job.file_token.clone()).collect();
        assert_ne!(files[0], files[1]);
        assert_eq!(&*book.of_file(&files[1]).unwrap().app_id, "cli_b");
        book.remove("1");
        assert!(book.of_ticket("1", "cli_a").is_none() && book.of_file(&files[0]).is_none());
        assert_eq!(book.all().count(), 0);
    }

    #[test]
    fn age_begins_with_the_first_look() {
        let mut book = JobBook::default();
        let now = Instant::now();
        add(&mut book, "1", "cli_a");
        let held = book.of_ticket("1", "cli_a").unwrap();
        assert_eq!(held.age(now), Duration::ZERO);
        assert_eq!(held.age(now + Duration::from_secs(5)), Duration::from_secs(5));
    }
}
