//! A buffer that turns packets as they come into sound as it was said: late by as much as this line needs and no more,
//! with nothing but concealment where a packet never came.
//!
//! Samples lie in a ring by their timestamps. Ten milliseconds more or less of delay are made where it is quiet, or where
//! something is missing anyway; only a buffer that is far off is moved in the middle of a word.

use std::time::Duration;

use sdp::Codec;

use super::conceal::Concealer;
use crate::g711;

/// Samples of a frame: 20 ms.
pub const FRAME: usize = 160;
/// A second.
const RING: usize = 8192;
/// Bins of lateness: 5 ms each, 400 ms in all.
const BIN: i64 = 40;
const BINS: usize = 80;
/// So many of a thousand packets are waited for.
const IN_TIME: f32 = 0.985;
/// Packets that are remembered: about five seconds.
const REMEMBERED: u32 = 256;
/// Steps in which the delay is changed: 10 ms.
const STEP: i64 = 80;
/// So far off the delay is changed at once.
const FAR: i64 = 480;
/// Late ones in a row, after which it is the buffer that is wrong.
const MOST_LATE: u32 = 8;
/// Mean square below which a frame is quiet.
const QUIET: f32 = 250.0 * 250.0;

/// One sender's.
pub struct JitterBuffer {
    ring: Box<[i16; RING]>,
    /// A bit a sample: it came.
    came: Box<[u64; RING / 64]>,
    source: Option<Source>,
    concealer: Concealer,
    /// How late packets are, compared with the earliest: parts of one.
    lateness: [f32; BINS],
    /// Packets that this is known from, and one for what is supposed at first.
    learnt: u32,
    /// Samples made up behind the newest that came: whether that was its end is known once more comes.
    pending: u64,
    counts: Counts,
}

/// What came of a sender's packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Samples that came and were heard.
    pub heard: u64,
    /// Samples that were made up in the middle of what was said.
    pub concealed: u64,
    /// Packets that came after their time.
    pub late: u64,
}

/// A sender's clock and where we are on it. Positions are samples since its first packet.
#[derive(Clone, Copy)]
struct Source {
    ssrc: u32,
    first: u32,
    /// Behind the newest sample that came.
    newest: i64,
    /// The next to be heard; `None` until it is time for the first.
    next: Option<i64>,
    /// Arrival minus position of the quickest packet, slowly forgotten.
    quickest: i64,
    late_in_a_row: u32,
}

impl Default for JitterBuffer {
    fn default() -> JitterBuffer {
        let mut lateness = [0.0; BINS];
        // A line that nobody knows yet: 20 ms.
        lateness[4] = 1.0;
        JitterBuffer {
            ring: Box::new([0; RING]),
            came: Box::new([0; RING / 64]),
            source: None,
            concealer: Concealer::default(),
            lateness,
            learnt: 1,
            pending: 0,
            counts: Counts::default(),
        }
    }
}

impl JitterBuffer {
    /// A packet's payload as it came.
    pub fn take(&mut self, codec: Codec, ssrc: u32, timestamp: u32, payload: &[u8], now: Duration) {
        if payload.is_empty() || payload.len() > RING / 4 {
            return;
        }
        let (arrived, len) = (samples(now), payload.len() as i64);
        let known = self.source.filter(|source| source.ssrc == ssrc);
        let mut source = known.unwrap_or_else(|| self.begin(ssrc, timestamp, arrived));
        let mut at = i64::from(timestamp.wrapping_sub(source.first) as i32);
        let mut is_late = source.next.is_some_and(|next| at + len <= next);
        // Far away, or one after the other too late: its clock was set, or the way has become longer.
        let is_far = (at - source.next.unwrap_or(source.newest)).abs() > RING as i64 / 2;
        if is_far || (is_late && source.late_in_a_row >= MOST_LATE) {
            source = self.begin(ssrc, timestamp, arrived);
            (at, is_late) = (0, false);
        }
        self.learn(&mut source, at, arrived);
        if is_late {
            source.late_in_a_row += 1;
            self.counts.late += 1;
        } else {
            source.late_in_a_row = 0;
            let from = source.next.unwrap_or(i64::MIN);
            for (at, code) in (at..).zip(payload).filter(|(at, _)| *at >= from) {
                self.put(at, g711::decode(codec, *code));
            }
            if at + len > source.newest {
                source.newest = at + len;
                self.counts.concealed += std::mem::take(&mut self.pending);
            }
        }
        self.source = Some(source);
    }

    /// The next 20 ms, silent before anybody speaks; false: nobody does, or not for some time. Call it every 20 ms.
    pub fn next(&mut self, now: Duration, frame: &mut [i16; FRAME]) -> bool {
        let Some(mut source) = self.source else {
            frame.fill(0);
            return false;
        };
        // What should be heard now: what even a slow packet has brought by now.
        let target = samples(now) - source.quickest - self.delay_samples();
        let Some(next) = source.next.or((target >= 0).then_some(0)) else {
            frame.fill(0);
            return false;
        };
        let missing = self.play(next, frame);
        self.counts.heard += (FRAME - missing) as u64;
        let beyond = (next + FRAME as i64 - source.newest).clamp(0, FRAME as i64);
        let beyond = beyond.min(missing as i64) as u64;
        self.counts.concealed += missing as u64 - beyond;
        self.pending += beyond;
        let is_quiet = missing > 0 || power(frame) < QUIET;
        let step = match target - next {
            over if over >= STEP && (is_quiet || over > FAR) => STEP,
            over if over <= -STEP && (is_quiet || over < -FAR) => -STEP,
            _ => 0,
        };
        let after = next + FRAME as i64;
        // A step back is a pitch period more, made as one that is missing.
        self.forget(after, step);
        source.next = Some(after + step);
        let silent = next - source.newest;
        self.source = (silent < RING as i64 / 2).then_some(source);
        silent < 2 * FRAME as i64
    }

    /// How long sound waits here, as this line needs it.
    pub fn delay(&self) -> Duration {
        Duration::from_micros(self.delay_samples() as u64 * 125)
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A sender, or one that begins anew.
    fn begin(&mut self, ssrc: u32, timestamp: u32, arrived: i64) -> Source {
        self.came.fill(0);
        self.pending = 0;
        Source { ssrc, first: timestamp, newest: 0, next: None, quickest: arrived, late_in_a_row: 0 }
    }

    /// A packet's lateness joins those before it.
    fn learn(&mut self, source: &mut Source, at: i64, arrived: i64) {
        let way = arrived - at;
        // Clocks drift: the quickest is forgotten by a sample every 16 packets.
        if at % 2560 < FRAME as i64 {
            source.quickest += 1;
        }
        source.quickest = source.quickest.min(way);
        let bin = ((way - source.quickest) / BIN).clamp(0, BINS as i64 - 1) as usize;
        self.learnt = (self.learnt + 1).min(REMEMBERED);
        let weight = 1.0 / self.learnt as f32;
        for part in &mut self.lateness {
            *part *= 1.0 - weight;
        }
        self.lateness[bin] += weight;
    }

    /// Lateness that all but the slowest packets keep, and a frame.
    fn delay_samples(&self) -> i64 {
        let mut sum = 0.0;
        let bin = self.lateness.iter().position(|part| {
            sum += part;
            sum >= IN_TIME
        });
        (bin.unwrap_or(BINS - 1) as i64 + 1) * BIN + FRAME as i64
    }

    fn put(&mut self, at: i64, sample: i16) {
        let slot = at.rem_euclid(RING as i64) as usize;
        self.ring[slot] = sample;
        self.came[slot / 64] |= 1 << (slot % 64);
    }

    /// Takes a sample out; none if it never came.
    fn pick(&mut self, at: i64) -> Option<i16> {
        let slot = at.rem_euclid(RING as i64) as usize;
        let bit = 1 << (slot % 64);
        let came = self.came[slot / 64] & bit != 0;
        self.came[slot / 64] &= !bit;
        came.then(|| self.ring[slot])
    }

    fn forget(&mut self, from: i64, count: i64) {
        for at in from..from + count {
            self.pick(at);
        }
    }

    /// Fills a frame from this position; how many samples were missing.
    fn play(&mut self, from: i64, frame: &mut [i16; FRAME]) -> usize {
        let mut there = [false; FRAME];
        for ((at, sample), there) in (from..).zip(frame.iter_mut()).zip(&mut there) {
            if let Some(came) = self.pick(at) {
                (*sample, *there) = (came, true);
            }
        }
        let mut rest: &mut [i16] = frame;
        for run in there.chunk_by(|a, b| a == b) {
            let (now, later) = rest.split_at_mut(run.len());
            match run.first() {
                Some(true) => self.concealer.good(now),
                _ => self.concealer.lost(now),
            }
            rest = later;
        }
        there.iter().filter(|there| !**there).count()
    }
}

fn samples(time: Duration) -> i64 {
    (time.as_micros() / 125) as i64
}

/// Mean square.
pub(super) fn power(samples: &[i16]) -> f32 {
    samples.iter().map(|sample| f32::from(*sample).powi(2)).sum::<f32>() / samples.len().max(1) as f32
}
