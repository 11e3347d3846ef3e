//! A change of trust that is taken out in rings: a few phones first, then more, then all; it stops by itself when phones
//! do not come back in time, and goes on when it is told to.
//!
//! What a ring has that others have not is the *next edition*: lists that tell of what is to come beside what is in force.
//! What is in force stays so for everybody until the last ring is back; only then is the change made for good. So nobody
//! is ever shown what it has not been told of, and a roll that stops has broken nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Change;

/// How a change is taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// How many of all phones are in the ring, and those before it: thousandths, rising; all are in one more.
    pub rings: Vec<u16>,
    /// Seconds that the phones of a ring have to come back.
    pub within: u64,
}

impl Default for Terms {
    /// One of a hundred, one of ten, all; an hour each.
    fn default() -> Self {
        Terms { rings: vec![10, 100], within: 3600 }
    }
}

impl Terms {
    /// From `1,10`: percent, rising, with a decimal at most.
    ///
    /// # Errors
    /// What can be written.
    pub fn parse(rings: &str, within: u64) -> Result<Terms, String> {
        let wrong = || format!("`{rings}`: expected percentages that rise, such as `1,10`; the rest follows by itself");
        let one = |text: &str| {
            let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
            let tenths = if part.len() == 1 { part.parse::<u16>().ok()? } else { return None };
            whole.parse::<u16>().ok()?.checked_mul(10)?.checked_add(tenths)
        };
        let rings: Vec<u16> = rings.split(',').map(one).collect::<Option<_>>().ok_or_else(wrong)?;
        let rise = rings.windows(2).all(|two| matches!(two, [a, b] if a < b));
        if !rise || rings.iter().any(|ring| !(1..1000).contains(ring)) || within == 0 {
            return Err(wrong());
        }
        Ok(Terms { rings, within })
    }
}

/// Where a roll is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The phones of rings up to this one have the next edition; those not back yet have until then (seconds since 1970).
    Open { ring: usize, until: u64 },
    /// These did not come back in time. Nobody else is given anything until somebody says so.
    Stopped { ring: usize, missing: Vec<String>, at: u64 },
    /// All rings are back: the change may be made for good.
    Through { at: u64 },
}

/// A change on its way through the phones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roll {
    pub change: Change,
    pub terms: Terms,
    /// Each with its ring.
    phones: BTreeMap<String, usize>,
    back: BTreeSet<String>,
    /// Given up on, by somebody's word.
    left_behind: BTreeSet<String>,
    state: State,
}

impl Roll {
    /// Opens the first ring at `now` (seconds since 1970). Which phones go first is drawn by `draw` from their names, so
    /// that a ring is no floor and no department: the same draw gives the same rings.
    pub fn begin(
        change: Change,
        terms: Terms,
        devices: impl IntoIterator<Item = String>,
        draw: impl Fn(&str) -> u64,
        now: u64,
    ) -> Roll {
        let mut drawn: Vec<(u64, String)> = devices.into_iter().map(|device| (draw(&device), device)).collect();
        drawn.sort_unstable();
        drawn.dedup();
        let count = drawn.len() as u64;
        let ring_of = |place: u64| {
            // The first phone is in the first ring, however few there are.
            let inside = |share: &u16| place == 0 || place * 1000 < count * u64::from(*share);
            terms.rings.iter().position(inside).unwrap_or(terms.rings.len())
        };
        let phones = drawn.into_iter().zip(0..).map(|((_, device), place)| (device, ring_of(place))).collect();
        let (back, left_behind) = (BTreeSet::new(), BTreeSet::new());
        let state = State::Open { ring: 0, until: now.saturating_add(terms.within) };
        let mut roll = Roll { change, terms, phones, back, left_behind, state };
        roll.tick(now);
        roll
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether a phone is to be given the next edition.
    pub fn is_in(&self, device: &str) -> bool {
        let open = match &self.state {
            State::Open { ring, .. } | State::Stopped { ring, .. } => *ring,
            State::Through { .. } => return true,
        };
        self.phones.get(device).is_some_and(|ring| *ring <= open)
    }

    /// Phones of rings that are open and that have not come back yet.
    pub fn awaited(&self) -> impl Iterator<Item = &str> {
        let awaited = |device: &&String| {
            self.is_in(device) && !self.back.contains(*device) && !self.left_behind.contains(*device)
        };
        self.phones.keys().filter(awaited).map(String::as_str)
    }

    /// A phone came back: it has the next edition, and has registered since.
    pub fn returned(&mut self, device: &str, now: u64) {
        if !self.is_in(device) || !self.phones.contains_key(device) {
            return;
        }
        self.back.insert(device.to_owned());
        self.left_behind.remove(device);
        if let State::Stopped { ring, missing, .. } = &mut self.state {
            missing.retain(|other| other != device);
            if missing.is_empty() {
                // Whom it stopped for is back: there is nothing to decide.
                self.state = State::Open { ring: *ring, until: now.saturating_add(self.terms.within) };
            }
        }
        self.tick(now);
    }

    /// The phones that there are now. Who has come since the roll began is in its last ring: also they must know what is
    /// coming before it is shown. Who is no phone of the site any more is not waited for.
    pub fn phones_are(&mut self, devices: &BTreeSet<String>, now: u64) {
        if matches!(self.state, State::Through { .. }) {
            return;
        }
        let last = self.terms.rings.len();
        self.phones.retain(|device, _| devices.contains(device));
        self.back.retain(|device| devices.contains(device));
        self.left_behind.retain(|device| devices.contains(device));
        for device in devices {
            self.phones.entry(device.clone()).or_insert(last);
        }
        if let State::Stopped { ring, missing, .. } = &mut self.state {
            missing.retain(|device| devices.contains(device));
            if missing.is_empty() {
                self.state = State::Open { ring: *ring, until: now.saturating_add(self.terms.within) };
            }
        }
        self.tick(now);
    }

    /// When [`Roll::tick`] has something to do, if nobody comes.
    pub fn deadline(&self) -> Option<u64> {
        match &self.state {
            State::Open { until, .. } => Some(*until),
            State::Stopped { .. } | State::Through { .. } => None,
        }
    }

    /// Opens the next ring if this one is back, stops if its time is over.
    pub fn tick(&mut self, now: u64) {
        while let State::Open { ring, until } = self.state {
            let missing: Vec<String> = self.awaited().map(str::to_owned).collect();
            if missing.is_empty() {
                self.state = match ring < self.terms.rings.len() {
                    true => State::Open { ring: ring + 1, until: now.saturating_add(self.terms.within) },
                    false => State::Through { at: now },
                };
            } else if now >= until {
                self.state = State::Stopped { ring, missing, at: now };
            } else {
                return;
            }
        }
    }

    /// Goes on after a stop: those who are missing have as long again; or, where `leave` is set, nobody waits for them any
    /// more. They are named by [`Roll::left_behind`] until they come back.
    pub fn resume(&mut self, leave: bool, now: u64) {
        let State::Stopped { ring, missing, .. } = &self.state else { return };
        if leave {
            self.left_behind.extend(missing.iter().cloned());
        }
        self.state = State::Open { ring: *ring, until: now.saturating_add(self.terms.within) };
        self.tick(now);
    }

    pub fn left_behind(&self) -> impl Iterator<Item = &str> {
        self.left_behind.iter().map(String::as_str)
    }

    /// Phones that are back, and how many there are.
    pub fn progress(&self) -> (usize, usize) {
        (self.back.len(), self.phones.len())
    }
}

#[cfg(test)]
mod tests;
