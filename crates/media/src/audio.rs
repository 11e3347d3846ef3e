//! Recordings as files of others: WAV, Opus in Ogg, `.au`, and G.711 without a header (VoiceXML 2.0 appendix E).

use sdp::Codec;

use crate::{g711, ogg, resample, wav};

/// The samples as 8 kHz. What it is, its first octets say, or else the ending of its `name`: `.ulaw`, `.alaw`, ….
///
/// # Errors
/// In words: what was expected and what came.
pub fn read(name: &str, file: &[u8]) -> Result<Vec<i16>, String> {
    if file.starts_with(b".snd") {
        return au(file);
    }
    if file.starts_with(ogg::MAGIC) {
        return ogg::read(file);
    }
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let codec = match ending.as_deref() {
        Some("ulaw" | "mulaw" | "ul" | "pcmu") => Some(Codec::Pcmu),
        Some("alaw" | "al" | "pcma") => Some(Codec::Pcma),
        _ => None,
    };
    match codec.filter(|_| !file.starts_with(b"RIFF")) {
        Some(codec) => Ok(decoded(codec, file)),
        None => wav::read(file),
    }
}

fn decoded(codec: Codec, codes: &[u8]) -> Vec<i16> {
    codes.iter().map(|code| g711::decode(codec, *code)).collect()
}

/// Sun's format: a header of words in network order, then the audio.
fn au(file: &[u8]) -> Result<Vec<i16>, String> {
    let word = |at: usize| {
        let octets = file.get(at..at + 4).and_then(|octets| octets.first_chunk::<4>());
        octets.map(|octets| u32::from_be_bytes(*octets)).ok_or("expected a header of 24 octets, found less")
    };
    let (offset, encoding, rate, channels) = (word(4)?, word(12)?, word(16)?, word(20)?);
    let audio =
        file.get(offset as usize..).filter(|_| offset >= 24).ok_or("expected audio behind the header, found none")?;
    match (encoding, rate, channels) {
        (1, wav::RATE, 1) => Ok(decoded(Codec::Pcmu, audio)),
        (27, wav::RATE, 1) => Ok(decoded(Codec::Pcma, audio)),
        (3, _, 1) => {
            let samples: Vec<i16> = audio.as_chunks::<2>().0.iter().map(|two| i16::from_be_bytes(*two)).collect();
            resample::whole(&samples, rate, wav::RATE)
        }
        _ => Err(format!(
            "expected mono, G.711 at 8 kHz or PCM of 16 bit; found encoding {encoding}, {channels} channels, {rate} Hz"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn au_file(encoding: u32, rate: u32, channels: u32, audio: &[u8]) -> Vec<u8> {
        let mut file = b".snd".to_vec();
        for word in [28, audio.len() as u32, encoding, rate, channels, 0] {
            file.extend(word.to_be_bytes());
        }
        file.extend(audio);
        file
    }

    #[test]
    fn files_are_what_their_first_octets_or_their_names_say() {
        let meant = [0i16, 8031, -8031, 32];
        let codes = |codec| meant.map(|sample| g711::encode(codec, sample));
        let (mu, a) = (codes(Codec::Pcmu), codes(Codec::Pcma));
        let heard = |codec, codes: &[u8]| decoded(codec, codes);
        assert_eq!(read("https://a/b.ulaw", &mu).unwrap(), heard(Codec::Pcmu, &mu));
        assert_eq!(read("b.AL", &a).unwrap(), heard(Codec::Pcma, &a));
        assert_eq!(read("b.au", &au_file(1, 8000, 1, &mu)).unwrap(), heard(Codec::Pcmu, &mu));
        assert_eq!(read("b", &au_file(27, 8000, 1, &a)).unwrap(), heard(Codec::Pcma, &a));
        let linear: Vec<u8> = meant.iter().flat_map(|sample| sample.to_be_bytes()).collect();
        assert_eq!(read("b", &au_file(3, 8000, 1, &linear)).unwrap(), meant);
        let wave = wav::write(meant.into_iter());
        assert_eq!(read("named.ulaw", &wave).unwrap(), meant, "what it is counts before what it is called");
    }

    #[test]
    fn others_are_refused_in_words() {
        assert!(read("a.mp3", b"ID3....").unwrap_err().contains("expected a WAV"));
        assert!(read("a.au", &au_file(1, 8000, 2, &[0; 8])).unwrap_err().contains("2 channels"));
        assert!(read("a.au", &au_file(3, 1, 1, &[0; 8])).unwrap_err().contains("Hz"));
        let file = au_file(1, 8000, 1, &[1, 2, 3]);
        for len in 0..file.len() {
            let _ = read("a.au", &file[..len]);
        }
        let mut wrong = file;
        wrong[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(read("a.au", &wrong).unwrap_err().contains("behind the header"));
    }
}
