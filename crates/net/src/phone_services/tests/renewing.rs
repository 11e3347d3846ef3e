//! Years later: everything that phones know is renewed by itself, one after the other, and each phone comes along.

use phones::Kind;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn signer(octets: &[u8]) -> Certificate {
    let list = phones::TrustList::parse(octets).unwrap();
    let signer = list.certificates().into_iter().find(|certificate| list.header().signer.is(certificate));
    signer.expect("who signed stands in the list").clone()
}

fn leaf(identity: &trust::Identity) -> Vec<u8> {
    identity.chain_der().remove(0)
}

#[test]
fn what_phones_know_is_renewed_by_itself_and_the_signer_of_lists_when_each_phone_knows_the_next() {
    let mut lab = Lab::start(12);
    let dir = lab.dir.clone();
    let start = SystemTime::now() + 7 * 365 * DAY;
    let tend = |lab: &mut Lab, days: u32| {
        lab.services.as_ref().unwrap().shared.tend_keys(start + days * DAY).unwrap();
        // As the process does when it looks at its certificates.
        let site = lab.dir.site().unwrap();
        let same = lab.station().is_of(&lab.dir, &site, &site.nodes[0]);
        lab.restart();
        (!same, lab.dir.phone_keys("cucm1").unwrap())
    };
    let read = |lab: &Lab, phone: &mut Holding| {
        let outcomes: Vec<Outcome> = [Kind::Itl, Kind::Ctl]
            .iter()
            .map(|kind| phone.offer(&lab.tftp(&format!("{}{DEVICE}.tlv", kind.word())).unwrap()).unwrap())
            .collect();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Updated | Outcome::Same)), "{outcomes:?}");
        // What was given is written down when the last datagram has been acknowledged.
        let (site, until) = (lab.dir.site().unwrap(), std::time::Instant::now() + Duration::from_secs(20));
        while !Station::awaited(&lab.dir, &site, &site.nodes[0]).unwrap().is_empty() {
            lab.services.as_ref().unwrap().shared.book.keep("cucm1");
            assert!(std::time::Instant::now() < until, "it has read both lists");
        }
    };
    let before = dir.phone_keys("cucm1").unwrap();
    let (mut phone, mut away) = (lab.phone(), Holding::default());
    away.offer(&lab.tftp("ITLFile.tlv").unwrap()).unwrap();

    // It is told, and does not sign while a phone has not read of it, however long that takes.
    let (changed, keys) = tend(&mut lab, 0);
    let next = leaf(keys.next_recovery.as_ref().expect("announced"));
    assert!(changed && signer(&lab.tftp("ITLFile.tlv").unwrap()).der() == leaf(&before.recovery));
    let site = dir.site().unwrap();
    assert_eq!(Station::awaited(&dir, &site, &site.nodes[0]).unwrap(), [DEVICE]);
    let refused = Station::renew_recovery(&dir, &site, &site.nodes[0], start + 90 * DAY, false).unwrap_err();
    assert!(refused.to_string().contains(&format!("would be lost: {DEVICE}")), "{refused}");
    let (changed, keys) = tend(&mut lab, 90);
    assert!(!changed && leaf(&keys.recovery) == leaf(&before.recovery));
    read(&lab, &mut phone);
    assert!(pinned(&phone, Function::Sast).contains(&next));
    let (changed, keys) = tend(&mut lab, 91);
    assert!(changed && leaf(&keys.recovery) == next && keys.next_recovery.is_none());
    let list = lab.tftp("ITLFile.tlv").unwrap();
    assert_eq!(signer(&list).der(), next);
    read(&lab, &mut phone);
    assert_eq!(pinned(&phone, Function::Sast).len(), 4, "the one before too, in both lists");
    // One that nobody knew of, and that was away, asks TVS, which it knows.
    let Outcome::Ask(asked) = away.offer(&list).unwrap() else { panic!("it does not know who signs") };
    assert!(asked.der() == next && !pinned(&away, Function::Tvs).is_empty());

    // The services follow, a fortnight between each two.
    let now_of = |keys: &store::PhoneKeys| [leaf(&keys.tvs), leaf(&keys.capf), leaf(&keys.call_manager)];
    let old = now_of(&before);
    for (days, renewed) in [(92, 0), (106, 1), (107, 1), (121, 2), (122, 2), (136, 3), (151, 3)] {
        let (changed, keys) = tend(&mut lab, days);
        let done = now_of(&keys).iter().zip(&old).filter(|(now, old)| now != old).count();
        assert_eq!(done, renewed, "after {days} days");
        if changed {
            read(&lab, &mut phone);
        }
    }
    let keys = dir.phone_keys("cucm1").unwrap();
    for (function, identity) in [
        (Function::Sast, &keys.recovery),
        (Function::Tvs, &keys.tvs),
        (Function::Capf, &keys.capf),
        (Function::CallManagerAndTftp, &keys.call_manager),
    ] {
        assert!(pinned(&phone, function).contains(&leaf(identity)), "{function}");
    }
}
