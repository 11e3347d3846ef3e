//! RTP clocks of streams. Inside, the engine counts 8,000 ticks a second whatever a stream counts, so that what comes on one
//! clock goes out on another; at the edge of a stream of Opus six of its ticks are one of ours (RFC 7587 §4.1).

use sdp::Codec;

use crate::dtmf;

/// Ours.
const RATE: u32 = 8000;

/// One stream's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// Ticks of the stream that are one of ours.
    ticks: u32,
    /// A moment on the stream's clock, and on ours.
    there: u32,
    here: u32,
}

impl Clock {
    pub(super) fn of(codec: Codec) -> Clock {
        Clock { ticks: codec.clock_rate() / RATE, there: 0, here: 0 }
    }

    /// Of the codec that is spoken from now on; the same clock goes on.
    pub(super) fn follow(&mut self, codec: Codec) {
        let next = Clock::of(codec);
        if next.ticks != self.ticks {
            *self = next;
        }
    }

    /// A timestamp of the peer's on our clock: by the step since the one before, since a sixth of a counter that wraps does
    /// not wrap.
    pub(super) fn inward(&mut self, timestamp: u32) -> u32 {
        if self.ticks == 1 {
            return timestamp;
        }
        let step = (timestamp.wrapping_sub(self.there) as i32).div_euclid(self.ticks as i32);
        self.there = self.there.wrapping_add(self.outward(step as u32));
        self.here = self.here.wrapping_add(step as u32);
        self.here
    }

    /// Ticks of ours as the stream's: what wraps here wraps there.
    pub(super) fn outward(self, ticks: u32) -> u32 {
        ticks.wrapping_mul(self.ticks)
    }

    /// The duration of an event that came, on our clock.
    pub(super) fn event_inward(self, octets: &mut [u8]) {
        self.event(octets, |duration| duration / self.ticks);
    }

    /// Of one that goes; what is longer than the field holds, 1.4 s of Opus' clock, stays at its end.
    pub(super) fn event_outward(self, octets: &mut [u8]) {
        self.event(octets, |duration| duration * self.ticks);
    }

    fn event(self, octets: &mut [u8], duration: impl Fn(u32) -> u32) {
        if let (Some(payload), Some(room)) = (dtmf::Payload::parse(octets), octets.first_chunk_mut::<4>()) {
            let duration = u16::try_from(duration(payload.duration.into())).unwrap_or(u16::MAX);
            *room = dtmf::Payload { duration, ..payload }.octets();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_of_opus_steps_evenly_over_its_wrap_and_ours_and_back() {
        let mut clock = Clock::of(Codec::Opus);
        let first = clock.inward(0xffff_ff00);
        for n in 1..200_000u32 {
            let here = clock.inward(0xffff_ff00u32.wrapping_add(n.wrapping_mul(960 * 25)));
            assert_eq!(here, first.wrapping_add(n.wrapping_mul(160 * 25)), "{n}");
        }
        let late = clock.inward(0xffff_ff00u32.wrapping_add((199_998u32).wrapping_mul(960 * 25)));
        assert_eq!(late, first.wrapping_add(199_998u32.wrapping_mul(160 * 25)), "behind its time");
        assert_eq!(clock.outward(u32::MAX).wrapping_add(6), clock.outward(0));
    }

    #[test]
    fn g711_is_on_our_clock() {
        let mut clock = Clock::of(Codec::G722);
        assert_eq!((clock.inward(7), clock.outward(7)), (7, 7));
        clock.follow(Codec::Opus);
        assert_eq!(clock.outward(7), 42);
    }

    #[test]
    fn events_are_as_long_on_either_clock() {
        let (clock, mut octets) = (Clock::of(Codec::Opus), [5, 0x8a, 0x03, 0x20]);
        clock.event_outward(&mut octets);
        assert_eq!(octets, [5, 0x8a, 0x12, 0xc0], "800 ticks are 4,800");
        clock.event_inward(&mut octets);
        assert_eq!(octets, [5, 0x8a, 0x03, 0x20]);
        let mut long = [5, 0x0a, 0x80, 0x00];
        clock.event_outward(&mut long);
        assert_eq!(long, [5, 0x0a, 0xff, 0xff]);
        clock.event_outward(&mut [1, 2]);
    }
}
