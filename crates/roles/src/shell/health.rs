//! Which peers answer: OPTIONS heartbeats where the plan asks for them, and what calls met (RFC 3261 §11).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::ClientId;

/// A peer without heartbeat that failed a call is left alone this long.
const SHUNNED: Duration = Duration::from_secs(10);

/// Nodes of a site start together: a peer is given this long to open its listener before it is first asked.
const FIRST: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Pulse {
    /// `None`: no heartbeat.
    every: Option<Duration>,
    next: Option<Duration>,
    /// The OPTIONS under way.
    asked: Option<ClientId>,
    down: bool,
    /// When a peer without heartbeat may be tried again.
    shunned_until: Option<Duration>,
}

/// What is known of each peer's being there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Health {
    pulses: BTreeMap<Arc<str>, Pulse>,
}

impl Health {
    /// Takes over the heartbeats of a (new) plan; what is known stays.
    pub(super) fn set_plan(&mut self, heartbeats: &[(Arc<str>, Duration)], now: Duration) {
        for pulse in self.pulses.values_mut() {
            (pulse.every, pulse.next) = (None, None);
        }
        for (peer, every) in heartbeats {
            let pulse = self.pulses.entry(peer.clone()).or_default();
            pulse.every = Some(*every);
            pulse.next = Some(now + FIRST);
        }
    }

    /// The peer is another box now (its address changed, say): what was known is of the one before.
    pub(super) fn forget(&mut self, peer: &str) {
        self.pulses.remove(peer);
    }

    /// Unheard of is up.
    pub(super) fn is_up(&self, peer: &str, now: Duration) -> bool {
        let Some(pulse) = self.pulses.get(peer) else { return true };
        !pulse.down && pulse.shunned_until.is_none_or(|until| until <= now)
    }

    /// A call met silence, 503 or no connection there.
    pub(super) fn failed(&mut self, peer: &Arc<str>, now: Duration) {
        let pulse = self.pulses.entry(peer.clone()).or_default();
        match pulse.every {
            Some(_) => {
                pulse.down = true;
                pulse.next = Some(now);
            }
            None => pulse.shunned_until = Some(now + SHUNNED),
        }
    }

    /// Something came back.
    pub(super) fn alive(&mut self, peer: &str) {
        if let Some(pulse) = self.pulses.get_mut(peer) {
            (pulse.down, pulse.shunned_until) = (false, None);
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.pulses.values().filter(|pulse| pulse.asked.is_none()).filter_map(|pulse| pulse.next).min()
    }

    /// A peer whose heartbeat is due.
    pub(super) fn due(&self, now: Duration) -> Option<Arc<str>> {
        let due = |pulse: &Pulse| pulse.asked.is_none() && pulse.next.is_some_and(|next| next <= now);
        self.pulses.iter().find(|(_, pulse)| due(pulse)).map(|(peer, _)| peer.clone())
    }

    pub(super) fn asked(&mut self, peer: &str, client: Option<ClientId>, now: Duration) {
        if let Some(pulse) = self.pulses.get_mut(peer) {
            pulse.asked = client;
            pulse.next = pulse.every.map(|every| now + every);
        }
    }

    /// The end of a heartbeat of ours. `None`: not one of ours; otherwise the peer, and whether that changed its state.
    pub(super) fn heard(&mut self, client: ClientId, up: bool) -> Option<(Arc<str>, bool)> {
        let (peer, pulse) = self.pulses.iter_mut().find(|(_, pulse)| pulse.asked == Some(client))?;
        pulse.asked = None;
        let changed = pulse.down == up;
        pulse.down = !up;
        if up {
            pulse.shunned_until = None;
        }
        Some((peer.clone(), changed))
    }
}
