//! G.722 (ITU-T, 1988) at 64 kbit/s: 7 kHz of sound in the bits of G.711. A pair of filters halves the band; each half is
//! coded by ADPCM of its own, six bits a sample for the lower and two for the upper. Both ends follow the same predictor,
//! which nobody sends: so a coder belongs to one stream, and to its packets in their order.
//!
//! Names in brackets are the Recommendation's blocks (its section 6.2).

#![expect(clippy::precedence, reason = "a product, then a shift: as the Recommendation writes it throughout")]

/// Samples a second, in and out. The RTP clock is 8,000 all the same, by an old error (RFC 3551 §4.5.2).
pub const RATE: u32 = 16_000;

/// Half of the symmetrical filter that parts and joins the bands (table 11); its sum is a half.
const MIRROR: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Sound in, octets out.
#[derive(Clone, Debug)]
pub struct Encoder {
    history: [i32; 24],
    lower: Band,
    upper: Band,
}

/// Octets in, sound out.
#[derive(Clone, Debug)]
pub struct Decoder {
    history: [i32; 24],
    lower: Band,
    upper: Band,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { history: [0; 24], lower: Band::new(LOWER_STEP), upper: Band::new(UPPER_STEP) }
    }
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { history: [0; 24], lower: Band::new(LOWER_STEP), upper: Band::new(UPPER_STEP) }
    }
}

impl Encoder {
    /// Two samples become an octet; a last one without its second is left out.
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        out.extend(samples.as_chunks::<2>().0.iter().map(|[first, second]| self.pair(*first, *second)));
    }

    fn pair(&mut self, first: i16, second: i16) -> u8 {
        push(&mut self.history, first.into(), second.into());
        let (odd, even) = halves(&self.history);
        let (low, high) = ((even + odd) >> 14, (even - odd) >> 14);
        let low_code = lower_code(saturated(low - self.lower.expected), self.lower.step);
        self.lower.lower(low_code >> 2);
        let high_code = upper_code(saturated(high - self.upper.expected), self.upper.step);
        self.upper.upper(high_code);
        (high_code << 6 | low_code) as u8
    }
}

impl Decoder {
    /// Each octet becomes two samples.
    pub fn decode(&mut self, octets: &[u8], out: &mut Vec<i16>) {
        for octet in octets {
            out.extend(self.octet(*octet));
        }
    }

    fn octet(&mut self, octet: u8) -> [i16; 2] {
        let (low_code, high_code) = (usize::from(octet & 0x3f), usize::from(octet >> 6));
        // Six bits are heard; the predictor follows four of them, so that a sender may take the others for data.
        let low = self.lower.expected + (self.lower.step * LOWER_6[low_code] >> 15);
        self.lower.lower(low_code >> 2);
        let high = self.upper.expected + (self.upper.step * UPPER_2[high_code] >> 15);
        self.upper.upper(high_code);
        let (low, high) = (low.clamp(-16_384, 16_383), high.clamp(-16_384, 16_383));
        push(&mut self.history, low + high, low - high);
        let (odd, even) = halves(&self.history);
        [saturated(even >> 11) as i16, saturated(odd >> 11) as i16]
    }
}

fn push(history: &mut [i32; 24], first: i32, second: i32) {
    history.copy_within(2.., 0);
    (history[22], history[23]) = (first, second);
}

/// The filter's two phases over the last 24 samples.
fn halves(history: &[i32; 24]) -> (i32, i32) {
    let (mut odd, mut even) = (0, 0);
    for (at, pair) in history.as_chunks::<2>().0.iter().enumerate() {
        odd += pair[0] * MIRROR[at];
        even += pair[1] * MIRROR[11 - at];
    }
    (odd, even)
}

/// One half of the spectrum: an adaptive predictor of two poles and six zeros, and the quantiser's step.
#[derive(Clone, Debug)]
struct Band {
    /// What is predicted for the next sample (s).
    expected: i32,
    /// Of it what the zeros say (sz).
    by_zeros: i32,
    /// Reconstructed, the last two (r).
    made: [i32; 2],
    /// By the zeros alone and the difference, the last two (p).
    partly: [i32; 2],
    poles: [i32; 2],
    zeros: [i32; 6],
    /// Quantised differences, the last six (d).
    differences: [i32; 6],
    /// Logarithm of the step (nb).
    log_step: i32,
    step: i32,
}

const LOWER_STEP: i32 = 32;
const UPPER_STEP: i32 = 8;

impl Band {
    fn new(step: i32) -> Band {
        Band {
            expected: 0,
            by_zeros: 0,
            made: [0; 2],
            partly: [0; 2],
            poles: [0; 2],
            zeros: [0; 6],
            differences: [0; 6],
            log_step: 0,
            step,
        }
    }

    /// Follows four bits of the lower band [INVQAL, LOGSCL, SCALEL].
    fn lower(&mut self, code: usize) {
        let difference = self.step * LOWER_4[code] >> 15;
        self.scale(LOWER_WEIGHTS[code], 18_432, 8);
        self.follow(difference);
    }

    /// Follows two bits of the upper band [INVQAH, LOGSCH, SCALEH].
    fn upper(&mut self, code: usize) {
        let difference = self.step * UPPER_2[code] >> 15;
        self.scale(UPPER_WEIGHTS[code], 22_528, 10);
        self.follow(difference);
    }

    fn scale(&mut self, weight: i32, most: i32, shift: i32) {
        self.log_step = ((self.log_step * 127 >> 7) + weight).clamp(0, most);
        let mantissa = POWERS[(self.log_step >> 6 & 31) as usize];
        let down = shift - (self.log_step >> 11);
        self.step = (if down < 0 { mantissa << -down } else { mantissa >> down }) << 2;
    }

    /// Adapts the predictor to a difference, and predicts the next sample.
    fn follow(&mut self, difference: i32) {
        let made = saturated(self.expected + difference);
        let partly = saturated(self.by_zeros + difference);
        let same = [0, 1].map(|at| (partly < 0) == (self.partly[at] < 0));
        // [UPPOL2]
        let lean = saturated(self.poles[0] << 2);
        let lean = if same[0] { (-lean).min(32_767) } else { lean };
        let second = (if same[1] { 128 } else { -128 }) + (lean >> 7) + (self.poles[1] * 32_512 >> 15);
        let second = second.clamp(-12_288, 12_288);
        // [UPPOL1]
        let first = saturated((if same[0] { 192 } else { -192 }) + (self.poles[0] * 32_640 >> 15));
        let bound = saturated(15_360 - second);
        self.poles = [first.clamp(-bound, bound), second];
        // [UPZERO]
        let nudge = if difference == 0 { 0 } else { 128 };
        for (zero, before) in self.zeros.iter_mut().zip(self.differences) {
            let nudge = if (before < 0) == (difference < 0) { nudge } else { -nudge };
            *zero = saturated(nudge + (*zero * 32_640 >> 15));
        }
        // [DELAYA]
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.made = [made, self.made[0]];
        self.partly = [partly, self.partly[0]];
        // [FILTEP, FILTEZ, PREDIC]
        let tap = |factor: i32, value: i32| factor * saturated(value * 2) >> 15;
        let by_poles = saturated(tap(self.poles[0], self.made[0]) + tap(self.poles[1], self.made[1]));
        let by_zeros = self.zeros.iter().zip(self.differences).map(|(zero, before)| tap(*zero, before)).sum();
        self.by_zeros = saturated(by_zeros);
        self.expected = saturated(by_poles + self.by_zeros);
    }
}

/// Six bits of a difference [QUANTL].
fn lower_code(difference: i32, step: i32) -> usize {
    let size = if difference < 0 { -(difference + 1) } else { difference };
    let at = LEVELS.partition_point(|level| level * step >> 12 <= size);
    // 30 levels part 30 codes of each sign; the two lowest negative ones have the odd numbers 63 and 62.
    match (difference < 0, at) {
        (false, at) => 61 - at,
        (true, 0) => 63,
        (true, 1) => 62,
        (true, at) => 33 - at,
    }
}

/// Two bits of a difference [QUANTH].
fn upper_code(difference: i32, step: i32) -> usize {
    let size = if difference < 0 { -(difference + 1) } else { difference };
    let is_large = size >= 564 * step >> 12;
    match (difference < 0, is_large) {
        (true, false) => 1,
        (true, true) => 0,
        (false, false) => 3,
        (false, true) => 2,
    }
}

fn saturated(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// Decision levels of the lower band, behind the first (table 17).
const LEVELS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// What a code of six bits stands for, in steps (table 18).
const LOWER_6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9360,
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360,
    -1040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9360, 8576, 7856, 7192, 6576,
    6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

/// Its four upper bits alone.
const LOWER_4: [i32; 16] =
    [0, -20_456, -12_896, -8968, -6288, -4240, -2584, -1200, 20_456, 12_896, 8968, 6288, 4240, 2584, 1200, 0];

/// How four bits move the logarithm of the step.
const LOWER_WEIGHTS: [i32; 16] = [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];

const UPPER_2: [i32; 4] = [-7408, -1616, 7408, 1616];
const UPPER_WEIGHTS: [i32; 4] = [798, -214, 798, -214];

/// 2,048 · 2^(n/32) (table 19).
const POWERS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Tones that rise, loud and faint, noise, and both beyond the range; the same in every language.
    fn signal() -> Vec<i16> {
        let (mut phase, mut step, mut dice) = (0u32, 1u32 << 22, 1u32);
        let sample = |n: u32| {
            phase = phase.wrapping_add(step);
            step = step.wrapping_add(60_000) & 0x7fff_ffff;
            let up = (phase >> 16) as i32;
            let slope = (if phase < 1 << 31 { up } else { 0xffff - up }) - 16_384;
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (dice >> 16) as i32 - 32_768;
            let sample = match n / 4000 % 4 {
                0 => slope,
                1 => slope.div_euclid(16),
                2 => noise.div_euclid(2),
                _ => (slope * 3).div_euclid(2) + noise.div_euclid(8),
            };
            sample.clamp(-32_768, 32_767) as i16
        };
        (0..32_000).map(sample).collect()
    }

    fn hash(octets: impl Iterator<Item = u8>) -> u64 {
        octets.fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3))
    }

    fn decoded(octets: &[u8]) -> Vec<i16> {
        let mut out = Vec::new();
        Decoder::default().decode(octets, &mut out);
        out
    }

    /// The hashes are of what FFmpeg's coder (libavcodec 62, by PyAV 18) makes of the same samples and octets.
    #[test]
    fn the_coder_is_the_recommendations_to_the_bit() {
        let mut octets = Vec::new();
        Encoder::default().encode(&signal(), &mut octets);
        let samples = decoded(&octets);
        let noise: Vec<u8> =
            std::iter::successors(Some(7u32), |dice| Some(dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)))
                .skip(1)
                .take(16_000)
                .map(|dice| (dice >> 24) as u8)
                .collect();
        let of = |samples: &[i16]| hash(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        assert_eq!(of(&decoded(&noise)), 0xe5ee_9005_73e4_a25e, "octets at random");
        assert_eq!(hash(octets.iter().copied()), 0x5dd6_74d2_5ba2_34cc, "{:02x?}", &octets[..16]);
        assert_eq!(of(&samples), 0xfbe5_7cf6_f53d_0247, "{:?}", &samples[..16]);
    }
}
