//! `debug ssl openssl …`: what is shown of handshakes, between two nodes.

use roles::Input;
use sip::{Hop, Transport};
use trust::KeyKind;
use trust::tls::Versions;

use super::*;
use crate::{Handshakes, SslDebug};

const V12: Versions = Versions { tls12: true, tls13: false };
const V13: Versions = Versions { tls12: false, tls13: true };

fn watched(node: &Puppet) {
    for what in SslDebug::ALL {
        assert!(node.handle.handshakes(what, None).on);
    }
    assert_eq!(node.handle.debugging(), SslDebug::ALL);
}

/// What there is by now, a line each.
fn seen(node: &Puppet, what: SslDebug) -> String {
    let Handshakes { on, lost, events, .. } = node.handle.handshakes(what, Some(0));
    assert!(on && lost == 0 && events.iter().all(|event| event.about == what));
    events.into_iter().map(|event| event.text + "\n").collect()
}

/// A message from `a`, dialled as `expected`, once both are looked at.
fn dialled(lab: &Lab, b: &Puppet, expected: &str, options: NodeOptions) -> Puppet {
    let a = lab.node("a", 2, &[("b", b, Transport::Tls, expected)], options);
    watched(&a);
    watched(b);
    a.sends(Hop::Target(b.target("b", Transport::Tls)), &request("hello", 0));
    a
}

#[test]
fn a_good_handshake_is_shown_by_messages_and_states_on_both_sides() {
    for (versions, version) in [(V13, "TLSv1.3"), (V12, "TLSv1.2")] {
        let lab = Lab::new();
        let options = NodeOptions { versions, ..NodeOptions::default() };
        let b = lab.node("b", 3, &[], options.clone());
        let a = dialled(&lab, &b, "b.lab.test", options);
        b.hears_message();
        for (node, side, verb, arrow, peer) in
            [(&a, "SSL_connect", "write", ">>>", "b.lab.test"), (&b, "SSL_accept", "read", "<<<", "a.lab.test")]
        {
            let (states, messages) = (seen(node, SslDebug::States), seen(node, SslDebug::Msg));
            assert!(states.starts_with(&format!("{side}: {verb} ClientHello\n")), "{states}");
            assert!(states.contains(&format!("{side}: handshake finished: {version} ")), "{states}");
            assert!(states.ends_with("; full; both sides showed certificates\n"), "{states}");
            assert!(messages.starts_with(&format!("{arrow} ClientHello, ")), "{messages}");
            let offered = messages.lines().find(|line| line.contains("ClientHello, ")).unwrap_or_default();
            assert!(offered.contains(&format!("versions {version}; server name b.lab.test; groups ")), "{offered}");
            // The hybrid is TLS 1.3's alone.
            assert_eq!(offered.contains("groups X25519MLKEM768 "), versions == V13, "{offered}");
            assert!(messages.contains("ServerHello, ") && messages.contains(&format!("version {version}; suite TLS")));
            assert!(messages.contains(&format!("the peer's certificate 1: CN={peer}")), "{messages}");
            // After the hellos, TLS 1.3 can be read by nobody, and nothing is made up; TLS 1.2 up to the Finished.
            let in_clear = messages.contains("<<< Certificate, ") && messages.contains(">>> Certificate, ");
            assert_eq!(in_clear, versions == V12, "{messages}");
            assert_eq!(states.contains("protected messages"), versions == V13, "{states}");
            assert_eq!(messages.contains("group X25519MLKEM768\n"), versions == V13, "{messages}");
            assert_eq!(seen(node, SslDebug::Errors), "");
        }
    }
}

#[test]
fn an_unknown_ca_is_shown_on_both_sides_with_its_alert_in_words() {
    for versions in [V13, V12] {
        let (lab, foreign) = (Lab::new(), Lab::new());
        let b = lab.node("b", 3, &[], NodeOptions { versions, ..NodeOptions::default() });
        let identity = Some(foreign.identity("a", KeyKind::P256));
        let a = dialled(&lab, &b, "b.lab.test", NodeOptions { versions, identity, ..NodeOptions::default() });
        a.hears_unreachable();
        a.refusal();
        b.refusal();
        let (ours, theirs) = (seen(&b, SslDebug::States), seen(&a, SslDebug::States));
        assert!(ours.contains("SSL alert write: fatal: unknown_ca (48): no root"), "{ours}");
        assert!(ours.ends_with("SSL_accept: failed in handshake\n"), "{ours}");
        assert!(theirs.contains("SSL alert read: fatal: unknown_ca (48): no root"), "{theirs}");
        for (text, side) in [(seen(&b, SslDebug::Errors), "SSL_accept"), (seen(&a, SslDebug::Errors), "SSL_connect")] {
            assert!(text.starts_with(&format!("{side}: error: TLS with 127.0.0.")), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
}

#[test]
fn a_wrong_name_is_shown_with_what_was_expected_and_what_came() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let a = dialled(&lab, &b, "other.lab.test", NodeOptions::default());
    a.hears_unreachable();
    b.refusal();
    let errors = seen(&a, SslDebug::Errors);
    assert!(errors.contains("other.lab.test") && errors.contains("b.lab.test"), "{errors}");
    let (wrote, read) = (seen(&a, SslDebug::States), seen(&b, SslDebug::States));
    let alert = wrote.lines().find_map(|line| line.strip_prefix("SSL alert write: ")).expect("an alert");
    assert!(read.contains(&format!("SSL alert read: {alert}\n")), "both name the same one: {wrote}{read}");
}

#[test]
fn a_version_that_is_not_taken_is_shown_with_what_was_offered() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions { versions: V13, ..NodeOptions::default() });
    let a = dialled(&lab, &b, "b.lab.test", NodeOptions { versions: V12, ..NodeOptions::default() });
    a.hears_unreachable();
    b.refusal();
    let messages = seen(&b, SslDebug::Msg);
    assert!(messages.contains("ClientHello, ") && messages.contains("versions TLSv1.2; "), "{messages}");
    assert!(messages.contains(">>> Alert, fatal, code 70\n"), "it passed in clear, and was seen: {messages}");
    let words = "fatal: protocol_version (70): the offered TLS versions are not taken";
    let (wrote, read) = (seen(&b, SslDebug::States), seen(&a, SslDebug::States));
    assert!(wrote.contains(&format!("SSL alert write: {words}")), "{wrote}");
    assert!(read.contains(&format!("SSL alert read: {words}")), "{read}");
    assert_eq!(wrote.matches("SSL alert").count(), 1, "{wrote}");
}

#[test]
fn nothing_is_kept_unless_somebody_asked_nor_after_undebug_all() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let a = dialled(&lab, &b, "b.lab.test", NodeOptions::default());
    b.hears_message();
    assert!(!seen(&b, SslDebug::States).is_empty());
    b.handle.undebug();
    assert!(b.handle.debugging().is_empty());
    drop(a);
    assert!(matches!(b.hears(), Input::Closed { .. }));
    let again = lab.node("a", 2, &[("b", &b, Transport::Tls, "b.lab.test")], NodeOptions::default());
    again.sends(Hop::Target(b.target("b", Transport::Tls)), &request("hello", 0));
    b.hears_message();
    for what in SslDebug::ALL {
        let told = b.handle.handshakes(what, Some(0));
        assert!(!told.on && told.events.is_empty(), "{told:?}");
        assert!(again.handle.handshakes(what, Some(0)).events.is_empty());
    }
}
