//! What transcoding does to sound: tones, speech, delay, and packets that never came. Figures are printed
//! (`cargo nextest run -p media quality --no-capture`) and bounded.

use std::f64::consts::TAU;
use std::time::Duration;

use media::conference::{FRAME, JitterBuffer};
use media::transcode::{Transcoder, rate};
use media::{g711, g722};
use sdp::{Codec, Policy, Suite};

use crate::rig::{End, Rig, ms, plain, secure};

const PATHS: [(Codec, Codec); 5] = [
    (Codec::Pcmu, Codec::Pcma),
    (Codec::Pcmu, Codec::G722),
    (Codec::Pcma, Codec::G722),
    (Codec::G722, Codec::Pcmu),
    (Codec::G722, Codec::Pcma),
];

pub(crate) fn encode(codec: Codec, samples: &[i16]) -> Vec<u8> {
    if codec != Codec::G722 {
        return samples.iter().map(|sample| g711::encode(codec, *sample)).collect();
    }
    let mut out = Vec::new();
    g722::Encoder::default().encode(samples, &mut out);
    out
}

pub(crate) fn decode(codec: Codec, codes: &[u8]) -> Vec<i16> {
    if codec != Codec::G722 {
        return codes.iter().map(|code| g711::decode(codec, *code)).collect();
    }
    let mut out = Vec::new();
    g722::Decoder::default().decode(codes, &mut out);
    out
}

/// Packets of 20 ms through a transcoder, at the first's rate in and at the second's out.
fn through(from: Codec, to: Codec, samples: &[i16]) -> Vec<i16> {
    let mut transcoder = Transcoder::new(from, to);
    let codes = encode(from, samples);
    let out: Vec<u8> = codes.chunks_exact(160).flat_map(|packet| transcoder.take(packet).to_vec()).collect();
    assert_eq!(out.len(), codes.len(), "as long in time");
    decode(to, &out)
}

pub(crate) fn tone(rate: u32, hertz: f64, level: f64) -> Vec<i16> {
    (0..rate).map(|n| (level * (f64::from(n) * hertz * TAU / f64::from(rate)).sin()) as i16).collect()
}

/// Amplitude of a tone in the second half, and dB of it over everything else there.
pub(crate) fn purity(samples: &[i16], rate: u32, hertz: f64) -> (f64, f64) {
    let part = &samples[samples.len() / 2..];
    let turn = |n: usize| n as f64 * hertz * TAU / f64::from(rate);
    let sum = |of: fn(f64) -> f64| -> f64 {
        part.iter().enumerate().map(|(n, sample)| f64::from(*sample) * of(turn(n))).sum::<f64>() * 2.0
            / part.len() as f64
    };
    let (sine, cosine) = (sum(f64::sin), sum(f64::cos));
    let rest =
        |(n, sample): (usize, &i16)| (f64::from(*sample) - sine * turn(n).sin() - cosine * turn(n).cos()).powi(2);
    let noise = part.iter().enumerate().map(rest).sum::<f64>() / part.len() as f64;
    let level = sine.hypot(cosine);
    (level, 10.0 * (level * level / 2.0 / noise.max(1e-9)).log10())
}

/// Samples that `late` lies behind `early`, and dB of the likeness there, at its best level. Between samples, too: filters
/// delay by parts of one.
pub(crate) fn likeness(early: &[i16], late: &[i16], most: usize) -> (f64, f64) {
    const PARTS: usize = 8;
    let (whole, _) = (0..most).map(|shift| like(early, late, shift, most)).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    let fine = |samples: &[i16]| media::resample::whole(samples, 8000, 8000 * PARTS as u32).unwrap();
    let (early, late) = (fine(early), fine(late));
    let near = (whole * PARTS).saturating_sub(PARTS)..=(whole + 1) * PARTS;
    let best = near.map(|shift| like(&early, &late, shift, most * PARTS)).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    (best.0 as f64 / PARTS as f64, best.1)
}

fn like(early: &[i16], late: &[i16], shift: usize, most: usize) -> (usize, f64) {
    let dot = |a: &[i16], b: &[i16]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let len = early.len().min(late.len().saturating_sub(most));
    let (early, late) = (&early[..len], &late[shift..shift + len]);
    let (both, power, whole) = (dot(early, late), dot(early, early), dot(late, late));
    let left = (whole - both * both / power).max(1e-9);
    (shift, 10.0 * (whole / left).log10())
}

#[test]
fn tones_go_through_every_path_as_they_are() {
    for (from, to) in PATHS {
        for hertz in [150.0, 300.0, 700.0, 1000.0, 1700.0, 2500.0, 3100.0, 3400.0] {
            let heard = through(from, to, &tone(rate(from), hertz, 8000.0));
            let (level, db) = purity(&heard, rate(to), hertz);
            let change = 20.0 * (level / 8000.0).log10();
            println!("{} to {}: {hertz} Hz {db:.1} dB over the rest, level {change:+.2} dB", from.name(), to.name());
            assert!(db > 31.0, "{from:?} to {to:?}, {hertz} Hz: {db:.1} dB");
            assert!(change.abs() < 0.5, "{from:?} to {to:?}, {hertz} Hz: {change:+.2} dB");
        }
    }
}

/// G.722 says what G.711 cannot hold: it must not come back as something else.
#[test]
fn what_the_narrow_side_cannot_hold_is_gone() {
    for to in Codec::USUAL {
        for hertz in [4300.0, 5000.0, 6000.0, 6900.0] {
            let heard = through(Codec::G722, to, &tone(16_000, hertz, 8000.0));
            let part = &heard[4000..];
            let power = part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len() as f64;
            let below = 10.0 * (8000.0f64.powi(2) / 2.0 / power.max(1.0)).log10();
            println!("G722 to {}: {hertz} Hz {below:.1} dB down", to.name());
            assert!(below > 38.0, "{to:?}, {hertz} Hz: {below:.1} dB down");
        }
    }
}

#[test]
fn speech_comes_through_with_little_delay() {
    let speech = media::Prompts::built_in().samples("agent", Codec::Pcmu).unwrap();
    let wide = media::resample::whole(&speech, 8000, 16_000).unwrap();
    for (from, to) in PATHS {
        let (said, there) = (if rate(from) == 8000 { &speech } else { &wide }, rate(to));
        let meant = if there == 8000 { &speech } else { &wide };
        let heard = through(from, to, said);
        let (behind, db) = likeness(&meant[..meant.len() / 2], &heard, there as usize / 50);
        let delay = behind * 1000.0 / f64::from(there);
        println!("{} to {}: speech {db:.1} dB, {delay:.2} ms behind", from.name(), to.name());
        assert!(db > 32.0, "{from:?} to {to:?}: {db:.1} dB");
        assert!(delay < 8.0, "{from:?} to {to:?}: {delay} ms");
    }
}

/// As `relay.rs`: engine 0 is the carrier, 1 the border with two ends, 2 the inside.
fn border(outer: &Policy, inner: &Policy) -> (Rig, [End; 4]) {
    let mut rig = Rig::new(3);
    let ends = [rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2)];
    rig.connect(ends[0], ends[1], outer);
    rig.connect(ends[2], ends[3], inner);
    rig.bridge(ends[1], ends[2]);
    (rig, ends)
}

fn wide() -> Policy {
    Policy { codecs: vec![Codec::G722], ..secure(Suite::AeadAes256Gcm) }
}

#[test]
fn a_border_transcodes_both_ways_between_secure_streams_and_records_both() {
    for outer in [secure(Suite::AesCm128HmacSha1_80), plain(), Policy { codecs: vec![Codec::Pcma], ..plain() }] {
        let (mut rig, [carrier, a, b, inside]) = border(&outer, &wide());
        for end in [carrier, b, inside] {
            rig.record(end);
        }
        rig.play(carrier, "caller", false);
        rig.play(inside, "agent", false);
        rig.run(ms(9000));
        let facts = [rig.facts(a), rig.facts(b)];
        assert_eq!((facts[0].codec.as_str(), facts[1].codec.as_str()), (outer.codecs[0].name(), "G722"));
        for facts in &facts {
            assert_eq!((facts.lost, facts.auth_failed), (0, 0));
            assert_eq!(facts.rx.octets, facts.tx.octets, "64 kbit/s on either side");
        }
        assert_eq!(facts[1].tx.clear + facts[1].rx.clear, 0);
        let prompt = |name| rig.prompts.samples(name, Codec::Pcmu).unwrap();
        let (caller, agent) = (prompt("caller"), prompt("agent"));
        let (at_carrier, _, _) = rig.close(carrier);
        let (heard, said, _) = rig.close(b);
        let (at_inside, _, _) = rig.close(inside);
        // 80 samples for each way, and what the filters of as many transcoders take: 1.4 ms for G.722, 4 for a rate.
        for (what, meant, there, ways) in [
            ("the agent at the carrier", &agent, &at_carrier, 2),
            ("the caller inside", &caller, &at_inside, 2),
            ("the agent at the border", &agent, &heard, 1),
            ("the caller at the border", &caller, &said, 1),
        ] {
            let (behind, db) = likeness(&meant[..32_000], there, 400);
            let extra = (behind - 80.0 * f64::from(ways)) / 8.0;
            println!("{} - G722: {what}: {db:.1} dB, {extra:.1} ms more than the way", outer.codecs[0].name());
            assert!(db > 28.0, "{what}: {db:.1} dB");
            assert!((0.0..12.0).contains(&extra), "{what}: {extra} ms");
        }
    }
}

#[test]
fn the_same_codec_passes_untouched_and_a_change_of_codec_is_followed() {
    let (mut rig, [carrier, _, b, inside]) = border(&wide(), &wide());
    rig.record(inside);
    rig.play(carrier, "caller", true);
    rig.run(ms(3000));
    let sealed: u64 = rig.facts(inside).rx.octets;
    assert!(sealed >= 140 * 160);
    // The inside moves to a phone that speaks µ-law, with keys of its own, and back.
    for (policy, name) in [(secure(Suite::AeadAes128Gcm), "PCMU"), (wide(), "G722")] {
        let (at_b, at_inside) = rig.agree(b, inside, &policy);
        rig.set(b, at_b);
        rig.set(inside, at_inside);
        rig.run(ms(3000));
        assert_eq!(rig.facts(inside).codec, name);
    }
    let facts = rig.facts(inside);
    assert_eq!((facts.rx.clear, facts.clear_dropped), (0, 0));
    assert!(facts.auth_failed <= 2, "packets that were under way as the keys changed: {}", facts.auth_failed);
    let caller = rig.prompts.samples("caller", Codec::Pcmu).unwrap();
    let (heard, _, _) = rig.close(inside);
    for (from, what) in [(3200, "G.722"), (27_200, "µ-law"), (51_200, "G.722 again")] {
        let part = |at: usize| (0..4000).map(|n| caller[(at + n) % caller.len()]).collect::<Vec<i16>>();
        let (_, db) = likeness(&part(from), &heard[from..from + 5000], 500);
        println!("{what}: {db:.1} dB");
        assert!(db > 24.0, "{what}: {db:.1} dB");
    }
}

/// A loss on the G.722 side reaches a listener of G.711 as a gap, which his buffer conceals.
#[test]
fn what_is_lost_ahead_of_a_transcoder_is_concealed_better_than_by_silence() {
    let speech = media::Prompts::built_in().samples("caller", Codec::Pcmu).unwrap();
    for (from, to) in [(Codec::G722, Codec::Pcmu), (Codec::Pcma, Codec::G722)] {
        let at = |rate: u32, samples: &[i16]| media::resample::whole(samples, 8000, rate).unwrap();
        let codes = encode(from, &at(rate(from), &speech));
        for (loss, least) in [(5, 3.0), (10, 1.5)] {
            let (mut transcoder, mut ear) = (Transcoder::new(from, to), Transcoder::new(to, Codec::Pcmu));
            let (mut whole, mut whole_ear) = (Transcoder::new(from, to), Transcoder::new(to, Codec::Pcmu));
            let (mut buffer, mut dice) = (JitterBuffer::default(), 3u32);
            let (mut meant, mut concealed, mut silent) = (Vec::new(), Vec::new(), Vec::new());
            for (n, packet) in (0u32..).zip(codes.chunks_exact(160)) {
                let now = Duration::from_millis(20) * n;
                let clean = whole_ear.take(whole.take(packet)).to_vec();
                meant.extend(clean.iter().map(|code| g711::decode(Codec::Pcmu, *code)));
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if (dice >> 8) % 100 >= loss {
                    let codes = ear.take(transcoder.take(packet)).to_vec();
                    silent.extend(codes.iter().map(|code| g711::decode(Codec::Pcmu, *code)));
                    buffer.take(Codec::Pcmu, 1, n * 160, &codes, now);
                } else {
                    silent.extend([0; FRAME]);
                }
                let mut frame = [0; FRAME];
                buffer.next(now + Duration::from_millis(1), &mut frame);
                concealed.extend(frame);
            }
            let settled = 16_000..meant.len() - 1600;
            let (_, with) = likeness(&meant[settled.clone()], &concealed[settled.start..], 800);
            let (_, without) = likeness(&meant[settled.clone()], &silent[settled.start..], 1);
            let (from, to) = (from.name(), to.name());
            println!("{from} to {to}, {loss} % lost: {with:.1} dB concealed, {without:.1} dB with silence");
            assert!(with > without + least, "{from} to {to}, {loss} %: {with:.1} dB and {without:.1} dB");
        }
    }
}
