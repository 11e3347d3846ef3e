//! Figures of queues, call types and agents, by intervals of a quarter of an hour of the wall clock.
//!
//! What takes time (talking, being ready) counts in the interval in which it ends.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::AgentId;
use crate::agent::Doing;

/// Length of an interval in milliseconds.
pub const INTERVAL_MS: i64 = 15 * 60 * 1000;
/// Finished intervals that are kept: a day.
const KEPT: usize = 96;
/// So often the interval under way is told as it stands, so that a restart loses no more than a minute of it.
const MINUTE_MS: i64 = 60 * 1000;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Milliseconds since 1970.
    pub begins_ms: i64,
    pub queues: BTreeMap<String, QueueFigures>,
    pub call_types: BTreeMap<String, CallTypeFigures>,
    pub agents: BTreeMap<String, AgentFigures>,
}

impl Interval {
    fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.agents.is_empty()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueFigures {
    /// Callers who joined.
    pub offered: u32,
    pub answered: u32,
    /// Answered within the queue's service level.
    pub within_level: u32,
    /// Hung up before an agent answered.
    pub abandoned: u32,
    /// Offers that came to nothing.
    pub no_answer: u32,
    /// Let go by the script.
    pub released: u32,
    /// Asked to be called back.
    pub callbacks: u32,
    pub wait_ms: u64,
    pub longest_wait_ms: u64,
    pub talk_ms: u64,
    pub wrap_up_ms: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTypeFigures {
    pub offered: u32,
    pub answered: u32,
    pub abandoned: u32,
    pub released: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentFigures {
    pub answered: u32,
    pub no_answer: u32,
    pub not_ready_ms: u64,
    pub ready_ms: u64,
    pub ringing_ms: u64,
    pub talk_ms: u64,
    pub wrap_up_ms: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    current: Interval,
    told_ms: i64,
    finished: VecDeque<Interval>,
    handling: BTreeMap<String, Handling>,
}

/// The last conversations of a queue with their wrap-up: what an estimate goes by.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Handling {
    last_ms: VecDeque<u64>,
    sum_ms: u64,
}

/// Conversations that an estimate looks back on.
const LOOK_BACK: usize = 50;

impl Figures {
    /// What is to be kept, if anything is: the interval that has ended, or once a minute the one under way.
    pub(crate) fn now(&mut self, wall_ms: i64) -> Option<Interval> {
        let begins_ms = begin(wall_ms);
        if begins_ms == self.current.begins_ms {
            let due = wall_ms - self.told_ms >= MINUTE_MS && !self.current.is_empty();
            return due.then(|| {
                self.told_ms = wall_ms;
                self.current.clone()
            });
        }
        let ended = std::mem::replace(&mut self.current, Interval { begins_ms, ..Interval::default() });
        self.told_ms = wall_ms;
        if ended.is_empty() {
            return None;
        }
        self.finish(ended.clone());
        Some(ended)
    }

    /// An interval that an earlier process told; the oldest first.
    pub(crate) fn resume(&mut self, interval: Interval, wall_ms: i64) {
        let begins_ms = begin(wall_ms);
        if interval.begins_ms == begins_ms {
            (self.current, self.told_ms) = (interval, wall_ms);
        } else if interval.begins_ms < begins_ms && interval.begins_ms >= begins_ms - KEPT as i64 * INTERVAL_MS {
            self.finish(interval);
        }
    }

    fn finish(&mut self, interval: Interval) {
        self.finished.push_back(interval);
        if self.finished.len() > KEPT {
            self.finished.pop_front();
        }
    }

    pub(crate) fn queue(&mut self, name: &str) -> &mut QueueFigures {
        entry(&mut self.current.queues, name)
    }

    pub(crate) fn call_type(&mut self, name: Option<&str>) -> &mut CallTypeFigures {
        entry(&mut self.current.call_types, name.unwrap_or("none"))
    }

    pub(crate) fn agent(&mut self, id: &AgentId) -> &mut AgentFigures {
        entry(&mut self.current.agents, &id.0)
    }

    pub(crate) fn was(&mut self, id: &AgentId, doing: Doing, time: Duration) {
        let ms = millis(time);
        let figures = match doing {
            Doing::LoggedOut => return,
            _ => self.agent(id),
        };
        match doing {
            Doing::LoggedOut => {}
            Doing::NotReady => figures.not_ready_ms += ms,
            Doing::Ready => figures.ready_ms += ms,
            Doing::Reserved => figures.ringing_ms += ms,
            Doing::Talking => figures.talk_ms += ms,
            Doing::WrapUp => figures.wrap_up_ms += ms,
        }
    }

    pub(crate) fn handled(&mut self, queue: &str, time: Duration) {
        let handling = self.handling.entry(queue.to_owned()).or_default();
        handling.last_ms.push_back(millis(time));
        handling.sum_ms += millis(time);
        if handling.last_ms.len() > LOOK_BACK {
            handling.sum_ms -= handling.last_ms.pop_front().unwrap_or(0);
        }
    }

    /// How long a conversation with its wrap-up lasts in this queue: the mean of the last 50.
    pub(crate) fn mean_handling(&self, queue: &str) -> Option<Duration> {
        let handling = self.handling.get(queue)?;
        handling.sum_ms.checked_div(handling.last_ms.len() as u64).map(Duration::from_millis)
    }

    /// Finished intervals, oldest first, and the one under way.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Interval> {
        self.finished.iter().chain([&self.current])
    }
}

/// When the interval began in which this moment lies.
fn begin(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(INTERVAL_MS) * INTERVAL_MS
}

fn entry<'m, T: Default>(map: &'m mut BTreeMap<String, T>, name: &str) -> &'m mut T {
    map.entry(name.to_owned()).or_default()
}

pub(crate) fn millis(time: Duration) -> u64 {
    // Longer than 500 million years does not occur.
    time.as_millis() as u64
}
