//! Prompts, recordings, hold, silence and reports between two engines.

use media::{Command, Counters, Event};
use sdp::{Codec, Direction, Policy, Suite};

use crate::rig::{Rig, find, ms, plain, secure};

fn policies() -> Vec<Policy> {
    let mut policies: Vec<Policy> = Suite::ALL.into_iter().map(secure).collect();
    policies.push(plain());
    policies.push(Policy { codecs: vec![Codec::Pcma], ..plain() });
    policies
}

#[test]
fn a_prompt_arrives_sample_by_sample() {
    for policy in policies() {
        let mut rig = Rig::new(2);
        let (a, b) = (rig.lend(0), rig.lend(1));
        rig.connect(a, b, &policy);
        rig.record(b);
        rig.record(a);
        rig.play(a, "invalid", false);
        rig.run(ms(4000));
        let played = rig.events.iter().filter(|(_, event)| matches!(event, Event::Played { id: 7, .. })).count();
        assert_eq!(played, 1);
        let (heard, _, facts) = rig.close(b);
        let (_, said, sent) = rig.close(a);
        let prompt = rig.prompts.samples("invalid", policy.codecs[0]).unwrap();
        // Recordings are kept as µ-law: one law into the other costs at most a step.
        let near =
            |at: usize| prompt.iter().zip(&heard[at..]).all(|(x, y)| x.abs_diff(*y) <= x.unsigned_abs() / 16 + 32);
        if policy.codecs[0] == Codec::Pcmu {
            assert_eq!(find(&heard, &prompt), Some(80), "10 ms on the way");
            assert_eq!(find(&said, &prompt), Some(0));
        } else {
            assert!(near(80));
        }
        let packets = prompt.len().div_ceil(160) as u64;
        let counters = match facts.keying.as_str() {
            "SDES" => Counters { protected: packets, clear: 0, octets: packets * 160 },
            _ => Counters { protected: 0, clear: packets, octets: packets * 160 },
        };
        assert_eq!((facts.rx, sent.tx), (counters, counters));
        assert_eq!(facts.suite, policy.suites.first().filter(|_| facts.keying == "SDES").map_or("", |s| s.name()));
        assert_eq!((facts.lost, facts.reordered, facts.auth_failed, facts.jitter_ms), (0, 0, 0, 0.0));
        assert_eq!((facts.local, facts.remote), (Some(b.lease.addr), Some(a.lease.addr)));
    }
}

#[test]
fn music_loops_without_a_seam_and_ends_when_told() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &secure(Suite::AeadAes128Gcm));
    rig.record(b);
    rig.play(a, "moh", true);
    let tune = rig.prompts.samples("moh", Codec::Pcmu).unwrap();
    rig.run(ms(tune.len() as u64 / 8 + 3000));
    rig.tell(a, |lease| Command::Silence { lease });
    let sent = rig.tapped.len();
    rig.run(ms(2000));
    assert!(rig.tapped[sent..].iter().all(|t| t.to.port() % 2 == 1), "nothing but RTCP after Silence");
    let (heard, ..) = rig.close(b);
    let twice = [tune.clone(), tune].concat();
    assert_eq!(find(&heard, &twice[..twice.len() / 2 + 20_000]), Some(80));
}

#[test]
fn packets_are_paced_and_a_late_tick_does_not_burst() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &plain());
    rig.play(a, "moh", true);
    rig.run(ms(1000));
    let times: Vec<_> = rig.tapped.iter().filter(|t| t.to.port() % 2 == 0).map(|t| t.at).collect();
    assert!(times.len() == 51 && times.windows(2).all(|pair| pair[1] - pair[0] == ms(20)));
    // The thread was away for ten seconds.
    let mut count = 0;
    let late = rig.now + ms(10_000);
    rig.engines[0].tick(late, &mut |transmit, _| count += usize::from(!transmit.rtcp));
    assert!((1..=2).contains(&count), "{count}");
    assert!(rig.engines[0].deadline().unwrap() > late);
}

#[test]
fn on_hold_nothing_is_sent_and_afterwards_the_stream_goes_on() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    let policy = secure(Suite::AesCm128HmacSha1_80);
    let (at_a, at_b) = rig.agree(a, b, &policy);
    rig.set(a, at_a.clone());
    rig.set(b, at_b.clone());
    rig.play(a, "moh", true);
    rig.run(ms(500));
    let mut held = at_a.clone();
    held.direction = Direction::RecvOnly;
    rig.set(a, held);
    let before = rig.tapped.len();
    rig.run(ms(500));
    assert!(rig.tapped[before..].iter().all(|t| t.to.port() % 2 == 1));
    rig.set(a, at_a);
    rig.run(ms(500));
    let facts = rig.facts(b);
    assert_eq!((facts.lost, facts.auth_failed, facts.rekeyed), (0, 0, 0), "one run of sequence numbers under one key");
    assert!((50..=52).contains(&facts.rx.protected), "{}", facts.rx.protected);
}

/// Old phones hold with c=0.0.0.0 and go on sending their music from where they were.
#[test]
fn held_by_the_unspecified_address_we_still_listen() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    let (at_a, at_b) = rig.agree(a, b, &secure(Suite::AeadAes128Gcm));
    rig.set(a, at_a);
    let mut held = at_b.clone();
    rig.set(b, at_b);
    held.remote.set_ip([0, 0, 0, 0].into());
    held.remote_rtcp.set_ip([0, 0, 0, 0].into());
    held.direction = Direction::RecvOnly;
    rig.play(a, "moh", true);
    rig.play(b, "agent", true);
    rig.run(ms(500));
    rig.set(b, held);
    let sent = rig.facts(b).tx;
    rig.run(ms(8000));
    let facts = rig.facts(b);
    assert_eq!((facts.foreign_source, facts.lost, facts.tx), (0, 0, sent));
    assert!(facts.rx.protected > 400);
    assert!(rig.tapped.iter().all(|t| !t.to.ip().is_unspecified()));
}

#[test]
fn silence_is_told_where_audio_should_come() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &plain());
    rig.play(a, "invalid", false);
    rig.run(ms(16_000));
    let silent = |rig: &Rig, engine| -> Vec<u32> {
        let told = rig.events.iter().filter(|(e, _)| *e == engine);
        told.filter_map(|(_, event)| match event {
            Event::Silent { seconds, .. } => Some(*seconds),
            _ => None,
        })
        .collect()
    };
    assert_eq!(silent(&rig, 0), [5, 10, 15]);
    assert_eq!(silent(&rig, 1), [5, 10], "it heard the prompt first");
}

#[test]
fn reports_measure_the_way_there_and_back() {
    for policy in [plain(), secure(Suite::AeadAes256Gcm), secure(Suite::AesCm128HmacSha1_32)] {
        let mut rig = Rig::new(2);
        let (a, b) = (rig.lend(0), rig.lend(1));
        rig.connect(a, b, &policy);
        rig.play(a, "moh", true);
        rig.play(b, "agent", true);
        rig.run(ms(20_000));
        for end in [a, b] {
            let rtt = rig.facts(end).rtt_ms.expect("no round trip measured");
            assert!((rtt - 20.0).abs() < 1.0, "{rtt}");
        }
        let reports: Vec<_> = rig.tapped.iter().filter(|t| t.to.port() % 2 == 1).collect();
        assert!((6..=12).contains(&reports.len()), "{}", reports.len());
        let clear = |t: &&&crate::rig::Tapped| t.bytes.windows(2).any(|pair| pair == [1, 16]);
        assert_eq!(reports.iter().filter(clear).count() > 0, policy == plain());
    }
}

#[test]
fn loss_and_jitter_are_what_the_wire_did() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &secure(Suite::AeadAes128Gcm));
    let mut count = 0;
    rig.lose = Box::new(move |t| {
        count += u32::from(t.to.port() % 2 == 0);
        t.to.port() % 2 == 0 && count % 10 == 5
    });
    rig.play(a, "moh", true);
    rig.run(ms(10_000));
    let facts = rig.facts(b);
    assert_eq!(facts.lost, 50);
}

#[test]
fn what_is_in_no_catalogue_is_said_to_be() {
    let mut rig = Rig::new(1);
    let a = rig.lend(0);
    rig.play(a, "/nowhere.wav", false);
    assert!(matches!(&rig.events[..], [(0, Event::Unplayable { id: 7, prompt, .. })] if prompt == "/nowhere.wav"));
}

#[test]
fn a_closed_stream_says_goodbye() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &plain());
    rig.close(a);
    rig.run(ms(1));
    let last = &rig.tapped.last().unwrap().bytes;
    assert_eq!(last[last.len() - 7], 203);
}
