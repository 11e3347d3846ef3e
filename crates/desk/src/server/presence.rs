//! Which agents' desks are there, and what happens to who was and is not any more (`docs/desk.md`, "XMPP").

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use roles::{AgentView, Control, Reply};

use super::Shared;
use crate::reason_code::CONNECTION_LOST;
use crate::user::State;

/// By agent.
#[derive(Default)]
pub(super) struct Presence(Mutex<BTreeMap<String, Desks>>);

#[derive(Default)]
struct Desks {
    open: usize,
    /// One of them said that it is there, so that its going means something: a stream of events alone says nothing.
    announced: bool,
    /// Of openings and closings: who waits sees whether another came.
    changes: u64,
}

/// A desk of an agent's that is there; dropped when it is not.
pub(super) struct Here {
    shared: Arc<Shared>,
    agent: String,
}

impl Here {
    /// `announced`: by presence, rather than by listening.
    pub(super) fn new(shared: &Arc<Shared>, agent: &str, announced: bool) -> Here {
        let mut presence = shared.presence.desks();
        let desks = presence.entry(agent.to_owned()).or_default();
        desks.open += 1;
        desks.changes += 1;
        desks.announced |= announced;
        drop(presence);
        Here { shared: shared.clone(), agent: agent.to_owned() }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let mut presence = self.shared.presence.desks();
        let Some(desks) = presence.get_mut(&self.agent) else { return };
        desks.open = desks.open.saturating_sub(1);
        desks.changes += 1;
        let was = desks.changes;
        let lost = desks.open == 0 && std::mem::take(&mut desks.announced);
        drop(presence);
        // A process that ends has no runtime, and no agents.
        if let (true, Ok(runtime)) = (lost, tokio::runtime::Handle::try_current()) {
            runtime.spawn(gone(self.shared.clone(), std::mem::take(&mut self.agent), was));
        }
    }
}

impl Presence {
    fn is_still(&self, agent: &str, changes: u64) -> bool {
        self.desks().get(agent).is_some_and(|desks| desks.changes == changes)
    }

    fn desks(&self) -> MutexGuard<'_, BTreeMap<String, Desks>> {
        // Numbers: nothing is half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who does not come back in time gets no more calls.
async fn gone(shared: Arc<Shared>, agent: String, was: u64) {
    tokio::time::sleep(shared.patience_with_lost()).await;
    if !shared.presence.is_still(&agent, was) {
        return;
    }
    let Reply::Agents(agents) = shared.node.control(Control::Agents).await else { return };
    let may_get_calls = |known: &AgentView| {
        let state = State::of(known);
        known.pending.is_none() && !matches!(state, State::Logout | State::NotReady | State::Unknown)
    };
    if agents.iter().any(|known| known.id == agent && may_get_calls(known)) {
        tracing::info!(node = shared.node.name(), agent, "desk: its connection is lost: the agent gets no more calls");
        let control = Control::AgentNotReadyLater { agent, reason: CONNECTION_LOST.into() };
        if let Reply::Sorry(error) = shared.node.control(control).await {
            tracing::warn!(node = shared.node.name(), error, "desk: an agent whose desk is gone stays as they are");
        }
    }
}

impl Shared {
    fn patience_with_lost(&self) -> Duration {
        let desk = &self.book().server.desk;
        Duration::from_secs(desk.as_ref().map_or(60, |desk| desk.lost_after_s).into())
    }
}
