//! What people say in the runs: synthesised voices, G.711 µ-law (ITU-T G.711), and the capture file
//! that sipp plays, speech and RFC 4733 digits under one SSRC.
//!
//! A voice has the statistics of speech (syllables, pitch, pauses) and never repeats itself, so there
//! is one alignment at which what was heard matches what was said, and two voices never match.

use std::f64::consts::TAU;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::packets::{self, Frame};

/// Samples a second.
pub const RATE: usize = 8000;
/// Samples in a packet of 20 ms.
pub const PACKET: usize = 160;
/// The payload type of RFC 4733 events in our offers.
pub const EVENT_TYPE: u8 = 101;

/// A voice of its own for each seed, `seconds` long: linear samples at [`RATE`].
pub fn voice(seed: u64, seconds: usize) -> Vec<i16> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let wanted = seconds * RATE;
    let mut samples = Vec::with_capacity(wanted + RATE);
    let base = 110.0 + 120.0 * random.unit();
    while samples.len() < wanted {
        syllable(&mut random, base, &mut samples);
        let pause = (0.02 + 0.08 * random.unit()) * RATE as f64;
        samples.extend(std::iter::repeat_n(0, pause as usize));
    }
    samples.truncate(wanted);
    samples
}

/// A vowel: a gliding pitch with harmonics under two formants, swelling and fading.
fn syllable(random: &mut Random, base: f64, samples: &mut Vec<i16>) {
    let length = ((0.09 + 0.2 * random.unit()) * RATE as f64) as usize;
    let (from, to) = (base * (0.8 + 0.5 * random.unit()), base * (0.8 + 0.5 * random.unit()));
    let formants = [300.0 + 600.0 * random.unit(), 1000.0 + 1400.0 * random.unit()];
    let loudness = 4000.0 + 8000.0 * random.unit();
    let mut phase = random.unit() * TAU;
    for at in 0..length {
        let part = at as f64 / length as f64;
        let pitch = from + (to - from) * part;
        phase += TAU * pitch / RATE as f64;
        let mut sum = 0.0;
        for harmonic in 1..=(3400.0 / pitch) as u32 {
            let frequency = pitch * f64::from(harmonic);
            let weight: f64 = formants.iter().map(|formant| (-((frequency - formant) / 180.0).powi(2)).exp()).sum();
            sum += (weight + 0.03) * (phase * f64::from(harmonic)).sin();
        }
        let swell = (std::f64::consts::PI * part).sin();
        samples.push((loudness * swell * sum / 1.6).clamp(-30_000.0, 30_000.0) as i16);
    }
}

/// One linear sample as µ-law.
pub fn to_ulaw(sample: i16) -> u8 {
    const BIAS: i32 = 0x84;
    const CLIP: i32 = 32_635;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    // The bias makes bit 7 or a higher one set, so there are at most 24 leading zeros of 32.
    let exponent = 24 - magnitude.leading_zeros();
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | (exponent as u8) << 4 | mantissa as u8)
}

/// One µ-law octet as a linear sample.
pub fn from_ulaw(octet: u8) -> i16 {
    let octet = !octet;
    let magnitude = ((i32::from(octet & 0x0f) << 3) + 0x84) << ((octet & 0x70) >> 4);
    let sample = magnitude - 0x84;
    (if octet & 0x80 != 0 { -sample } else { sample }) as i16
}

/// What a caller does after the answer.
#[derive(Clone, Debug)]
pub enum Act {
    /// Says this (linear samples; cut to whole packets).
    Say(Vec<i16>),
    /// Is silent.
    Wait(Duration),
    /// Presses one key for 160 ms (RFC 4733: `0`–`9`).
    Press(u8),
}

/// Writes the acts as the capture file that sipp's `play_pcap_audio` wants: PCMU every 20 ms and
/// events of type [`EVENT_TYPE`], one SSRC, one sequence.
pub fn write_script(path: &Path, ssrc: u32, acts: &[Act]) -> Result<()> {
    let mut script = Script { frames: Vec::new(), ssrc, sequence: 1000, ticks: 0 };
    for act in acts {
        match act {
            Act::Say(samples) => {
                for chunk in samples.chunks_exact(PACKET) {
                    script.speak(&chunk.iter().copied().map(to_ulaw).collect::<Vec<_>>())?;
                }
            }
            Act::Wait(time) => {
                for _ in 0..time.as_millis() / 20 {
                    script.speak(&[0xff; PACKET])?;
                }
            }
            Act::Press(digit) => script.press(*digit)?,
        }
    }
    packets::write(path, &script.frames)
}

struct Script {
    frames: Vec<Frame>,
    ssrc: u32,
    sequence: u16,
    ticks: u32,
}

impl Script {
    fn speak(&mut self, payload: &[u8]) -> Result<()> {
        self.send(false, 0, self.ticks * PACKET as u32, payload, Duration::ZERO)?;
        self.ticks += 1;
        Ok(())
    }

    /// Eight updates 20 ms apart, then the end three times (RFC 4733 section 2.5.1.4).
    fn press(&mut self, digit: u8) -> Result<()> {
        let began = self.ticks * PACKET as u32;
        for update in 1..=8_u16 {
            let [high, low] = (update * PACKET as u16).to_be_bytes();
            self.send(update == 1, EVENT_TYPE, began, &[digit, 10, high, low], Duration::ZERO)?;
            self.ticks += 1;
        }
        let [high, low] = (9 * PACKET as u16).to_be_bytes();
        for again in 0..3 {
            self.send(false, EVENT_TYPE, began, &[digit, 0x80 | 10, high, low], Duration::from_millis(again))?;
        }
        self.ticks += 1;
        Ok(())
    }

    fn send(&mut self, marker: bool, kind: u8, timestamp: u32, payload: &[u8], late: Duration) -> Result<()> {
        let packet = packets::rtp_packet(marker, kind, self.sequence, timestamp, self.ssrc, payload);
        self.sequence = self.sequence.wrapping_add(1);
        // sipp puts its own addresses and ports in place of these.
        let bytes = packets::udp_frame((Ipv4Addr::LOCALHOST, 6000), (Ipv4Addr::LOCALHOST, 6002), &packet)?;
        let time = Duration::from_secs(1) + Duration::from_millis(20) * self.ticks + late;
        self.frames.push(Frame { time, bytes });
        Ok(())
    }
}

/// xorshift64*: the same voice for the same seed on every machine.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ulaw_octet_survives() {
        for octet in 0..=255_u8 {
            // 0x7f is a second zero: it comes back as 0xff.
            let expected = if octet == 0x7f { 0xff } else { octet };
            assert_eq!(to_ulaw(from_ulaw(octet)), expected, "{octet:#x}");
        }
        assert_eq!((from_ulaw(0x80), from_ulaw(0x00), from_ulaw(0xff)), (32_124, -32_124, 0));
    }

    #[test]
    fn a_press_ends_three_times_under_the_timestamp_it_began_with() {
        let path = std::env::temp_dir().join(format!("interop-press-{}.pcap", std::process::id()));
        write_script(&path, 9, &[Act::Wait(Duration::from_millis(40)), Act::Press(1), Act::Say(voice(1, 1))]).unwrap();
        let frames = packets::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let flows = packets::udp_flows(&frames);
        let packets: Vec<_> =
            flows.values().next().unwrap().iter().map(|d| packets::Rtp::parse(&d.payload).unwrap()).collect();
        let ends: Vec<_> =
            packets.iter().filter(|p| p.payload_type == EVENT_TYPE && p.payload[1] & 0x80 != 0).collect();
        assert_eq!(ends.len(), 3);
        assert!(ends.iter().all(|end| end.timestamp == 2 * 160));
        assert!(packets.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
        assert!(packets.iter().all(|packet| packet.ssrc == 9));
    }
}
