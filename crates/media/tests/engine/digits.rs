//! Digits: told at the end of a stream, passed on through a bridge, sent as tones to a peer that takes no events.

use media::{Command, Event};
use sdp::{Policy, Suite};

use crate::rig::{End, Rig, ms, plain, secure};

fn digits(rig: &Rig, end: End) -> Vec<(char, u16)> {
    let told = rig.events.iter().filter(|(engine, _)| *engine == end.engine);
    told.filter_map(|(_, event)| match event {
        Event::Digit { lease, digit, duration_ms } if *lease == end.lease.id => Some((*digit, *duration_ms)),
        _ => None,
    })
    .collect()
}

fn dial(rig: &mut Rig, end: End, digits: &str) {
    let digits = digits.to_owned();
    rig.tell(end, |lease| Command::Dial { lease, digits });
}

#[test]
fn digits_are_told_once_each() {
    for policy in [plain(), secure(Suite::AeadAes256Gcm)] {
        let mut rig = Rig::new(2);
        let (a, b) = (rig.lend(0), rig.lend(1));
        rig.connect(a, b, &policy);
        rig.play(a, "moh", true);
        rig.run(ms(200));
        dial(&mut rig, a, "11x2#");
        rig.run(ms(1500));
        assert_eq!(digits(&rig, b), [('1', 100), ('1', 100), ('2', 100), ('#', 100)]);
        assert!(digits(&rig, a).is_empty());
        assert_eq!(rig.facts(b).lost, 0);
    }
}

#[test]
fn every_second_packet_lost_and_still_each_digit_once() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &secure(Suite::AesCm128HmacSha1_80));
    let mut count = 0;
    rig.lose = Box::new(move |_| {
        count += 1;
        count % 2 == 0
    });
    dial(&mut rig, a, "0123456789*#ABCD");
    rig.run(ms(5000));
    let told: String = digits(&rig, b).iter().map(|(digit, _)| *digit).collect();
    assert_eq!(told, "0123456789*#ABCD");
}

#[test]
fn a_bridge_passes_digits_on_and_tells_none() {
    let mut rig = Rig::new(3);
    let (carrier, a, b, inside) = (rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2));
    rig.connect(carrier, a, &plain());
    rig.connect(b, inside, &secure(Suite::AesCm128HmacSha1_80));
    rig.bridge(a, b);
    rig.play(carrier, "caller", true);
    rig.run(ms(300));
    dial(&mut rig, carrier, "1");
    rig.run(ms(1000));
    assert_eq!(digits(&rig, inside), [('1', 100)]);
    assert!(digits(&rig, a).is_empty() && digits(&rig, b).is_empty());
    // And from the border itself, in the middle of relayed speech.
    dial(&mut rig, b, "95");
    rig.run(ms(1000));
    assert_eq!(digits(&rig, inside), [('1', 100), ('9', 100), ('5', 100)]);
    assert_eq!(rig.facts(inside).lost, 0);
}

#[test]
fn a_bridged_end_that_is_overheard_has_its_keys_told_and_passed_on() {
    let mut rig = Rig::new(3);
    let (carrier, a, b, inside) = (rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2));
    rig.connect(carrier, a, &secure(Suite::AeadAes128Gcm));
    rig.connect(b, inside, &secure(Suite::AesCm128HmacSha1_80));
    rig.bridge(a, b);
    rig.tell(a, |lease| Command::Overhear { lease });
    dial(&mut rig, carrier, "1#");
    dial(&mut rig, inside, "7");
    rig.run(ms(1000));
    assert_eq!(digits(&rig, a), [('1', 100), ('#', 100)]);
    assert_eq!(digits(&rig, inside), [('1', 100), ('#', 100)]);
    assert!(digits(&rig, b).is_empty(), "whom they talk with is nobody's to listen to");
    assert_eq!(digits(&rig, carrier), [('7', 100)]);
    // The next bridge is not overheard until that is said again.
    rig.bridge(a, b);
    dial(&mut rig, carrier, "2");
    rig.run(ms(1000));
    assert_eq!(digits(&rig, a).len(), 2);
}

#[test]
fn a_bridge_renumbers_the_payload_type() {
    let mut rig = Rig::new(3);
    let (carrier, a, b, inside) = (rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2));
    let (mut at_carrier, mut at_a) = rig.agree(carrier, a, &plain());
    (at_carrier.telephone_event, at_a.telephone_event) = (Some(96), Some(96));
    rig.set(carrier, at_carrier);
    rig.set(a, at_a);
    rig.connect(b, inside, &secure(Suite::AeadAes128Gcm));
    rig.bridge(a, b);
    dial(&mut rig, carrier, "7");
    rig.run(ms(500));
    assert_eq!(digits(&rig, inside), [('7', 100)]);
}

#[test]
fn a_peer_without_events_gets_tones() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &Policy { telephone_event: false, ..plain() });
    rig.record(b);
    dial(&mut rig, a, "5");
    rig.run(ms(500));
    let (heard, ..) = rig.close(b);
    let power = |hertz: f32| {
        let at = |n: usize| n as f32 * hertz * std::f32::consts::TAU / 8000.0;
        let speech = || heard[80..880].iter().enumerate().map(|(n, s)| (n, f32::from(*s)));
        let (re, im) = speech().fold((0.0, 0.0), |(re, im), (n, s)| (re + s * at(n).cos(), im + s * at(n).sin()));
        (re.powi(2) + im.powi(2)).sqrt() / 800.0
    };
    assert!(power(770.0) > 2000.0 && power(1336.0) > 2000.0, "{} {}", power(770.0), power(1336.0));
    assert!(power(697.0) < 400.0 && power(1209.0) < 400.0 && power(1477.0) < 400.0);
    assert!(heard[900..1600].iter().all(|s| *s == 0));
}

fn without_events() -> Policy {
    Policy { telephone_event: false, ..plain() }
}

#[test]
fn keys_are_heard_in_the_audio_of_a_peer_without_events() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &without_events());
    rig.play(a, "moh", true);
    rig.run(ms(500));
    dial(&mut rig, a, "15#");
    rig.run(ms(1500));
    let told: String = digits(&rig, b).iter().map(|(digit, _)| *digit).collect();
    assert_eq!(told, "15#");
    assert!(digits(&rig, b).iter().all(|(_, duration)| (80..=110).contains(duration)), "{:?}", digits(&rig, b));
}

/// Tones become events and events tones where the two legs of a bridge differ.
#[test]
fn a_bridge_interworks_tones_and_events() {
    let mut rig = Rig::new(3);
    let (carrier, a, b, inside) = (rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2));
    rig.connect(carrier, a, &without_events());
    rig.connect(b, inside, &secure(Suite::AesCm128HmacSha1_80));
    rig.bridge(a, b);
    rig.play(carrier, "caller", true);
    rig.run(ms(300));
    dial(&mut rig, carrier, "27*");
    rig.run(ms(2000));
    let told: String = digits(&rig, inside).iter().map(|(digit, _)| *digit).collect();
    assert_eq!(told, "27*");
    dial(&mut rig, inside, "90");
    rig.run(ms(2000));
    let told: String = digits(&rig, carrier).iter().map(|(digit, _)| *digit).collect();
    assert_eq!(told, "90");
    assert!(digits(&rig, a).is_empty() && digits(&rig, b).is_empty());
}
