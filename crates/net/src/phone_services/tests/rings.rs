//! Two thousand phones, of which three in a hundred do not come back, and the change of who certifies them: by the files and
//! the store of a real data directory, in time of its own.

use std::collections::BTreeSet;
use std::fmt::Write;

use phones::{Change, Kind, Roll, RollState, Terms, TrustList, Which};

use super::*;

const PHONES: usize = 2_000;
const HOUR: u64 = 3600;

fn device(number: usize) -> String {
    format!("SEP{number:012}")
}

/// About three of a hundred: nobody hears of them again once the change begins.
fn is_away(device: &str) -> bool {
    let sum = device.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    (sum.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % 100 < 3
}

struct Roller {
    lab: Lab,
    rolls: Rolls,
    now: SystemTime,
}

impl Roller {
    fn start() -> Roller {
        let mut devices = String::new();
        for number in 0..PHONES {
            let (name, line) = (device(number), 10_000 + number);
            writeln!(devices, "[[node.role.call_manager.phone]]\nname = \"{name}\"\nline = \"{line}\"").unwrap();
            writeln!(devices, "digest_secret = \"of two thousand\"").unwrap();
        }
        let lab = Lab::with(13, &devices);
        let site = lab.dir.site().unwrap();
        let rolls = Rolls::of(&lab.dir, &site, &site.nodes[0]);
        Roller { lab, rolls, now: SystemTime::now() }
    }

    fn shared(&self) -> &Shared {
        &self.lab.services.as_ref().unwrap().shared
    }

    /// The roll as it is so many seconds after the beginning; `None`: there is none any more.
    fn tend(&self, after: u64) -> Option<Roll> {
        self.shared().tend_roll(self.now + Duration::from_secs(after)).unwrap();
        self.rolls.now().unwrap()
    }

    /// What a phone is given.
    fn read(&self, kind: Kind, device: &str) -> Vec<u8> {
        let (name, asker) = (format!("{}{device}.tlv", kind.word()), Asker::Anyone);
        let shared = self.shared();
        let octets = shared.station.file(&name, &asker, shared.edition(&name, &asker), self.now).unwrap().unwrap();
        shared.book.given(&name, &asker, &octets);
        octets
    }

    fn authorities(&self, device: &str) -> usize {
        TrustList::parse(&self.read(Kind::Ctl, device)).unwrap().of(Function::Capf).count()
    }

    /// These phones start: each reads its lists, and registers a minute later.
    fn come_back<'a>(&self, devices: impl Iterator<Item = &'a str>) {
        let devices: Vec<&str> = devices.collect();
        for device in &devices {
            self.read(Kind::Itl, device);
            self.read(Kind::Ctl, device);
        }
        let at = self.now.duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(60);
        let mut store = self.lab.dir.store().unwrap();
        let registered = store.together(|store| {
            for device in &devices {
                let number: usize = device.trim_start_matches("SEP").parse().unwrap();
                store.put_line_registered("cucm1", &(10_000 + number).to_string(), at.as_millis() as u64)?;
            }
            Ok(())
        });
        registered.unwrap();
    }
}

#[test]
fn a_new_authority_goes_through_two_thousand_phones_and_stops_for_each_ring_whose_phones_stay_away() {
    let mut it = Roller::start();
    let before = it.lab.dir.phone_keys("cucm1").unwrap();
    let change = Change::Renew(Which::Capf);
    it.rolls.order(&RollOrder::Begin { change, terms: Terms::default() }).unwrap();
    let (mut clock, mut stops, mut late) = (0, Vec::new(), None);
    let mut roll = it.tend(clock).unwrap();
    loop {
        match roll.state().clone() {
            RollState::Through { .. } => break,
            RollState::Open { ring, until } => {
                it.come_back(roll.awaited().filter(|device| !is_away(device)));
                roll = it.tend(clock + 1).unwrap();
                if matches!(roll.state(), RollState::Open { ring: same, .. } if *same == ring) {
                    // Those who are away keep the ring open to its end.
                    clock = until - it.now.duration_since(UNIX_EPOCH).unwrap().as_secs();
                    roll = it.tend(clock).unwrap();
                }
            }
            RollState::Stopped { ring, missing, .. } => {
                assert!(missing.iter().all(|device| is_away(device)) && !missing.is_empty(), "{missing:?}");
                assert!(roll.left_behind().all(|device| !missing.iter().any(|other| other == device)));
                // It says which, to whoever asks, also after a restart; nobody outside is given anything of the change.
                it.lab.restart();
                let kept = it.rolls.now().unwrap().unwrap();
                assert_eq!(kept, roll);
                for number in (0..PHONES).step_by(97) {
                    let expected = if roll.is_in(&device(number)) { 2 } else { 1 };
                    assert_eq!(it.authorities(&device(number)), expected);
                }
                assert_eq!(it.lab.dir.phone_keys("cucm1").unwrap().capf.facts(), before.capf.facts());
                stops.push((ring, missing.clone()));
                // At the first stop all but one are found and come back; then it goes on without that one, and later
                // without all who are missing.
                if late.is_none() {
                    let found: BTreeSet<&str> = missing.iter().skip(1).map(String::as_str).collect();
                    it.come_back(found.iter().copied());
                    late = Some(found.into_iter().map(str::to_owned).collect::<BTreeSet<String>>());
                    let waits = it.tend(clock + 1).unwrap();
                    assert!(matches!(waits.state(), RollState::Stopped { missing: one, .. } if *one == missing[..1]));
                }
                it.rolls.order(&RollOrder::Resume { leave: true }).unwrap();
                clock += 2;
                roll = it.tend(clock).unwrap();
            }
        }
    }
    // It stopped for each ring that had somebody who stayed away, and named each of them once.
    let away: BTreeSet<String> = (0..PHONES).map(device).filter(|device| is_away(device)).collect();
    assert!((40..80).contains(&away.len()), "about three of a hundred: {}", away.len());
    let named: Vec<String> = stops.iter().flat_map(|(_, missing)| missing.clone()).collect();
    assert_eq!((named.len(), named.into_iter().collect::<BTreeSet<_>>()), (away.len(), away.clone()));
    assert!(stops.windows(2).all(|two| two[0].0 < two[1].0) && clock >= stops.len() as u64 * HOUR, "{stops:?}");
    let found = late.unwrap();
    let left: BTreeSet<String> = away.difference(&found).cloned().collect();
    assert_eq!(roll.left_behind().map(str::to_owned).collect::<BTreeSet<_>>(), left);
    assert_eq!(roll.progress(), (PHONES - left.len(), PHONES));
    // The change is made; the services start anew with it, and what each phone was given is in the store.
    let after = it.lab.dir.phone_keys("cucm1").unwrap();
    assert_ne!(after.capf.facts(), before.capf.facts());
    let rows = it.lab.dir.store().unwrap().phones_held("cucm1").unwrap();
    let next: BTreeSet<&str> = rows.iter().filter(|row| !left.contains(&row.device)).map(|row| &*row.ctl).collect();
    assert_eq!(
        (rows.len() >= PHONES - left.len(), next.len()),
        (true, 1),
        "all who came back hold one and the same list"
    );
    it.lab.restart();
    assert_eq!((it.rolls.now().unwrap(), it.authorities(&device(0))), (None, 2));
    // What the authority of before has certified is as good as it was.
    let authorities = trust::certificates_der(&after.authorities_pem()).unwrap();
    assert!(authorities.contains(&before.capf.chain_der()[0].to_vec()));
}
