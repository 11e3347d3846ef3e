//! Did they hear one another: WAV files, RTP decoded out of a capture, and the best normalised
//! cross-correlation of what was said with what was heard, over every alignment.

use std::f64::consts::TAU;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::packets::{Datagram, Rtp};
use crate::speech::{RATE, from_ulaw};

/// What two recordings of the same words must reach after alignment.
pub const SAME: f64 = 0.9;

/// The best alignment of one recording in another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// Where in the heard samples the said ones begin.
    pub at: usize,
    /// Normalised: 1 is the same up to loudness.
    pub correlation: f64,
}

/// Finds `said` in `heard`. Both in linear samples at one rate.
///
/// Normalising is by the energy of each stretch that `said` would lie over, so a loud stranger nearby
/// does not hide a quiet match, and silence matches nothing.
pub fn find(said: &[i16], heard: &[i16]) -> Match {
    Haystack::new(heard).find(said)
}

/// A recording in which much is looked for: first where, with every fourth sample, then how well, with all.
struct Haystack<'a> {
    heard: &'a [i16],
    thinned: Vec<f64>,
    /// Of `thinned`, with room for a needle of one thinned second or more.
    spectrum: Vec<(f64, f64)>,
}

/// Voices have their strength below 1 kHz, which a quarter of [`RATE`] still carries.
const THINNED: usize = 4;
/// How many places are looked at closely.
const PLACES: usize = 8;

impl<'a> Haystack<'a> {
    fn new(heard: &'a [i16]) -> Self {
        let thinned = thin(heard);
        let size = (thinned.len() + 4 * RATE / THINNED).next_power_of_two();
        let mut spectrum: Vec<(f64, f64)> = thinned.iter().map(|sample| (*sample, 0.0)).collect();
        spectrum.resize(size, (0.0, 0.0));
        transform(&mut spectrum);
        Self { heard, thinned, spectrum }
    }

    fn find(&self, said: &[i16]) -> Match {
        let nothing = Match { at: 0, correlation: 0.0 };
        let needle = thin(said);
        let fits = self.spectrum.len() >= self.thinned.len() + needle.len();
        assert!(fits, "a needle longer than four seconds; look for its parts");
        if said.is_empty() || self.heard.len() < said.len() || energy(said) == 0.0 {
            return nothing;
        }
        let mut places = self.places(&needle);
        places.sort_by(|a, b| b.correlation.total_cmp(&a.correlation));
        let closely = places.iter().take(PLACES).flat_map(|place| {
            let middle = place.at * THINNED;
            let last = (middle + 2 * THINNED).min(self.heard.len() - said.len());
            middle.saturating_sub(2 * THINNED)..=last
        });
        let exact = closely.map(|at| Match { at, correlation: alike(said, &self.heard[at..at + said.len()]) });
        exact.max_by(|a, b| a.correlation.total_cmp(&b.correlation)).unwrap_or(nothing)
    }

    /// Every local maximum of the normalised correlation of the thinned recordings.
    fn places(&self, needle: &[f64]) -> Vec<Match> {
        let mut spectrum: Vec<(f64, f64)> = needle.iter().map(|sample| (*sample, 0.0)).collect();
        spectrum.resize(self.spectrum.len(), (0.0, 0.0));
        transform(&mut spectrum);
        // heard · conj(said), conjugated once more so that the forward transform inverts it.
        for (said, heard) in spectrum.iter_mut().zip(&self.spectrum) {
            *said = (heard.0 * said.0 + heard.1 * said.1, heard.0 * said.1 - heard.1 * said.0);
        }
        transform(&mut spectrum);
        let mut energies = Vec::with_capacity(self.thinned.len() + 1);
        energies.push(0.0);
        let mut sum = 0.0;
        for sample in &self.thinned {
            sum += sample * sample;
            energies.push(sum);
        }
        let said_energy: f64 = needle.iter().map(|sample| sample * sample).sum();
        // A stretch with less than a thousandth of the energy is silence; dividing by it would make noise of it.
        let floor = said_energy * 1e-3;
        let size = self.spectrum.len() as f64;
        let correlation = |at: usize| -> f64 {
            let energy = energies[at + needle.len()] - energies[at];
            if energy < floor { 0.0 } else { spectrum[at].0 / size / (said_energy * energy).sqrt() }
        };
        let last = self.thinned.len().saturating_sub(needle.len());
        let all: Vec<f64> = (0..=last).map(correlation).collect();
        let peak = |at: &usize| {
            let before = at.checked_sub(1).map_or(f64::MIN, |before| all[before]);
            all[*at] >= before && all[*at] >= *all.get(at + 1).unwrap_or(&f64::MIN)
        };
        (0..=last).filter(peak).map(|at| Match { at, correlation: all[at] }).collect()
    }
}

/// Means of [`THINNED`] samples each.
fn thin(samples: &[i16]) -> Vec<f64> {
    samples
        .chunks(THINNED)
        .map(|chunk| chunk.iter().map(|sample| f64::from(*sample)).sum::<f64>() / THINNED as f64)
        .collect()
}

/// The normalised correlation of two stretches as they lie.
fn alike(said: &[i16], heard: &[i16]) -> f64 {
    let products: f64 = said.iter().zip(heard).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    let (said, heard) = (energy(said), energy(heard));
    if heard < said * 1e-3 { 0.0 } else { products / (said * heard).sqrt() }
}

fn energy(samples: &[i16]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum()
}

/// How much of `said` was heard: each window of one second that is not silent is looked for by itself,
/// so a jitter buffer that slipped in between does not matter. The median of the windows.
pub fn heard_well(said: &[i16], heard: &[i16]) -> f64 {
    let haystack = Haystack::new(heard);
    let mut found: Vec<f64> = said
        .chunks_exact(RATE)
        .filter(|second| loudness(second) > QUIET)
        .map(|second| haystack.find(second).correlation)
        .collect();
    found.sort_by(f64::total_cmp);
    found.get(found.len() / 2).copied().unwrap_or(0.0)
}

/// Fails unless `said` is in `heard` with a correlation above [`SAME`]; `who` names them in the error.
pub fn demand(who: &str, said: &[i16], heard: &[i16]) -> Result<f64> {
    let correlation = heard_well(said, heard);
    ensure!(
        correlation > SAME,
        "{who}: correlation {correlation:.3} of {:.1} s said in {:.1} s heard; more than {SAME} is required",
        said.len() as f64 / RATE as f64,
        heard.len() as f64 / RATE as f64
    );
    Ok(correlation)
}

/// Fails unless what was `heard` is, second by second where it is not silent, part of what was `said`: for
/// somebody who came in the middle.
pub fn demand_part(who: &str, heard: &[i16], said: &[i16]) -> Result<f64> {
    let loud = heard.chunks_exact(RATE).filter(|second| loudness(second) > QUIET).count();
    ensure!(loud >= 2, "{who}: only {loud} s are not silent of {} s heard", heard.len() / RATE);
    demand(who, heard, said)
}

/// Below this loudness a second is silence.
const QUIET: f64 = 300.0;

/// Root of the mean square.
fn loudness(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}

/// Fails if `said` can be found in `heard`: the two have nothing to do with each other.
pub fn deny(who: &str, said: &[i16], heard: &[i16]) -> Result<()> {
    let correlation = heard_well(said, heard);
    ensure!(correlation < 0.5, "{who}: was heard (correlation {correlation:.3}) and should not have been");
    Ok(())
}

/// The speech of an RTP flow with PCMU, by timestamp: what was lost or not sent is silence. A change
/// of SSRC begins a new stretch after the old one.
pub fn decode_pcmu(datagrams: &[Datagram]) -> Vec<i16> {
    /// A timestamp that leaps further than this has begun anew: ten seconds.
    const LEAP: i64 = 10 * RATE as i64;
    let mut samples: Vec<i16> = Vec::new();
    let mut base: Option<(u32, u32, usize)> = None;
    for packet in datagrams.iter().filter_map(|datagram| Rtp::parse(&datagram.payload)) {
        if packet.payload_type != 0 {
            continue;
        }
        let place = |(ssrc, first, start): (u32, u32, usize)| -> Option<usize> {
            let offset = i64::from(packet.timestamp.wrapping_sub(first) as i32);
            let at = start as i64 + offset;
            let near = (at - samples.len() as i64).abs() < LEAP && at >= start as i64;
            (ssrc == packet.ssrc && near).then_some(at as usize)
        };
        let at = base.and_then(place).unwrap_or_else(|| {
            base = Some((packet.ssrc, packet.timestamp, samples.len()));
            samples.len()
        });
        if samples.len() < at + packet.payload.len() {
            samples.resize(at + packet.payload.len(), 0);
        }
        for (sample, octet) in samples[at..].iter_mut().zip(packet.payload) {
            *sample = from_ulaw(*octet);
        }
    }
    samples
}

/// Reads a WAV file of 16-bit PCM or µ-law; only the first channel. A data chunk that claims more than
/// the file has (its writer was killed) ends with the file.
///
/// # Errors
/// When it is no such file or not at [`RATE`].
pub fn read_wav(path: &Path) -> Result<Vec<i16>> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    parse_wav(&bytes).with_context(|| format!("in {}", path.display()))
}

/// Writes 16-bit mono PCM at [`RATE`].
pub fn write_wav(path: &Path, samples: &[i16]) -> Result<()> {
    let size = u32::try_from(2 * samples.len())?;
    let mut out = Vec::with_capacity(44 + 2 * samples.len());
    out.extend(b"RIFF");
    out.extend((36 + size).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend((RATE as u32).to_le_bytes());
    out.extend((2 * RATE as u32).to_le_bytes());
    out.extend([2, 0, 16, 0]);
    out.extend(b"data");
    out.extend(size.to_le_bytes());
    for sample in samples {
        out.extend(sample.to_le_bytes());
    }
    Ok(std::fs::write(path, out)?)
}

fn parse_wav(bytes: &[u8]) -> Result<Vec<i16>> {
    ensure!(bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE"), "not a WAV file");
    let mut rest = bytes.get(12..).unwrap_or_default();
    let mut format: Option<(u16, usize, u16)> = None;
    while let Some(header) = rest.get(..8) {
        let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let body = &rest[8..(8 + size).min(rest.len())];
        match &header[..4] {
            b"fmt " => {
                ensure!(body.len() >= 16, "a format chunk of {} octets", body.len());
                let word = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
                let rate = u32::from(word(4)) | u32::from(word(6)) << 16;
                ensure!(rate as usize == RATE, "{rate} samples a second; expected {RATE}");
                format = Some((word(0), usize::from(word(2)).max(1), word(14)));
            }
            b"data" => {
                let (kind, channels, bits) = format.context("data before the format")?;
                return match (kind, bits) {
                    (7, 8) => Ok(body.iter().step_by(channels).copied().map(from_ulaw).collect()),
                    // 0xfffe is "extensible"; every writer here means PCM by it.
                    (1 | 0xfffe, 16) => {
                        let samples = body.chunks_exact(2).step_by(channels);
                        Ok(samples.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
                    }
                    _ => {
                        bail!("format {kind} with {bits} bits a sample; expected PCM 16 or µ-law 8")
                    }
                };
            }
            _ => {}
        }
        rest = rest.get(8 + size + size % 2..).unwrap_or_default();
    }
    bail!("no data chunk")
}

/// Radix-2 fast Fourier transform in place; the length is a power of two.
fn transform(values: &mut [(f64, f64)]) {
    let size = values.len();
    if size < 2 {
        return;
    }
    let shift = size.leading_zeros() + 1;
    for at in 0..size {
        let swapped = at.reverse_bits() >> shift;
        if at < swapped {
            values.swap(at, swapped);
        }
    }
    let mut half = 1;
    while half < size {
        let turns: Vec<(f64, f64)> =
            (0..half).map(|k| (-TAU * k as f64 / (2 * half) as f64).sin_cos()).map(|(sin, cos)| (cos, sin)).collect();
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), turn) in low.iter_mut().zip(high).zip(&turns) {
                let turned = (b.0 * turn.0 - b.1 * turn.1, b.0 * turn.1 + b.1 * turn.0);
                *b = (a.0 - turned.0, a.1 - turned.1);
                *a = (a.0 + turned.0, a.1 + turned.1);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::{to_ulaw, voice};

    #[test]
    fn a_voice_is_found_where_it_is_and_another_is_not() {
        let said = voice(1, 2);
        let mut heard = voice(2, 3);
        heard.extend(said.iter().map(|sample| from_ulaw(to_ulaw(*sample / 2))));
        heard.extend(voice(3, 2));
        let found = find(&said, &heard);
        assert_eq!(found.at, 3 * RATE);
        assert!(found.correlation > 0.99, "{found:?}");
        assert!(find(&voice(4, 2), &heard).correlation < 0.5);
        demand("the test", &said, &heard).unwrap();
        deny("a stranger", &voice(4, 2), &heard).unwrap();
        demand("a stranger", &voice(4, 2), &heard).unwrap_err();
        deny("the test", &said, &heard).unwrap_err();
    }

    #[test]
    fn the_place_is_found_to_the_sample() {
        let heard = voice(5, 6);
        for at in [0, 1, 7_999, 12_345, 39_999] {
            let found = find(&heard[at..at + RATE], &heard);
            assert_eq!(found.at, at);
            assert!((found.correlation - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn silence_matches_nothing() {
        assert_eq!(find(&voice(1, 1), &[0; 20_000]).correlation, 0.0);
        assert_eq!(find(&[0; 100], &voice(1, 1)).correlation, 0.0);
        assert_eq!(find(&voice(1, 1), &[]).correlation, 0.0);
    }

    #[test]
    fn a_slip_between_the_words_is_forgiven() {
        let said = voice(7, 6);
        let mut heard = said[..3 * RATE].to_vec();
        heard.extend([0; 80]);
        heard.extend(&said[3 * RATE..]);
        demand("after a slip", &said, &heard).unwrap();
    }

    #[test]
    fn a_wav_file_survives_and_a_cut_one_gives_what_it_has() {
        let samples = voice(8, 1);
        let path = std::env::temp_dir().join(format!("interop-audio-{}.wav", std::process::id()));
        write_wav(&path, &samples).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(parse_wav(&bytes).unwrap(), samples);
        assert_eq!(parse_wav(&bytes[..44 + 200]).unwrap(), samples[..100]);
        assert!(parse_wav(&bytes[..30]).is_err());
        assert!(parse_wav(b"RIFFxxxxAVI ").is_err());
    }
}
