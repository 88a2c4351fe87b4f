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
enum HookReceiver {
    Command(CommandReceiver),
    Webhook(Box<WebhookReceiver>),
}

impl HookReceivers {
    /// Reads the environment and its authorities, so it may block. Nothing is called yet.
    ///
    /// # Errors
    /// The environment leaves no way to a webhook.
    pub(crate) fn new(hooks: &[Hook]) -> Result<Self, ClientError> {
        let network = NetworkSettings::from_env(&[], hooks)?;
        let receiver = |hook: &Hook| Ok((hook.name.clone(), receiver(hook, &network)?));
        hooks.iter().map(receiver).collect::<Result<_, _>>().map(Self)
    }

    /// Hands one event to a hook, once, and waits for its answer: nothing if it took the event. None where there is no
    /// hook of that name.
    pub(crate) async fn call(&self, name: &HookName, id: &str, payload: &str) -> Option<Result<(), String>> {
        let (_, receiver) = self.0.iter().find(|(known, _)| known == name)?;
        let event = HookEvent::new(id, EventId::default(), payload);
        Some(receiver.call(&event).await.map_err(|error| error.to_string()))
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
        tasks.spawn(drop_others(deliveries.clone(), names));
        for (index, (_, receiver)) in self.0.into_iter().enumerate() {
            let place = Place { list: shown.clone(), index };
            let task = HookTask::new(deliveries.clone(), receiver, state_file, WallTime::now, place);
            tasks.spawn(task.serve(woken.clone(), stop.clone()));
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

/// Drops what waits for hooks that the configuration no longer has, and logs it.
async fn drop_others<D: Deliveries>(deliveries: D, names: Vec<HookName>) {
    loop {
        match deliveries.keep_hooks(names.clone()).await {
            Ok(dropped) => return dropped.iter().for_each(|(hook, rows)| hook_dropped(hook, *rows)),
            Err(_) => sleep(WRITE_AGAIN).await,
        }
    }
}

fn receiver(hook: &Hook, network: &NetworkSettings) -> Result<HookReceiver, ClientError> {
    Ok(match &hook.target {
        HookTarget::Command(words) => {
            HookReceiver::Command(CommandReceiver::new(words.clone(), hook.timeout))
        }
        HookTarget::Webhook(webhook) => {
            let client = webhook_client(webhook, hook.timeout, network)?;
            let transport = WebhookTransport { client, read_keys, in_words: webhook_trouble };
            let receiver = WebhookReceiver::new((**webhook).clone(), hook.timeout, transport);
            HookReceiver::Webhook(Box::new(receiver))
        }
    })
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
