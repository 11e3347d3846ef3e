//! Payloads of one codec into those of another: decoded, brought to the other's sampling rate, encoded. Both ends of it
//! remember what went before, so one belongs to one stream, and wants its packets in their order.
//!
//! What the engine itself says, mixes, records and listens to is µ-law at 8 kHz; a stream of another sound has two of
//! these at its door.

use sdp::Codec;

use crate::resample::Resampler;
use crate::{g711, g722};

/// One direction of one stream.
pub struct Transcoder {
    from: Codec,
    to: Codec,
    decoder: Decoder,
    resampler: Option<Resampler>,
    encoder: Encoder,
    /// At the first's rate and at the second's; kept for their room.
    heard: Vec<i16>,
    said: Vec<i16>,
    out: Vec<u8>,
}

enum Decoder {
    G711(Codec),
    G722(Box<g722::Decoder>),
}

enum Encoder {
    G711(Codec),
    G722(Box<g722::Encoder>),
}

/// Samples a second of what a codec carries.
pub fn rate(codec: Codec) -> u32 {
    match codec {
        Codec::Pcmu | Codec::Pcma => 8000,
        Codec::G722 => g722::RATE,
    }
}

/// Whether packets go from one to the other without a transcoder: as they are, or octet by octet ([`g711::translate`]).
pub fn is_plain(from: Codec, to: Codec) -> bool {
    from == to || (g711::is(from) && g711::is(to))
}

impl Transcoder {
    pub fn new(from: Codec, to: Codec) -> Transcoder {
        let decoder = match from {
            Codec::Pcmu | Codec::Pcma => Decoder::G711(from),
            Codec::G722 => Decoder::G722(Box::default()),
        };
        let encoder = match to {
            Codec::Pcmu | Codec::Pcma => Encoder::G711(to),
            Codec::G722 => Encoder::G722(Box::default()),
        };
        // The rates are those above: their ratio is a small one.
        let resampler = (rate(from) != rate(to)).then(|| Resampler::new(rate(from), rate(to)).ok()).flatten();
        let (heard, said, out) = (Vec::new(), Vec::new(), Vec::new());
        Transcoder { from, to, decoder, resampler, encoder, heard, said, out }
    }

    pub fn from(&self) -> Codec {
        self.from
    }

    pub fn to(&self) -> Codec {
        self.to
    }

    /// The next packet's payload in the other codec: as long in time, later by the filters (none between G.711 and
    /// G.711, 1.4 ms for G.722, 4 ms more where the rates differ). Allocates with the first packet alone.
    pub fn take(&mut self, payload: &[u8]) -> &[u8] {
        self.heard.clear();
        match &mut self.decoder {
            Decoder::G711(codec) => self.heard.extend(payload.iter().map(|code| g711::decode(*codec, *code))),
            Decoder::G722(decoder) => decoder.decode(payload, &mut self.heard),
        }
        let samples = match &mut self.resampler {
            Some(resampler) => {
                self.said.clear();
                resampler.push(&self.heard, &mut self.said);
                &self.said
            }
            None => &self.heard,
        };
        self.out.clear();
        match &mut self.encoder {
            Encoder::G711(codec) => self.out.extend(samples.iter().map(|sample| g711::encode(*codec, *sample))),
            Encoder::G722(encoder) => encoder.encode(samples, &mut self.out),
        }
        &self.out
    }

    /// What the last packet became.
    pub fn taken(&self) -> &[u8] {
        &self.out
    }
}
