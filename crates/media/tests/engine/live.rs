//! Who listens by a tap and speaks: in order, at the stream's pace, until cleared or untapped.

use media::{Command, Event, Spoken, g711};
use sdp::{Codec, Policy, Suite};

use crate::rig::{End, Rig, find, ms, secure};

fn say(rig: &mut Rig, end: End, tap: u64, said: Spoken) {
    rig.tell(end, |lease| Command::Say { lease, tap, said });
}

fn marks(rig: &Rig) -> Vec<u64> {
    let mark = |(_, event): &(usize, Event)| match event {
        Event::Marked { mark, .. } => Some(*mark),
        _ => None,
    };
    rig.events.iter().filter_map(mark).collect()
}

/// `of` samples of a prompt, from `from`, as codes.
fn codes(rig: &Rig, from: usize, of: usize) -> Spoken {
    let samples = rig.prompts.samples("invalid", Codec::Pcmu).unwrap();
    Spoken::Codes(samples[from..from + of].iter().map(|sample| g711::encode(Codec::Pcmu, *sample)).collect())
}

#[test]
fn who_listens_is_heard_in_order_and_told_when() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let policy = Policy { codecs: vec![codec], ..secure(Suite::AeadAes256Gcm) };
        let mut rig = Rig::new(2);
        let (a, b) = (rig.lend(0), rig.lend(1));
        rig.connect(a, b, &policy);
        rig.record(b);
        rig.tell(a, |lease| Command::Tap { lease, tap: 5 });
        let first = codes(&rig, 1600, 1000);
        say(&mut rig, a, 4, first.clone());
        say(&mut rig, a, 5, Spoken::Mark(1));
        assert_eq!(marks(&rig), [1], "nothing was said before it");
        say(&mut rig, a, 5, first);
        let second = codes(&rig, 2600, 2200);
        say(&mut rig, a, 5, second);
        say(&mut rig, a, 5, Spoken::Mark(2));
        rig.run(ms(350));
        assert_eq!(marks(&rig), [1]);
        rig.run(ms(90));
        assert_eq!(marks(&rig), [1, 2]);
        let (heard, _, _) = rig.close(b);
        let prompt = rig.prompts.samples("invalid", Codec::Pcmu).unwrap();
        if codec == Codec::Pcmu {
            let at = find(&heard, &prompt[1600..4800]);
            assert!(at.is_some_and(|at| at < 400), "{at:?}: once, and at once");
        }
        assert!(heard.iter().any(|sample| sample.unsigned_abs() > 1000));
    }
}

#[test]
fn what_is_cleared_is_not_heard_and_an_ended_tap_is_silent() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &secure(Suite::AesCm128HmacSha1_80));
    rig.tell(a, |lease| Command::Tap { lease, tap: 5 });
    let second = Spoken::Codes(vec![0x12; 8000].into());
    for mark in [1, 2] {
        say(&mut rig, a, 5, second.clone());
        say(&mut rig, a, 5, Spoken::Mark(mark));
    }
    rig.run(ms(500));
    let before = rig.facts(a).tx.protected;
    assert!((24..=26).contains(&before), "{before}");
    say(&mut rig, a, 5, Spoken::Clear);
    assert_eq!(marks(&rig), [1, 2]);
    rig.run(ms(500));
    assert_eq!(rig.facts(a).tx.protected, before);
    for _ in 0..200 {
        say(&mut rig, a, 5, second.clone());
    }
    say(&mut rig, a, 5, Spoken::Mark(3));
    rig.run(ms(119_900));
    assert_eq!(marks(&rig), [1, 2]);
    rig.run(ms(200));
    assert_eq!(marks(&rig), [1, 2, 3], "two minutes wait, and no more");
    say(&mut rig, a, 5, second.clone());
    rig.run(ms(200));
    rig.tell(a, |lease| Command::Untap { lease, tap: 5 });
    let before = rig.facts(a).tx.protected;
    say(&mut rig, a, 5, second);
    rig.run(ms(500));
    assert_eq!(rig.facts(a).tx.protected, before);
}

#[test]
fn what_is_said_shows_no_sample_to_a_log() {
    assert_eq!(format!("{:?}", Spoken::Codes(vec![7; 160].into())), "Codes(160)");
}
