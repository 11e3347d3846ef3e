//! Recordings: what was heard and what was said, each in memory and bounded, laid out by the time of its arrival.

use std::collections::VecDeque;
use std::time::Duration;

use sdp::Codec;

use crate::{g711, wav};

/// Ten minutes; what is older makes room.
const MOST: usize = 10 * 60 * 8000;
/// A source's own clock places its packets; beyond this difference from their arrival it is set anew: 200 ms.
const MOST_DRIFT: u64 = 1600;

pub(super) struct Recorder {
    pub(super) heard: Track,
    pub(super) said: Track,
}

impl Recorder {
    /// Both begin now, so that they can be laid side by side.
    pub(super) fn new(heard: String, said: String, now: Duration) -> Recorder {
        Recorder { heard: Track::new(heard, now), said: Track::new(said, now) }
    }
}

/// One direction, kept as µ-law.
pub(super) struct Track {
    path: String,
    begun: Duration,
    codes: VecDeque<u8>,
    /// Samples that were dropped at the front.
    dropped: u64,
    anchor: Option<Anchor>,
}

struct Anchor {
    ssrc: u32,
    timestamp: u32,
    sample: u64,
}

impl Track {
    pub(super) fn new(path: String, begun: Duration) -> Track {
        Track { path, begun, codes: VecDeque::new(), dropped: 0, anchor: None }
    }

    /// Lays a payload where its timestamp says, relative to the first packet of its source.
    pub(super) fn take(&mut self, codec: Codec, ssrc: u32, timestamp: u32, payload: &[u8], now: Duration) {
        let arrived = self.sample(now);
        let placed = self.anchor.as_ref().filter(|anchor| anchor.ssrc == ssrc).and_then(|anchor| {
            let step = i64::from(timestamp.wrapping_sub(anchor.timestamp) as i32);
            anchor.sample.checked_add_signed(step)
        });
        let sample = match placed {
            Some(sample) if sample.abs_diff(arrived) <= MOST_DRIFT => sample,
            _ => arrived,
        };
        self.anchor = Some(Anchor { ssrc, timestamp, sample });
        self.lay(sample, codec, payload);
    }

    /// The file, silent up to `now`.
    pub(super) fn finish(mut self, now: Duration) -> (String, Vec<u8>) {
        self.reach(self.sample(now));
        let wav = wav::write(self.codes.iter().map(|code| g711::decode(Codec::Pcmu, *code)));
        (self.path, wav)
    }

    /// Appends the oldest samples up to this one, silent where nothing came, and forgets them.
    pub(super) fn hand_out(&mut self, upto: u64, out: &mut Vec<u8>) {
        self.reach(upto);
        let count = usize::try_from(upto.saturating_sub(self.dropped)).unwrap_or(usize::MAX).min(self.codes.len());
        out.extend(self.codes.drain(..count));
        self.dropped += count as u64;
    }

    fn sample(&self, now: Duration) -> u64 {
        (now.saturating_sub(self.begun).as_micros() / 125) as u64
    }

    fn lay(&mut self, sample: u64, codec: Codec, payload: &[u8]) {
        self.reach(sample + payload.len() as u64);
        for (at, code) in (sample..).zip(payload) {
            let slot = at.checked_sub(self.dropped).and_then(|at| self.codes.get_mut(usize::try_from(at).ok()?));
            if let Some(slot) = slot {
                *slot = *code;
                g711::translate(codec, Codec::Pcmu, std::slice::from_mut(slot));
            }
        }
    }

    /// Silence up to a sample, and the oldest away beyond the bound.
    fn reach(&mut self, end: u64) {
        let len = self.codes.len() as u64;
        let missing = end.saturating_sub(self.dropped + len);
        if missing > MOST as u64 {
            self.dropped += len + missing - MOST as u64;
            self.codes.clear();
            self.codes.resize(MOST, g711::silence(Codec::Pcmu));
            return;
        }
        self.codes.resize(self.codes.len() + missing as usize, g711::silence(Codec::Pcmu));
        let over = self.codes.len().saturating_sub(MOST);
        self.codes.drain(..over);
        self.dropped += over as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn samples(track: Track, now: Duration) -> Vec<i16> {
        wav::read(&track.finish(now).1).unwrap()
    }

    #[test]
    fn packets_lie_by_their_timestamps_and_gaps_are_silent() {
        let mut track = Track::new("x".into(), ms(1000));
        let loud = [0x80u8; 160];
        track.take(Codec::Pcmu, 1, 5000, &loud, ms(1100));
        track.take(Codec::Pcmu, 1, 5000 + 480, &loud, ms(1171)); // 11 ms late
        track.take(Codec::Pcmu, 1, 5000 + 320, &loud, ms(1172)); // out of order
        let heard = samples(track, ms(1300));
        assert_eq!(heard.len(), 2400);
        let loud: Vec<usize> = (0..2400).filter(|n| heard[*n] != 0).collect();
        let expected: Vec<usize> = (800..960).chain(1120..1440).collect();
        assert_eq!(loud, expected);
    }

    #[test]
    fn another_source_lies_where_it_arrives_whatever_its_clock() {
        let mut track = Track::new("x".into(), ms(0));
        track.take(Codec::Pcma, 1, 0, &[0xaa; 160], ms(0));
        track.take(Codec::Pcma, 2, 0xffff_0000, &[0xaa; 160], ms(40));
        track.take(Codec::Pcma, 2, 0x1000, &[0xaa; 160], ms(60));
        let heard = samples(track, ms(80));
        assert!(heard[..160].iter().all(|s| *s != 0) && heard[160..320].iter().all(|s| *s == 0));
        assert!(heard[320..640].iter().all(|s| *s > 32_000));
    }

    #[test]
    fn memory_is_bounded_and_the_end_is_kept() {
        let mut track = Track::new("x".into(), ms(0));
        for n in 0..1500u64 {
            track.take(Codec::Pcmu, 1, (n * 8000) as u32, &[0x80; 160], ms(n * 1000));
        }
        track.take(Codec::Pcmu, 1, 0, &[0x80; 160], ms(100_000_000));
        assert_eq!(track.codes.len(), MOST);
        assert!(samples(track, ms(100_000_020)).iter().rev().take(160).all(|s| *s != 0));
    }
}
