//! An hour of call time: three rollovers, a re-key every ten minutes, and not one clear packet.

use std::cell::Cell;
use std::rc::Rc;

use sdp::Suite;

use crate::rig::{Rig, ms, secure};

#[test]
fn an_hour_without_a_clear_packet() {
    let mut rig = Rig::new(3);
    let (browser, a, b, agent) = (rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2));
    rig.connect(browser, a, &secure(Suite::AesCm128HmacSha1_80));
    rig.connect(b, agent, &secure(Suite::AeadAes256Gcm));
    rig.bridge(a, b);
    rig.play(browser, "moh", true);
    rig.tap = false;
    // G.711 leaves low entropy: count packets whose octets look like µ-law of anything.
    let clear = Rc::new(Cell::new((0u64, 0u64)));
    let seen = clear.clone();
    let silence = rig.prompts.samples("moh", sdp::Codec::Pcmu).unwrap();
    assert!(silence.len() > 80_000);
    rig.watch = Box::new(move |t| {
        let (packets, short) = seen.get();
        // Nothing on this wire is as long as clear audio (172), or has its length without a tag.
        let protected = t.to.port() % 2 == 1 || matches!(t.bytes.len(), 182 | 188);
        seen.set((packets + 1, short + u64::from(!protected)));
    });
    for n in 0..6 {
        rig.run(ms(600_000));
        if n % 2 == 0 {
            let (at_b, at_agent) = rig.agree(b, agent, &secure(Suite::AeadAes256Gcm));
            rig.set(agent, at_agent);
            rig.set(b, at_b);
        }
    }
    let (packets, clear) = clear.get();
    assert!(packets > 2 * 180_000 && clear == 0, "{clear} of {packets}");
    for end in [browser, a, b, agent] {
        let facts = rig.facts(end);
        assert_eq!((facts.tx.clear, facts.rx.clear), (0, 0));
        assert_eq!(
            (facts.auth_failed, facts.replayed, facts.clear_dropped, facts.lost),
            (0, 0, 0, 0),
            "{:?}",
            end.lease.id
        );
    }
    let heard = rig.facts(agent).rx.protected;
    assert!((179_990..=180_000).contains(&heard), "{heard}");
    assert_eq!(rig.facts(agent).rekeyed, 3);
}
