//! Payloads of one codec into those of another: decoded, brought to the other's sampling rate, encoded. Both ends of it
//! remember what went before, so one belongs to one stream, and wants its packets in their order.
//!
//! What the engine itself says, mixes, records and listens to is µ-law at 8 kHz; a stream of another sound has two of
//! these at its door.
//!
//! G.711 and G.722 are as long as the sound is; a packet of Opus is not, and comes at whatever rate is wanted. So between
//! Opus and another nothing is resampled, and what a packet becomes may begin ahead of it: [`Taken::ahead`].

use sdp::{Codec, OpusTerms};

use crate::resample::Resampler;
use crate::{g711, g722, opus};

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
    ahead: u32,
    terms: OpusTerms,
}

/// What a packet became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken<'a> {
    pub payload: &'a [u8],
    /// Of it, what lies before the packet's own time, in 8,000ths of a second: what stands for packets that were lost, or
    /// what did not fill a frame before.
    pub ahead: u32,
}

enum Decoder {
    G711(Codec),
    G722(Box<g722::Decoder>),
    Opus(Box<opus::Decoder>),
}

enum Encoder {
    G711(Codec),
    G722(Box<g722::Encoder>),
    Opus(Box<opus::Encoder>),
}

/// Samples a second of what a codec carries; of Opus, what is behind it here.
pub fn rate(codec: Codec) -> u32 {
    match codec {
        Codec::Pcmu | Codec::Pcma => 8000,
        Codec::G722 => g722::RATE,
        Codec::Opus => opus_rate(Codec::Opus).hertz(),
    }
}

/// That Opus runs at beside this codec.
fn opus_rate(beside: Codec) -> opus::Rate {
    if g711::is(beside) { opus::Rate::Narrow } else { opus::Rate::Wide }
}

fn rate_beside(codec: Codec, beside: Codec) -> u32 {
    if codec == Codec::Opus { opus_rate(beside).hertz() } else { rate(codec) }
}

/// Whether packets go from one to the other without a transcoder: as they are, or octet by octet ([`g711::translate`]).
pub fn is_plain(from: Codec, to: Codec) -> bool {
    from == to || (g711::is(from) && g711::is(to))
}

impl Transcoder {
    pub fn new(from: Codec, to: Codec) -> Transcoder {
        Transcoder::for_peer(from, to, &OpusTerms::default())
    }

    /// For one who wants Opus so.
    pub fn for_peer(from: Codec, to: Codec, terms: &OpusTerms) -> Transcoder {
        let decoder = match from {
            Codec::Pcmu | Codec::Pcma => Decoder::G711(from),
            Codec::G722 => Decoder::G722(Box::default()),
            Codec::Opus => Decoder::Opus(Box::new(opus::Decoder::new(opus_rate(to)))),
        };
        let encoder = match to {
            Codec::Pcmu | Codec::Pcma => Encoder::G711(to),
            Codec::G722 => Encoder::G722(Box::default()),
            Codec::Opus => Encoder::Opus(Box::new(opus::Encoder::new(opus_rate(from), terms))),
        };
        // The rates are those above: their ratio is a small one.
        let rates = (rate_beside(from, to), rate_beside(to, from));
        let resampler = (rates.0 != rates.1).then(|| Resampler::new(rates.0, rates.1).ok()).flatten();
        let (heard, said, out) = (Vec::new(), Vec::new(), Vec::new());
        Transcoder { from, to, decoder, resampler, encoder, heard, said, out, ahead: 0, terms: *terms }
    }

    pub fn from(&self) -> Codec {
        self.from
    }

    pub fn to(&self) -> Codec {
        self.to
    }

    /// Whether it is between these, for one who wants Opus so.
    pub fn connects(&self, ends: (Codec, Codec), terms: &OpusTerms) -> bool {
        (self.from, self.to) == ends && (self.to != Codec::Opus || self.terms == *terms)
    }

    /// The next packet's payload in the other codec: as long in time, later by the filters (none between G.711 and
    /// G.711, 1.4 ms for G.722, 4 ms more where the rates differ; an encoder of Opus looks 6.5 ms ahead). Of ours, that
    /// allocates with the first packet alone.
    pub fn take(&mut self, payload: &[u8]) -> &[u8] {
        self.take_behind(payload, 0).payload
    }

    /// The same behind packets that were lost: a decoder of Opus has something in their place.
    pub fn take_behind(&mut self, payload: &[u8], lost: u16) -> Taken<'_> {
        self.heard.clear();
        let mut ahead = 0;
        match &mut self.decoder {
            Decoder::G711(codec) => self.heard.extend(payload.iter().map(|code| g711::decode(*codec, *code))),
            Decoder::G722(decoder) => decoder.decode(payload, &mut self.heard),
            Decoder::Opus(decoder) => {
                ahead = decoder.decode(payload, lost, &mut self.heard) as u32 * 8000 / rate_beside(self.from, self.to);
            }
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
            Encoder::Opus(encoder) => {
                ahead += encoder.encode(samples, &mut self.out) as u32 * 8000 / rate_beside(self.to, self.from);
            }
        }
        self.ahead = ahead;
        self.taken()
    }

    /// Takes nothing: what is taken last is nothing.
    pub fn pass_over(&mut self) {
        self.out.clear();
        self.ahead = 0;
    }

    /// What the last packet became.
    pub fn taken(&self) -> Taken<'_> {
        Taken { payload: &self.out, ahead: self.ahead }
    }
}
