//! What links do to what crosses them: loss, doubles, delay, pieces, resets, half-closes, partitions.
//!
//! Everything is drawn from the world's seed. UDP (RFC 3261 §18) suffers loss, doubling and reordering; a stream keeps
//! its order or ends: its bytes arrive in pieces, late, or not at all because it broke in the middle of something.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::RngCore;
use sip::Target;

use super::{Event, World};

/// How long a connection is tried before its target counts as unreachable: as the connection layer does.
pub(super) const DIAL_LIMIT: Duration = Duration::from_secs(4);

/// Chances are out of a thousand unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Datagrams lost, out of a hundred.
    pub loss: u32,
    /// Datagrams that arrive twice, out of a hundred.
    pub doubled: u32,
    /// Milliseconds that anything may take longer; datagrams overtake each other by it.
    pub delay_ms: u32,
    /// Messages over a stream that arrive in pieces.
    pub pieces: u32,
    /// Messages over a stream during whose way, or soon after, it is reset.
    pub resets: u32,
    /// The same, but the far end hears of it only later.
    pub half_closes: u32,
}

impl Weather {
    /// Some kind of weather: one time in four it is calm.
    pub fn of(dice: &mut ChaCha8Rng) -> Weather {
        let mut roll = |sides: u32| dice.next_u32() % sides;
        if roll(4) == 0 {
            return Weather::default();
        }
        let mut often = |most: u32| if roll(2) == 0 { 0 } else { roll(most) };
        Weather {
            loss: often(30),
            doubled: often(30),
            delay_ms: often(120),
            pieces: often(1000),
            resets: often(40),
            half_closes: often(20),
        }
    }
}

/// Whether a connection can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Open,
    /// No: it will be known after [`DIAL_LIMIT`].
    Shut,
    /// Somebody tries already.
    Tried,
}

/// The weather, and who cannot reach whom.
#[derive(Debug, Default)]
pub(super) struct Sky {
    pub(super) weather: Weather,
    /// Pairs of nodes (both orders) and when they reach each other again.
    parted: BTreeMap<(String, String), Duration>,
    /// Who waits for a connection that cannot be made, until when.
    dialling: BTreeMap<(String, Target), Duration>,
}

impl Sky {
    fn heals(&self, from: &str, to: &str, now: Duration) -> Option<Duration> {
        if self.parted.is_empty() {
            return None;
        }
        self.parted.get(&(from.to_owned(), to.to_owned())).copied().filter(|until| *until > now)
    }

    fn latency(&self, rng: &mut ChaCha8Rng) -> Duration {
        let usual = 500 + u64::from(rng.next_u32() % 1000);
        let more =
            if self.weather.delay_ms == 0 { 0 } else { u64::from(rng.next_u32() % (self.weather.delay_ms * 1000)) };
        Duration::from_micros(usual + more)
    }

    /// When a datagram arrives: never, once or twice.
    pub(super) fn datagram(&self, from: &str, to: &str, now: Duration, rng: &mut ChaCha8Rng) -> Vec<Duration> {
        if rng.next_u32() % 100 < self.weather.loss || self.heals(from, to, now).is_some() {
            return Vec::new();
        }
        let copies = 1 + usize::from(rng.next_u32() % 100 < self.weather.doubled);
        (0..copies).map(|_| now + self.latency(rng)).collect()
    }

    /// When which bytes of a message arrive; and, should the stream break, after what time and how much later its far
    /// end hears of it.
    #[allow(clippy::type_complexity)]
    pub(super) fn stream(
        &self,
        from: &str,
        to: &str,
        not_before: Duration,
        now: Duration,
        mut bytes: Bytes,
        rng: &mut ChaCha8Rng,
    ) -> (Vec<(Duration, Bytes)>, Option<(Duration, Option<Duration>)>) {
        let mut at = not_before.max(now + self.latency(rng));
        if let Some(healed) = self.heals(from, to, now) {
            at = at.max(healed + self.latency(rng));
        }
        let mut pieces = Vec::new();
        if rng.next_u32() % 1000 < self.weather.pieces {
            for _ in 0..1 + rng.next_u32() % 4 {
                if bytes.len() < 2 {
                    break;
                }
                let cut = 1 + rng.next_u32() as usize % (bytes.len() - 1);
                pieces.push((at, bytes.split_to(cut)));
                at += Duration::from_micros(1) + self.latency(rng) / 4;
            }
        }
        pieces.push((at, bytes));
        let breaks = self.breaks(at.saturating_sub(now), rng);
        (pieces, breaks)
    }

    fn breaks(&self, way: Duration, rng: &mut ChaCha8Rng) -> Option<(Duration, Option<Duration>)> {
        let drawn = rng.next_u32() % 1000;
        let half = drawn < self.weather.half_closes;
        if !half && drawn >= self.weather.half_closes + self.weather.resets {
            return None;
        }
        // Before the message is there, with half of it there, or while it is being answered.
        let after = way * (rng.next_u32() % 300) / 100;
        let half = half.then(|| Duration::from_millis(u64::from(rng.next_u32() % 2000)));
        Some((after, half))
    }

    /// Whether there is a way to a target that listens.
    pub(super) fn dial(&mut self, from: &str, to: &str, target: &Target, now: Duration) -> Way {
        let Some(healed) = self.heals(from, to, now) else { return Way::Open };
        let key = (from.to_owned(), target.clone());
        if self.dialling.get(&key).is_some_and(|until| *until > now) {
            return Way::Tried;
        }
        if healed <= now + DIAL_LIMIT {
            // What is sent waits for the connection, and that for the way to be free.
            return Way::Open;
        }
        self.dialling.insert(key, now + DIAL_LIMIT);
        Way::Shut
    }
}

impl World {
    /// From now on it is like this.
    pub fn weather(&mut self, weather: Weather) {
        self.sky.weather = weather;
    }

    /// Two nodes cannot reach each other for this long. Their connections outlive it, or one end or both give up.
    pub fn part(&mut self, a: &str, b: &str, span: Duration) {
        let until = self.now + span;
        self.sky.parted.insert((a.to_owned(), b.to_owned()), until);
        self.sky.parted.insert((b.to_owned(), a.to_owned()), until);
        let most = span.as_millis().max(1) as u64;
        for (node, flow, ..) in self.links.between(a, b) {
            if self.rng.next_u32().is_multiple_of(2) {
                let after = Duration::from_millis(u64::from(self.rng.next_u32()) % most);
                let half = self
                    .rng
                    .next_u32()
                    .is_multiple_of(2)
                    .then(|| Duration::from_millis(u64::from(self.rng.next_u32()) % most));
                self.later(after, Event::Break { node, flow, half });
            }
        }
    }

    /// The connections between two nodes end at the one, and the other hears of it so much later.
    pub fn half_close(&mut self, a: &str, b: &str, later: Duration) {
        for (node, flow, ..) in self.links.between(a, b) {
            self.break_up(&node, flow, Some(later));
        }
    }

    /// Everybody reaches everybody, and nothing is lost any more.
    pub fn clear_up(&mut self) {
        self.sky = Sky::default();
    }

    /// Ports that the media threads have lent to a node, in use or in its pool.
    pub fn lent(&self, name: &str) -> usize {
        self.sound.lent(name)
    }

    /// Whether a node is up.
    pub fn is_up(&self, name: &str) -> bool {
        self.seats.contains_key(name)
    }

    /// A node's certificate, to start it again with.
    pub fn papers_of(&self, name: &str) -> super::Papers {
        self.seats[name].papers.clone()
    }
}
