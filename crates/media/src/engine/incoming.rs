//! Statistics of the stream received (RFC 3550 §6.4.1, appendices A.1, A.3, A.8).

use std::time::Duration;

use super::xr::{Bursts, Summary};

/// What arrived, over all sources of the stream; the current source apart, for reports about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Incoming {
    current: Option<Source>,
    /// Lost of sources before the current one.
    lost_before: u64,
    reordered: u64,
    bursts: Bursts,
}

#[derive(Clone, Debug)]
struct Source {
    ssrc: u32,
    first: u64,
    /// Extended by the number of wraps.
    highest: u64,
    received: u64,
    /// Of the last report: expected, received.
    reported: (u64, u64),
    transit: Option<i64>,
    /// In timestamp units, times 16.
    jitter: u64,
}

/// A report block's figures (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) ssrc: u32,
    pub(super) fraction_lost: u8,
    pub(super) lost: u32,
    pub(super) highest: u32,
    pub(super) jitter: u32,
}

const MOST_GAP: u16 = 3000;
const MOST_BEHIND: u16 = 100;
/// Counting begins one wrap above zero: room for a packet that comes late before the first.
const FIRST_WRAP: u64 = 1 << 16;

impl Incoming {
    /// Counts an authentic packet. `audio` is false for events, whose timestamps stand still.
    pub(super) fn take(&mut self, ssrc: u32, sequence: u16, timestamp: u32, audio: bool, now: Duration) {
        match &mut self.current {
            Some(source) if source.ssrc == ssrc => {
                let ahead = sequence.wrapping_sub(source.highest as u16);
                let back = (source.highest as u16).wrapping_sub(sequence);
                if (1..=MOST_GAP).contains(&ahead) {
                    source.highest += u64::from(ahead);
                    self.bursts.came(ahead - 1);
                } else if back <= MOST_BEHIND {
                    self.reordered += 1;
                    self.bursts.late();
                    // Late before the very first: the stream began earlier than thought.
                    source.first = source.first.min(source.highest.saturating_sub(u64::from(back)));
                } else {
                    self.begin(ssrc, sequence);
                }
            }
            _ => self.begin(ssrc, sequence),
        }
        if let Some(source) = &mut self.current {
            source.received += 1;
            if audio {
                source.arrived(timestamp, now);
            }
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.current.as_ref().map_or(0, Source::lost)
    }

    pub(super) fn reordered(&self) -> u64 {
        self.reordered
    }

    pub(super) fn jitter_ms(&self) -> f32 {
        self.current.as_ref().map_or(0.0, |source| source.jitter as f32 / 16.0 / 8.0)
    }

    /// The current source, packets expected of it, and those of them that did not come.
    pub(super) fn so_far(&self) -> Option<(u32, u64, u64)> {
        self.current.as_ref().map(|source| (source.ssrc, source.expected(), source.lost()))
    }

    pub(super) fn bursts(&self) -> Summary {
        self.bursts.summary()
    }

    /// The figures since the last report.
    pub(super) fn report(&mut self) -> Option<Block> {
        let source = self.current.as_mut()?;
        let expected = source.expected();
        let (expected_now, received_now) = (expected - source.reported.0, source.received - source.reported.1);
        source.reported = (expected, source.received);
        let lost_now = expected_now.saturating_sub(received_now);
        Some(Block {
            ssrc: source.ssrc,
            fraction_lost: (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8,
            lost: source.lost().min(0x7f_ffff) as u32,
            highest: (source.highest - FIRST_WRAP) as u32,
            jitter: (source.jitter / 16) as u32,
        })
    }

    fn begin(&mut self, ssrc: u32, sequence: u16) {
        self.lost_before = self.lost();
        self.bursts = Bursts::default();
        let first = FIRST_WRAP | u64::from(sequence);
        let jitter = self.current.as_ref().filter(|source| source.ssrc == ssrc).map_or(0, |source| source.jitter);
        self.current =
            Some(Source { ssrc, first, highest: first, received: 0, reported: (0, 0), transit: None, jitter });
    }
}

impl Source {
    fn expected(&self) -> u64 {
        self.highest - self.first + 1
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    fn arrived(&mut self, timestamp: u32, now: Duration) {
        /// A second: the sender's clock jumped, which is no jitter.
        const JUMP: i64 = 8000;
        let arrival = (now.as_micros() / 125) as u32;
        let transit = i64::from(arrival.wrapping_sub(timestamp) as i32);
        let difference = self.transit.map_or(0, |before| i64::from((transit - before) as i32).abs());
        self.transit = Some(transit);
        if difference < JUMP {
            let jitter = self.jitter as i64 + difference - ((self.jitter as i64 + 8) >> 4);
            self.jitter = jitter.max(0) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn loss_and_order_across_a_wrap() {
        let mut incoming = Incoming::default();
        for sequence in [65_533u16, 65_534, 0, 65_535, 3] {
            incoming.take(1, sequence, 0, false, ms(0));
        }
        assert_eq!((incoming.lost(), incoming.reordered()), (2, 1));
        let block = incoming.report().unwrap();
        assert_eq!((block.lost, block.fraction_lost, block.highest), (2, 73, 1 << 16 | 3));
        assert_eq!(incoming.report().unwrap().fraction_lost, 0);
        incoming.take(2, 9, 0, false, ms(0));
        assert_eq!((incoming.lost(), incoming.report().unwrap().ssrc), (2, 2));
    }

    #[test]
    fn jitter_is_zero_on_time_and_not_otherwise() {
        let mut even = Incoming::default();
        let mut uneven = Incoming::default();
        for n in 0..500u64 {
            even.take(1, n as u16, (n * 160) as u32, true, ms(n * 20));
            uneven.take(1, n as u16, (n * 160) as u32, true, ms(n * 20 + (n % 2) * 10));
        }
        assert_eq!(even.jitter_ms(), 0.0);
        assert!((8.0..=10.0).contains(&uneven.jitter_ms()), "{}", uneven.jitter_ms());
    }

    #[test]
    fn a_clock_that_jumps_is_no_jitter() {
        let mut incoming = Incoming::default();
        incoming.take(1, 1, 0, true, ms(0));
        incoming.take(1, 2, 0x8000_0000, true, ms(20));
        assert_eq!(incoming.jitter_ms(), 0.0);
    }
}
