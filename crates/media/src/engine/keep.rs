//! Recordings that are kept sealed: handed out a chunk at a time, so that no more than the last second is ever only in
//! memory, and ended by what the order says: a length, silence after speech, nobody speaking at all.

use std::collections::VecDeque;
use std::time::Duration;

use sdp::Codec;
use zeroize::Zeroizing;

use super::record::Track;
use crate::command::{Event, Keep, KeptEnd, LeaseId};
use crate::g711;
use crate::sealed::MOST_SAMPLES;

/// How often a chunk is handed out.
const STEP: Duration = Duration::from_millis(500);
/// What is younger stays, for packets that come late or out of order.
const SETTLING: Duration = Duration::from_millis(250);

/// One under way.
pub(super) struct Keeping {
    keep: Keep,
    begun: Duration,
    pub(super) heard: Track,
    pub(super) said: Option<Track>,
    /// Samples that were handed out.
    handed: u64,
    next: Duration,
    speech: Speech,
    /// What was heard, for those that may be played on the call.
    memory: Zeroizing<Vec<u8>>,
}

/// One that ended: what it is called, and its µ-law where it may be played.
pub(super) struct Ended {
    pub(super) id: u64,
    pub(super) codes: Option<Zeroizing<Vec<u8>>>,
}

impl Keeping {
    pub(super) fn new(keep: Keep, now: Duration) -> Keeping {
        Keeping {
            begun: now,
            heard: Track::new(String::new(), now),
            said: keep.both.then(|| Track::new(String::new(), now)),
            handed: 0,
            next: now + STEP,
            speech: Speech::default(),
            memory: Zeroizing::default(),
            keep,
        }
    }

    /// A packet of the caller's: is it speech?
    pub(super) fn listen(&mut self, codec: Codec, payload: &[u8], now: Duration) {
        self.speech.take(codec, payload, now);
    }

    pub(super) fn due(&self) -> Duration {
        self.end().map_or(self.next, |(at, _)| at.min(self.next))
    }

    /// Hands out what is due; whether it ended by itself.
    pub(super) fn tick(&mut self, lease: LeaseId, now: Duration, events: &mut VecDeque<Event>) -> Option<KeptEnd> {
        if let Some((at, why)) = self.end()
            && at <= now
        {
            return Some(why);
        }
        if self.next <= now {
            self.next = now + STEP;
            self.hand_out(lease, sample(now.saturating_sub(self.begun + SETTLING)), events);
        }
        None
    }

    /// The rest of it, and the news.
    pub(super) fn finish(mut self, lease: LeaseId, why: KeptEnd, now: Duration, events: &mut VecDeque<Event>) -> Ended {
        // Where speech is waited for, what holds none is nothing.
        let why = if self.keep.patience.is_some() && self.speech.last.is_none() { KeptEnd::Nothing } else { why };
        let took = now.saturating_sub(self.begun).min(self.keep.longest.unwrap_or(Duration::MAX));
        self.hand_out(lease, sample(took), events);
        events.push_back(Event::Chunk { lease, id: self.keep.id, codes: Vec::new(), last: true });
        events.push_back(Event::Kept { lease, id: self.keep.id, end: why, duration_ms: self.handed / 8 });
        let playable = self.keep.playable && why != KeptEnd::Nothing;
        Ended { id: self.keep.id, codes: playable.then_some(self.memory) }
    }

    /// When it ends by itself if nothing more is heard, and why.
    fn end(&self) -> Option<(Duration, KeptEnd)> {
        let longest = self.keep.longest.map(|longest| (self.begun + longest, KeptEnd::Longest));
        let silent = match self.speech.last {
            Some(last) => self.keep.final_silence.map(|silence| (last + silence, KeptEnd::Silence)),
            None => self.keep.patience.map(|patience| (self.begun + patience, KeptEnd::Nothing)),
        };
        longest.into_iter().chain(silent).min_by_key(|(at, _)| *at)
    }

    fn hand_out(&mut self, lease: LeaseId, upto: u64, events: &mut VecDeque<Event>) {
        while self.handed < upto {
            let until = upto.min(self.handed + MOST_SAMPLES as u64);
            let mut codes = Vec::with_capacity(2 * MOST_SAMPLES);
            self.heard.hand_out(until, &mut codes);
            if self.keep.playable {
                self.memory.extend(&codes);
            }
            if let Some(said) = &mut self.said {
                said.hand_out(until, &mut codes);
            }
            self.handed = until;
            events.push_back(Event::Chunk { lease, id: self.keep.id, codes, last: false });
        }
    }
}

fn sample(time: Duration) -> u64 {
    (time.as_micros() / 125) as u64
}

/// Whether somebody speaks: packets louder than the room, three in a row so that a click is none.
#[derive(Default)]
struct Speech {
    /// Mean square of the room; follows down at once, up slowly.
    floor: f32,
    loud: u8,
    /// When it was heard last.
    last: Option<Duration>,
}

/// Mean square below which nothing is speech: 46 dB below the loudest.
const FAINT: f32 = 160.0 * 160.0;
/// Above the room by 9.5 dB.
const ABOVE: f32 = 9.0;
const IN_A_ROW: u8 = 3;
/// A packet's part in the floor on the way up.
const RISE: f32 = 1.0 / 128.0;

impl Speech {
    fn take(&mut self, codec: Codec, payload: &[u8], now: Duration) {
        if payload.is_empty() {
            return;
        }
        let sum: f32 = payload.iter().map(|code| f32::from(g711::decode(codec, *code)).powi(2)).sum();
        let power = sum / payload.len() as f32;
        let is_loud = power > FAINT.max(self.floor * ABOVE);
        if power < self.floor {
            self.floor = power;
        } else if !is_loud {
            self.floor += (power - self.floor) * RISE;
        }
        self.loud = if is_loud { (self.loud + 1).min(IN_A_ROW) } else { 0 };
        if self.loud == IN_A_ROW {
            self.last = Some(now);
        }
    }
}
