//! The hooks of a configuration: what each calls, and the tasks that deliver to them beside the engine.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::deliver::command::CommandReceiver;
use crate::deliver::hook_report::hook_dropped;
use crate::deliver::hooks::{HookTask, Place};
use crate::deliver::receiver::{CallError, HookEvent, Receiver};
use crate::deliver::webhook::{WebhookReceiver, WebhookTransport};
use crate::domain::{
    Hook, HookName, HookStatus, HookTarget, SecretPurpose, SecretSource, WallTime, with_causes,
};
use crate::feishu::{ClientError, NetworkSettings, read_secret, webhook_client, webhook_trouble};
use crate::store::{Deliveries, EventId};

/// The pause before the state file is written again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// What the hooks of a configuration call.
pub(crate) struct HookReceivers(Vec<(HookName, HookReceiver)>);

/// What one hook calls.
pub(crate) enum HookReceiver {
    Command(CommandReceiver),
    Webhook(Box<WebhookReceiver>),
}

impl HookReceiver {
    /// What a hook by itself calls. Reads the environment and its authorities, so it may block.
    ///
    /// # Errors
    /// The environment leaves no way to a webhook.
    pub(crate) fn from_env(hook: &Hook) -> Result<Self, ClientError> {
        Self::new(hook, &NetworkSettings::from_env(&[], std::slice::from_ref(hook))?)
    }

    fn new(hook: &Hook, network: &NetworkSettings) -> Result<Self, ClientError> {
        Ok(match &hook.target {
            HookTarget::Command(words) => Self::Command(CommandReceiver::new(words.clone(), hook.timeout)),
            HookTarget::Webhook(webhook) => {
                let client = webhook_client(webhook, hook.timeout, network)?;
                let transport = WebhookTransport { client, read_keys, in_words: webhook_trouble };
                let receiver = WebhookReceiver::new((**webhook).clone(), hook.timeout, transport);
                Self::Webhook(Box::new(receiver))
            }
        })
    }
}

impl HookReceivers {
    /// Reads the environment and its authorities, so it may block. Nothing is called yet.
    ///
    /// # Errors
    /// The environment leaves no way to a webhook.
    pub(crate) fn new(hooks: &[Hook]) -> Result<Self, ClientError> {
        let network = NetworkSettings::from_env(&[], hooks)?;
        let receiver = |hook: &Hook| Ok((hook.name.clone(), HookReceiver::new(hook, &network)?));
        hooks.iter().map(receiver).collect::<Result<_, _>>().map(Self)
    }

    /// Starts a task for each hook, and drops what waits for hooks that are not among these. `state_file` is the id of the
    /// state file, `woken` changes when there may be new events. In `shown` they stand in the order of the configuration, at
    /// most a second old. Once `stop` is cancelled no delivery begins.
    pub(crate) async fn start<D: Deliveries>(
        self,
        deliveries: D,
        state_file: &str,
        woken: watch::Receiver<EventId>,
        shown: watch::Sender<Vec<HookStatus>>,
        stop: &CancellationToken,
    ) -> HookTasks {
        let (mut tasks, stop) = (JoinSet::new(), stop.child_token());
        let names: Vec<_> = self.0.iter().map(|(name, _)| name.clone()).collect();
        let mut first = Vec::with_capacity(names.len());
        for name in &names {
            let status = deliveries.hook_status(name).await;
            first.push(status.unwrap_or_else(|_| HookStatus::unknown(name.clone())));
        }
        shown.send_replace(first);
        let begun = CancellationToken::new();
        tasks.spawn(drop_others(deliveries.clone(), names, begun.clone()));
        for (index, (_, receiver)) in self.0.into_iter().enumerate() {
            let place = Place { list: shown.clone(), index };
            let task = HookTask::new(deliveries.clone(), receiver, state_file, WallTime::now, place);
            let (woken, stop, begun) = (woken.clone(), stop.clone(), begun.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = begun.cancelled() => task.serve(woken, stop).await,
                    () = stop.cancelled() => {}
                }
            });
        }
        HookTasks { tasks, shown: shown.subscribe(), stop }
    }
}

/// The deliveries of a run. Those in flight end when this is dropped.
pub(crate) struct HookTasks {
    tasks: JoinSet<()>,
    shown: watch::Receiver<Vec<HookStatus>>,
    stop: CancellationToken,
}

impl HookTasks {
    /// How each hook does, in the order of the configuration; at most a second old.
    #[must_use]
    pub(crate) fn shown(&self) -> Vec<HookStatus> {
        self.shown.borrow().clone()
    }

    /// Begins no more deliveries, and gives those in flight so long to end.
    pub(crate) async fn end(mut self, within: Duration) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = timeout(within, all).await;
        self.tasks.shutdown().await;
    }
}

/// Drops what waits for hooks that the configuration no longer has, and logs it. Then deliveries may begin: what this
/// changes in the rows of the other hooks must not undo how a try ended.
async fn drop_others<D: Deliveries>(deliveries: D, names: Vec<HookName>, begun: CancellationToken) {
    let dropped = loop {
        match deliveries.keep_hooks(names.clone()).await {
            Ok(dropped) => break dropped,
            Err(_) => sleep(WRITE_AGAIN).await,
        }
    };
    dropped.iter().for_each(|(hook, rows)| hook_dropped(hook, *rows));
    begun.cancel();
}

fn read_keys(source: SecretSource) -> BoxFuture<'static, Result<SecretString, String>> {
    let read = async move { read_secret(&source, SecretPurpose::SigningKeys).await };
    read.map(|keys| keys.map_err(|error| with_causes(&error))).boxed()
}

impl Receiver for HookReceiver {
    async fn call(&self, event: &HookEvent) -> Result<(), CallError> {
        match self {
            Self::Command(command) => command.call(event).await,
            Self::Webhook(webhook) => webhook.call(event).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::domain::event::FILE_SAVED;
    use crate::store::{Batch, Delivery, EventRow, Settled, SqliteStore, Store as _, StoreError};

    /// A state file in which dropping rows waits for a permit.
    #[derive(Clone)]
    struct Held {
        store: SqliteStore,
        permits: Arc<Semaphore>,
    }

    impl Deliveries for Held {
        async fn keep_hooks(&self, hooks: Vec<HookName>) -> Result<Vec<(HookName, usize)>, StoreError> {
            let _permit = self.permits.acquire().await;
            self.store.keep_hooks(hooks).await
        }

        async fn due(
            &self,
            hook: &HookName,
            now: WallTime,
            limit: usize,
        ) -> Result<Vec<Delivery>, StoreError> {
            assert!(self.permits.available_permits() > 0, "a delivery begins before the rows are put right");
            self.store.due(hook, now, limit).await
        }

        async fn next_due(&self, hook: &HookName) -> Result<Option<WallTime>, StoreError> {
            self.store.next_due(hook).await
        }

        async fn settle(&self, hook: &HookName, tries: Vec<Settled>) -> Result<(), StoreError> {
            self.store.settle(hook, tries).await
        }

        async fn end(&self, hook: &HookName) -> Result<(), StoreError> {
            self.store.end(hook).await
        }

        async fn hook_status(&self, hook: &HookName) -> Result<HookStatus, StoreError> {
            self.store.hook_status(hook).await
        }
    }

    /// Promise: no delivery begins before the rows of the process before are put right, lest that undo how a try ended.
    #[tokio::test]
    async fn deliveries_begin_after_the_rows_are_put_right() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
        let name = HookName::new("archive");
        let row = EventRow {
            id: EventId(1),
            event: FILE_SAVED,
            at: WallTime::from_millis(0),
            key: None,
            kind: None,
            hooks: vec![name.clone()],
            payload: "{}".into(),
        };
        store.commit(Batch { events: vec![row], ..Batch::default() }).await.unwrap();
        let hook = Hook {
            name: name.clone(),
            events: vec![FILE_SAVED],
            target: HookTarget::Command(vec!["true".to_owned()]),
            timeout: Duration::from_secs(60),
        };
        let held = Held { store, permits: Arc::new(Semaphore::new(0)) };
        let (_woken, woken) = watch::channel(EventId::default());
        let (shown, mut seen) = watch::channel(Vec::new());
        let receivers = HookReceivers::new(&[hook]).unwrap();
        let tasks = receivers.start(held.clone(), "ab12", woken, shown, &CancellationToken::new()).await;
        // Whatever a task does before it waits, it has done now.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(held.store.hook_status(&name).await.unwrap().taken, 0);
        held.permits.add_permits(1);
        seen.wait_for(|hooks| hooks[0].taken == 1).await.unwrap();
        tasks.end(Duration::from_secs(1)).await;
    }
}
