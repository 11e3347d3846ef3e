//! Audio from one sampling rate to another by a ratio of whole numbers L/M: what goes up by L, through a low-pass, and down
//! by M, without the samples in between that nobody would hear (a polyphase filter). The low-pass is a sinc under a Kaiser
//! window: flat to 0.87 of the narrower band, 70 dB down from its edge on.

use std::f64::consts::PI;
use std::sync::Arc;

/// L and M at most: every pair of the usual rates is far below (22,050 to 8,000 Hz is 160/441).
const MOST_PHASES: u32 = 1000;
/// Hz, either end.
pub const RATES: std::ops::RangeInclusive<u32> = 4000..=192_000;
/// dB that what does not belong is below.
const ATTENUATION: f64 = 70.0;
/// Where the pass band ends, of the narrower band.
const FLAT: f64 = 0.87;

/// One direction of one stream. A clone is another stream that shares the filter.
#[derive(Clone, Debug)]
pub struct Resampler {
    filter: Arc<Filter>,
    /// Samples that are still wanted, the oldest first.
    held: Vec<f32>,
    /// Of these the newest that the next sample is made of.
    newest: usize,
    phase: usize,
}

#[derive(Debug)]
struct Filter {
    up: usize,
    down: usize,
    /// Coefficients of a phase, as many as samples go into one: phase after phase, each for the oldest sample first.
    phases: Vec<f32>,
    taps: usize,
    /// The filter's delay, in samples of the rate that is L times the first.
    delay: usize,
}

impl Resampler {
    /// For a stream that comes piece by piece: what goes in comes out later by half the filter's length (2 to 4 ms of the
    /// narrower band at 8 kHz: 10 ms).
    ///
    /// # Errors
    /// In words: a rate that is none ([`RATES`]), or two whose ratio takes more than 1,000 steps.
    pub fn new(from: u32, to: u32) -> Result<Resampler, String> {
        let (least, most) = (RATES.start(), RATES.end());
        if !RATES.contains(&from) || !RATES.contains(&to) {
            return Err(format!("expected sampling rates from {least} to {most} Hz, found {from} and {to}"));
        }
        let common = greatest_common_divisor(from, to);
        let (up, down) = (to / common, from / common);
        if up > MOST_PHASES || down > MOST_PHASES {
            return Err(format!("{from} Hz does not go into {to} Hz by steps that are kept: take a usual rate"));
        }
        let filter = Filter::new(up as usize, down as usize);
        let held = vec![0.0; filter.taps - 1];
        Ok(Resampler { newest: filter.taps - 1, filter: Arc::new(filter), held, phase: 0 })
    }

    /// The next piece; what it makes is added to `out`.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        self.held.extend(samples.iter().map(|sample| f32::from(*sample)));
        let Filter { up, down, taps, .. } = *self.filter;
        while let Some(window) = self.held.get(self.newest + 1 - taps..=self.newest) {
            let phase = self.phase * taps;
            let coefficients = self.filter.phases.get(phase..phase + taps).unwrap_or_default();
            let sum: f32 = window.iter().zip(coefficients).map(|(sample, factor)| sample * factor).sum();
            out.push(sum.round() as i16); // saturates
            self.phase += down;
            self.newest += self.phase / up;
            self.phase %= up;
        }
        let spent = (self.newest + 1 - taps).min(self.held.len());
        self.held.drain(..spent);
        self.newest -= spent;
    }
}

/// A whole recording at another rate, with nothing moved in time.
///
/// # Errors
/// As [`Resampler::new`].
pub fn whole(samples: &[i16], from: u32, to: u32) -> Result<Vec<i16>, String> {
    if from == to && RATES.contains(&from) {
        return Ok(samples.to_vec());
    }
    let mut stream = Resampler::new(from, to)?;
    let Filter { up, down, delay, taps, .. } = *stream.filter;
    let len = (samples.len() * up).div_ceil(down);
    let mut out = Vec::with_capacity(len);
    // Begins where the delay ends, and goes on for as long after the end.
    stream.newest += delay / up;
    stream.phase = delay % up;
    stream.push(samples, &mut out);
    stream.push(&vec![0; taps], &mut out);
    out.truncate(len);
    Ok(out)
}

impl Filter {
    fn new(up: usize, down: usize) -> Filter {
        // Frequencies are in parts of the rate that is L times the first.
        let edge = 0.5 / up.max(down) as f64;
        let transition = edge * (1.0 - FLAT);
        // Kaiser's formulae for length and shape.
        let wanted = (ATTENUATION - 7.95) / (2.285 * 2.0 * PI * transition);
        let taps = (wanted / up as f64).ceil() as usize + 1;
        let len = taps * up;
        let middle = (len - 1) / 2;
        let (cutoff, beta) = (edge - transition / 2.0, 0.1102 * (ATTENUATION - 8.7));
        let prototype = |at: usize| {
            let from_middle = at as f64 - middle as f64;
            let along = from_middle / (middle as f64 + 1.0);
            if along.abs() > 1.0 {
                return 0.0;
            }
            let window = bessel(beta * (1.0 - along * along).sqrt()) / bessel(beta);
            let x = 2.0 * cutoff * from_middle;
            let sinc = if from_middle == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
            sinc * window
        };
        let mut phases = Vec::with_capacity(len);
        for phase in 0..up {
            let of_phase: Vec<f64> = (0..taps).rev().map(|tap| prototype(phase + tap * up)).collect();
            // Each phase alone leaves a level as it is.
            let sum: f64 = of_phase.iter().sum();
            phases.extend(of_phase.iter().map(|factor| (factor / sum) as f32));
        }
        Filter { up, down, phases, taps, delay: middle }
    }
}

/// The modified Bessel function of the first kind and order zero.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-12 {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS: [(u32, u32); 10] = [
        (22_050, 8000),
        (16_000, 8000),
        (8000, 16_000),
        (48_000, 8000),
        (8000, 48_000),
        (44_100, 8000),
        (24_000, 8000),
        (11_025, 8000),
        (16_000, 48_000),
        (48_000, 16_000),
    ];

    fn tone(rate: u32, hertz: f64, seconds: f64) -> Vec<i16> {
        let sample = |n: usize| 12_000.0 * (n as f64 * hertz * 2.0 * PI / f64::from(rate)).sin();
        (0..(f64::from(rate) * seconds) as usize).map(|n| sample(n).round() as i16).collect()
    }

    fn power(samples: impl Iterator<Item = f64>) -> f64 {
        let (mut sum, mut count) = (1e-9, 0.0);
        for sample in samples {
            sum += sample * sample;
            count += 1.0;
        }
        sum / count
    }

    /// dB of a tone over what is not the tone, away from both ends.
    fn purity(made: &[i16], meant: &[i16]) -> f64 {
        let middle = made.len() / 8..made.len() * 7 / 8;
        let error = made[middle.clone()].iter().zip(&meant[middle.clone()]);
        let noise = power(error.map(|(made, meant)| f64::from(*made) - f64::from(*meant)));
        10.0 * (power(meant[middle].iter().map(|it| f64::from(*it))) / noise).log10()
    }

    #[test]
    fn a_tone_stays_the_tone_at_its_place() {
        for (from, to) in PAIRS {
            let narrow = f64::from(from.min(to)) / 2.0;
            for hertz in [200.0, 1000.0, narrow * 0.85] {
                let made = whole(&tone(from, hertz, 0.5), from, to).unwrap();
                let meant = tone(to, hertz, 0.5);
                assert!(made.len().abs_diff(meant.len()) <= 1, "{from} to {to}: {} {}", made.len(), meant.len());
                let db = purity(&made, &meant);
                assert!(db > 60.0, "{from} to {to}, {hertz} Hz: {db} dB");
            }
        }
    }

    #[test]
    fn what_the_narrower_rate_cannot_hold_is_gone() {
        for (from, to) in PAIRS.into_iter().filter(|(from, to)| from > to) {
            let hertz = (f64::from(to) * 0.52).min(f64::from(from) * 0.49);
            let made = whole(&tone(from, hertz, 0.5), from, to).unwrap();
            let middle = &made[made.len() / 8..made.len() * 7 / 8];
            let below = 10.0 * (12_000.0f64.powi(2) / 2.0 / power(middle.iter().map(|it| f64::from(*it)))).log10();
            assert!(below > 60.0, "{from} to {to}, {hertz} Hz: {below} dB");
        }
    }

    #[test]
    fn pieces_of_any_size_make_the_same_as_one() {
        for (from, to) in PAIRS {
            let samples = tone(from, 700.0, 0.2);
            let (mut at_once, mut in_pieces) = (Vec::new(), Vec::new());
            let mut stream = Resampler::new(from, to).unwrap();
            let mut other = stream.clone();
            stream.push(&samples, &mut at_once);
            let (mut rest, mut size) = (samples.as_slice(), 1);
            while !rest.is_empty() {
                let (piece, later) = rest.split_at(size.min(rest.len()));
                other.push(piece, &mut in_pieces);
                (rest, size) = (later, size * 7 % 331 + 1);
            }
            assert_eq!(at_once, in_pieces, "{from} to {to}");
            assert!(other.held.len() <= other.filter.taps, "{from} to {to}: nothing is kept longer than it is wanted");
        }
    }

    #[test]
    fn the_loudest_does_not_turn_over() {
        let square: Vec<i16> = (0..8000).map(|n| if n / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let made = whole(&square, 16_000, 8000).unwrap();
        assert!(made.contains(&i16::MAX) && made.contains(&i16::MIN));
        assert!(made[105..115].iter().all(|it| *it > 20_000) || made[105..115].iter().all(|it| *it < -20_000));
    }

    #[test]
    fn rates_that_are_none_are_refused_in_words() {
        assert!(Resampler::new(0, 8000).unwrap_err().contains("4000 to 192000 Hz"));
        assert!(Resampler::new(8000, 200_000).is_err());
        assert!(Resampler::new(8001, 48_000).unwrap_err().contains("8001 Hz does not go"));
        assert!(whole(&[], 22_050, 8000).unwrap().is_empty());
        assert_eq!(whole(&[1, 2], 8000, 8000).unwrap(), [1, 2]);
    }
}
