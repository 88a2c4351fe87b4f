//! Entries that lead to one document in one format: there is one export, whichever of them leaves the list, and when.

use super::documents::stop;
use super::downloads::whole;
use super::fake_documents::*;
use super::fake_downloads::*;
use super::fakes::*;
use crate::domain::*;
use crate::feishu::*;

/// How far the export is when an entry leaves the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// No create was sent yet.
    Before,
    /// The state file is being told of it.
    Written,
    /// The create is on its way.
    Sent,
    /// Its answer was lost.
    Lost,
    /// The job runs.
    Pending,
    /// The artefact is being fetched.
    Waiting,
    /// The same, and it will be gone by then.
    Expiring,
    /// It could not be fetched, and the export is made again.
    Again,
    /// All is done.
    Saved,
}

impl Moment {
    const ALL: [Self; 9] = [
        Self::Before,
        Self::Written,
        Self::Sent,
        Self::Lost,
        Self::Pending,
        Self::Waiting,
        Self::Expiring,
        Self::Again,
        Self::Saved,
    ];

    /// Whether the row of an entry shows that moment.
    fn is_now(self, bench: &Bench, row: &TicketRecord) -> bool {
        let export = row.export.as_deref().unwrap();
        let file = row.file_state();
        match self {
            Self::Before => export.object.is_some() && export.ticket.is_none() && row.error.is_some(),
            Self::Written => {
                bench.store.with(|kept| kept.under_way > 0) && bench.began().elapsed() > 3 * SECOND
            }
            Self::Sent => bench.api.created().len() == 1,
            Self::Lost => export.lost == 1,
            Self::Pending => export.ticket.is_some(),
            Self::Waiting | Self::Expiring => file == Some(FileState::Waiting),
            Self::Again => export.repeats == 1,
            Self::Saved => file == Some(FileState::Saved),
        }
    }

    /// Jobs that there are in the end.
    const fn jobs(self) -> u32 {
        if matches!(self, Self::Lost | Self::Expiring | Self::Again) { 2 } else { 1 }
    }

    /// A document `d` and a wiki node `w` that leads to it, with a remote that stays for a while at that moment.
    fn bench(self) -> Bench {
        let api = FakeApi::new(|_, nth| (SECOND / 10, if nth < 5 { Verdict::Pending } else { completed() }));
        let api = api.with_nodes(|_, _| (SECOND / 10, Ok(docx("d")))).with_creates(move |_, nth| {
            match (self, nth) {
                (Self::Before, 1) => Creation::refused(Verdict::Throttled { reset: Some(MINUTE) }),
                (Self::Lost, 1) => Creation::lost(true),
                (Self::Sent, 1) => Creation::ticket().after(10 * SECOND),
                _ => Creation::ticket(),
            }
        });
        let api = api.with_downloads(move |ticket, nth| match ticket {
            "d.pdf.1" if self == Self::Again => Delivery::answer(GONE),
            "d.pdf.1" if self == Self::Expiring => Delivery { head: 10 * SECOND, ..Delivery::answer(GONE) },
            _ => Delivery { head: 10 * SECOND, ..whole(ticket, nth) },
        });
        let mut bench = Bench::new(api).downloading().documents(["d"]).nodes(["w"]);
        if self == Self::Written {
            // The first is that of the beginning.
            bench.store.with(|kept| kept.late = vec![20 * SECOND]);
        }
        bench.settings.until_done = false;
        bench
    }
}

fn ids() -> [String; 2] {
    [pdf_of("d"), pdf_of_node("w")]
}

/// Waits until both rows show the moment.
async fn reach(moment: Moment, bench: &Bench) {
    for _ in 0..6000 {
        tokio::time::sleep(SECOND / 10).await;
        let row = bench
            .store
            .with(|kept| kept.rows.values().find(|row| row.entry.key.id.as_str() == ids()[0]).cloned());
        let is_now = row
            .map_or(moment == Moment::Written && bench.store.with(|kept| kept.under_way > 0), |row| {
                moment.is_now(bench, &row)
            });
        if is_now && bench.began().elapsed() > SECOND / 2 {
            return;
        }
    }
    panic!("{moment:?} never comes");
}

/// What both rows show of their export.
fn shown(bench: &Bench, id: &str) -> TicketRecord {
    let [row, other] = [id, &*ids()[0]].map(|id| bench.store.row(id));
    TicketRecord { entry: other.entry, first_seen_at: other.first_seen_at, unlisted_since: None, ..row }
}

/// Promise: whichever of two entries leaves the list, and whenever, the other one goes on with their export: one job, one
/// file, and nothing of it announced twice. The one that left shows the same as the other once it is listed again.
#[tokio::test(start_paused = true)]
async fn one_export_outlasts_each_of_its_entries() {
    for moment in Moment::ALL {
        for leaves in [None, Some(0), Some(1)] {
            for dies in [false, true] {
                let case = format!("{moment:?}, {leaves:?} leaves, dies: {dies}");
                let mut bench = moment.bench();
                let mut running = bench.start();
                reach(moment, &bench).await;
                let all = bench.entries.clone();
                if let Some(place) = leaves {
                    bench.entries.remove(place);
                    running.take_list(bench.entries.clone()).await;
                }
                let is_in_doubt = dies && [Moment::Written, Moment::Sent].contains(&moment);
                if dies {
                    tokio::time::sleep(3 * SECOND).await;
                    bench.store.with(|kept| kept.late.clear());
                    bench.files.end_process();
                    running.outcome.abort();
                    let _ = running.outcome.await;
                    running = bench.start();
                }
                tokio::time::sleep(5 * MINUTE).await;
                let stays = &ids()[usize::from(leaves == Some(0))];
                bench.assert_exported(stays);
                assert!(bench.api.jobs() <= moment.jobs() + u32::from(is_in_doubt), "{case}");
                assert_eq!(bench.files.saved().len(), 1, "{case}");
                bench.entries = all;
                running.take_list(bench.entries.clone()).await;
                tokio::time::sleep(MINUTE).await;
                let jobs = bench.api.jobs();
                assert!(jobs <= moment.jobs() + u32::from(is_in_doubt), "{case}: made anew");
                assert_eq!(shown(&bench, &ids()[0]), shown(&bench, &ids()[1]), "{case}");
                assert_eq!(bench.files.saved().len(), 1, "{case}");
                stop(running).await;
                bench.assert_sound();
            }
        }
    }
}

/// How often a job is asked about that never ends, whatever is done to list and process.
async fn polls_of(mut bench: Bench) -> usize {
    bench.settings.until_done = false;
    let mut running = bench.start();
    for _ in 0..8 {
        tokio::time::sleep(20 * SECOND).await;
        bench.entries.rotate_left(1);
        running.take_list(bench.entries.clone()).await;
        tokio::time::sleep(20 * SECOND).await;
        stop(running).await;
        running = bench.start();
    }
    tokio::time::sleep(5 * MINUTE).await;
    stop(running).await;
    bench.assert_sound();
    assert_eq!(bench.api.jobs(), 1);
    bench.api.polls_of(&ticket_of("d", 1)).len()
}

/// Promises 1 and 5: entries with one export have it polled as often as one entry alone.
#[tokio::test(start_paused = true)]
async fn one_export_is_polled_once() {
    let bench = || {
        let api = FakeApi::new(|_, _| (SECOND / 10, Verdict::Pending));
        Bench::new(api.with_nodes(|_, _| (SECOND / 10, Ok(docx("d"))))).documents(["d"])
    };
    let alone = polls_of(bench()).await;
    let together = polls_of(bench().nodes(["w", "v"])).await;
    assert!(together.abs_diff(alone) <= 1, "{alone} times alone, {together} times together");
}
