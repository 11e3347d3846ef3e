//! Opus (RFC 6716), by `ropus` (docs/adr/0008): one channel, at the rate of what is on its other side. Its packets say
//! themselves how long they last and how wide they are, so that a decoder of 8 kHz hears whatever is sent; what an encoder
//! sends follows what the peer asked for ([`OpusTerms`]).
//!
//! Both ends remember what went before: one belongs to one stream, and to its packets in their order.

use ropus::{Application, Bandwidth, Bitrate, Channels, DecodeMode, InbandFec};
use sdp::OpusTerms;

/// Bits a second of one voice at 16 kHz, and at 8; what is repeated of the packet before comes on top.
const WIDE: u32 = 32_000;
const NARROW: u32 = 24_000;
const REPEATED: u32 = 8000;
/// Parts of a hundred that are taken to be lost where the peer makes use of what is repeated.
const LOSS: u8 = 10;
/// Of ten: what a media thread spends on better sound.
const EFFORT: u8 = 5;
/// A packet's length at most, at 48 kHz (RFC 6716 §3.2.5): 120 ms.
const MOST_TICKS: u32 = 5760;
/// What is made up in place of lost packets at most, in ms: later ones would not be heard any more.
const MOST_RECOVERED_MS: u32 = 60;
/// Frames that one packet may be, in 400ths of a second, the longest first.
const FRAMES: [usize; 6] = [24, 16, 8, 4, 2, 1];

/// Samples a second, in or out, of those that Opus has: which a stream here needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// 8,000, as G.711.
    Narrow,
    /// 16,000, as G.722.
    Wide,
}

impl Rate {
    pub fn hertz(self) -> u32 {
        match self {
            Rate::Narrow => 8000,
            Rate::Wide => 16_000,
        }
    }
}

/// How long a packet lasts, in ticks of 48,000 a second (RFC 6716 §3.1, §3.2.5); none for what is no packet.
pub fn duration(packet: &[u8]) -> Option<u32> {
    let first = *packet.first()?;
    let config = usize::from(first >> 3);
    let frame = match config {
        0..12 => [480, 960, 1920, 2880][config & 3],
        12..16 => [480, 960][config & 1],
        _ => [120, 240, 480, 960][config & 3],
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    Some(frame * frames).filter(|ticks| (1..=MOST_TICKS).contains(ticks))
}

/// Sound in, packets out.
pub struct Encoder {
    /// Always there: our settings are all of Opus'.
    coder: Option<ropus::Encoder>,
    /// Samples of a 400th of a second.
    unit: usize,
    /// Bits a second of its packets, all of one length: as long as what is said in them, they would tell it to who sees
    /// them pass (RFC 6562), a prompt's above all.
    rate: usize,
    discontinuous: bool,
    /// What did not fill a frame yet.
    held: Vec<i16>,
}

impl Encoder {
    pub fn new(rate: Rate, terms: &OpusTerms) -> Encoder {
        let repeated = if terms.in_band_fec { REPEATED } else { 0 };
        let wanted = repeated + if rate == Rate::Narrow { NARROW } else { WIDE };
        let rate_of_packets = terms.max_average_bitrate.map_or(wanted, |most| most.min(wanted));
        let bandwidth = match terms.max_playback_rate {
            ..12_000 => Bandwidth::Narrowband,
            12_000..16_000 => Bandwidth::Mediumband,
            _ => Bandwidth::Wideband,
        };
        let builder = ropus::Encoder::builder(rate.hertz(), Channels::Mono, Application::Voip)
            // Few packets want more than a sixth beyond the average; those that do are made to fit.
            .bitrate(Bitrate::Bits(rate_of_packets / 6 * 5))
            .complexity(EFFORT)
            .max_bandwidth(bandwidth)
            .vbr(true)
            .dtx(terms.discontinuous);
        let builder = match terms.in_band_fec {
            true => builder.inband_fec(InbandFec::Enabled).packet_loss_perc(LOSS),
            false => builder,
        };
        Encoder {
            coder: builder.build().ok(),
            unit: rate.hertz() as usize / 400,
            rate: rate_of_packets as usize,
            discontinuous: terms.discontinuous,
            held: Vec::new(),
        }
    }

    /// One packet of what came and what was held back: 2.5 to 60 ms, since Opus has no frames of 30 or 50 (RFC 6716 §2.1.4).
    /// The samples that were held, and so come ahead of these. Nothing is added to `out` where not even 2.5 ms came.
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> usize {
        let ahead = self.held.len();
        self.held.extend_from_slice(samples);
        let fits = |frame: &&usize| *frame * self.unit <= self.held.len();
        let Some(frame) = FRAMES.iter().find(fits).map(|frame| frame * self.unit) else { return ahead };
        let (before, len) = (out.len(), self.rate * frame / self.unit / 400 / 8);
        out.resize(before + len, 0);
        let (now, room) = (self.held.get(..frame).unwrap_or_default(), out.get_mut(before..).unwrap_or_default());
        let written = self.coder.as_mut().and_then(|coder| coder.encode(now, room).ok()).unwrap_or(0);
        out.truncate(before + written);
        self.held.drain(..frame);
        // Up to two octets mean that nobody speaks, where the peer wants to be told so.
        if written > if self.discontinuous { 2 } else { 0 } {
            pad(out, before, len);
        }
        ahead
    }

    /// Samples by which what is heard is later than what was said.
    pub fn delay(&self) -> usize {
        self.coder.as_ref().map_or(0, |coder| coder.lookahead() as usize)
    }
}

/// Makes the packet at the end of `out` that begins there so long, as one of code 3 (RFC 6716 §3.2.5): the frames of each
/// other code follow their header as they do there.
fn pad(out: &mut Vec<u8>, begins: usize, len: usize) {
    let missing = (begins + len).saturating_sub(out.len());
    let Some(([first], rest)) = out.get(begins..).and_then(|packet| packet.split_first_chunk::<1>()) else { return };
    let (count, behind, more) = match first & 3 {
        0 => (1, begins + 1, missing.checked_sub(1)),
        1 => (2, begins + 1, missing.checked_sub(1)),
        2 => (0x82, begins + 1, missing.checked_sub(1)),
        _ => (rest.first().copied().unwrap_or(0x40), begins + 2, Some(missing)),
    };
    // One that is padded already is as long as it was to be.
    let Some(more) = more.filter(|_| count & 0x40 == 0) else { return };
    // Octets that say how many there are, each for 254, and those.
    let says = more.div_ceil(255);
    let last = (more + 254).checked_sub(255 * says).map(|last| last as u8);
    let header = [first | 3, count | if more == 0 { 0 } else { 0x40 }];
    let lengths = std::iter::repeat_n(255, says.saturating_sub(1)).chain(last.filter(|_| more > 0));
    let header: Vec<u8> = header.into_iter().chain(lengths).collect();
    out.splice(begins..behind, header);
    out.resize(begins + len, 0);
}

/// Packets in, sound out.
pub struct Decoder {
    /// Always there: as above.
    coder: Option<ropus::Decoder>,
    rate: Rate,
    /// Samples of the last packet.
    last: usize,
    room: Vec<i16>,
}

impl Decoder {
    pub fn new(rate: Rate) -> Decoder {
        let coder = ropus::Decoder::new(rate.hertz(), Channels::Mono).ok();
        let room = vec![0; (rate.hertz() / 1000 * 120) as usize];
        Decoder { coder, rate, last: (rate.hertz() / 50) as usize, room }
    }

    /// The next packet, and how many were lost ahead of it: for the last of these what this packet repeats of it, or what
    /// the decoder makes up, as for those before. How many samples come ahead of the packet's own by that. What is no
    /// packet is as one lost.
    pub fn decode(&mut self, packet: &[u8], lost: u16, out: &mut Vec<i16>) -> usize {
        let before = out.len();
        let most = (self.rate.hertz() / 1000 * MOST_RECOVERED_MS) as usize;
        let recovered = usize::from(lost).min(most / self.last.max(1));
        for nth in (0..recovered).rev() {
            let whole = if nth == 0 { self.some(packet, DecodeMode::Fec, self.last, out) } else { false };
            if !whole {
                self.some(&[], DecodeMode::Normal, self.last, out);
            }
        }
        let ahead = out.len() - before;
        let own = duration(packet).map(|ticks| (ticks / (48_000 / self.rate.hertz())) as usize);
        match own {
            Some(len) if self.some(packet, DecodeMode::Normal, len, out) => self.last = len,
            _ => drop(self.some(&[], DecodeMode::Normal, self.last, out)),
        }
        ahead
    }

    /// Louder or quieter from now on, by 256ths of a dB.
    pub fn gain(&mut self, gain: i16) {
        if let Some(coder) = &mut self.coder {
            // Every such number is one of its gains.
            let _ = coder.set_gain(gain.into());
        }
    }

    /// So many samples, if the decoder has them.
    fn some(&mut self, packet: &[u8], mode: DecodeMode, len: usize, out: &mut Vec<i16>) -> bool {
        let (Some(coder), Some(room)) = (&mut self.coder, self.room.get_mut(..len)) else { return false };
        match coder.decode(packet, room, mode) {
            Ok(made) if made > 0 => {
                out.extend_from_slice(room.get(..made).unwrap_or_default());
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hum(rate: Rate, len: usize) -> Vec<i16> {
        let step = 220.0 * std::f64::consts::TAU / f64::from(rate.hertz());
        (0..len).map(|n| ((n as f64 * step).sin() * 9000.0) as i16).collect()
    }

    fn dice(seed: u32) -> impl Iterator<Item = u32> {
        let next = |it: &u32| Some(it.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        std::iter::successors(Some(seed), next).skip(1).map(|it| it >> 8)
    }

    /// RFC 6716 table 2, a row each.
    #[test]
    fn a_packet_says_how_long_it_is() {
        let ms = |config: u8, code: u8| duration(&[config << 3 | code, 3]).map(|ticks| f64::from(ticks) / 48.0);
        for (configs, each) in [
            (0..4, [10.0, 20.0, 40.0, 60.0].as_slice()),
            (8..12, &[10.0, 20.0, 40.0, 60.0]),
            (12..14, &[10.0, 20.0]),
            (14..16, &[10.0, 20.0]),
            (16..20, &[2.5, 5.0, 10.0, 20.0]),
            (28..32, &[2.5, 5.0, 10.0, 20.0]),
        ] {
            for (config, one) in configs.zip(each) {
                assert_eq!(ms(config, 0), Some(*one), "{config}");
                assert_eq!([ms(config, 1), ms(config, 2)], [Some(2.0 * one), Some(2.0 * one)], "{config}");
                let three = Some(3.0 * one).filter(|ms| *ms <= 120.0);
                assert_eq!(ms(config, 3), three, "{config}");
            }
        }
        for none in [&[][..], &[3], &[3, 0x40], &[0xff, 49], &[1 << 3 | 3, 7]] {
            assert_eq!(duration(none), None, "{none:02x?}");
        }
    }

    #[test]
    fn whatever_is_said_at_once_becomes_packets_of_opus() {
        for rate in [Rate::Narrow, Rate::Wide] {
            for ms in [5, 10, 20, 30, 40, 50, 60] {
                let len = rate.hertz() as usize / 1000 * ms;
                let mut encoder = Encoder::new(rate, &OpusTerms::default());
                let (mut said, mut ahead) = (0, 0);
                for (nth, piece) in hum(rate, len * 12).chunks_exact(len).enumerate() {
                    let mut packet = Vec::new();
                    assert_eq!(encoder.encode(piece, &mut packet), ahead, "{rate:?}, {ms} ms, {nth}");
                    let lasts = (duration(&packet).unwrap() / (48_000 / rate.hertz())) as usize;
                    said += lasts;
                    ahead = ahead + len - lasts;
                    assert!(packet.len() < 60 * (ms + 10) / 10, "{} octets of {ms} ms", packet.len());
                }
                assert_eq!(said + ahead, len * 12);
                assert!(ahead < rate.hertz() as usize / 100 * 2, "{rate:?}, {ms} ms: {ahead} are held");
            }
        }
        let mut packet = Vec::new();
        assert_eq!(Encoder::new(Rate::Wide, &OpusTerms::default()).encode(&[1; 39], &mut packet), 0);
        assert!(packet.is_empty(), "less than 2.5 ms");
    }

    #[test]
    fn an_encoder_sends_what_the_peer_asked_for() {
        let octets = |terms: OpusTerms, samples: &[i16]| -> Vec<Vec<u8>> {
            let mut encoder = Encoder::new(Rate::Wide, &terms);
            let packet = |piece: &[i16]| {
                let mut packet = Vec::new();
                encoder.encode(piece, &mut packet);
                packet
            };
            samples.chunks_exact(320).map(packet).collect()
        };
        let noise: Vec<i16> = dice(1).map(|it| (it % 12_000) as i16 - 6000).take(16_000).collect();
        let usual = OpusTerms::default();
        // RFC 6716 table 2: SILK or hybrid, and its band.
        let configs = |packets: Vec<Vec<u8>>| packets.iter().skip(5).map(|packet| packet[0] >> 3).max();
        assert!(configs(octets(usual, &noise)) >= Some(8), "wide band");
        let narrow = OpusTerms { max_playback_rate: 8000, ..usual };
        assert!(configs(octets(narrow, &noise)) < Some(4), "narrow band");
        let least = OpusTerms { max_average_bitrate: Some(6000), ..usual };
        let sum = |packets: Vec<Vec<u8>>| packets.iter().map(Vec::len).sum::<usize>();
        assert!(sum(octets(least, &noise)) * 2 < sum(octets(usual, &noise)));
        let quiet = octets(OpusTerms { discontinuous: true, ..usual }, &[0; 32_000]);
        assert!(quiet.iter().rev().take(20).filter(|packet| packet.len() <= 2).count() >= 15, "next to nothing");
        let repeats = octets(OpusTerms { in_band_fec: true, ..usual }, &noise);
        assert!(sum(repeats) > sum(octets(usual, &noise)), "what is repeated comes on top");
    }

    /// RFC 6562: nobody on the way sees by their lengths what is said, nor whether anything is.
    #[test]
    fn packets_are_as_long_whatever_is_said() {
        let noise = dice(1).map(|it| (it % 12_000) as i16 - 6000).take(16_000);
        let said: Vec<i16> = noise.chain(hum(Rate::Wide, 16_000)).chain([0; 16_000]).collect();
        for in_band_fec in [false, true] {
            let mut encoder = Encoder::new(Rate::Wide, &OpusTerms { in_band_fec, ..OpusTerms::default() });
            let lengths = said.chunks_exact(320).map(|piece| {
                let mut packet = Vec::new();
                encoder.encode(piece, &mut packet);
                packet.len()
            });
            let lengths: std::collections::BTreeSet<usize> = lengths.collect();
            assert_eq!(lengths.len(), 1, "{lengths:?}");
        }
    }

    /// Packets of each code, made longer by any number of octets, are heard as before.
    #[test]
    fn what_fills_a_packet_is_not_heard() {
        let mut encoder = ropus::Encoder::builder(16_000, Channels::Mono, Application::Voip).build().unwrap();
        let mut room = [0; 1275];
        let len = encoder.encode(&hum(Rate::Wide, 320), &mut room).unwrap();
        let (config, frame) = (room[0] & !3, room[1..len].to_vec());
        let short = &frame[..];
        let packets = [
            [&[config][..], short].concat(),
            [&[config | 1][..], short, short].concat(),
            [&[config | 2, short.len() as u8][..], short, &frame].concat(),
            [&[config | 3, 2][..], short, short].concat(),
        ];
        for packet in &packets {
            let heard = |packet: &[u8]| {
                let mut heard = Vec::new();
                Decoder::new(Rate::Wide).decode(packet, 0, &mut heard);
                (duration(packet), heard)
            };
            for more in 0..600 {
                let mut longer = vec![9, 9];
                longer.extend_from_slice(packet);
                pad(&mut longer, 2, packet.len() + more);
                assert_eq!((longer.len(), &longer[..2]), (2 + packet.len() + more, &[9, 9][..]), "{more}");
                assert!(heard(&longer[2..]) == heard(packet), "code {} and {more}", packet[0] & 3);
            }
        }
    }

    /// Random packets, and true ones that were damaged, cut, lost and turned around. (Before `ropus` was taken, three
    /// million of them went through its decoder with its checks switched on.)
    #[test]
    fn hostile_packets_make_bounded_sound() {
        let mut encoder = Encoder::new(Rate::Wide, &OpusTerms { in_band_fec: true, ..OpusTerms::default() });
        let mut random = dice(7);
        let mut next = move |below: u32| random.next().unwrap_or_default() % below;
        for rate in [Rate::Narrow, Rate::Wide] {
            let mut decoder = Decoder::new(rate);
            for n in 0..2000 {
                let mut packet = Vec::new();
                if next(3) == 0 {
                    packet = (0..next(300)).map(|_| next(256) as u8).collect();
                } else {
                    let noise: Vec<i16> = (0..320).map(|_| next(20_000) as i16 - 10_000).collect();
                    encoder.encode(&noise, &mut packet);
                    for _ in 0..next(4) {
                        let at = next(packet.len() as u32) as usize;
                        packet[at] ^= 1 << next(8);
                    }
                    packet.truncate(next(2 * packet.len() as u32) as usize);
                }
                let mut out = Vec::new();
                let ahead = decoder.decode(&packet, next(5) as u16 * (next(4) / 3) as u16, &mut out);
                let ms = |samples: usize| samples * 1000 / rate.hertz() as usize;
                assert!(ms(ahead) <= 60 && ms(out.len() - ahead) <= 120, "{n}: {ahead} {}", out.len());
                assert!(out.len() > ahead, "{n}: something is always heard");
            }
        }
    }
}
