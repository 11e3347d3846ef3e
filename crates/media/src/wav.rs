//! WAV files: 16-bit PCM, read at 8 or 16 kHz mono, written at 8 kHz mono.

/// Telephone speech: Hz.
pub const RATE: u32 = 8000;

/// The samples of a file as 8 kHz, or in words what was expected and what came.
pub fn read(file: &[u8]) -> Result<Vec<i16>, String> {
    let body = match (file.get(..4), file.get(8..12), file.get(12..)) {
        (Some(b"RIFF"), Some(b"WAVE"), Some(body)) => body,
        _ => return Err("expected a WAV file (RIFF, WAVE), found something else".to_owned()),
    };
    let mut rate = None;
    for (name, chunk) in Chunks(body) {
        match name {
            b"fmt " => rate = Some(format(chunk)?),
            b"data" => {
                let rate = rate.ok_or("expected the 'fmt ' chunk ahead of 'data'")?;
                let samples: Vec<i16> = chunk.as_chunks::<2>().0.iter().map(|two| i16::from_le_bytes(*two)).collect();
                return Ok(if rate == RATE { samples } else { halved(&samples) });
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

/// The rate of a format that we take.
fn format(chunk: &[u8]) -> Result<u32, String> {
    let Some([f0, f1, c0, c1, r0, r1, r2, r3, _, _, _, _, _, _, b0, b1]) = chunk.first_chunk::<16>() else {
        return Err(format!("expected a 'fmt ' chunk of 16 octets, found {}", chunk.len()));
    };
    let format = u16::from_le_bytes([*f0, *f1]);
    let channels = u16::from_le_bytes([*c0, *c1]);
    let rate = u32::from_le_bytes([*r0, *r1, *r2, *r3]);
    let bits = u16::from_le_bytes([*b0, *b1]);
    // 0xfffe: "extensible", which many editors write for plain PCM too.
    let pcm = matches!(format, 1 | 0xfffe);
    match (pcm, channels, rate, bits) {
        (true, 1, 8000 | 16_000, 16) => Ok(rate),
        _ => Err(format!(
            "expected PCM, mono, 8 or 16 kHz, 16 bit; found format {format}, {channels} channels, {rate} Hz, {bits} bit; \
             convert it with: sox IN.wav -r 8000 -c 1 -b 16 OUT.wav"
        )),
    }
}

/// 16 kHz to 8 kHz: a low-pass below 4 kHz (windowed sinc, 31 taps), then every other sample.
fn halved(samples: &[i16]) -> Vec<i16> {
    const HALF: i32 = 15;
    let taps: Vec<f32> = (-HALF..=HALF)
        .map(|n| {
            let x = n as f32 * std::f32::consts::FRAC_PI_2;
            let sinc = if n == 0 { 1.0 } else { x.sin() / x };
            let window = 0.54 + 0.46 * (n as f32 * std::f32::consts::PI / (HALF as f32 + 1.0)).cos();
            sinc * window / 2.0
        })
        .collect();
    let at = |index: i64| usize::try_from(index).ok().and_then(|i| samples.get(i)).map_or(0.0, |s| f32::from(*s));
    let output = |middle: usize| {
        let first = middle as i64 - i64::from(HALF);
        let sum: f32 = (first..).zip(&taps).map(|(index, tap)| at(index) * tap).sum();
        sum.round() as i16 // saturates
    };
    (0..samples.len()).step_by(2).map(output).collect()
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
    fn sixteen_kilohertz_is_halved_without_aliases() {
        let at_16k = |hertz| {
            let mut file = write(tone(16_000.0, hertz, 16_000).into_iter());
            file[24..28].copy_from_slice(&16_000u32.to_le_bytes());
            read(&file).unwrap()
        };
        let kept = at_16k(1000.0);
        assert_eq!(kept.len(), 8000);
        assert!((loudness(&kept) / loudness(&tone(8000.0, 1000.0, 8000)) - 1.0).abs() < 0.02);
        assert!(loudness(&at_16k(6000.0)) < 60.0, "{}", loudness(&at_16k(6000.0)));
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
