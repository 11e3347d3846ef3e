//! An agent's phone that is keyed by DTLS: its description passes call manager and call server, the border shakes hands
//! with it, and nobody between has a key.

use std::time::Duration;

use call::passport::{Passport, verify};
use sdp::Exchange;
use sim::rig::{Papers, Pki, Sound, World, lab};

use crate::steps::{to_the_agent, to_the_ivr};

const S: Duration = Duration::from_secs(1);

/// The lab with phones of this keying, and a border that takes what these words say from the call server.
fn world(words: &str, exchange: Exchange) -> World {
    let site =
        include_str!("../../../../examples/lab.toml").replacen("tag = 6000\n", &format!("tag = 6000\n{words}\n"), 1);
    let mut world = World::new(31, Sound::handshaking(31, World::prompts()));
    world.start_site(&site::Site::parse(&site).expect("a good site"));
    world.start(lab::carrier(), Papers::None);
    for line in ["1001", "1002"] {
        let mut plan = lab::agent(line, Some(S));
        let roles::Kind::Phone(phone) = &mut plan.kind else { panic!("a phone") };
        phone.exchange = vec![exchange];
        world.start(plan, Papers::phone(&format!("phone{line}.lab.example")));
    }
    world.run(S);
    world
}

#[test]
fn a_call_goes_from_an_ivr_keyed_by_sdes_to_an_agent_keyed_by_dtls() {
    let mut world = world("srtp_keying = [\"sdes\", \"dtls\"]", Exchange::Dtls);
    to_the_agent(&mut world);
    world.run(3 * S);
    let legs = world.calls("cube1");
    let media = legs[1].media.as_ref().expect("media visits the border");
    assert_eq!((media.keying.as_str(), media.suite.as_str()), ("DTLS-SRTP", "AEAD_AES_256_GCM"));
    assert_eq!(media.remote.map(|addr| addr.ip().to_string()).as_deref(), Some("127.18.133.75"));
    assert!(media.rx_clear == 0 && media.tx_clear == 0 && media.auth_failed == 0 && media.rekeyed >= 1, "{media:?}");
    let phone = world.calls("phone1001");
    let heard = phone[0].media.as_ref().expect("a phone ends media");
    assert!(heard.rx_protected > 100 && heard.tx_protected > 100 && heard.rx_clear == 0, "{heard:?}");
    assert_eq!(phone[0].unlocked_because(), None, "the agent sees a lock");
    for node in ["cvp1", "cucm1"] {
        let passed =
            world.calls(node).into_iter().filter_map(|leg| leg.passed).next_back().expect("descriptions passed");
        assert!(passed.is_secure() && passed.is_keyed_by_handshake() && !passed.sdes_key_seen, "{node}: {passed:?}");
    }
    world.hang_up("carrier");
    world.run(40 * S);
    let of_site: Vec<_> = world.statements.iter().filter(|(node, ..)| !node.starts_with("phone")).collect();
    let (caller, root) = (of_site[0].1.clone(), Pki::of_the_lab().root_der());
    let signed = of_site.iter().map(|(.., signed)| signed.clone()).collect();
    let passport = Passport::bundle("lab", caller, std::slice::from_ref(&root), signed);
    let verdict = verify(&passport, Some(&[root]), world.now().wall);
    assert_eq!(verdict.wrong, None, "{verdict}");
}

#[test]
fn a_border_that_takes_sdes_alone_refuses_it_in_words() {
    let mut world = world("", Exchange::Dtls);
    crate::steps::to_the_queue(&mut world);
    world.ready("1001");
    world.until(10 * S, |world| world.saw("cube1", "cvp1", "488 INVITE"));
    let refusal = world.crossed.iter().rfind(|c| c.from == "cube1" && c.arrow() == "488 INVITE").unwrap();
    let message = sip::Message::parse(refusal.bytes.clone()).unwrap();
    let warning = message.header(&sip::Name::Warning).expect("why").to_owned();
    assert!(warning.contains("SRTP keyed by SDES is required on this leg"), "{warning}");
}

#[test]
fn a_border_that_offers_dtls_to_who_has_sdes_alone_is_refused_and_nothing_falls_back() {
    let mut world = world("srtp_keying = [\"dtls\"]", Exchange::Sdes);
    world.dial("6016");
    world.until(10 * S, |world| {
        world.saw("cube1", "carrier", "488 INVITE") || world.saw("cube1", "carrier", "200 INVITE")
    });
    assert!(world.saw("cube1", "carrier", "488 INVITE"), "{}", world.ladder());
    assert!(!world.saw("cube1", "carrier", "200 INVITE"));
}

#[test]
fn who_takes_both_is_offered_what_comes_first_and_keeps_what_was_agreed() {
    let mut world = world("srtp_keying = [\"sdes\", \"dtls\"]", Exchange::Sdes);
    to_the_ivr(&mut world);
    let keyings: Vec<String> =
        world.calls("cube1").iter().map(|leg| leg.media.as_ref().expect("media").keying.clone()).collect();
    assert_eq!(keyings, ["none", "SDES"]);
}
