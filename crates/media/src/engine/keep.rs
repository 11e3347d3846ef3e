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
use crate::speech::Speech;

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
    /// When somebody was heard to speak last.
    spoken: Option<Duration>,
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
            spoken: None,
            memory: Zeroizing::default(),
            keep,
        }
    }

    /// A packet of the caller's: is it speech?
    pub(super) fn listen(&mut self, codec: Codec, payload: &[u8], now: Duration) {
        if payload.is_empty() {
            return;
        }
        let sum: f32 = payload.iter().map(|code| f32::from(g711::decode(codec, *code)).powi(2)).sum();
        if self.speech.take(sum / payload.len() as f32) {
            self.spoken = Some(now);
        }
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
        let why = if self.keep.patience.is_some() && self.spoken.is_none() { KeptEnd::Nothing } else { why };
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
        let silent = match self.spoken {
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
