//! What the receiver of one of our streams sees: one SSRC, one run of sequence numbers and one clock (RFC 3550 §5.1),
//! whoever speaks in it: a prompt, digits, or the party that is relayed.

use std::time::Duration;

/// Where in the stream the next packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    /// The first packet of another speaker: receivers may re-align their buffers.
    pub(super) begins: bool,
}

/// The run of one outgoing stream.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) ssrc: u32,
    pub(super) packets: u32,
    pub(super) octets: u32,
    sequence: u16,
    timestamp: u32,
    /// When `timestamp` was current.
    at: Duration,
    speaker: Speaker,
    /// The relayed source that spoke before: its stragglers are dropped until then.
    retired: Option<(u32, Duration)>,
}

#[derive(Clone, Copy, Debug)]
enum Speaker {
    Nobody,
    /// Ourselves: the clock counts from here.
    Own {
        timestamp: u32,
        at: Duration,
    },
    Relayed(Relayed),
}

#[derive(Clone, Copy, Debug)]
struct Relayed {
    ssrc: u32,
    highest: u16,
    /// How far behind `highest` still belongs to this run.
    behind: u16,
    sequence_shift: u16,
    timestamp_shift: u32,
}

/// A gap or step back beyond these is a new run (RFC 3550 appendix A.1), not loss or reordering.
const MOST_GAP: u16 = 3000;
const MOST_BEHIND: u16 = 100;
const STRAGGLERS: Duration = Duration::from_secs(2);
/// 20 ms: what a packet is taken to have carried when another speaker begins right behind it.
const FRAME: u32 = 160;

impl Outgoing {
    /// Sequence number and timestamp begin at random; the upper bit of the sequence number is left free, so that the
    /// first rollover is far (RFC 3711 §3.3.1 wants no loss around it).
    pub(super) fn new(ssrc: u32, random: u64, now: Duration) -> Outgoing {
        Outgoing {
            ssrc,
            packets: 0,
            octets: 0,
            sequence: random as u16 & 0x7fff,
            timestamp: (random >> 32) as u32,
            at: now,
            speaker: Speaker::Nobody,
            retired: None,
        }
    }

    /// The place of a packet of ours that is due at `at`.
    pub(super) fn own(&mut self, at: Duration) -> Place {
        let (timestamp, begins) = match self.speaker {
            Speaker::Own { timestamp, at: since } => (timestamp.wrapping_add(samples(at, since)), false),
            Speaker::Nobody | Speaker::Relayed(_) => {
                let timestamp = self.next_timestamp(at);
                self.speaker = Speaker::Own { timestamp, at };
                (timestamp, true)
            }
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.note(timestamp, at);
        Place { sequence: self.sequence, timestamp, begins }
    }

    /// The place of a packet of another stream; none for a straggler that has no place any more.
    pub(super) fn relayed(&mut self, ssrc: u32, sequence: u16, timestamp: u32, now: Duration) -> Option<Place> {
        self.retired.take_if(|(_, until)| *until <= now);
        if self.retired.is_some_and(|(retired, _)| retired == ssrc) {
            return None;
        }
        if let Speaker::Relayed(run) = &mut self.speaker
            && run.ssrc == ssrc
        {
            let (ahead, back) = (sequence.wrapping_sub(run.highest), run.highest.wrapping_sub(sequence));
            if back <= MOST_BEHIND {
                let place = Place {
                    sequence: sequence.wrapping_add(run.sequence_shift),
                    timestamp: timestamp.wrapping_add(run.timestamp_shift),
                    begins: false,
                };
                return (back <= run.behind).then_some(place);
            }
            if ahead <= MOST_GAP {
                run.highest = sequence;
                run.behind = run.behind.saturating_add(ahead).min(MOST_BEHIND);
                self.sequence = sequence.wrapping_add(run.sequence_shift);
                let timestamp = timestamp.wrapping_add(run.timestamp_shift);
                let place = Place { sequence: self.sequence, timestamp, begins: false };
                self.note(timestamp, now);
                return Some(place);
            }
        }
        let begin = self.next_timestamp(now);
        self.retire_unless(ssrc, now);
        self.sequence = self.sequence.wrapping_add(1);
        self.speaker = Speaker::Relayed(Relayed {
            ssrc,
            highest: sequence,
            behind: 0,
            sequence_shift: self.sequence.wrapping_sub(sequence),
            timestamp_shift: begin.wrapping_sub(timestamp),
        });
        self.note(begin, now);
        Some(Place { sequence: self.sequence, timestamp: begin, begins: true })
    }

    /// Another party is bridged: whoever spoke before may speak again.
    pub(super) fn forgive(&mut self) {
        self.retired = None;
    }

    /// Goes on under another SSRC, for a fresh key.
    pub(super) fn fresh(&mut self, ssrc: u32, random: u64, now: Duration) {
        *self = Outgoing::new(ssrc, random, now);
    }

    pub(super) fn count(&mut self, octets: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
    }

    /// The stream's clock at `now`, for sender reports.
    pub(super) fn clock(&self, now: Duration) -> u32 {
        self.timestamp.wrapping_add(samples(now, self.at))
    }

    /// Where another speaker's clock begins: after what was sent, by the time that passed.
    fn next_timestamp(&self, at: Duration) -> u32 {
        match self.speaker {
            Speaker::Nobody => self.timestamp.wrapping_add(samples(at, self.at)),
            _ => self.timestamp.wrapping_add(samples(at, self.at).max(FRAME)),
        }
    }

    fn note(&mut self, timestamp: u32, at: Duration) {
        // Event packets repeat their timestamp while time goes on.
        if timestamp != self.timestamp {
            (self.timestamp, self.at) = (timestamp, at);
        }
    }

    fn retire_unless(&mut self, ssrc: u32, now: Duration) {
        if let Speaker::Relayed(run) = self.speaker
            && run.ssrc != ssrc
        {
            self.retired = Some((run.ssrc, now + STRAGGLERS));
        }
    }
}

/// Samples of 8 kHz between two times.
fn samples(later: Duration, earlier: Duration) -> u32 {
    (later.saturating_sub(earlier).as_micros() / 125) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn one_run_across_prompt_and_two_parties() {
        let mut out = Outgoing::new(1, 0x0000_1000_0000_0064, ms(0));
        let first = out.own(ms(0));
        assert_eq!(first, Place { sequence: 101, timestamp: 0x1000, begins: true });
        assert_eq!(out.own(ms(20)), Place { sequence: 102, timestamp: 0x1000 + 160, begins: false });
        let a = out.relayed(7, 60_000, 5, ms(50)).unwrap();
        assert_eq!(a, Place { sequence: 103, timestamp: 0x1000 + 400, begins: true });
        let a = out.relayed(7, 60_002, 325, ms(90)).unwrap();
        assert_eq!(a, Place { sequence: 105, timestamp: 0x1000 + 720, begins: false });
        let late = out.relayed(7, 60_001, 165, ms(91)).unwrap();
        assert_eq!((late.sequence, late.timestamp), (104, 0x1000 + 560));
        assert_eq!(out.relayed(7, 59_999, 0, ms(92)), None, "from before this run");
        let b = out.relayed(8, 1, 90_000, ms(110)).unwrap();
        assert_eq!(b, Place { sequence: 106, timestamp: 0x1000 + 880, begins: true });
        assert_eq!(out.relayed(7, 60_003, 485, ms(111)), None, "a straggler of the party before");
        assert!(out.relayed(7, 60_500, 0, ms(3000)).unwrap().begins);
    }

    #[test]
    fn a_jump_of_the_source_does_not_show() {
        let mut out = Outgoing::new(1, 10, ms(0));
        out.relayed(7, 100, 0, ms(0)).unwrap();
        let jumped = out.relayed(7, 40_000, 0, ms(20)).unwrap();
        assert_eq!((jumped.sequence, jumped.begins), (12, true));
        let wrapped = (0..70_000u32).map(|n| out.relayed(7, (40_001 + n) as u16, n * 160, ms(40)).unwrap());
        assert_eq!(wrapped.filter(|place| place.begins).count(), 0);
    }
}
