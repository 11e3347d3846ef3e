//! Nodes among themselves: TLS both versions, reuse, refusals, ends of connections.

use std::io::{Read, Write};
use std::time::Duration;

use roles::{Input, Output};
use sip::{Hop, Transport};
use trust::tls::Versions;
use trust::{KeyKind, Peer};

use super::puppet::identity;
use super::*;

#[test]
fn a_message_goes_over_mutual_tls_and_is_answered_on_its_flow() {
    for (versions, key, version) in [
        (Versions { tls12: true, tls13: true }, KeyKind::P256, "TLSv1.3"),
        (Versions { tls12: true, tls13: false }, KeyKind::P256, "TLSv1.2"),
        (Versions { tls12: true, tls13: false }, KeyKind::Rsa2048, "TLSv1.2"),
    ] {
        let lab = Lab::new();
        let options = NodeOptions { versions, key, ..NodeOptions::default() };
        let b = lab.node("b", 3, &[], options.clone());
        let a = lab.node("a", 2, &[("b", &b, Transport::Tls, "b.lab.test")], options);
        let sent = request("hello", 5000);
        a.sends(Hop::Target(b.target("b", Transport::Tls)), &sent);
        let (flow, peer, message) = b.hears_message();
        assert_eq!(message.bytes(), sent.bytes());
        assert_eq!(flow.remote.ip(), a.address, "dialled from its own address");
        let Peer::Verified(peer) = &*peer else { panic!("{peer:?}") };
        assert_eq!(peer.certificate().common_name.as_deref(), Some("a.lab.test"));
        assert!(peer.tls().mutual);
        assert_eq!(peer.tls().version, version);

        b.sends(Hop::Flow(flow.id), &response(&message));
        let (_, peer, answer) = a.hears_message();
        assert_eq!(answer.status(), Some(sip::Status(200)));
        let Peer::Verified(peer) = &*peer else { panic!("{peer:?}") };
        assert_eq!(peer.certificate().common_name.as_deref(), Some("b.lab.test"));
        assert!(peer.tls().mutual, "the peer asked for our certificate");

        // The next request takes the same connection.
        a.sends(Hop::Target(b.target("b", Transport::Tls)), &sent);
        assert_eq!(b.hears_message().0.id, flow.id);
        let shown = a.handle.connections();
        assert_eq!(shown.open.len(), 1, "{shown:?}");
        assert_eq!((shown.open[0].outbound, shown.open[0].local.ip()), (true, a.address));
        assert_eq!(shown.open[0].peer.as_ref().unwrap().common_name.as_deref(), Some("b.lab.test"));

        let trace = b.handle.trace();
        let ways: Vec<bool> = trace.iter().map(|entry| entry.sent).collect();
        assert_eq!(ways, [false, true, false]);
        assert!(trace.iter().all(|entry| entry.tls.as_ref().is_some_and(|tls| tls.version == version)));
        let trace = a.handle.trace();
        assert_eq!(trace.len(), 3);
        assert!(
            trace.iter().all(|entry| entry.tls.as_ref().is_some_and(|tls| tls.mutual)),
            "also what waited for the handshake"
        );
    }
}

#[test]
fn a_thousand_messages_arrive_whole_and_in_order() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    for transport in [Transport::Tls, Transport::Tcp] {
        let a = lab.node("a", 2, &[("b", &b, transport, "b.lab.test")], NodeOptions::default());
        for n in 0..1000 {
            a.sends(Hop::Target(b.target("b", transport)), &request(&n.to_string(), n));
        }
        for n in 0..1000 {
            let (_, _, message) = b.hears_message();
            assert_eq!(message.header(&sip::Name::new("Subject")), Some(n.to_string().as_str()));
            assert_eq!(message.body().map_or(0, |body| body.bytes.len()), n);
        }
        assert_eq!(a.handle.connections().open.len(), 1);
        drop(a);
        assert!(matches!(b.hears(), Input::Closed { .. }));
    }
}

#[test]
fn a_peer_with_another_name_is_refused_before_a_byte_of_sip() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let a = lab.node("a", 2, &[("b", &b, Transport::Tls, "other.lab.test")], NodeOptions::default());
    a.sends(Hop::Target(b.target("b", Transport::Tls)), &request("secret", 0));
    let (target, why) = a.hears_unreachable();
    assert_eq!(&*target.peer, "b");
    assert!(why.contains("other.lab.test") && why.contains("b.lab.test"), "{why}");
    let refusal = a.refusal();
    assert_eq!(refusal.refusal.cause, "wrong_subject");
    assert!(refusal.refusal.expected.contains("other.lab.test") && refusal.refusal.presented.contains("b.lab.test"));
    assert!(refusal.answered.starts_with("TLS alert "), "{}", refusal.answered);
    // The other side knows that it was refused.
    let refused = b.refusal();
    assert!(refused.answered.starts_with("received TLS alert "), "{}", refused.answered);
    b.hears_nothing_more();
    assert_eq!(a.handle.connections().tls_client_handshake_failures, 1);
    assert_eq!(b.handle.connections().tls_server_handshake_failures, 1);
    assert!(a.handle.trace().is_empty(), "nothing was sent");
}

#[test]
fn callers_that_we_do_not_know_are_refused_and_both_sides_say_why() {
    for (versions, cause) in
        [(Versions { tls12: true, tls13: true }, "unknown_ca"), (Versions { tls12: true, tls13: false }, "unknown_ca")]
    {
        let (lab, foreign) = (Lab::new(), Lab::new());
        let b = lab.node("b", 3, &[], NodeOptions { versions, ..NodeOptions::default() });
        let stranger =
            NodeOptions { versions, identity: Some(foreign.identity("a", KeyKind::P256)), ..NodeOptions::default() };
        let a = lab.node("a", 2, &[("b", &b, Transport::Tls, "b.lab.test")], stranger);
        a.sends(Hop::Target(b.target("b", Transport::Tls)), &request("hello", 0));
        let (_, why) = a.hears_unreachable();
        assert!(why.to_lowercase().contains("alert") || why.contains("UnknownCA"), "{why}");
        let refusal = b.refusal();
        assert_eq!(refusal.refusal.cause, cause);
        assert_eq!(refusal.answered, "TLS alert unknown_ca");
        assert_eq!(refusal.remote.unwrap().ip(), a.address);
        assert_eq!(a.refusal().answered, "received TLS alert unknown_ca");
        b.hears_nothing_more();
        assert!(b.handle.connections().open.is_empty(), "nothing half open");
    }
}

#[test]
fn a_peer_is_verified_by_the_roots_of_its_own_authority_and_no_others() {
    let (lab, carrier) = (Lab::new(), Lab::new());
    let named = trust::Authority::Named("carrier".into());
    let both = vec![lab.roots().remove(0), (named.clone(), carrier.ca.certificate_pem().to_owned())];
    let options = |authority: &trust::Authority, lab: &Lab, name: &str| NodeOptions {
        roots: Some(both.clone()),
        authority: authority.clone(),
        identity: Some(lab.identity(name, KeyKind::P256)),
        ..NodeOptions::default()
    };
    let own = trust::Authority::Own;
    // Who signed b's certificate, and whose word a takes for it.
    for (signer, expected, good) in
        [(&lab, &own, true), (&carrier, &own, false), (&carrier, &named, true), (&lab, &named, false)]
    {
        let b = lab.node("b", 3, &[], options(&own, signer, "b"));
        let a = lab.node("a", 2, &[("b", &b, Transport::Tls, "b.lab.test")], options(expected, &lab, "a"));
        a.sends(Hop::Target(b.target("b", Transport::Tls)), &request("hello", 0));
        if good {
            let (flow, peer, message) = b.hears_message();
            let Peer::Verified(peer) = &*peer else { panic!("{peer:?}") };
            assert!(peer.is_vouched_by(&own) && !peer.is_vouched_by(&named));
            b.sends(Hop::Flow(flow.id), &response(&message));
            let (_, peer, _) = a.hears_message();
            let Peer::Verified(peer) = &*peer else { panic!("{peer:?}") };
            assert_eq!((peer.is_vouched_by(&own), peer.is_vouched_by(&named)), (*expected == own, *expected == named));
        } else {
            a.hears_unreachable();
            let refusal = a.refusal().refusal;
            assert_eq!(refusal.cause, "unknown_ca", "{refusal:?}");
            b.hears_nothing_more();
        }
    }
}

#[test]
fn an_expired_certificate_is_refused() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let old =
        NodeOptions { identity: Some(identity(&lab.ca, "a", KeyKind::P256, Duration::ZERO)), ..NodeOptions::default() };
    let a = lab.node("a", 2, &[("b", &b, Transport::Tls, "b.lab.test")], old);
    a.sends(Hop::Target(b.target("b", Transport::Tls)), &request("hello", 0));
    a.hears_unreachable();
    let refusal = b.refusal();
    assert_eq!(
        (refusal.refusal.cause.as_str(), refusal.answered.as_str()),
        ("expired", "TLS alert certificate_expired")
    );
}

#[test]
fn a_connection_is_not_used_again_for_another_peer_nor_under_other_names() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let peers = [("b", &b, Transport::Tls, "b.lab.test"), ("c", &b, Transport::Tls, "c.lab.test")];
    let a = lab.node("a", 2, &peers, NodeOptions::default());
    a.sends(Hop::Target(b.target("b", Transport::Tls)), &request("one", 0));
    b.hears_message();
    // The same address, another peer: it must prove that it is c, and cannot.
    a.sends(Hop::Target(b.target("c", Transport::Tls)), &request("two", 0));
    let (target, why) = a.hears_unreachable();
    assert_eq!(&*target.peer, "c");
    assert!(why.contains("c.lab.test"), "{why}");
    b.hears_nothing_more();
}

#[test]
fn nobody_there_is_heard_of_at_once() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let a = lab.node("a", 2, &[("b", &b, Transport::Tls, "b.lab.test")], NodeOptions::default());
    let target = b.target("b", Transport::Tls);
    drop(b);
    a.sends(Hop::Target(target.clone()), &request("hello", 0));
    let (unreachable, why) = a.hears_unreachable();
    assert_eq!(unreachable, target);
    assert!(why.contains("does not take the connection"), "{why}");
    assert_eq!(a.handle.connections().connect_failures, 1);
}

#[test]
fn a_connection_that_ends_is_heard_of_with_what_it_was_opened_for() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let a = lab.node("a", 2, &[("b", &b, Transport::Tcp, "")], NodeOptions::default());
    let to = b.target("b", Transport::Tcp);
    a.sends(Hop::Target(to.clone()), &request("hello", 0));
    let (flow, ..) = b.hears_message();
    b.does(Output::Close { flow: flow.id });
    assert!(matches!(a.hears(), Input::Closed { target: Some(target), .. } if target == to));
    assert!(matches!(b.hears(), Input::Closed { target: None, .. }), "b did not open it");
    // A flow that is not there any more.
    b.sends(Hop::Flow(flow.id), &request("late", 0));
    assert!(matches!(b.hears(), Input::Closed { flow: gone, .. } if gone == flow.id), "nor is it there any more");
}

#[test]
fn a_flow_is_closed_after_what_was_sent_on_it() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let a = lab.node("a", 2, &[("b", &b, Transport::Tls, "b.lab.test")], NodeOptions::default());
    a.sends(Hop::Target(b.target("b", Transport::Tls)), &request("hello", 0));
    let (flow, _, message) = b.hears_message();
    b.does(Output::Send { hop: Hop::Flow(flow.id), bytes: response(&message).bytes().clone() });
    b.does(Output::Close { flow: flow.id });
    let (_, _, answer) = a.hears_message();
    assert_eq!(answer.status(), Some(sip::Status(200)));
    assert!(matches!(a.hears(), Input::Closed { .. }));
}

#[test]
fn who_does_not_read_is_given_up_at_the_bound() {
    let lab = Lab::new();
    let a = lab.node("a", 2, &[], NodeOptions::default());
    let mut stranger = std::net::TcpStream::connect(a.addr(Transport::Tcp)).unwrap();
    stranger.write_all(&options_to(a.addr(Transport::Tcp))).unwrap();
    let (flow, ..) = a.hears_message();
    let big = request("big", 200_000);
    for _ in 0..100 {
        a.sends(Hop::Flow(flow.id), &big);
    }
    assert!(matches!(a.hears(), Input::Closed { flow: gone, .. } if gone == flow.id));
    let shown = a.handle.connections();
    assert!(shown.open.is_empty());
    let (most, _) = shown.max_write_queue.unwrap();
    assert!(most <= crate::wire::WRITE_QUEUE, "{most}");
    // And it sees the end once it reads.
    let mut all = Vec::new();
    let _ = stranger.read_to_end(&mut all);
    assert!(all.len() > 200_000, "what the system took has come: {}", all.len());
}

#[test]
fn a_panic_costs_what_was_being_handled_and_nothing_else() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let a = lab.node("a", 2, &[("b", &b, Transport::Tls, "b.lab.test")], NodeOptions::default());
    for subject in ["one", "panic", "two"] {
        a.sends(Hop::Target(b.target("b", Transport::Tls)), &request(subject, 0));
    }
    assert_eq!(b.hears_message().2.header(&sip::Name::new("Subject")), Some("one"));
    assert_eq!(b.hears_message().2.header(&sip::Name::new("Subject")), Some("two"));
    b.abandons();
}

#[test]
fn over_ipv6_it_is_the_same() {
    let lab = Lab::new();
    let options = NodeOptions { ipv6: true, ..NodeOptions::default() };
    let b = lab.node("b", 3, &[], options.clone());
    for transport in [Transport::Tls, Transport::Tcp, Transport::Udp] {
        let a = lab.node("a", 2, &[("b", &b, transport, "b.lab.test")], options.clone());
        a.sends(Hop::Target(b.target("b", transport)), &request("hello", 0));
        let (flow, _, message) = b.hears_message();
        assert!(flow.remote.is_ipv6() && flow.local.is_ipv6());
        b.sends(Hop::Flow(flow.id), &response(&message));
        assert_eq!(a.hears_message().2.status(), Some(sip::Status(200)));
        drop(a);
        if transport != Transport::Udp {
            assert!(matches!(b.hears(), Input::Closed { .. }));
        }
    }
}

/// Run by the next test in a process of its own, with `SSLKEYLOGFILE` set.
#[test]
#[ignore = "the next test runs it, in a process whose environment it sets"]
fn speaks_tls_with_and_without_the_loud_option() {
    let lab = Lab::new();
    let loud = std::env::var_os("RINGFENCE_TEST_LOUD").is_some();
    let options = NodeOptions { dangerous_keylog: loud, ..NodeOptions::default() };
    let b = lab.node("b", 3, &[], options.clone());
    let a = lab.node("a", 2, &[("b", &b, Transport::Tls, "b.lab.test")], options);
    a.sends(Hop::Target(b.target("b", Transport::Tls)), &request("hello", 0));
    b.hears_message();
}

#[test]
fn session_keys_are_written_only_under_the_loud_option() {
    let file = std::env::temp_dir().join(format!("ringfence-net-keys-{}", std::process::id()));
    for loud in [false, true] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "--ignored", "node::tests::streams::speaks_tls_with_and_without_the_loud_option"]);
        child.env("SSLKEYLOGFILE", &file).env_remove("RINGFENCE_TEST_LOUD");
        if loud {
            child.env("RINGFENCE_TEST_LOUD", "1");
        }
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the inner test was not run");
        let keys = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(keys.contains("CLIENT_TRAFFIC_SECRET_0"), loud);
    }
    std::fs::remove_file(file).unwrap();
}
