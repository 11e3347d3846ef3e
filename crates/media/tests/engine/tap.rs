//! Listeners outside: they hear every 20 ms what the peer says, in its order, and change nothing.

use media::{Command, Event, Frame, LeaseId};
use sdp::{Codec, Policy, Suite};

use crate::rig::{End, Rig, find, ms, secure};

pub(crate) fn tap(rig: &mut Rig, end: End, tap: u64) {
    rig.tell(end, |lease| Command::Tap { lease, tap });
}

/// The frames of a tap, and whether it ended.
pub(crate) fn frames(rig: &Rig, of: u64) -> (Vec<Frame>, Option<LeaseId>) {
    let (mut frames, mut ended) = (Vec::new(), None);
    for (_, event) in &rig.events {
        match event {
            Event::Sound { tap, frame, .. } if *tap == of => {
                assert!(ended.is_none(), "nothing comes behind the end");
                frames.push(frame.clone());
            }
            Event::Untapped { tap, lease } if *tap == of => ended = Some(*lease),
            _ => {}
        }
    }
    (frames, ended)
}

pub(crate) fn samples(frames: &[Frame]) -> Vec<i16> {
    frames.iter().flat_map(|frame| frame.samples.iter().copied()).collect()
}

#[test]
fn who_listens_hears_what_is_said_whether_or_not_somebody_else_does() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    tap(&mut rig, b, 1);
    rig.run(ms(200));
    assert!(frames(&rig, 1).0.is_empty(), "there is no stream yet");
    rig.connect(a, b, &secure(Suite::AeadAes256Gcm));
    rig.run(ms(500));
    rig.play(a, "invalid", false);
    rig.run(ms(1000));
    tap(&mut rig, b, 2);
    rig.run(ms(2000));
    rig.tell(b, |lease| Command::Untap { lease, tap: 1 });
    rig.run(ms(500));
    let (first, ended) = frames(&rig, 1);
    assert_eq!(ended, Some(b.lease.id));
    assert!((174..=176).contains(&first.len()), "3.5 s: {}", first.len());
    assert!(first.iter().all(|frame| frame.samples.len() == Frame::SAMPLES));
    assert!(first.iter().zip(0..).all(|(frame, number)| frame.number == number));
    let heard = samples(&first);
    assert!(heard[..3200].iter().all(|sample| *sample == 0), "time passes while nobody speaks");
    let prompt = rig.prompts.samples("invalid", Codec::Pcmu).unwrap();
    let at = find(&heard, &prompt[1600..4800]);
    assert!(at.is_some_and(|at| (5600..6400).contains(&at)), "{at:?}: within 100 ms of being said");
    let (second, ended) = frames(&rig, 2);
    assert_eq!(ended, None);
    let later = samples(&second);
    assert_eq!(later[..8000], heard[heard.len() - 16_000..][..8000], "both hear the same");
    rig.tell(b, |lease| Command::Close { lease });
    rig.run(ms(100));
    assert_eq!(frames(&rig, 2).1, Some(b.lease.id), "the stream's end is the tap's");
    let none = |event: &Event| matches!(event, Event::Sound { lease, .. } if *lease == a.lease.id);
    assert!(!rig.events.iter().any(|(_, event)| none(event)));
}

#[test]
fn a_tap_hears_g722_and_on_a_bridge_and_at_most_four_listen() {
    let wide = Policy { codecs: vec![Codec::G722], ..secure(Suite::AeadAes128Gcm) };
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &wide);
    tap(&mut rig, b, 1);
    rig.play(a, "caller", false);
    rig.run(ms(1000));
    let loudest = samples(&frames(&rig, 1).0).iter().map(|sample| sample.unsigned_abs()).max();
    assert!(loudest > Some(4000), "{loudest:?}");

    let mut rig = Rig::new(2);
    let (caller, near, far, agent) = (rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(0));
    rig.connect(caller, near, &secure(Suite::AesCm128HmacSha1_80));
    rig.connect(far, agent, &secure(Suite::AesCm128HmacSha1_80));
    rig.bridge(near, far);
    for n in 1..=5 {
        tap(&mut rig, near, n);
    }
    rig.play(caller, "caller", false);
    rig.run(ms(1000));
    let counts: Vec<usize> = (1..=5).map(|n| frames(&rig, n).0.len()).collect();
    assert!(counts[..4].iter().all(|count| (48..=50).contains(count)) && counts[4] == 0, "{counts:?}");
    let prompt = rig.prompts.samples("caller", Codec::Pcmu).unwrap();
    assert!(find(&samples(&frames(&rig, 4).0), &prompt[800..4000]).is_some());
}

#[test]
fn a_frame_shows_no_sample_to_a_log() {
    let lease = LeaseId { thread: 0, slot: 0, generation: 1 };
    let frame = Frame { number: 7, samples: [4321; 160].as_slice().into() };
    let shown = format!("{:?}", Event::Sound { lease, tap: 1, frame });
    assert!(shown.contains('7') && !shown.contains("4321"), "{shown}");
}
