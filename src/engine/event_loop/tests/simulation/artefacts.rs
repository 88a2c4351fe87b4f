//! What a seed decides about files: how artefacts come, and what happens to the folder that they go to.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use super::super::fake_documents::document_of;
use super::super::fake_downloads::*;
use super::super::fake_files::Step;
use super::super::fakes::*;
use super::CALM_AFTER;
use super::world::{Trouble, World, troubles};
use crate::domain::*;
use crate::feishu::*;

/// Names that files of several tickets share, and others have files of.
const TITLES: usize = 7;

/// How a ticket's artefact comes.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate {
    /// What the first downloads bring.
    faults: Vec<Fault>,
    /// How long the body takes.
    takes: Duration,
    /// Tickets whose artefacts are gone at once.
    gone: Vec<String>,
    /// What it is is never the file.
    pub(super) is_wrong: bool,
    /// The size that the poll names, if it names one.
    size: Option<u64>,
}

/// What a download may bring in place of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Broken,
    Stalled,
    Network,
    Server,
    Page,
    Panic,
    Gone,
    Cut,
    NotTheFormat,
}

/// Something that happens to the folder, or to the process that writes there.
#[derive(Clone, Debug)]
pub(super) enum FolderChange {
    Full(bool),
    Closed(bool),
    /// Somebody saves a file with a name that ours may have.
    Foreign(usize),
    /// Bodies that wait for their names are gone.
    Lost,
    /// The process dies when it next comes to that step.
    Doom(Step),
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Artefacts {
    /// Whether files are downloaded at all.
    pub(super) are_wanted: bool,
    pub(super) fates: HashMap<String, Fate>,
    pub(super) troubles: Vec<Vec<Trouble>>,
    pub(super) changes: VecDeque<(Duration, FolderChange)>,
}

impl Fate {
    pub(super) fn drawn(rng: &mut Rng, is_calm: bool) -> Self {
        use Fault::*;
        let all = [Broken, Stalled, Network, Server, Page, Panic, Gone, Cut, NotTheFormat];
        let seconds = if !is_calm && rng.u32(..8) == 0 { 20.0 + 150.0 * rng.f64() } else { 2.0 * rng.f64() };
        let count = if is_calm || rng.bool() { 0 } else { rng.usize(1..4) };
        let faults: Vec<_> = (0..count).map(|_| all[rng.usize(..all.len())]).collect();
        let size = [None, None, Some(1), Some(content_of("app0-0").len() as u64)][rng.usize(..4)];
        let size = size.filter(|_| !is_calm);
        let is_wrong = !is_calm && rng.u32(..20) == 0;
        Self { faults, takes: SECOND.mul_f64(seconds), gone: Vec::new(), is_wrong, size }
    }

    /// What the n-th download brings.
    fn delivery(&self, ticket: &str, nth: u32) -> Delivery {
        let content = content_of(ticket);
        let whole = Delivery::dripping(&content, 11, self.takes / 10);
        if self.gone.iter().any(|gone| gone == ticket) {
            return Delivery::answer(GONE);
        }
        if self.is_wrong {
            return Delivery::answer(Verdict::Unclear(ErrorKind::WrongContent));
        }
        let fault = self.faults.get(nth as usize - 1);
        let latency = 15 * SECOND * (nth % 3) / 3;
        match fault {
            None => whole,
            Some(Fault::Broken) => whole.ending(BodyEnd::Breaks),
            Some(Fault::Stalled) => whole.ending(BodyEnd::Stalls),
            Some(Fault::Network) => Delivery { head: latency, ..Delivery::answer(network()) },
            Some(Fault::Server) => Delivery::answer(trouble()),
            Some(Fault::Page) => Delivery::answer(PAGE),
            Some(Fault::Panic) => Delivery::answer(PANIC),
            // What is believed the second or third time, or without a size to compare with, must not come so often.
            Some(Fault::Gone | Fault::Cut | Fault::NotTheFormat) if nth > 1 => whole.ending(BodyEnd::Breaks),
            Some(Fault::Cut) if self.size.is_none() => whole.ending(BodyEnd::Breaks),
            Some(Fault::Gone) => Delivery::answer(GONE),
            Some(Fault::Cut) => Delivery::whole(content.slice(..4)),
            Some(Fault::NotTheFormat) => Delivery::answer(Verdict::Unclear(ErrorKind::WrongContent)),
        }
    }

    /// The same for an export: no answer loses its file, and polls name no size.
    pub(super) fn of_export(self) -> Self {
        let faults =
            self.faults.into_iter().filter(|fault| ![Fault::Gone, Fault::Cut].contains(fault)).collect();
        Self { faults, size: None, is_wrong: false, ..self }
    }

    /// The artefact of the ticket is gone before it can be fetched.
    pub(super) fn lose(&mut self, ticket: String) {
        self.gone.push(ticket);
    }

    /// Downloads until the file is saved, where nothing else is in the way: a body of another size than was named must
    /// come three times alike.
    pub(super) fn downloads(&self) -> usize {
        self.faults.len() + if self.size.is_some() { 3 } else { 1 }
    }

    /// How long the longest of these takes.
    pub(super) fn longest(&self) -> Duration {
        let longest = |fault: &Fault| match fault {
            Fault::Stalled => self.takes + IDLE,
            Fault::Network => 15 * SECOND,
            _ => self.takes,
        };
        self.faults.iter().map(longest).chain([self.takes]).max().unwrap() + SECOND
    }

    /// Whether the artefact is once said not to exist although it does.
    pub(super) fn may_seem_gone(&self) -> bool {
        self.faults.first() == Some(&Fault::Gone)
    }
}

fn network() -> Verdict {
    Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual }
}

impl Artefacts {
    /// By a generator of its own, so that histories without files stay as they are.
    pub(super) fn drawn(world: &World) -> Self {
        if world.seed % 5 == 1 {
            return Self::default();
        }
        let mut rng = Rng::with_seed(world.seed ^ 0xf11e);
        let is_calm = world.is_calm;
        let fates = world.tickets().into_iter().map(|ticket| (ticket, Fate::drawn(&mut rng, is_calm)));
        let fates = fates.collect();
        let of_app = |rng: &mut Rng| if is_calm { Vec::new() } else { troubles(rng) };
        let troubles = world.apps.iter().map(|_| of_app(&mut rng)).collect();
        let changes = if is_calm { VecDeque::new() } else { changes(&mut rng) };
        Self { are_wanted: true, fates, troubles, changes }
    }

    /// What a poll says of the ticket's artefact.
    pub(super) fn described(&self, ticket: &str) -> Artefact {
        let number: usize = ticket[5..].parse().unwrap();
        let file_name = Some(title(number).into());
        let file_size = self.fates.get(ticket).and_then(|fate| fate.size);
        Artefact { file_token: "box".into(), file_name, file_size, ..Artefact::default() }
    }

    /// How artefacts come.
    pub(super) fn script(&self) -> impl FnMut(&str, u32) -> Delivery + Send + 'static {
        let (fates, troubles) = (self.fates.clone(), self.troubles.clone());
        let began = tokio::time::Instant::now();
        // A download that met a trouble of the whole app has not met the ticket's fate.
        let mut met = HashMap::<String, u32>::new();
        move |ticket, _| {
            let (now, place) = (began.elapsed(), ticket[3..4].parse::<usize>().unwrap());
            if let Some(trouble) = troubles[place].iter().find(|it| it.from <= now && now < it.until) {
                return Delivery::answer((trouble.verdict)(trouble.until - now));
            }
            let nth = met.entry(ticket.to_owned()).or_default();
            *nth += 1;
            fates[document_of(ticket)].delivery(ticket, *nth)
        }
    }

    /// The next thing that happens to the folder up to then.
    pub(super) fn next_change(&mut self, until: Duration) -> Option<(Duration, FolderChange)> {
        self.changes.pop_front_if(|(at, _)| *at <= until)
    }
}

fn title(number: usize) -> String {
    format!("report {}", number % TITLES)
}

impl FolderChange {
    pub(super) fn apply(&self, files: &FakeFiles) {
        match self {
            Self::Foreign(number) => files.put_foreign(&format!("/files/{}.docx", title(*number))),
            Self::Lost => files.lose(),
            Self::Full(is_full) => files.with(|disk| disk.full = *is_full),
            Self::Closed(is_closed) => files.with(|disk| disk.closed = *is_closed),
            Self::Doom(step) => files.with(|disk| disk.doom = Some(*step)),
        }
    }
}

fn changes(rng: &mut Rng) -> VecDeque<(Duration, FolderChange)> {
    use Step::*;
    let steps = [Begun, Received, Written, Placing, Renamed, Discarded, Swept];
    let mut changes = Vec::new();
    for _ in 0..rng.usize(..3) {
        let kind = if rng.bool() { FolderChange::Full } else { FolderChange::Closed };
        let (from, lasts) = (SECOND * rng.u32(..1500), SECOND * rng.u32(1..300));
        changes.push((from, kind(true)));
        changes.push((from + lasts, kind(false)));
    }
    let moment = |rng: &mut Rng| (CALM_AFTER - SECOND).mul_f64(rng.f64());
    for _ in 0..rng.usize(..4) {
        changes.push((moment(rng), FolderChange::Doom(steps[rng.usize(..steps.len())])));
    }
    for _ in 0..rng.usize(..4) {
        changes.push((moment(rng), FolderChange::Foreign(rng.usize(..TITLES))));
    }
    if rng.u32(..3) == 0 {
        changes.push((moment(rng), FolderChange::Lost));
    }
    changes.sort_by_key(|(at, _)| *at);
    changes.into()
}

impl fmt::Display for Artefacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, troubles) in self.troubles.iter().enumerate() {
            for Trouble { from, until, verdict } in troubles {
                writeln!(
                    f,
                    "  downloads of app{place} from {from:?} to {until:?}: {:?}",
                    verdict(*until - *from)
                )?;
            }
        }
        let mut fates: Vec<_> = self.fates.iter().filter(|(_, fate)| !fate.faults.is_empty()).collect();
        fates.sort_by_key(|(ticket, _)| *ticket);
        fates.into_iter().try_for_each(|(ticket, fate)| writeln!(f, "  {ticket}: {fate:?}"))
    }
}
