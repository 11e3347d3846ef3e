//! Rolls in virtual time: two thousand phones with the headless phone's own trust code, some of which do not come back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::test_keys::{self as keys, NOW, certificate, signer};
use crate::{
    Certificate, Digest, Function, Holding, How, Kind, Known, Mode, Outcome, Proof, Services, Standing, Verdict, Which,
    rehearse,
};

const HOUR: u64 = 3600;
const PHONES: u64 = 2_000;

fn name(number: u64) -> String {
    format!("SEP{number:012X}")
}

/// The same for the same name, and in no order: FNV-1a.
fn draw(device: &str) -> u64 {
    device.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3))
}

fn services() -> Services {
    Services {
        host: "cucm1.lab.example".into(),
        address: [127, 0, 0, 1].into(),
        recovery: signer(keys::RECOVERY),
        call_manager: signer(keys::CALL_MANAGER),
        tls: certificate(keys::TFTP_EC),
        also: Vec::new(),
        capf: certificate(keys::CAPF),
        tvs: certificate(keys::TVS),
        before: Vec::new(),
        digest: Digest::Sha512,
    }
}

fn begin(count: u64, terms: Terms, now: u64) -> Roll {
    Roll::begin(Change::Renew(Which::Capf), terms, (0..count).map(name), draw, now)
}

/// A CA of phones goes from one key to the next. Phones restart when it suits them; three of a hundred never do.
#[test]
fn two_thousand_phones_of_which_some_stay_away_are_not_lost_by_a_change_of_their_ca() {
    let now = u64::from(NOW);
    let new: Certificate = certificate(keys::STRANGER);
    let today = Standing::of(&services(), Mode::Mixed, true, NOW).unwrap();
    let mut told = services();
    told.announce(new.clone(), Function::Capf);
    let next = Standing::of(&told, Mode::Mixed, true, NOW + 60).unwrap();
    let mut phones: BTreeMap<String, Holding> = (0..PHONES)
        .map(|number| (name(number), Holding::of([today.itl.clone(), today.ctl.clone().unwrap()])))
        .collect();
    let is_broken = |device: &str| draw(device) / 7 % 100 < 3;
    let mut roll = begin(PHONES, Terms::default(), now);

    let mut clock = now;
    let mut restarts = BinaryHeap::new();
    let mut invited = BTreeSet::new();
    let mut stops = Vec::new();
    loop {
        for device in roll.awaited().map(str::to_owned).collect::<Vec<_>>() {
            if invited.insert(device.clone()) && !is_broken(&device) {
                restarts.push(Reverse((clock + draw(&device) % (HOUR * 9 / 10), device)));
            }
        }
        let next_restart = restarts.peek().map(|Reverse((at, _))| *at);
        match (roll.state().clone(), next_restart) {
            (State::Through { .. }, _) => break,
            (State::Stopped { ring, missing, at }, _) => {
                // Whoever is not in an open ring holds what it held, and is served what it was.
                let outside = phones.keys().filter(|device| !roll.is_in(device));
                for device in outside {
                    assert_eq!(phones[device].list(Kind::Itl).unwrap().octets(), today.itl.octets());
                }
                assert!(missing.iter().all(|device| is_broken(device)) && !missing.is_empty());
                clock = at;
                stops.push((ring, missing));
                roll.resume(true, clock);
            }
            (State::Open { until, .. }, Some(at)) if at <= until => {
                let Some(Reverse((_, device))) = restarts.pop() else { continue };
                clock = at;
                let holding = phones.get_mut(&device).unwrap();
                for list in [Some(&next.itl), next.ctl.as_ref()].into_iter().flatten() {
                    assert_eq!(holding.offer(list.octets()), Ok(Outcome::Updated));
                }
                roll.returned(&device, clock);
            }
            (State::Open { until, .. }, _) => {
                clock = until;
                roll.tick(clock);
            }
        }
    }
    let broken: Vec<String> = phones.keys().filter(|device| is_broken(device)).cloned().collect();
    assert!((40..80).contains(&broken.len()), "about 3 of a hundred: {}", broken.len());
    // It stopped, said which, and went on; each that stayed away was named once.
    assert!(stops.len() >= 2 && stops.windows(2).all(|two| two[0].0 < two[1].0), "{stops:?}");
    let mut named: Vec<String> = stops.into_iter().flat_map(|(_, missing)| missing).collect();
    named.sort_unstable();
    assert_eq!(named, broken);
    assert_eq!(roll.left_behind().collect::<Vec<_>>(), broken);
    assert_eq!(roll.progress(), (phones.len() - broken.len(), phones.len()));
    // Now CAPF shows its new certificate. Those who came back know it as it stands; the others by the recovery key's word.
    let mut changed = services();
    changed.capf = new;
    changed.announce(certificate(keys::CAPF), Function::Capf);
    let after = Standing::of(&changed, Mode::Mixed, true, NOW + 7200).unwrap();
    for (device, holding) in phones {
        let proof = Proof::Digest(None);
        let known =
            Known { device: device.clone(), holding: Some(holding.clone()), proof, secure: true, enrols: false };
        assert_eq!(rehearse(&known, &after, NOW.into()), Verdict::Keeps(How::ByNewLists));
        let knows = holding.certificates(Function::Capf).contains(&&after.capf);
        assert_eq!(knows, !is_broken(&device), "{device}");
    }
}

#[test]
fn who_comes_back_late_makes_it_go_on() {
    let mut roll = begin(200, Terms { rings: vec![10, 100], within: HOUR }, 0);
    let first: Vec<String> = roll.awaited().map(str::to_owned).collect();
    assert_eq!(first.len(), 2, "one of a hundred");
    roll.returned(&first[0], 10);
    // One of another ring has come by itself: it was given nothing, and counts for nothing.
    let outside = (0..200).map(name).find(|device| !roll.is_in(device)).unwrap();
    roll.returned(&outside, 10);
    assert_eq!(roll.deadline(), Some(HOUR));
    roll.tick(HOUR - 1);
    assert!(matches!(roll.state(), State::Open { ring: 0, .. }));
    roll.tick(HOUR);
    assert_eq!(roll.state(), &State::Stopped { ring: 0, missing: vec![first[1].clone()], at: HOUR });
    // Told to wait longer, it stops again; then the phone comes.
    roll.resume(false, 2 * HOUR);
    roll.tick(3 * HOUR);
    assert!(matches!(roll.state(), State::Stopped { .. }) && roll.deadline().is_none());
    roll.returned(&first[1], 4 * HOUR);
    assert_eq!(roll.state(), &State::Open { ring: 1, until: 5 * HOUR });
    assert_eq!(roll.awaited().count(), 18);
    for _ in 0..2 {
        for device in roll.awaited().map(str::to_owned).collect::<Vec<_>>() {
            roll.returned(&device, 4 * HOUR + 1);
        }
    }
    assert_eq!(roll.state(), &State::Through { at: 4 * HOUR + 1 });
    assert!(roll.is_in("SEP that was added meanwhile"));
}

#[test]
fn few_phones_have_rings_too() {
    for count in [0, 1, 2, 15] {
        let mut roll = begin(count, Terms::default(), 0);
        let mut rings = 0;
        while let State::Open { .. } = roll.state() {
            rings += 1;
            for device in roll.awaited().map(str::to_owned).collect::<Vec<_>>() {
                roll.returned(&device, 1);
            }
        }
        assert!(matches!(roll.state(), State::Through { .. }) && rings <= 3, "{count}");
    }
}

#[test]
fn rings_are_percentages_that_rise() {
    assert_eq!(Terms::parse("1,10", HOUR), Ok(Terms::default()));
    assert_eq!(Terms::parse("0.5, 25", 60).unwrap().rings, [5, 250]);
    for (rings, within) in [("10,1", 1), ("0", 1), ("100", 1), ("", 1), ("1,x", 1), ("1.25", 1), ("1", 0), ("99999", 1)]
    {
        assert!(Terms::parse(rings, within).unwrap_err().contains("that rise"), "{rings}");
    }
}

#[test]
fn phones_that_come_and_go_while_a_roll_is_on_its_way_are_counted() {
    let terms = Terms { rings: vec![500], within: HOUR };
    let mut roll = begin(4, terms, 0);
    let first: Vec<String> = roll.awaited().map(str::to_owned).collect();
    assert_eq!(first.len(), 2);
    let mut devices: BTreeSet<String> = (0..4).map(name).collect();
    // A new one is given nothing before its ring, which is the last.
    devices.insert("NEW".into());
    roll.phones_are(&devices, 1);
    assert!(!roll.is_in("NEW") && roll.progress() == (0, 5));
    // One of the first ring is missing, and is then taken out of the site: nobody waits for it.
    roll.returned(&first[0], 2);
    roll.tick(HOUR);
    assert!(matches!(roll.state(), State::Stopped { missing, .. } if *missing == first[1..]));
    devices.remove(&first[1]);
    roll.phones_are(&devices, HOUR + 1);
    assert!(matches!(roll.state(), State::Open { ring: 1, .. }), "{:?}", roll.state());
    assert!(roll.is_in("NEW"));
    let rest: Vec<String> = roll.awaited().map(str::to_owned).collect();
    for device in rest.iter().filter(|device| *device != "NEW") {
        roll.returned(device, HOUR + 2);
    }
    assert!(matches!(roll.state(), State::Open { .. }), "the new one does not know yet");
    roll.returned("NEW", HOUR + 3);
    assert_eq!(*roll.state(), State::Through { at: HOUR + 3 });
}
