//! Conferences in virtual time: what each party hears is what the others said, over lines that lose, delay and reorder.

use std::collections::BTreeMap;
use std::time::Duration;

use media::conference::{Conference, FRAME, JitterBuffer, MOST_PARTIES, Part, Seat};
use media::{Prompts, g711};
use sdp::Codec;

const TICK: Duration = Duration::from_millis(20);

/// The same on every run.
struct Dice(u64);

impl Dice {
    /// From 0 to 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// What a line does to packets.
#[derive(Clone, Copy)]
struct Line {
    loss: f64,
    /// Up to so much later than the quickest.
    jitter_ms: f64,
}

const GOOD: Line = Line { loss: 0.0, jitter_ms: 0.0 };

/// Packets of one voice, by their arrival.
fn packets(said: &[i16], codec: Codec, line: Line, seed: u64) -> BTreeMap<(Duration, u32), Vec<u8>> {
    let mut dice = Dice(seed);
    let mut all = BTreeMap::new();
    for (n, frame) in (0u32..).zip(said.chunks_exact(FRAME)) {
        let (lost, late) = (dice.roll() < line.loss, dice.roll() * line.jitter_ms / 1000.0);
        if !lost {
            let codes = frame.iter().map(|sample| g711::encode(codec, *sample)).collect();
            all.insert((TICK * n + Duration::from_secs_f64(late) + Duration::from_millis(5), n), codes);
        }
    }
    all
}

/// A voice through a jitter buffer.
fn through(said: &[i16], line: Line) -> (Vec<i16>, JitterBuffer) {
    let mut coming = packets(said, Codec::Pcmu, line, 7);
    let mut buffer = JitterBuffer::default();
    let mut heard = Vec::new();
    for tick in 0..said.len() / FRAME + 30 {
        let now = TICK * tick as u32;
        while let Some(first) = coming.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, n), codes) = first.remove_entry();
            buffer.take(Codec::Pcmu, 1, 5000 + n * FRAME as u32, &codes, at);
        }
        let mut frame = [0; FRAME];
        buffer.next(now, &mut frame);
        heard.extend(frame);
    }
    (heard, buffer)
}

/// Normalised correlation at the best shift of up to 300 ms.
fn likeness(heard: &[i16], said: &[i16]) -> f64 {
    let at = |shift: usize| {
        let (mut xy, mut xx, mut yy) = (0.0, 1.0, 1.0);
        for (x, y) in heard.iter().skip(shift).zip(said) {
            let (x, y) = (f64::from(*x), f64::from(*y));
            xy += x * y;
            xx += x * x;
            yy += y * y;
        }
        xy / (xx * yy).sqrt()
    };
    (0..2400).map(at).fold(-1.0, f64::max)
}

/// Signal over error in dB, at the best shift.
fn snr(heard: &[i16], said: &[i16]) -> f64 {
    let at = |shift: usize| {
        let (mut signal, mut error) = (1.0, 1.0);
        for (x, y) in heard.iter().skip(shift).zip(said) {
            let (x, y) = (f64::from(*x), f64::from(*y));
            signal += y * y;
            error += (x - y) * (x - y);
        }
        10.0 * f64::log10(signal / error)
    };
    (0..1600).map(at).fold(f64::MIN, f64::max)
}

fn voice(name: &str, seconds: usize) -> Vec<i16> {
    let prompt = Prompts::built_in().samples(name, Codec::Pcmu).unwrap();
    prompt.iter().cycle().take(seconds * 8000).copied().collect()
}

/// What everybody hears of what everybody says.
fn confer(parts: &[(Part, Codec, Option<Vec<i16>>)], line: Line, ticks: usize) -> (Conference, Vec<Vec<i16>>) {
    let mut conference = Conference::new();
    let seats: Vec<Seat> = parts.iter().map(|(part, codec, _)| conference.join(*part, *codec).unwrap()).collect();
    let mut coming: Vec<_> = (1..)
        .zip(parts)
        .map(|(seed, (_, codec, said))| packets(said.as_deref().unwrap_or_default(), *codec, line, seed))
        .collect();
    let mut heard = vec![Vec::new(); parts.len()];
    for tick in 0..ticks {
        let now = TICK * tick as u32;
        for (seat, coming) in seats.iter().zip(&mut coming) {
            while let Some(first) = coming.first_entry().filter(|entry| entry.key().0 <= now) {
                let ((at, n), codes) = first.remove_entry();
                conference.take(*seat, 9, n * FRAME as u32, &codes, at);
            }
        }
        conference.tick(now, |seat, codes| {
            let at = seats.iter().position(|it| *it == seat).unwrap();
            heard[at].extend(codes.iter().map(|code| g711::decode(parts[at].1, *code)));
        });
    }
    (conference, heard)
}

/// How much of what is heard is each of these voices, from the fourth second on, when delays have settled. Lines are late by
/// different times, so each voice is looked for by itself; independent ones that are all of it have squares that sum to one.
fn parts_of(heard: &[i16], voices: &[&[i16]], from: usize) -> (Vec<f64>, f64) {
    let parts: Vec<f64> = voices
        .iter()
        .map(|said| likeness(&heard[from..], &said[from..(from + 16_000).min(said.len() - 2400)]))
        .collect();
    let explained = parts.iter().map(|part| part * part).sum();
    (parts, explained)
}

const SETTLED: usize = 28_000;

#[test]
fn each_of_three_hears_the_other_two_and_not_itself() {
    let said = [voice("agent", 6), voice("caller", 6), voice("welcome", 6)];
    let codecs = [Codec::Pcmu, Codec::Pcma, Codec::Pcmu];
    let parts: Vec<_> = said.iter().zip(codecs).map(|(said, codec)| (Part::Talks, codec, Some(said.clone()))).collect();
    let (_, heard) = confer(&parts, GOOD, 300);
    for own in 0..3 {
        let others: Vec<&[i16]> = (0..3).filter(|at| *at != own).map(|at| said[at].as_slice()).collect();
        let (parts, explained) = parts_of(&heard[own], &others, SETTLED);
        assert!(parts.iter().all(|part| *part > 0.3) && explained > 0.9, "party {own}: {parts:.3?}, {explained:.3}");
        let (itself, _) = parts_of(&heard[own], &[&said[own]], SETTLED);
        assert!(itself[0] < 0.25, "party {own} hears itself: {itself:.3?}");
    }
}

#[test]
fn who_listens_is_not_heard_who_whispers_is_heard_by_one_and_who_barges_in_by_all() {
    let (caller, agent, supervisor) = (voice("caller", 6), voice("agent", 6), voice("welcome", 6));
    let confer = |part: Part| {
        let parts = [
            (Part::Talks, Codec::Pcmu, Some(caller.clone())),
            (Part::Talks, Codec::Pcmu, Some(agent.clone())),
            (part, Codec::Pcmu, Some(supervisor.clone())),
        ];
        confer(&parts, GOOD, 300).1
    };
    // Seats are taken in order: the agent has the second.
    let agents_seat = {
        let mut conference = Conference::new();
        conference.join(Part::Talks, Codec::Pcmu);
        conference.join(Part::Talks, Codec::Pcmu).unwrap()
    };
    let voices = [caller.as_slice(), agent.as_slice(), supervisor.as_slice()];
    // Whom the caller, the agent and the supervisor hear.
    let cases = [
        (Part::Listens, [[false, true, false], [true, false, false], [true, true, false]]),
        (Part::Whispers { to: agents_seat }, [[false, true, false], [true, false, true], [true, true, false]]),
        (Part::Talks, [[false, true, true], [true, false, true], [true, true, false]]),
    ];
    for (part, expected) in cases {
        let heard = confer(part);
        for (who, hears) in expected.iter().enumerate() {
            let (parts, _) = parts_of(&heard[who], &voices, SETTLED);
            let loud: Vec<bool> = parts.iter().map(|part| *part > 0.3).collect();
            assert_eq!(loud, hears, "{part:?}: party {who} hears {parts:.3?}");
            let wanted: Vec<&[i16]> = (0..3).filter(|at| hears[*at]).map(|at| voices[at]).collect();
            let (_, explained) = parts_of(&heard[who], &wanted, SETTLED);
            assert!(explained > 0.9, "{part:?}: party {who} hears something else: {explained:.3}");
        }
    }
}

#[test]
fn what_is_lost_is_concealed_better_than_by_silence() {
    let said = voice("caller", 8);
    for (loss, least) in [(0.05, 2.0), (0.10, 1.0)] {
        let (heard, buffer) = through(&said, Line { loss, jitter_ms: 0.0 });
        let counts = buffer.counts();
        let lost = counts.concealed as f64 / (counts.heard + counts.concealed) as f64;
        assert!((loss * 0.6..loss * 1.8 + 0.02).contains(&lost), "{lost}");
        // The same packets missing, and nothing in their place.
        let there = packets(&said, Codec::Pcmu, Line { loss, jitter_ms: 0.0 }, 7);
        let mut silent = vec![0; said.len()];
        for ((_, n), codes) in there {
            for (at, code) in codes.iter().enumerate() {
                silent[n as usize * FRAME + at] = g711::decode(Codec::Pcmu, *code);
            }
        }
        let settled = SETTLED..said.len() - 1600;
        let concealed = snr(&heard[SETTLED..], &said[settled.clone()]);
        let silence = snr(&silent[SETTLED..], &said[settled]);
        println!("{:2.0} % lost: {concealed:.1} dB concealed, {silence:.1} dB with silence", loss * 100.0);
        assert!(concealed > silence + least, "{loss}: {concealed:.1} dB and {silence:.1} dB");
    }
}

#[test]
fn nothing_is_made_up_on_a_good_line_and_delay_is_short() {
    let said = voice("agent", 6);
    let (heard, buffer) = through(&said, GOOD);
    // Once the line is known the delay does not change any more.
    let quality = snr(&heard[24_000..], &said[24_000..40_000]);
    assert!(quality > 60.0, "what was said and nothing else: {quality:.1} dB");
    assert_eq!((buffer.counts().concealed, buffer.counts().late), (0, 0));
    assert!(buffer.delay() <= Duration::from_millis(60), "{:?}", buffer.delay());
}

#[test]
fn the_delay_grows_with_the_jitter_and_shrinks_with_it() {
    let mut said = voice("agent", 60);
    let (_, buffer) = through(&said, Line { loss: 0.0, jitter_ms: 80.0 });
    let counts = buffer.counts();
    assert!(buffer.delay() >= Duration::from_millis(80), "{:?}", buffer.delay());
    assert!(buffer.delay() <= Duration::from_millis(120), "{:?}", buffer.delay());
    let late = counts.late as f64 / 3000.0;
    assert!(late < 0.03, "{counts:?}: {late} late");
    // Half a minute of jitter, then none.
    said.truncate(30 * 8000);
    let mut coming = packets(&said, Codec::Pcmu, Line { loss: 0.0, jitter_ms: 80.0 }, 3);
    for ((at, n), codes) in packets(&voice("agent", 60), Codec::Pcmu, GOOD, 3) {
        if n >= 1500 {
            coming.insert((at, n), codes);
        }
    }
    let (mut buffer, mut delays) = (JitterBuffer::default(), Vec::new());
    for tick in 0..3000u32 {
        while let Some(first) = coming.first_entry().filter(|entry| entry.key().0 <= TICK * tick) {
            let ((at, n), codes) = first.remove_entry();
            buffer.take(Codec::Pcmu, 1, n * FRAME as u32, &codes, at);
        }
        buffer.next(TICK * tick, &mut [0; FRAME]);
        delays.push(buffer.delay());
    }
    assert!(delays[1490] > Duration::from_millis(80) && delays[2990] < Duration::from_millis(60), "{:?}", delays[2990]);
}

#[test]
fn a_sender_that_begins_anew_or_sets_its_clock_is_heard_on() {
    let said = voice("agent", 3);
    let mut buffer = JitterBuffer::default();
    let mut heard = Vec::new();
    let clocks = [(1u32, 0u32), (2, 77_777), (2, 4_000_000_000), (2, 12)];
    for (round, (ssrc, base)) in (0u32..).zip(clocks) {
        for (n, frame) in (0u32..).zip(said.chunks_exact(FRAME)) {
            let now = TICK * (round * 150 + n);
            let codes: Vec<u8> = frame.iter().map(|sample| g711::encode(Codec::Pcmu, *sample)).collect();
            buffer.take(Codec::Pcmu, ssrc, base.wrapping_add(n * FRAME as u32), &codes, now);
            let mut out = [0; FRAME];
            buffer.next(now, &mut out);
            heard.extend(out);
        }
    }
    // The first is the one in which the line is learnt.
    for round in 1..4 {
        let quality = snr(&heard[round * 24_000 + 8000..], &said[8000..20_000]);
        assert!(quality > 20.0, "round {round}: {quality:.1} dB");
    }
}

#[test]
fn sixty_four_parties_cost_what_those_who_speak_cost() {
    let talkers = ["agent", "caller", "welcome"];
    let mut parts: Vec<_> = talkers.iter().map(|name| (Part::Talks, Codec::Pcmu, Some(voice(name, 20)))).collect();
    for n in parts.len()..MOST_PARTIES {
        let codec = if n % 2 == 0 { Codec::Pcmu } else { Codec::Pcma };
        // Most are there and say nothing, in packets; some only listen.
        parts.push((if n % 8 == 0 { Part::Listens } else { Part::Talks }, codec, Some(vec![0; 20 * 8000])));
    }
    let (mut conference, heard) = confer(&parts, Line { loss: 0.01, jitter_ms: 30.0 }, 1000);
    let work = conference.work();
    assert_eq!(work.ticks, 1000);
    // One for each of three who speak, and one in each law for sixty-one who do not.
    assert!(work.encoded <= 5 * work.ticks, "{work:?}");
    let voices: Vec<&[i16]> = parts[..3].iter().map(|(_, _, said)| said.as_deref().unwrap()).collect();
    for listener in [10, 11, 63] {
        let (parts, explained) = parts_of(&heard[listener], &voices, 96_000);
        assert!(parts.iter().all(|part| *part > 0.3) && explained > 0.8, "{listener}: {parts:.3?}, {explained:.3}");
    }
    assert_eq!(conference.join(Part::Talks, Codec::Pcmu), None, "all seats are taken");
    let mut sent = 0;
    conference.tick(Duration::from_secs(21), |_, _| sent += 1);
    assert_eq!(sent, MOST_PARTIES);
}

#[test]
fn a_whisper_ends_with_its_ear_and_seats_are_taken_again() {
    let mut conference = Conference::new();
    let a = conference.join(Part::Talks, Codec::Pcmu).unwrap();
    let b = conference.join(Part::Whispers { to: a }, Codec::Pcmu).unwrap();
    conference.leave(a);
    assert_eq!(conference.parties(), 1);
    let next = conference.join(Part::Talks, Codec::Pcmu).unwrap();
    assert_eq!(next, a, "the same place");
    let loud: Vec<u8> = voice("agent", 1).iter().map(|sample| g711::encode(Codec::Pcmu, *sample)).collect();
    let mut heard = Vec::new();
    for (n, codes) in (0u32..).zip(loud.chunks_exact(FRAME)) {
        conference.take(b, 1, n * FRAME as u32, codes, TICK * n);
        conference.tick(TICK * n, |seat, codes| {
            if seat == next {
                heard.extend(codes.iter().map(|code| g711::decode(Codec::Pcmu, *code).unsigned_abs()));
            }
        });
    }
    assert!(heard.iter().all(|sample| *sample < 50), "what was whispered to somebody else");
}

#[test]
fn many_loud_voices_do_not_wrap_and_the_loudest_are_heard() {
    let tone = |hertz: f64, level: f64| -> Vec<i16> {
        (0..3 * 8000).map(|n| ((f64::from(n) * std::f64::consts::TAU * hertz / 8000.0).sin() * level) as i16).collect()
    };
    let heard = |loud: f64, faint: f64| {
        let said = |n: u32| tone(300.0 + 100.0 * f64::from(n), if n < 8 { loud } else { faint });
        let mut parts: Vec<_> = (0..12).map(|n| (Part::Talks, Codec::Pcmu, Some(said(n)))).collect();
        parts.push((Part::Listens, Codec::Pcmu, None));
        confer(&parts, GOOD, 140).1.remove(12).split_off(8000)
    };
    // A sum that wrapped jumps from one end to the other.
    let jumps =
        heard(15_000.0, 600.0).windows(2).filter(|two| (i32::from(two[0]) - i32::from(two[1])).abs() > 40_000).count();
    assert_eq!(jumps, 0);
    let heard = heard(2500.0, 300.0);
    let strength = |hertz: f64| {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in heard.iter().enumerate() {
            let angle = n as f64 * std::f64::consts::TAU * hertz / 8000.0;
            re += f64::from(*sample) * angle.cos();
            im += f64::from(*sample) * angle.sin();
        }
        (re * re + im * im).sqrt() / heard.len() as f64
    };
    let (loud, faint) = (strength(500.0), strength(1300.0));
    assert!(loud > 10.0 * faint, "the eight loudest are heard: {loud:.0} and {faint:.0}");
}
