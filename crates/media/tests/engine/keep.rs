//! Recordings that are kept: what they hold, when they end, what a crash would cost, and hearing them again.

use std::time::Duration;

use media::{Command, Event, Keep, KeptEnd};
use sdp::{Codec, Suite};

use crate::rig::{End, Rig, find, ms, secure};

fn keep(id: u64) -> Keep {
    Keep {
        id,
        node: "vvb1".into(),
        caller: "ab".repeat(16),
        both: false,
        longest: None,
        final_silence: None,
        patience: None,
        playable: true,
    }
}

/// Pieces of a recording so far, one behind the other, and how it ended.
fn kept(rig: &Rig, id: u64) -> (Vec<u8>, Option<(KeptEnd, u64)>) {
    let (mut all, mut ended) = (Vec::new(), None);
    for (_, event) in &rig.events {
        match event {
            Event::Chunk { id: of, codes, last, .. } if *of == id => {
                assert!(ended.is_none() && (!*last || codes.is_empty()) && codes.len() <= 16_000);
                all.extend(codes);
            }
            Event::Kept { id: of, end, duration_ms, .. } if *of == id => ended = Some((*end, *duration_ms)),
            _ => {}
        }
    }
    (all, ended)
}

fn samples(codes: &[u8]) -> Vec<i16> {
    codes.iter().map(|code| media::g711::decode(Codec::Pcmu, *code)).collect()
}

fn pair(rig: &mut Rig) -> (End, End) {
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &secure(Suite::AeadAes256Gcm));
    (a, b)
}

#[test]
fn a_recording_holds_what_was_heard_and_at_no_time_more_than_a_second_is_only_in_memory() {
    let mut rig = Rig::new(2);
    let (a, b) = pair(&mut rig);
    rig.tell(b, |lease| Command::Keep { lease, keep: keep(1) });
    rig.play(a, "invalid", false);
    for step in 1..=40 {
        rig.run(ms(100));
        let there = kept(&rig, 1).0.len();
        assert!(there + 8000 >= step * 800, "{there} of {} samples handed out", step * 800);
    }
    rig.tell(b, |lease| Command::EndKeep { lease });
    rig.run(ms(10));
    let (codes, ended) = kept(&rig, 1);
    assert_eq!(ended, Some((KeptEnd::Told, 4000)));
    assert_eq!(codes.len(), 32_000);
    let prompt = rig.prompts.samples("invalid", Codec::Pcmu).unwrap();
    assert_eq!(find(&samples(&codes), &prompt), Some(80), "10 ms on the way");
}

#[test]
fn both_directions_lie_side_by_side() {
    let mut rig = Rig::new(2);
    let (a, b) = pair(&mut rig);
    rig.tell(b, |lease| Command::Keep { lease, keep: Keep { both: true, ..keep(1) } });
    rig.play(a, "agent", false);
    rig.play(b, "caller", false);
    rig.run(ms(3000));
    rig.tell(b, |lease| Command::EndKeep { lease });
    rig.run(ms(10));
    let (mut heard, mut said) = (Vec::new(), Vec::new());
    for (_, event) in &rig.events {
        if let Event::Chunk { codes, .. } = event {
            let (left, right) = codes.split_at(codes.len() / 2);
            heard.extend(left);
            said.extend(right);
        }
    }
    for (track, name) in [(heard, "agent"), (said, "caller")] {
        let prompt = rig.prompts.samples(name, Codec::Pcmu).unwrap();
        assert!(find(&samples(&track), &prompt[..16_000]).is_some(), "{name}");
    }
}

/// How a recording of an end ends that plays this prompt, and its length.
fn ends(order: Keep, prompt: Option<&str>) -> (KeptEnd, u64) {
    let mut rig = Rig::new(2);
    let (a, b) = pair(&mut rig);
    let id = order.id;
    rig.tell(b, |lease| Command::Keep { lease, keep: order });
    if let Some(prompt) = prompt {
        rig.play(a, prompt, false);
    }
    rig.run(ms(12_000));
    kept(&rig, id).1.expect("it ended by itself")
}

#[test]
fn it_ends_by_length_by_silence_after_speech_and_when_nobody_speaks() {
    let order = |longest, silence, patience| Keep {
        longest: Some(ms(longest)),
        final_silence: Some(ms(silence)),
        patience: Some(ms(patience)),
        ..keep(3)
    };
    assert_eq!(ends(order(2500, 2000, 5000), Some("moh")), (KeptEnd::Longest, 2500));
    assert_eq!(ends(order(9000, 2000, 3000), None).0, KeptEnd::Nothing);
    // "invalid" is 2.6 s of sound: two seconds later it is over, give or take a chunk's time.
    let (end, took) = ends(order(9000, 2000, 3000), Some("invalid"));
    assert_eq!(end, KeptEnd::Silence);
    let prompt = rig_prompt_ms("invalid");
    assert!((prompt + 1500..=prompt + 2700).contains(&took), "{took} ms of {prompt}");
}

fn rig_prompt_ms(name: &str) -> u64 {
    Rig::new(1).prompts.samples(name, Codec::Pcmu).unwrap().len() as u64 / 8
}

#[test]
fn one_that_ended_can_be_heard_on_its_own_call_and_on_no_other() {
    let mut rig = Rig::new(2);
    let (a, b) = pair(&mut rig);
    rig.tell(b, |lease| Command::Keep { lease, keep: Keep { longest: Some(ms(3000)), ..keep(0xabc) } });
    rig.play(a, "agent", false);
    rig.run(ms(3100));
    rig.tell(a, |lease| Command::Silence { lease });
    rig.record(a);
    rig.play(b, &Keep::prompt(0xabc), false);
    rig.play(a, &Keep::prompt(0xabc), false);
    rig.run(ms(3100));
    assert_eq!(rig.events.iter().filter(|(_, event)| matches!(event, Event::Unplayable { .. })).count(), 1);
    let (heard, ..) = rig.close(a);
    let prompt = rig.prompts.samples("agent", Codec::Pcmu).unwrap();
    assert!(find(&heard, &prompt[800..20_000]).is_some(), "the caller hears what was said");
}

#[test]
fn the_end_of_the_stream_ends_it_and_another_takes_its_place() {
    let mut rig = Rig::new(2);
    let (a, b) = pair(&mut rig);
    rig.tell(b, |lease| Command::Keep { lease, keep: keep(1) });
    rig.play(a, "moh", true);
    rig.run(ms(700));
    rig.tell(b, |lease| Command::Keep { lease, keep: keep(2) });
    rig.run(Duration::from_millis(1200));
    assert_eq!(kept(&rig, 1).1, Some((KeptEnd::Told, 700)));
    rig.tell(b, |lease| Command::Close { lease });
    rig.run(ms(10));
    assert_eq!(kept(&rig, 2).1, Some((KeptEnd::Closed, 1200)));
    let kept = rig.events.iter().position(|(_, event)| matches!(event, Event::Kept { id: 2, .. }));
    let closed = rig.events.iter().position(|(_, event)| matches!(event, Event::Closed { .. }));
    assert!(kept < closed, "the news of the recording comes before that of its stream");
}
