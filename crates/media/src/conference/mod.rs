//! A conference of 3 to 64 parties: each hears the others and not itself, and who hears whom is data, so that listening in,
//! whispering and barging in are no special cases.
//!
//! Every 20 ms each party's sound comes out of its [`JitterBuffer`]; the loudest are heard. Whoever hears the same voices
//! gets the same frame: it is mixed once and encoded once for each law. Work a tick is bounded by the voices that are
//! heard, not by who is there, and nothing is allocated after a party has joined.

mod conceal;
mod jitter;

use std::time::Duration;

use sdp::Codec;
use serde::{Deserialize, Serialize};

pub use self::jitter::{Counts, FRAME, JitterBuffer};
use crate::g711;

/// Parties of one conference, at most.
pub const MOST_PARTIES: usize = 64;
/// Voices that are heard at once, at most: more are a noise to each other.
pub const MOST_VOICES: u32 = 8;
/// Mean square below which a party says nothing: 50 dB below the loudest sine.
const FAINT: f32 = 70.0 * 70.0;
/// A voice is heard on for so many frames after it was last loud: 400 ms, the ends of words.
const HANG: u8 = 20;

/// A party's place in its conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seat(u8);

/// What a party does there; others are named by their seats, or, from outside, by their leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part<Who = Seat> {
    /// Hears all who speak to all, and is heard by all. Who barges in takes this part.
    Talks,
    /// Hears all who speak to all; nobody hears it.
    Listens,
    /// As one who listens, and this one party hears it: a supervisor's word to an agent.
    Whispers { to: Who },
}

/// One conference.
pub struct Conference {
    /// By seat.
    parties: Vec<Option<Party>>,
    /// Frames of this tick: whom they are for, and in which law.
    mixes: Vec<Mix>,
    counts: Work,
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub ticks: u64,
    pub mixed: u64,
    pub encoded: u64,
}

struct Party {
    part: Part,
    codec: Codec,
    buffer: JitterBuffer,
    frame: [i16; FRAME],
    /// Smoothed mean square.
    power: f32,
    /// Frames that it is heard on for.
    hang: u8,
}

struct Mix {
    voices: u64,
    codec: Codec,
    codes: [u8; FRAME],
}

impl Default for Conference {
    fn default() -> Conference {
        Conference::new()
    }
}

impl Conference {
    pub fn new() -> Conference {
        Conference {
            parties: Vec::with_capacity(MOST_PARTIES),
            mixes: Vec::with_capacity(2 * MOST_PARTIES),
            counts: Work::default(),
        }
    }

    /// Takes a seat. `None`: all are taken.
    pub fn join(&mut self, part: Part, codec: Codec) -> Option<Seat> {
        let free = self.parties.iter().position(Option::is_none).unwrap_or(self.parties.len());
        if free == self.parties.len() {
            if free == MOST_PARTIES {
                return None;
            }
            self.parties.push(None);
        }
        let buffer = JitterBuffer::default();
        *self.parties.get_mut(free)? = Some(Party { part, codec, buffer, frame: [0; FRAME], power: 0.0, hang: 0 });
        // Less than MOST_PARTIES.
        Some(Seat(free as u8))
    }

    /// Another part for a party that is there: a listener that barges in, say.
    pub fn take_part(&mut self, seat: Seat, part: Part) {
        if let Some(party) = self.party(seat) {
            party.part = part;
        }
    }

    /// Another law for a party, both ways: its stream was agreed anew.
    pub fn set_codec(&mut self, seat: Seat, codec: Codec) {
        if let Some(party) = self.party(seat) {
            party.codec = codec;
        }
    }

    /// What is whispered to a seat that is left is heard by nobody, also not by the next who takes it.
    pub fn leave(&mut self, seat: Seat) {
        if let Some(party) = self.parties.get_mut(usize::from(seat.0)) {
            *party = None;
        }
        for party in self.parties.iter_mut().flatten() {
            if party.part == (Part::Whispers { to: seat }) {
                party.part = Part::Listens;
            }
        }
    }

    pub fn parties(&self) -> usize {
        self.parties.iter().flatten().count()
    }

    /// A packet of a party's, as it came.
    pub fn take(&mut self, seat: Seat, ssrc: u32, timestamp: u32, payload: &[u8], now: Duration) {
        if let Some(party) = self.party(seat) {
            party.buffer.take(party.codec, ssrc, timestamp, payload, now);
        }
    }

    /// What came of a party's packets, and how long they wait.
    pub fn line(&self, seat: Seat) -> Option<(Counts, Duration)> {
        let party = self.parties.get(usize::from(seat.0))?.as_ref()?;
        Some((party.buffer.counts(), party.buffer.delay()))
    }

    pub fn work(&self) -> Work {
        self.counts
    }

    /// The next 20 ms for everybody: call it every 20 ms. `send` is given each party's codes in its own law.
    pub fn tick(&mut self, now: Duration, mut send: impl FnMut(Seat, &[u8; FRAME])) {
        self.counts.ticks += 1;
        for party in self.parties.iter_mut().flatten() {
            party.advance(now);
        }
        let voices = self.loudest();
        self.mixes.clear();
        for at in 0..self.parties.len() {
            let Some(party) = &self.parties[at] else { continue };
            // At most MOST_PARTIES.
            let seat = Seat(at as u8);
            let (heard, codec) = (voices & self.audible(seat), party.codec);
            let mix = match self.mixes.iter().position(|mix| (mix.voices, mix.codec) == (heard, codec)) {
                Some(mix) => mix,
                None => self.mix(heard, codec),
            };
            send(seat, &self.mixes[mix].codes);
        }
    }

    fn party(&mut self, seat: Seat) -> Option<&mut Party> {
        self.parties.get_mut(usize::from(seat.0))?.as_mut()
    }

    /// Whom a party can hear, as a bit a seat.
    fn audible(&self, listener: Seat) -> u64 {
        let mut heard = 0;
        for (at, party) in self.parties.iter().enumerate() {
            let speaks = match party.as_ref().map(|party| party.part) {
                Some(Part::Talks) => true,
                Some(Part::Whispers { to }) => to == listener,
                Some(Part::Listens) | None => false,
            };
            heard |= u64::from(speaks) << at;
        }
        heard & !(1 << listener.0)
    }

    /// Who says something; the loudest where they are many.
    fn loudest(&self) -> u64 {
        let mut voices: u64 = 0;
        for (at, party) in self.parties.iter().enumerate() {
            let speaks = party.as_ref().is_some_and(|party| party.hang > 0 && party.part != Part::Listens);
            voices |= u64::from(speaks) << at;
        }
        while voices.count_ones() > MOST_VOICES {
            let power = |at: &usize| self.parties.get(*at).and_then(Option::as_ref).map_or(0.0, |party| party.power);
            let faintest =
                (0..MOST_PARTIES).filter(|at| voices >> at & 1 == 1).min_by(|a, b| power(a).total_cmp(&power(b)));
            voices &= !(1 << faintest.unwrap_or(0));
        }
        voices
    }

    /// Mixes and encodes a frame that nobody has yet; its place among the mixes.
    fn mix(&mut self, voices: u64, codec: Codec) -> usize {
        let mut sum = [0i32; FRAME];
        for (at, party) in self.parties.iter().enumerate() {
            if let (1, Some(party)) = (voices >> at & 1, party) {
                for (sum, sample) in sum.iter_mut().zip(party.frame) {
                    *sum += i32::from(sample);
                }
            }
        }
        // Who speaks alone fits as it is.
        let alone = voices.count_ones() <= 1;
        let codes = sum.map(|sum| g711::encode(codec, if alone { sum as i16 } else { limited(sum) }));
        self.counts.mixed += 1;
        self.counts.encoded += 1;
        self.mixes.push(Mix { voices, codec, codes });
        self.mixes.len() - 1
    }
}

impl Party {
    fn advance(&mut self, now: Duration) {
        let there = self.buffer.next(now, &mut self.frame);
        let power = if there { jitter::power(&self.frame) } else { 0.0 };
        self.power += (power - self.power) / 4.0;
        self.hang = if power > FAINT { HANG } else { self.hang.saturating_sub(1) };
    }
}

/// Loud voices together do not crackle: above three quarters of the range everything is pressed into the last quarter.
fn limited(sum: i32) -> i16 {
    const KNEE: i32 = 24_576;
    const ROOM: i32 = 32_767 - KNEE;
    let over = sum.abs() - KNEE;
    if over <= 0 {
        return sum as i16;
    }
    // ROOM * over / (over + ROOM) is below ROOM.
    let pressed = KNEE + (i64::from(ROOM) * i64::from(over) / i64::from(over + ROOM)) as i32;
    (pressed * sum.signum()) as i16
}
