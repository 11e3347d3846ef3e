//! RTCP XR (RFC 3611): the VoIP metrics block (§4.7), of what is received here, and what the peer's says of what we send.
//!
//! A burst is what a listener hears as one mishap: it begins and ends with a loss, with fewer than [`GMIN`] packets in a row
//! that came in between; all else is gap, and a loss alone is part of it.

use std::time::Duration;

use super::quality;

/// §4.7.2's own recommendation.
const GMIN: u32 = 16;
const XR: u8 = 207;
const VOIP_METRICS: u8 = 7;
/// Octets of the packet: header, SSRC, block header, eight words.
pub(super) const LEN: usize = 44;
/// "Not there": for levels, ratings and scores.
const UNKNOWN: u8 = 127;

/// Losses as they came, packet by packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bursts {
    bursts: u32,
    /// Packets of all bursts, and those of them that were lost.
    packets: u64,
    lost: u64,
    /// Losses that stand alone.
    alone: u64,
    /// The cluster that is not yet known to be over: its losses, its packets up to the last loss, and those that came since.
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    lost: u64,
    packets: u64,
    came: u32,
}

/// What a block says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Metrics {
    pub(super) ssrc: u32,
    pub(super) expected: u64,
    pub(super) lost: u64,
    pub(super) bursts: Summary,
    pub(super) rtt: Option<Duration>,
    pub(super) jitter_ms: f32,
    pub(super) ptime_ms: u16,
}

/// Clusters and what lies between, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    bursts: u32,
    burst_packets: u64,
    burst_lost: u64,
    gap_lost: u64,
}

impl Bursts {
    /// One that came, behind so many that did not.
    pub(super) fn came(&mut self, behind: u16) {
        if behind > 0 {
            let behind = u64::from(behind);
            match &mut self.open {
                Some(open) => {
                    open.lost += behind;
                    open.packets += u64::from(open.came) + behind;
                    open.came = 0;
                }
                None => self.open = Some(Open { lost: behind, packets: behind, came: 0 }),
            }
        }
        if let Some(open) = &mut self.open {
            open.came += 1;
            if open.came >= GMIN {
                self.close();
            }
        }
    }

    /// One that was taken for lost came late after all.
    pub(super) fn late(&mut self) {
        if let Some(open) = &mut self.open {
            open.lost -= 1;
            if open.lost == 0 {
                self.open = None;
            }
        }
    }

    pub(super) fn summary(&self) -> Summary {
        let mut all = *self;
        all.close();
        Summary { bursts: all.bursts, burst_packets: all.packets, burst_lost: all.lost, gap_lost: all.alone }
    }

    fn close(&mut self) {
        match self.open.take() {
            Some(Open { lost: 1, .. }) => self.alone += 1,
            Some(open) => {
                self.bursts += 1;
                self.packets += open.packets;
                self.lost += open.lost;
            }
            None => {}
        }
    }
}

impl Metrics {
    /// The whole packet, from `ours`.
    pub(super) fn octets(&self, ours: u32) -> [u8; LEN] {
        let Summary { bursts, burst_packets, burst_lost, gap_lost } = self.bursts;
        let share = |part: u64, of: u64| ((part * 256).checked_div(of).unwrap_or(0)).min(255) as u8;
        let ms = |packets: u64, times: u64| {
            let ms = (packets * u64::from(self.ptime_ms)).checked_div(times).unwrap_or(0);
            ms.min(u64::from(u16::MAX)) as u16
        };
        let gap_packets = self.expected.saturating_sub(burst_packets);
        let received = self.expected.saturating_sub(self.lost);
        let rating = |jitter, rtt| quality::rating(received, self.lost, jitter, rtt);
        let tenths = |rating: Option<f32>| rating.map_or(UNKNOWN, |r| (quality::score(r) * 10.0).round() as u8);
        let whole = rating(self.jitter_ms, self.rtt);
        let round_trip = self.rtt.map_or(0, |rtt| rtt.as_millis().min(u128::from(u16::MAX)) as u16);
        let mut out = [0; LEN];
        let mut at = 0;
        let mut put = |octets: &[u8]| {
            // The lengths below sum up to LEN.
            out[at..at + octets.len()].copy_from_slice(octets);
            at += octets.len();
        };
        put(&[0x80, XR, 0, (LEN / 4 - 1) as u8]);
        put(&ours.to_be_bytes());
        put(&[VOIP_METRICS, 0, 0, 8]);
        put(&self.ssrc.to_be_bytes());
        // Loss rate; discard rate: nothing is discarded here; densities of burst and gap.
        put(&[share(self.lost, self.expected), 0, share(burst_lost, burst_packets), share(gap_lost, gap_packets)]);
        put(&ms(burst_packets, u64::from(bursts)).to_be_bytes());
        put(&ms(gap_packets, u64::from(bursts) + 1).to_be_bytes());
        put(&round_trip.to_be_bytes());
        // End system delay: a packet's own.
        put(&self.ptime_ms.to_be_bytes());
        // Levels of signal and noise, echo return loss: not measured.
        put(&[UNKNOWN, UNKNOWN, UNKNOWN, GMIN as u8]);
        // R factor, that of another network, MOS of listening (no delay) and of conversation.
        let r = whole.map_or(UNKNOWN, |rating| rating.round() as u8);
        put(&[r, UNKNOWN, tenths(rating(0.0, None)), tenths(whole)]);
        // Receiver configuration and jitter buffer: unknown, it is the listener's.
        put(&[0; 8]);
        out
    }
}

/// The MOS of listening that an XR packet's body (behind its first word) gives for the source `ours`.
pub(super) fn listening(body: &[u8], ours: u32) -> Option<f32> {
    let mut rest = body.get(4..)?;
    while let Some(([kind, _, l0, l1], behind)) = rest.split_first_chunk::<4>() {
        let (block, next) = behind.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])) * 4)?;
        if *kind == VOIP_METRICS && block.first_chunk::<4>().map(|four| u32::from_be_bytes(*four)) == Some(ours) {
            let tenths = *block.get(22)?;
            return (10..=50).contains(&tenths).then(|| f32::from(tenths) / 10.0);
        }
        rest = next;
    }
    None
}

/// Whether a packet of a compound is one of these.
pub(super) fn is_xr(kind: u8) -> bool {
    kind == XR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(bursts: &Bursts, expected: u64, lost: u64) -> Metrics {
        let rtt = Some(Duration::from_millis(80));
        Metrics { ssrc: 7, expected, lost, bursts: bursts.summary(), rtt, jitter_ms: 1.0, ptime_ms: 20 }
    }

    #[test]
    fn a_cluster_is_a_burst_and_a_loss_alone_is_part_of_the_gap() {
        let mut bursts = Bursts::default();
        (0..100).for_each(|_| bursts.came(0));
        bursts.came(1); // alone
        (0..49).for_each(|_| bursts.came(0));
        bursts.came(2); // two lost, ten came, one lost: a burst of 13 packets
        (0..9).for_each(|_| bursts.came(0));
        bursts.came(1);
        (0..100).for_each(|_| bursts.came(0));
        let summary = Summary { bursts: 1, burst_packets: 13, burst_lost: 3, gap_lost: 1 };
        assert_eq!(bursts.summary(), summary);
        let octets = metrics(&bursts, 265, 4).octets(9);
        assert_eq!(octets[..16], [0x80, 207, 0, 10, 0, 0, 0, 9, 7, 0, 0, 8, 0, 0, 0, 7]);
        assert_eq!(octets[16..20], [3, 0, 59, 1], "4 of 265, 3 of 13, 1 of 252, of 256");
        assert_eq!(octets[20..24], [1, 4, 9, 216], "260 ms; 252 packets in two gaps: 2,520 ms");
        assert_eq!(octets[24..28], [0, 80, 0, 20]);
        assert_eq!(octets[31], 16);
        assert!(
            (80..94).contains(&octets[32]) && (39..45).contains(&octets[34]) && octets[35] <= octets[34],
            "{octets:?}"
        );
    }

    #[test]
    fn what_comes_late_was_not_lost_and_an_open_cluster_counts() {
        let mut bursts = Bursts::default();
        bursts.came(1);
        bursts.late();
        assert_eq!(bursts.summary(), Summary::default());
        bursts.came(3);
        assert_eq!(bursts.summary().burst_lost, 3);
    }

    #[test]
    fn what_we_say_reads_back_and_nonsense_does_not() {
        let octets = metrics(&Bursts::default(), 500, 0).octets(9);
        assert_eq!(listening(&octets[4..], 7), Some(4.4));
        assert_eq!(listening(&octets[4..], 8), None);
        for len in 0..LEN - 4 {
            listening(&octets[4..4 + len], 7);
        }
        let mut silent = octets;
        silent[34] = 127;
        assert_eq!(listening(&silent[4..], 7), None, "127 says: not known");
        assert_eq!(metrics(&Bursts::default(), 0, 0).octets(9)[32..36], [127; 4], "nothing was heard yet");
    }
}
