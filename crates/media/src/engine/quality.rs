//! What a listener would think of the stream received, by the E-model (ITU-T G.107, with the codec figures of G.113).

use std::time::Duration;

/// Advantage and equipment factors at their defaults: a perfect line.
const BEST: f32 = 93.2;
/// G.711 with concealment (G.113 table I.3): how much loss it bears.
const ROBUSTNESS: f32 = 25.1;
/// A packet, and twice the jitter that a buffer waits for, beside the way itself.
const PACKET_MS: f32 = 20.0;

/// The mean opinion score that is to be expected, 1.0 to 4.4; none before anything was heard. `loss` is a share, 0 to 1.
pub(super) fn mos(received: u64, lost: u64, jitter_ms: f32, rtt: Option<Duration>) -> Option<f32> {
    rating(received, lost, jitter_ms, rtt).map(score)
}

/// The transmission rating R of the same, 0 to 100.
pub(super) fn rating(received: u64, lost: u64, jitter_ms: f32, rtt: Option<Duration>) -> Option<f32> {
    if received == 0 {
        return None;
    }
    let loss = lost as f32 / (received + lost) as f32 * 100.0;
    let way = rtt.map_or(0.0, |rtt| rtt.as_secs_f32() * 500.0);
    let delay = way + PACKET_MS + 2.0 * jitter_ms;
    let late = (delay - 177.3).max(0.0);
    let rating = BEST - 0.024 * delay - 0.11 * late - 95.0 * loss / (loss + ROBUSTNESS);
    Some(rating.clamp(0.0, 100.0))
}

/// G.107 annex B.
pub(super) fn score(rating: f32) -> f32 {
    (1.0 + 0.035 * rating + 7e-6 * rating * (rating - 60.0) * (100.0 - rating)).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_line_a_lossy_one_and_a_slow_one() {
        let at = |lost, jitter, rtt| mos(1000, lost, jitter, Some(Duration::from_millis(rtt))).unwrap();
        assert!((4.35..4.45).contains(&at(0, 0.0, 10)), "{}", at(0, 0.0, 10));
        // G.113: 5 % leaves a G.711 call with concealment usable, 30 % does not.
        assert!((3.6..4.1).contains(&at(53, 0.0, 10)), "{}", at(53, 0.0, 10));
        assert!(at(430, 0.0, 10) < 2.6);
        // G.114: beyond 150 ms one way it is felt, 400 ms is bad.
        assert!(at(0, 0.0, 200) > 4.2 && at(0, 0.0, 800) < 3.7, "{} {}", at(0, 0.0, 200), at(0, 0.0, 800));
        assert!(at(0, 60.0, 200) < at(0, 5.0, 200));
        assert_eq!(mos(0, 0, 0.0, None), None);
    }
}
