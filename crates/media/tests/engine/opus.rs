//! Opus beside the others: what it does to sound, what is made of losses, its clock, and events on that. Figures are printed
//! (`cargo nextest run -p media opus --no-capture`) and bounded.

use media::rtp::Header;
use media::transcode::{Transcoder, rate};
use media::{Command, Event, g711, opus};
use sdp::{Codec, OpusTerms, Policy, Suite};

use crate::quality::{decode, encode, likeness, purity, tone};
use crate::rig::{Rig, ms, plain, secure};
use crate::tap::{frames, samples, tap};

const OTHERS: [Codec; 3] = [Codec::Pcmu, Codec::Pcma, Codec::G722];

fn fec() -> OpusTerms {
    OpusTerms { in_band_fec: true, ..OpusTerms::default() }
}

fn modern() -> Policy {
    Policy { codecs: vec![Codec::Opus], ..secure(Suite::AeadAes256Gcm) }
}

/// To Opus in packets of 20 ms, and back. The octets a second of it.
fn there_and_back(codec: Codec, samples: &[i16]) -> (Vec<i16>, usize) {
    let (mut there, mut back) = (Transcoder::new(codec, Codec::Opus), Transcoder::new(Codec::Opus, codec));
    let codes = encode(codec, samples);
    let (mut out, mut octets) = (Vec::new(), 0);
    for packet in codes.chunks_exact(160) {
        let opus = there.take(packet);
        octets += opus.len();
        out.extend_from_slice(back.take(opus));
    }
    assert_eq!(out.len(), codes.len() / 160 * 160, "as long in time");
    (decode(codec, &out), octets * 50 / (codes.len() / 160))
}

/// dB that the levels of speech differ by on average, a band and 20 ms each, where there is any: a coder that follows what
/// an ear hears does not follow the wave. `late` lies so many samples behind `early`.
fn spectral_distance(early: &[i16], late: &[i16], behind: f64, rate: u32) -> f64 {
    let late = &late[behind.round() as usize..];
    let frame = rate as usize / 50;
    let level = |piece: &[i16], hertz: f64| {
        let turn = hertz * std::f64::consts::TAU / f64::from(rate);
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (n, sample) in piece.iter().enumerate() {
            let window = 0.5 - 0.5 * (n as f64 * std::f64::consts::TAU / piece.len() as f64).cos();
            sine += f64::from(*sample) * window * (n as f64 * turn).sin();
            cosine += f64::from(*sample) * window * (n as f64 * turn).cos();
        }
        10.0 * ((sine * sine + cosine * cosine) / piece.len() as f64 + 1.0).log10()
    };
    // Ten pitches a band make a band of lines.
    let band = |piece: &[i16], band: u32| {
        let lines = (0..10).map(|line| level(piece, 200.0 + f64::from(band * 400 + line * 40)));
        10.0 * (lines.map(|db| 10f64.powf(db / 10.0)).sum::<f64>()).log10()
    };
    let (mut sum, mut count) = (0.0, 0.0);
    for (early, late) in early.chunks_exact(frame).zip(late.chunks_exact(frame)) {
        for at in 0..8 {
            let meant = band(early, at);
            if meant > 50.0 {
                sum += (meant - band(late, at)).abs();
                count += 1.0;
            }
        }
    }
    sum / count
}

#[test]
fn speech_goes_to_opus_and_back_with_little_delay() {
    let speech = media::Prompts::built_in().samples("agent", Codec::Pcmu).unwrap();
    let wide = media::resample::whole(&speech, 8000, 16_000).unwrap();
    for codec in OTHERS {
        let said = if rate(codec) == 8000 { &speech } else { &wide };
        let (heard, octets) = there_and_back(codec, said);
        let (behind, db) = likeness(&said[..said.len() / 2], &heard, rate(codec) as usize / 25);
        let delay = behind * 1000.0 / f64::from(rate(codec));
        let off = spectral_distance(&said[..said.len() / 2], &heard, behind, rate(codec));
        let name = codec.name();
        println!(
            "{name} to Opus and back: speech {db:.1} dB, bands {off:.1} dB off, {delay:.2} ms behind, {octets} octets/s"
        );
        assert!(db > 4.0, "{codec:?}: {db:.1} dB");
        assert!(off < 3.0, "{codec:?}: {off:.1} dB");
        assert!(delay < 12.0, "{codec:?}: {delay} ms");
        assert!(octets <= 4000, "{codec:?}: {octets} octets a second");
    }
}

#[test]
fn tones_keep_their_level_in_opus() {
    for codec in OTHERS {
        for hertz in [300.0, 700.0, 1000.0, 1700.0, 2500.0, 3100.0] {
            let (heard, _) = there_and_back(codec, &tone(rate(codec), hertz, 8000.0));
            let (level, db) = purity(&heard, rate(codec), hertz);
            let change = 20.0 * (level / 8000.0).log10();
            println!("{} to Opus and back: {hertz} Hz {db:.1} dB over the rest, level {change:+.2} dB", codec.name());
            let edge = hertz > 3000.0;
            assert!(db > if edge { 5.0 } else { 16.0 }, "{codec:?}, {hertz} Hz: {db:.1} dB");
            assert!(change.abs() < if edge { 4.0 } else { 1.0 }, "{codec:?}, {hertz} Hz: {change:+.2} dB");
        }
    }
}

/// Speech as Opus with every nth packet lost, against the same with none lost: what is repeated in the next packet, made up
/// by the decoder, or silence. dB of the likeness.
#[test]
fn what_is_lost_is_heard_from_the_next_packet_or_made_up() {
    let speech = media::Prompts::built_in().samples("caller", Codec::Pcmu).unwrap();
    let wide = media::resample::whole(&speech, 8000, 16_000).unwrap();
    let packets = |terms: &OpusTerms| -> Vec<Vec<u8>> {
        let mut encoder = opus::Encoder::new(opus::Rate::Wide, terms);
        let packet = |piece: &[i16]| {
            let mut packet = Vec::new();
            encoder.encode(piece, &mut packet);
            packet
        };
        wide.chunks_exact(320).map(packet).collect()
    };
    for every in [20, 10] {
        let heard = |terms: &OpusTerms, told: bool| -> f64 {
            let (mut whole, mut lossy) = (opus::Decoder::new(opus::Rate::Wide), opus::Decoder::new(opus::Rate::Wide));
            let (mut meant, mut made, mut lost) = (Vec::new(), Vec::new(), 0);
            for (n, packet) in packets(terms).iter().enumerate() {
                whole.decode(packet, 0, &mut meant);
                if n % every == every - 1 {
                    lost = 1;
                    made.extend([0; 320].iter().filter(|_| !told));
                    continue;
                }
                let ahead = lossy.decode(packet, if told { lost } else { 0 }, &mut made);
                assert_eq!(ahead, if told { usize::from(lost) * 320 } else { 0 });
                lost = 0;
            }
            let len = made.len();
            likeness(&meant[..len - 400], &made, 1).1
        };
        let (repeated, made_up, silent) =
            (heard(&fec(), true), heard(&OpusTerms::default(), true), heard(&OpusTerms::default(), false));
        println!("1 of {every} lost: {repeated:.1} dB repeated, {made_up:.1} dB made up, {silent:.1} dB with silence");
        assert!(made_up > silent + 1.0 && repeated > made_up + 1.0);
    }
}

#[test]
fn a_border_speaks_opus_on_one_side_on_its_own_clock_and_g711_on_the_other() {
    let mut rig = Rig::new(3);
    let [carrier, a, b, inside] = [rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2)];
    rig.connect(carrier, a, &plain());
    rig.connect(b, inside, &modern());
    rig.bridge(a, b);
    for end in [carrier, b, inside] {
        rig.record(end);
    }
    rig.play(carrier, "caller", false);
    rig.play(inside, "agent", false);
    rig.run(ms(9000));
    for (end, step) in [(carrier, 160), (b, 960), (inside, 960)] {
        let from = end.lease.addr;
        let headers = rig.tapped.iter().filter(|it| it.from == from).filter_map(|it| Header::parse(&it.bytes));
        let headers: Vec<Header> = headers.collect();
        let steps = headers.windows(2).map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp));
        let even = steps.clone().filter(|it| *it == step).count();
        assert!(even >= headers.len() - 2 && headers.len() > 150, "{step}: {even} of {}", headers.len());
    }
    let facts = [rig.facts(a), rig.facts(b), rig.facts(inside)];
    assert_eq!((facts[0].codec.as_str(), facts[1].codec.as_str()), ("PCMU", "opus"));
    assert_eq!(facts[1].tx.clear + facts[1].rx.clear, 0);
    for facts in &facts {
        assert_eq!((facts.lost, facts.auth_failed), (0, 0));
        assert!(facts.jitter_ms < 1.0 && facts.mos.is_none_or(|mos| mos > 4.0), "{facts:?}");
    }
    let rate = facts[1].tx.octets * 8 / 9;
    println!("Opus on the wire: {rate} bit/s");
    assert!(rate < 40_000, "{rate}");
    let prompt = |name| rig.prompts.samples(name, Codec::Pcmu).unwrap();
    let (caller, agent) = (prompt("caller"), prompt("agent"));
    let (at_carrier, _, _) = rig.close(carrier);
    let (heard, said, _) = rig.close(b);
    let (at_inside, _, _) = rig.close(inside);
    for (what, meant, there, ways) in [
        ("the agent at the carrier", &agent, &at_carrier, 2),
        ("the caller inside", &caller, &at_inside, 2),
        ("the agent at the border", &agent, &heard, 1),
        ("the caller at the border", &caller, &said, 1),
    ] {
        let (behind, db) = likeness(&meant[..32_000], there, 600);
        let extra = (behind - 80.0 * f64::from(ways)) / 8.0;
        let off = spectral_distance(&meant[..32_000], there, behind, 8000);
        println!("PCMU - Opus: {what}: {db:.1} dB, bands {off:.1} dB off, {extra:.1} ms more than the way");
        assert!(db > 4.0 && off < 3.0, "{what}: {db:.1} dB, {off:.1} dB");
        assert!((0.0..15.0).contains(&extra), "{what}: {extra} ms");
    }
}

#[test]
fn keys_go_between_a_clock_of_48_000_and_one_of_8000() {
    for (left, right) in [(modern(), plain()), (plain(), modern()), (modern(), modern())] {
        let mut rig = Rig::new(3);
        let [caller, a, b, agent] = [rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2)];
        rig.connect(caller, a, &left);
        rig.connect(b, agent, &right);
        rig.bridge(a, b);
        rig.play(caller, "caller", true);
        rig.run(ms(500));
        rig.tell(caller, |lease| Command::Dial { lease, digits: "19#".into() });
        rig.run(ms(1500));
        let told = rig.events.iter().filter_map(|(_, event)| match event {
            Event::Digit { lease, digit, duration_ms } if *lease == agent.lease.id => Some((*digit, *duration_ms)),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), [('1', 100), ('9', 100), ('#', 100)], "{:?}", left.codecs);
    }
}

/// A peer that has events on another clock alone, or none: keys are tones, and come through the coder as such.
#[test]
fn keys_are_heard_in_opus_where_there_are_no_events() {
    let mute = Policy { telephone_event: false, ..modern() };
    for (left, right) in [(mute.clone(), modern()), (modern(), mute.clone()), (mute.clone(), plain())] {
        let mut rig = Rig::new(3);
        let [caller, a, b, agent] = [rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2)];
        rig.connect(caller, a, &left);
        rig.connect(b, agent, &right);
        rig.bridge(a, b);
        rig.run(ms(100));
        let keys = "1593704268*#";
        rig.tell(caller, |lease| Command::Dial { lease, digits: keys.into() });
        rig.run(ms(4000));
        let told = rig.events.iter().filter_map(|(_, event)| match event {
            Event::Digit { lease, digit, .. } if *lease == agent.lease.id => Some(*digit),
            _ => None,
        });
        let told: String = told.collect();
        assert_eq!(told, keys, "{} to {}", left.telephone_event, right.telephone_event);
    }
}

/// From one clock to the other and back on one stream, as when a caller is sent on.
#[test]
fn a_change_to_opus_and_back_in_mid_call_is_followed() {
    let mut rig = Rig::new(3);
    let [caller, a, b, agent] = [rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2)];
    rig.connect(caller, a, &plain());
    rig.connect(b, agent, &secure(Suite::AeadAes128Gcm));
    rig.bridge(a, b);
    rig.record(agent);
    rig.play(caller, "caller", true);
    rig.run(ms(3000));
    for (policy, name) in [(modern(), "opus"), (secure(Suite::AeadAes128Gcm), "PCMU"), (modern(), "opus")] {
        let (at_b, at_agent) = rig.agree(b, agent, &policy);
        rig.set(b, at_b);
        rig.set(agent, at_agent);
        rig.run(ms(3000));
        let facts = rig.facts(agent);
        assert_eq!((facts.codec.as_str(), facts.rx.clear), (name, 0));
        assert!(facts.jitter_ms < 5.0 && facts.auth_failed <= 6, "{facts:?}");
    }
    let prompt = rig.prompts.samples("caller", Codec::Pcmu).unwrap();
    let (heard, _, _) = rig.close(agent);
    for (from, least) in [(3200, 20.0), (27_200, 3.0), (51_200, 20.0), (75_200, 3.0)] {
        let part: Vec<i16> = (0..8000).map(|n| prompt[(from + n) % prompt.len()]).collect();
        let (behind, db) = likeness(&part, &heard[from..from + 9000], 900);
        let off = spectral_distance(&part, &heard[from..from + 9000], behind, 8000);
        println!("from {} s on: {db:.1} dB, bands {off:.1} dB off", from / 8000);
        assert!(db > least && off < 3.0, "from {from}: {db:.1} dB, {off:.1} dB");
    }
}

#[test]
fn opus_to_opus_passes_untouched_and_both_can_be_listened_to() {
    let mut rig = Rig::new(3);
    let [caller, a, b, agent] = [rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2)];
    rig.connect(caller, a, &modern());
    rig.connect(b, agent, &modern());
    rig.bridge(a, b);
    rig.record(a);
    rig.record(agent);
    rig.play(caller, "caller", false);
    rig.run(ms(5000));
    let (before, behind) = (rig.facts(a), rig.facts(b));
    assert_eq!(before.rx.octets, behind.tx.octets);
    let caller = rig.prompts.samples("caller", Codec::Pcmu).unwrap();
    let ((at_border, _, _), (at_agent, _, _)) = (rig.close(a), rig.close(agent));
    for (what, heard) in [("border", &at_border), ("agent", &at_agent)] {
        let (behind, _) = likeness(&caller[..24_000], heard, 600);
        let off = spectral_distance(&caller[..24_000], heard, behind, 8000);
        println!("Opus to Opus: at the {what} bands {off:.1} dB off");
        assert!(off < 3.0, "{what}: {off:.1} dB");
    }
}

/// One packet in ten is lost on the way of Opus; the listener behind the border, who has G.711, has packets of the whole time.
#[test]
fn a_loss_of_opus_is_mended_for_a_listener_of_g711() {
    let run = |lossy: bool| {
        let mut rig = Rig::new(3);
        let [caller, a, b, agent] = [rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2)];
        rig.connect(caller, a, &modern());
        rig.connect(b, agent, &plain());
        rig.bridge(a, b);
        rig.record(agent);
        let (from, mut count) = (caller.lease.addr, 0);
        rig.lose = Box::new(move |it| {
            count += u32::from(it.from == from);
            lossy && it.from == from && count % 10 == 0
        });
        rig.play(caller, "caller", false);
        rig.run(ms(6000));
        let lost = rig.facts(a).lost;
        assert_eq!(lost > 15, lossy);
        (rig.close(agent).0, lost)
    };
    let ((whole, _), (mended, lost)) = (run(false), run(true));
    let (_, db) = likeness(&whole[1600..40_000], &mended[1600..], 160);
    let silent =
        |samples: &[i16]| samples[1600..40_000].chunks_exact(160).filter(|it| it.iter().all(|s| *s == 0)).count();
    println!("{lost} packets of Opus lost: {db:.1} dB beside none lost, {} silent frames", silent(&mended));
    assert!(db > 8.0, "{db:.1} dB");
    assert!(silent(&mended) <= silent(&whole) + 2, "{} and {}", silent(&mended), silent(&whole));
}

/// Who listens by way of a jitter buffer (a recogniser, a conference) hears what the next packet repeats.
#[test]
fn a_listener_hears_nearly_all_of_opus_where_one_packet_in_ten_is_lost() {
    let heard = |policy: &Policy, lossy: bool| {
        let mut rig = Rig::new(2);
        let (caller, b) = (rig.lend(0), rig.lend(1));
        rig.connect(caller, b, policy);
        tap(&mut rig, b, 1);
        let (from, mut count) = (caller.lease.addr, 0);
        rig.lose = Box::new(move |it| {
            count += u32::from(it.from == from);
            lossy && it.from == from && count % 10 == 5
        });
        rig.play(caller, "caller", false);
        rig.run(ms(6000));
        samples(&frames(&rig, 1).0)
    };
    let mut beside = Vec::new();
    for policy in [modern(), secure(Suite::AeadAes256Gcm)] {
        let (whole, lossy) = (heard(&policy, false), heard(&policy, true));
        // Half a second each, once the buffer knows the line: it moves by 10 ms where nothing is said.
        let parts = (16_000..40_000).step_by(4000);
        let parts: Vec<(f64, f64)> =
            parts.map(|at| likeness(&whole[at..at + 4000], &lossy[at..at + 4800], 800)).collect();
        let count = parts.len() as f64;
        let sum = parts.into_iter().fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        let (later, db) = (sum.0 / count / 8.0, sum.1 / count);
        println!("{}: {db:.1} dB beside none lost, {later:.1} ms later", policy.codecs[0].name());
        beside.push((db, later));
    }
    let [(repeated, waits), (concealed, _)] = beside[..] else { panic!("{beside:?}") };
    assert!(repeated > 22.0 && repeated > concealed + 4.0, "{beside:?}");
    assert!((10.0..=30.0).contains(&waits), "{beside:?}");
}

#[test]
fn packets_of_30_ms_become_opus_that_lies_where_they_lay() {
    let speech = media::Prompts::built_in().samples("agent", Codec::Pcmu).unwrap();
    let codes: Vec<u8> = speech.iter().map(|sample| g711::encode(Codec::Pcmu, *sample)).collect();
    let (mut there, mut back) = (Transcoder::new(Codec::Pcmu, Codec::Opus), Transcoder::new(Codec::Opus, Codec::Pcmu));
    let mut heard = vec![0u8; codes.len()];
    let mut reached = 0;
    for (n, packet) in codes.chunks_exact(240).enumerate() {
        let taken = there.take_behind(packet, 0);
        let at = n * 240 - taken.ahead as usize;
        assert_eq!(at, reached, "packet {n} begins where the one before ended");
        let piece = back.take(taken.payload);
        heard[at..at + piece.len()].copy_from_slice(piece);
        reached = at + piece.len();
    }
    let heard: Vec<i16> = heard.iter().map(|code| g711::decode(Codec::Pcmu, *code)).collect();
    let (behind, _) = likeness(&speech[..speech.len() / 2], &heard, 200);
    let off = spectral_distance(&speech[..speech.len() / 2], &heard, behind, 8000);
    println!("30 ms of G.711 at a time: bands {off:.1} dB off");
    assert!(off < 3.0, "{off:.1} dB");
}
