//! RTCP (RFC 3550 §6): sender and receiver reports with a name, a farewell, metrics of the voice (RFC 3611); and what the
//! peer's say of us.

use std::time::Duration;

use rand_core::RngCore;

use super::clock::Clock;
use super::incoming::{Block, Incoming};
use super::outgoing::Outgoing;
use super::xr::{self, Metrics};

/// Between reports (RFC 3550 §6.2); each is put off or drawn near by up to half.
const INTERVAL_MS: u64 = 5000;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;

/// Reports of one stream, both ways.
#[derive(Clone, Debug)]
pub(super) struct Rtcp {
    /// When the next report is due.
    pub(super) next: Duration,
    /// Persistent for the stream, random, telling nothing (RFC 7022).
    name: u64,
    /// The peer's last sender report: middle of its clock, and when it came.
    heard: Option<(u32, Duration)>,
    rtt: Option<Duration>,
    /// The MOS that the peer's last metrics give to what we send.
    heard_as: Option<f32>,
}

impl Rtcp {
    /// The first report comes after half an interval, so that short calls have one.
    pub(super) fn new(now: Duration, random: &mut impl RngCore) -> Rtcp {
        let mut rtcp = Rtcp { next: now, name: random.next_u64(), heard: None, rtt: None, heard_as: None };
        rtcp.next = now + spread(INTERVAL_MS / 2, random);
        rtcp
    }

    pub(super) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    pub(super) fn rtt_ms(&self) -> Option<f32> {
        self.rtt.map(|rtt| rtt.as_secs_f32() * 1000.0)
    }

    /// What the peer's listener would think of what we send, by its own metrics.
    pub(super) fn heard_as(&self) -> Option<f32> {
        self.heard_as
    }

    /// Forgets what belonged to the party before.
    pub(super) fn retarget(&mut self) {
        (self.heard, self.rtt, self.heard_as) = (None, None, None);
    }

    /// Writes a compound report to `out` and sets the time of the next; the length, or none for want of room.
    pub(super) fn report(
        &mut self,
        out: &mut [u8],
        outgoing: &Outgoing,
        incoming: &mut Incoming,
        (ptime_ms, clock): (u16, Clock),
        now: Duration,
        random: &mut impl RngCore,
    ) -> Option<usize> {
        self.next = now + spread(INTERVAL_MS, random);
        let metrics = self.metrics(incoming, ptime_ms);
        self.compound(out, (outgoing, clock), (incoming.report(), metrics), now, false)
    }

    /// The last compound: a report and BYE.
    pub(super) fn farewell(
        &self,
        out: &mut [u8],
        outgoing: &Outgoing,
        incoming: &mut Incoming,
        (ptime_ms, clock): (u16, Clock),
        now: Duration,
    ) -> Option<usize> {
        let metrics = self.metrics(incoming, ptime_ms);
        self.compound(out, (outgoing, clock), (incoming.report(), metrics), now, true)
    }

    fn metrics(&self, incoming: &Incoming, ptime_ms: u16) -> Option<Metrics> {
        let (ssrc, expected, lost) = incoming.so_far()?;
        let (bursts, jitter_ms) = (incoming.bursts(), incoming.jitter_ms());
        Some(Metrics { ssrc, expected, lost, bursts, rtt: self.rtt, jitter_ms, ptime_ms })
    }

    fn compound(
        &self,
        out: &mut [u8],
        (outgoing, rtp_clock): (&Outgoing, Clock),
        (block, metrics): (Option<Block>, Option<Metrics>),
        now: Duration,
        bye: bool,
    ) -> Option<usize> {
        let mut pen = Pen { out, at: 0 };
        let blocks = u8::from(block.is_some());
        if outgoing.packets > 0 {
            pen.begin(SENDER_REPORT, blocks, 6 + 6 * u16::from(blocks))?;
            pen.word(outgoing.ssrc)?;
            let clock = ntp(now);
            pen.word((clock >> 32) as u32)?;
            pen.word(clock as u32)?;
            pen.word(rtp_clock.outward(outgoing.clock(now)))?;
            pen.word(outgoing.packets)?;
            pen.word(outgoing.octets)?;
        } else {
            pen.begin(RECEIVER_REPORT, blocks, 1 + 6 * u16::from(blocks))?;
            pen.word(outgoing.ssrc)?;
        }
        if let Some(block) = block {
            let (last, delay) = self.heard.map_or((0, 0), |(middle, at)| (middle, units(now.saturating_sub(at))));
            pen.word(block.ssrc)?;
            pen.word(u32::from(block.fraction_lost) << 24 | block.lost)?;
            pen.word(block.highest)?;
            pen.word(rtp_clock.outward(block.jitter))?;
            pen.word(last)?;
            pen.word(delay)?;
        }
        // SSRC, CNAME of 16 characters, end: 4 + 2 + 16 + 2 octets.
        pen.begin(SOURCE_DESCRIPTION, 1, 6)?;
        pen.word(outgoing.ssrc)?;
        pen.octets(&[1, 16])?;
        pen.octets(format!("{:016x}", self.name).as_bytes())?;
        pen.octets(&[0, 0])?;
        if let Some(metrics) = metrics {
            pen.octets(&metrics.octets(outgoing.ssrc))?;
        }
        if bye {
            pen.begin(BYE, 1, 1)?;
            pen.word(outgoing.ssrc)?;
        }
        Some(pen.at)
    }

    /// Takes an authentic compound of the peer's. `ours` is our SSRC.
    pub(super) fn take(&mut self, compound: &[u8], ours: u32, now: Duration) {
        let mut rest = compound;
        while let Some(([first, kind, l0, l1], behind)) = rest.split_first_chunk::<4>() {
            let len = usize::from(u16::from_be_bytes([*l0, *l1])) * 4;
            let Some((body, next)) = behind.split_at_checked(len).filter(|_| first >> 6 == 2) else {
                return;
            };
            rest = next;
            let blocks = match *kind {
                SENDER_REPORT => {
                    let (Some(high), Some(low)) = (word(body, 1), word(body, 2)) else {
                        return;
                    };
                    self.heard = Some((high << 16 | low >> 16, now));
                    body.get(24..)
                }
                RECEIVER_REPORT => body.get(4..),
                kind if xr::is_xr(kind) => {
                    self.heard_as = xr::listening(body, ours).or(self.heard_as);
                    None
                }
                _ => None,
            };
            let blocks = blocks.unwrap_or_default().as_chunks::<24>().0;
            for block in blocks.iter().take(usize::from(first & 0x1f)).filter(|block| word(*block, 0) == Some(ours)) {
                let (Some(last), Some(delay)) = (word(block, 4), word(block, 5)) else {
                    return;
                };
                // Our own clock comes back to us: the rest is the way there and back.
                let units = ((ntp(now) >> 16) as u32).wrapping_sub(last).wrapping_sub(delay);
                if last != 0 && units < 60 << 16 {
                    self.rtt = Some(Duration::from_secs_f64(f64::from(units) / 65_536.0));
                }
            }
        }
    }
}

fn word(body: &[u8], at: usize) -> Option<u32> {
    body.get(at * 4..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// Seconds and fraction since some moment: only differences count. Never zero in the middle, which means "none".
fn ntp(now: Duration) -> u64 {
    let seconds = 0x8000_0001 + now.as_secs();
    (seconds << 32) | ((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000)
}

/// 1/65,536 s.
fn units(time: Duration) -> u32 {
    u32::try_from(time.as_micros() * 65_536 / 1_000_000).unwrap_or(u32::MAX)
}

fn spread(ms: u64, random: &mut impl RngCore) -> Duration {
    Duration::from_millis(ms / 2 + random.next_u64() % ms)
}

/// Writes big-endian words, or stops at the end of the room.
struct Pen<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Pen<'_> {
    fn begin(&mut self, kind: u8, count: u8, words: u16) -> Option<()> {
        self.octets(&[0x80 | count, kind])?;
        self.octets(&words.to_be_bytes())
    }

    fn word(&mut self, word: u32) -> Option<()> {
        self.octets(&word.to_be_bytes())
    }

    fn octets(&mut self, octets: &[u8]) -> Option<()> {
        let end = self.at + octets.len();
        self.out.get_mut(self.at..end)?.copy_from_slice(octets);
        self.at = end;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;
    use sdp::Codec;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// A reports, B answers 300 ms later, the way takes 40 ms each way.
    #[test]
    fn the_round_trip_is_measured() {
        let mut random = rand_chacha::ChaCha12Rng::from_seed([1; 32]);
        let (mut a, mut b) = (Rtcp::new(ms(0), &mut random), Rtcp::new(ms(0), &mut random));
        let (mut ours, theirs) = (Outgoing::new(11, 5, ms(0)), Outgoing::new(22, 6, ms(0)));
        ours.own(ms(0));
        ours.count(160);
        let (mut at_a, mut at_b) = (Incoming::default(), Incoming::default());
        at_b.take(11, 6, 0, true, ms(40));

        let mut buffer = [0; 300];
        let len = a.report(&mut buffer, &ours, &mut at_a, (20, Clock::of(Codec::Pcmu)), ms(1000), &mut random).unwrap();
        assert_eq!((buffer[1], len % 4), (200, 0));
        b.take(&buffer[..len], 22, ms(1040));
        let len =
            b.report(&mut buffer, &theirs, &mut at_b, (20, Clock::of(Codec::Pcmu)), ms(1340), &mut random).unwrap();
        assert_eq!((buffer[0], buffer[1]), (0x81, 201));
        a.take(&buffer[..len], 11, ms(1380));
        assert!((a.rtt_ms().unwrap() - 80.0).abs() < 0.1, "{:?}", a.rtt_ms());
        assert_eq!(b.rtt_ms(), None);
        assert_eq!((a.heard_as(), b.heard_as()), (Some(4.4), None), "B heard a good line, A nothing");
    }

    #[test]
    fn a_farewell_ends_with_bye_and_hostile_compounds_do_nothing() {
        let mut random = rand_chacha::ChaCha12Rng::from_seed([1; 32]);
        let mut rtcp = Rtcp::new(ms(0), &mut random);
        let mut buffer = [0; 300];
        let outgoing = Outgoing::new(11, 5, ms(0));
        let len = rtcp
            .farewell(&mut buffer, &outgoing, &mut Incoming::default(), (20, Clock::of(Codec::Pcmu)), ms(5))
            .unwrap();
        assert_eq!(buffer[len - 8..len - 4], [0x81, 203, 0, 1]);
        assert_eq!(
            rtcp.farewell(&mut [0; 20], &outgoing, &mut Incoming::default(), (20, Clock::of(Codec::Pcmu)), ms(5)),
            None
        );
        for len in 0..len {
            rtcp.take(&buffer[..len], 11, ms(9));
        }
        rtcp.take(&[0x9f, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 11, 0, 0, 0, 0], 11, ms(9));
        assert_eq!(rtcp.rtt_ms(), None);
    }
}
