//! WAV files: read as 16-bit PCM of any usual rate or as G.711 (mono), written as 16-bit PCM at 8 kHz.

use sdp::Codec;

use crate::{g711, resample};

/// Telephone speech: Hz.
pub const RATE: u32 = 8000;
/// Rates that are read.
const USUAL: [u32; 9] = [RATE, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// The samples of a file as 8 kHz.
///
/// # Errors
/// In words: what was expected and what came.
pub fn read(file: &[u8]) -> Result<Vec<i16>, String> {
    let body = match (file.get(..4), file.get(8..12), file.get(12..)) {
        (Some(b"RIFF"), Some(b"WAVE"), Some(body)) => body,
        _ => return Err("expected a WAV file (RIFF, WAVE), found something else".to_owned()),
    };
    let mut kind = None;
    for (name, chunk) in Chunks(body) {
        match name {
            b"fmt " => kind = Some(format(chunk)?),
            b"data" => {
                let samples: Vec<i16> = match kind.ok_or("expected the 'fmt ' chunk ahead of 'data'")? {
                    Kind::Coded(codec) => return Ok(chunk.iter().map(|code| g711::decode(codec, *code)).collect()),
                    Kind::Linear(RATE) => linear(chunk).collect(),
                    Kind::Linear(rate) => resample::whole(&linear(chunk).collect::<Vec<_>>(), rate, RATE)?,
                };
                return Ok(samples);
            }
            _ => {}
        }
    }
    Err("expected a 'data' chunk, found none".to_owned())
}

/// A whole file of 8 kHz mono.
pub fn write(samples: impl ExactSizeIterator<Item = i16>) -> Vec<u8> {
    write_channels(1, samples)
}

/// A whole file of 8 kHz; samples of the channels in turn.
pub(crate) fn write_channels(channels: u16, samples: impl ExactSizeIterator<Item = i16>) -> Vec<u8> {
    let octets = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX - 36);
    let mut file = Vec::with_capacity(44 + octets as usize);
    file.extend(b"RIFF");
    file.extend((36 + octets).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend(1u16.to_le_bytes()); // PCM
    file.extend(channels.to_le_bytes());
    file.extend(RATE.to_le_bytes());
    file.extend((RATE * 2 * u32::from(channels)).to_le_bytes());
    file.extend((2 * channels).to_le_bytes());
    file.extend(16u16.to_le_bytes());
    file.extend(b"data");
    file.extend(octets.to_le_bytes());
    file.extend(samples.flat_map(i16::to_le_bytes));
    file
}

fn linear(chunk: &[u8]) -> impl Iterator<Item = i16> {
    chunk.as_chunks::<2>().0.iter().map(|two| i16::from_le_bytes(*two))
}

/// What a file holds.
enum Kind {
    /// 16 bit at this rate.
    Linear(u32),
    /// G.711 at 8 kHz.
    Coded(Codec),
}

struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.0.split_first_chunk::<4>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let len = u32::from_le_bytes(*len) as usize;
        // A recorder that was cut off leaves a length larger than the file: take what is there.
        let (chunk, rest) = rest.split_at(len.min(rest.len()));
        self.0 = rest.get(len % 2..).unwrap_or_default();
        Some((name, chunk))
    }
}

/// A format that we take.
fn format(chunk: &[u8]) -> Result<Kind, String> {
    let Some([f0, f1, c0, c1, r0, r1, r2, r3, _, _, _, _, _, _, b0, b1]) = chunk.first_chunk::<16>() else {
        return Err(format!("expected a 'fmt ' chunk of 16 octets, found {}", chunk.len()));
    };
    let format = u16::from_le_bytes([*f0, *f1]);
    let channels = u16::from_le_bytes([*c0, *c1]);
    let rate = u32::from_le_bytes([*r0, *r1, *r2, *r3]);
    let bits = u16::from_le_bytes([*b0, *b1]);
    match (format, channels, rate, bits) {
        // 0xfffe: "extensible", which many editors write for plain PCM too.
        (1 | 0xfffe, 1, _, 16) if USUAL.contains(&rate) => Ok(Kind::Linear(rate)),
        (6, 1, RATE, 8) => Ok(Kind::Coded(Codec::Pcma)),
        (7, 1, RATE, 8) => Ok(Kind::Coded(Codec::Pcmu)),
        _ => Err(format!(
            "expected mono, PCM of 16 bit at a usual rate (8, 11.025, 12, 16, 22.05, 24, 32, 44.1 or 48 kHz) or G.711 at 8 kHz; \
             found format {format}, {channels} channels, {rate} Hz, {bits} bit; \
             convert it with: sox IN.wav -r 8000 -c 1 -b 16 OUT.wav"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: f32, hertz: f32, len: usize) -> Vec<i16> {
        (0..len).map(|n| (8000.0 * (n as f32 * hertz * std::f32::consts::TAU / rate).sin()) as i16).collect()
    }

    fn loudness(samples: &[i16]) -> f32 {
        (samples.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>() / samples.len() as f32).sqrt()
    }

    #[test]
    fn what_is_written_reads_back() {
        let samples = tone(8000.0, 440.0, 801);
        assert_eq!(read(&write(samples.iter().copied())).unwrap(), samples);
    }

    #[test]
    fn files_of_usual_rates_are_taken_without_aliases() {
        for rate in USUAL {
            let at = |hertz| {
                let mut file = write(tone(rate as f32, hertz, rate as usize).into_iter());
                file[24..28].copy_from_slice(&rate.to_le_bytes());
                read(&file).unwrap()
            };
            let kept = at(1000.0);
            assert_eq!(kept.len(), 8000, "{rate}");
            assert!((loudness(&kept) / loudness(&tone(8000.0, 1000.0, 8000)) - 1.0).abs() < 0.02, "{rate}");
            if rate > 12_000 {
                // Above what 8 kHz can hold: only its beginning and end are heard, 48 dB down.
                assert!(loudness(&at(6000.0)) < 22.0, "{rate}: {}", loudness(&at(6000.0)));
            }
        }
    }

    #[test]
    fn files_of_g711_are_taken_as_they_are() {
        for (codec, format) in [(Codec::Pcma, 6), (Codec::Pcmu, 7)] {
            let samples = tone(8000.0, 440.0, 800);
            let mut file = write(samples.iter().copied());
            file.truncate(44);
            (file[20], file[34]) = (format, 8);
            file[40..44].copy_from_slice(&800u32.to_le_bytes());
            file.extend(samples.iter().map(|sample| g711::encode(codec, *sample)));
            let read = read(&file).unwrap();
            assert!(read.iter().zip(&samples).all(|(read, sample)| read.abs_diff(*sample) < 260), "{codec:?}");
            assert_eq!(read.len(), 800);
        }
    }

    #[test]
    fn other_files_are_refused_in_words() {
        let mut file = write([1i16, 2, 3].into_iter());
        assert!(read(b"ID3").unwrap_err().contains("expected a WAV"));
        file[22] = 2;
        assert!(read(&file).unwrap_err().contains("2 channels"), "{:?}", read(&file));
        for len in 0..file.len() {
            let _ = read(&file[..len]);
        }
    }
}
