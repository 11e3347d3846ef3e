//! What is due when: one moment for each thing that is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AgentId, CallId};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Timer {
    /// The agent's phone has rung long enough.
    Ring(CallId),
    /// The next step's agents are asked too, in this queue of the caller's.
    Widen(CallId, u32),
    /// The caller has waited for the last agent.
    LastAgent(CallId),
    /// The script's wait is over.
    Script(CallId),
    /// The caller is told the position.
    Announce(CallId),
    WrapUp(AgentId),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Timers {
    at: BTreeMap<Timer, Duration>,
    order: BTreeSet<(Duration, Timer)>,
}

impl Timers {
    /// In place of an earlier moment for the same.
    pub(crate) fn set(&mut self, timer: Timer, at: Duration) {
        self.clear(&timer);
        self.at.insert(timer.clone(), at);
        self.order.insert((at, timer));
    }

    pub(crate) fn clear(&mut self, timer: &Timer) {
        if let Some((timer, at)) = self.at.remove_entry(timer) {
            self.order.remove(&(at, timer));
        }
    }

    /// All of a call's.
    pub(crate) fn clear_call(&mut self, call: CallId) {
        self.take_call(call);
    }

    /// All of a call's, out.
    pub(crate) fn take_call(&mut self, call: CallId) -> Vec<(Timer, Duration)> {
        let mut taken: Vec<(Timer, Duration)> =
            self.take_widen(call).into_iter().map(|(queue, at)| (Timer::Widen(call, queue), at)).collect();
        for timer in [Timer::Ring(call), Timer::LastAgent(call), Timer::Script(call), Timer::Announce(call)] {
            taken.extend(self.at.get(&timer).map(|at| (timer.clone(), *at)));
            self.clear(&timer);
        }
        taken
    }

    /// A call's next steps, by queue.
    pub(crate) fn take_widen(&mut self, call: CallId) -> Vec<(u32, Duration)> {
        let range = Timer::Widen(call, 0)..=Timer::Widen(call, u32::MAX);
        let widen: Vec<(Timer, Duration)> = self.at.range(range).map(|(timer, at)| (timer.clone(), *at)).collect();
        widen
            .into_iter()
            .filter_map(|(timer, at)| {
                self.clear(&timer);
                if let Timer::Widen(_, queue) = timer { Some((queue, at)) } else { None }
            })
            .collect()
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }

    pub(crate) fn due(&mut self, now: Duration) -> Option<Timer> {
        let (_, timer) = self.order.first().filter(|(at, _)| *at <= now)?.clone();
        self.clear(&timer);
        Some(timer)
    }
}
