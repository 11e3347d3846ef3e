//! Tones and how high they sound, prompts and whether they were heard.

/// Three seconds of it, as a WAV file.
pub(super) fn tone(hertz: f64) -> Vec<u8> {
    let sample = |at: u32| (f64::from(at) * std::f64::consts::TAU * hertz / 8000.0).sin() * 12_000.0;
    media::wav::write((0..24_000).map(|at| sample(at) as i16))
}

/// Turns from negative to not, of the loudest second: how high it sounds, in Hz.
pub(super) fn pitch(file: &str) -> usize {
    let samples = media::wav::read(&std::fs::read(file).unwrap()).unwrap();
    let loudest =
        samples.chunks(8000).max_by_key(|second| second.iter().map(|it| u64::from(it.unsigned_abs())).sum::<u64>());
    loudest.map_or(0, |second| second.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count())
}

/// The best correlation of the loudest tenth of a second, of the first two of a built-in prompt, with anything in the file.
pub(super) fn likeness(file: &str, prompt: &str) -> f64 {
    let heard = media::wav::read(&std::fs::read(file).unwrap()).unwrap();
    let said = media::Prompts::built_in().samples(prompt, sdp::Codec::Pcmu).unwrap();
    let loudest =
        said[..16_000].chunks(800).max_by_key(|part| part.iter().map(|it| u64::from(it.unsigned_abs())).sum::<u64>());
    let (part, whole) = (floats(loudest.unwrap()), floats(&heard));
    let energy = |samples: &[f64]| samples.iter().map(|it| it * it).sum::<f64>();
    let all = energy(&part);
    let like = |window: &[f64]| {
        let product: f64 = window.iter().zip(&part).map(|(a, b)| a * b).sum();
        product / (energy(window) * all).sqrt().max(1.0)
    };
    whole.windows(part.len()).map(like).fold(0.0, f64::max)
}

fn floats(samples: &[i16]) -> Vec<f64> {
    samples.iter().map(|it| f64::from(*it)).collect()
}
