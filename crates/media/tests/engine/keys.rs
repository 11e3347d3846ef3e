//! Keys in the middle of a call: changed without a gap, wrong, replayed, missing.

use media::Latch;
use media::rtp::Header;
use sdp::{Keying, MasterKey, Suite};

use crate::rig::{Rig, address, ms, plain, secure};

#[test]
fn rekeying_in_mid_call_loses_nothing() {
    for (before, after) in [
        (Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_80),
        (Suite::AeadAes256Gcm, Suite::AeadAes256Gcm),
        (Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm),
    ] {
        let mut rig = Rig::new(2);
        let (a, b) = (rig.lend(0), rig.lend(1));
        rig.connect(a, b, &secure(before));
        rig.play(a, "moh", true);
        rig.play(b, "agent", true);
        rig.run(ms(2000));
        let (at_a, at_b) = rig.agree(a, b, &secure(after));
        // The answerer switches first; the offerer when the answer arrives, a good second later.
        rig.set(b, at_b);
        rig.run(ms(1200));
        rig.set(a, at_a);
        rig.run(ms(2000));
        let (facts_a, facts_b) = (rig.facts(a), rig.facts(b));
        assert_eq!(
            (facts_b.lost, facts_b.auth_failed, facts_b.rekeyed),
            (0, 0, 1),
            "towards the one that switched first"
        );
        let late = facts_a.auth_failed;
        assert!((59..=61).contains(&late), "packets under a key that its receiver could not know yet: {late}");
        assert_eq!(facts_a.suite, after.name());
        rig.run(ms(3000));
        assert_eq!(rig.facts(a).auth_failed, late, "and none afterwards");
        assert_eq!((rig.facts(b).auth_failed, rig.facts(b).rx.clear), (0, 0));
    }
}

#[test]
fn the_previous_key_ends_after_two_seconds() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    let policy = secure(Suite::AesCm128HmacSha1_80);
    rig.connect(a, b, &policy);
    rig.play(a, "moh", true);
    rig.run(ms(1000));
    let (_, at_b) = rig.agree(a, b, &policy);
    rig.set(b, at_b); // and `a` never hears of it
    rig.run(ms(1990));
    assert_eq!(rig.facts(b).auth_failed, 0);
    rig.run(ms(1010));
    let facts = rig.facts(b);
    assert!((49..=51).contains(&facts.auth_failed), "{}", facts.auth_failed);
}

/// The same agreement again (a refresh, a hold that names the same keys) keeps counters: nothing is replayable, nothing
/// lost.
#[test]
fn the_same_keys_again_change_nothing() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    let (at_a, at_b) = rig.agree(a, b, &secure(Suite::AeadAes128Gcm));
    rig.set(a, at_a.clone());
    rig.set(b, at_b.clone());
    rig.play(a, "moh", true);
    rig.run(ms(1000));
    rig.set(a, at_a);
    rig.set(b, at_b);
    let early = rig.tapped[5].clone();
    rig.inject(early.from, early.to, early.bytes);
    rig.run(ms(1000));
    let facts = rig.facts(b);
    assert_eq!((facts.replayed, facts.rekeyed, facts.lost, facts.auth_failed), (1, 0, 0, 0));
    let ssrcs: std::collections::BTreeSet<u32> =
        rig.tapped.iter().filter(|t| t.to == b.lease.addr).map(|t| Header::parse(&t.bytes).unwrap().ssrc).collect();
    assert_eq!(ssrcs.len(), 1);
}

#[test]
fn a_wrong_key_gives_no_audio_and_is_counted() {
    for suite in Suite::ALL {
        let mut rig = Rig::new(2);
        let (a, b) = (rig.lend(0), rig.lend(1));
        let (at_a, mut at_b) = rig.agree(a, b, &secure(suite));
        if let Keying::Sdes { remote, .. } = &mut at_b.keying {
            *remote = MasterKey::new(vec![99; remote.bytes().len()]);
        }
        rig.set(a, at_a);
        rig.set(b, at_b);
        rig.record(b);
        rig.play(a, "agent", true);
        rig.run(ms(1000));
        let (heard, _, facts) = rig.close(b);
        assert!(heard.iter().all(|sample| *sample == 0));
        assert_eq!((facts.auth_failed, facts.rx.protected, facts.rx.clear, facts.clear_dropped), (50, 0, 0, 0));
    }
}

#[test]
fn clear_packets_on_a_secure_stream_are_dropped_and_told_apart() {
    for suite in Suite::ALL {
        let mut rig = Rig::new(2);
        let (a, b) = (rig.lend(0), rig.lend(1));
        rig.connect(a, b, &secure(suite));
        rig.record(b);
        for sequence in 0..10u16 {
            let mut packet = vec![0x11; 172];
            let header =
                Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc: 5, padding: false, len: 12 };
            header.write(&mut packet).unwrap();
            rig.inject(a.lease.addr, b.lease.addr, packet);
        }
        rig.run(ms(100));
        let (heard, _, facts) = rig.close(b);
        assert_eq!((facts.clear_dropped, facts.auth_failed, facts.rx.clear), (10, 0, 0));
        assert!(heard.iter().all(|sample| *sample == 0));
    }
}

#[test]
fn another_address_is_taken_only_when_latching_and_only_once() {
    for (latch, taken) in [(Latch::Never, false), (Latch::FirstAuthentic, true)] {
        for policy in [plain(), secure(Suite::AesCm128HmacSha1_80)] {
            let mut rig = Rig::new(2);
            let (a, b) = (rig.lend(0), rig.lend(1));
            let (at_a, mut at_b) = rig.agree(a, b, &policy);
            // What `a` advertised is not where it sends from.
            at_b.remote = address(0, 5, false);
            rig.set(a, at_a);
            rig.set_latched(b, at_b.clone(), latch);
            rig.play(a, "moh", true);
            rig.play(b, "agent", true);
            rig.run(ms(1000));
            let facts = rig.facts(b);
            assert_eq!(facts.rx.protected + facts.rx.clear > 0, taken);
            assert_eq!(facts.foreign_source > 0, !taken);
            assert_eq!(facts.remote == Some(a.lease.addr), taken);
            let heard = rig.facts(a).rx;
            assert_eq!(heard.protected + heard.clear > 0, taken);
            // A third party's packets change nothing any more.
            let stolen = rig.tapped.iter().find(|t| t.to == b.lease.addr).unwrap().bytes.clone();
            rig.inject(address(0, 6, false), b.lease.addr, stolen);
            rig.run(ms(100));
            assert_eq!(rig.facts(b).remote, facts.remote);
            let foreign = rig.facts(b).foreign_source;
            assert!(foreign > facts.foreign_source);
            // Nor do its reports, or ours would go to it.
            let reports = std::net::SocketAddr::new(b.lease.addr.ip(), b.lease.addr.port() + 1);
            rig.inject("127.0.0.77:9".parse().unwrap(), reports, vec![0x80, 201, 0, 1, 0, 0, 0, 7]);
            rig.run(ms(20));
            let reported = rig.facts(b).foreign_source;
            assert!(reported > foreign, "{latch:?}");
            let foreign = reported;
            // A refresh that advertises the same again does not undo what was latched to.
            rig.set_latched(b, at_b, latch);
            rig.run(ms(200));
            assert_eq!(rig.facts(b).remote, facts.remote);
            assert_eq!(rig.facts(b).foreign_source > foreign, !taken);
        }
    }
}
