//! Fail closed (contract 55 and 288): at every secure listener, whoever has no business there is refused as the
//! standard prescribes, the reason is on record in words, and nothing stays half open.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::carrier::{Carrier, Order};
use interop::estate::{DOMAIN, Estate, NODES, eventually, objects};
use interop::lab::{Lab, address};
use interop::papers::Authority;
use interop::phone::{Baresip, Line, Papers};
use interop::probe::{Request, Visit, Visitor, ask, say_in_clear, visit};
use interop::speech::Act;

use crate::scene::{self, SOON};

/// The nodes with a role of their own; the second browser is like the first.
const LISTENERS: [&str; 4] = ["cube1", "cvp1", "vvb1", "cucm1"];

/// A session in clear: what must not be accepted where SRTP is required.
const PLAIN_OFFER: &str = "v=0\no=probe 1 1 IN IP4 198.18.133.75\ns=-\nc=IN IP4 198.18.133.75\nt=0 0\n\
    m=audio 4000 RTP/AVP 0 101\na=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\n";

#[test]
fn every_listener_refuses_whoever_has_no_business_there() -> Result<()> {
    let estate = scene::estate(|site| site)?;
    let visitor = estate.lab().host("agent").clone();
    let foreign = Authority::new(&estate.lab().directory().join("foreign"))?;
    let untrusted = foreign.issue(&format!("cvp1.{DOMAIN}"), Path::new("cvp1"))?;
    let expired = estate.papers_for_days(&format!("cvp1.{DOMAIN}"), "agent", -1)?;
    let wrong = estate.papers(&format!("stranger.{DOMAIN}"), "agent")?;
    for node in LISTENERS {
        let server = SocketAddr::from((estate.host_of(node).address, 5061));
        let knock = |what: &str, papers: Option<&Papers>, options: &[&str]| -> Result<Visit> {
            let papers = papers.map(|papers| (papers.key.as_path(), papers.chain.as_path()));
            visit(&visitor, server, &Visitor { papers, options, ..Visitor::default() }, SOON)
                .with_context(|| format!("{node}, {what}"))
        };
        for version in ["-tls1_2", "-tls1_3"] {
            let nobody = knock("no certificate", None, &[version])?;
            if node == "cucm1" {
                // A phone may come without a certificate, to register by digest; it may do nothing else.
                refused_in_sip(node, "no certificate", &nobody)?;
            } else {
                let alerts = ["certificate required", "handshake failure", "bad certificate"];
                refused_by_alert(node, "no certificate", &nobody, &alerts)?;
            }
            let stranger = knock("untrusted", Some(&untrusted), &[version])?;
            refused_by_alert(node, "a certificate of an unknown authority", &stranger, &["unknown ca"])?;
            let late = knock("expired", Some(&expired), &[version])?;
            refused_by_alert(node, "an expired certificate", &late, &["certificate expired"])?;
        }
        let old = knock("TLS 1.1", Some(&wrong), &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"])?;
        // OpenSSL names no signature algorithms in TLS 1.1, and rustls misses them before it looks at the version.
        refused_by_alert(node, "TLS 1.1", &old, &["protocol version", "handshake failure"])?;
        let said = say_in_clear(&visitor, server, SOON).with_context(|| format!("{node}, SIP in clear"))?;
        ensure!(!said.starts_with(b"SIP/2.0"), "{node} answered SIP in clear on its secure port");
        // Right authority, wrong name: TLS lets it in and the role does not (contract 55).
        let misnamed = knock("wrong subject", Some(&wrong), &["-tls1_3"])?;
        refused_in_sip(node, "a wrong subject", &misnamed)?;

        let refusals = estate.refusals(node)?;
        let told = refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        for words in ["unknown", "expired", "stranger.lab.example"] {
            ensure!(told.contains(words), "{node} has no refusal with {words:?} on record:\n{told}");
        }
        ensure!(told.contains("198.18.133.75"), "{node} does not say who was refused:\n{told}");
        nothing_half_open(&estate, node)?;
    }
    Ok(())
}

#[test]
fn media_in_clear_is_refused_even_from_those_who_may_call() -> Result<()> {
    let estate = scene::estate(|site| site)?;
    // Each inner node, asked by the peer whose certificate it accepts, from that peer's own address.
    for (peer, node, user) in [("cube1", "cvp1", "6016"), ("cvp1", "vvb1", "6016"), ("cvp1", "cucm1", "1001")] {
        let from = NODES.iter().find(|(name, _)| *name == peer).context("no such node")?.1;
        let papers = estate.papers(&format!("{peer}.{DOMAIN}"), from)?;
        let server = SocketAddr::from((estate.host_of(node).address, 5061));
        let visitor = Visitor {
            papers: Some((&papers.key, &papers.chain)),
            authority: Some(&papers.authority),
            ..Visitor::default()
        };
        let target = format!("sip:{user}@{server};transport=tls");
        let request = Request { method: "INVITE", target, body: Some(PLAIN_OFFER) };
        let visit = ask(estate.lab().host(from), server, &visitor, &request, SOON)?;
        let answer = visit.answer.as_deref().unwrap_or_default();
        ensure!(answer.starts_with("SIP/2.0 488"), "{node} answered RTP/AVP with {answer:?}\n{}", visit.transcript);
        let told = estate.refusals(node)?.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        ensure!(
            told.contains("RTP/AVP") && told.contains("RTP/SAVP"),
            "{node}: expected and offered are not on record:\n{told}"
        );
        nothing_half_open(&estate, node)?;
    }
    Ok(())
}

#[test]
fn a_browser_with_wrong_papers_gets_no_call() -> Result<()> {
    let mut estate = Estate::new(Lab::reference()?, |site| site)?;
    estate.start(&["cube1", "cvp1"])?;
    let (cube, browser) = (estate.lab().host("cube").clone(), estate.lab().host("vvb").clone());
    let foreign = Authority::new(&estate.lab().directory().join("foreign"))?;
    let wrong = [
        ("unknown", foreign.issue(&format!("vvb1.{DOMAIN}"), Path::new("vvb1"))?),
        ("expired", estate.papers_for_days(&format!("vvb1.{DOMAIN}"), "vvb", -1)?),
        ("other.lab.example", estate.papers(&format!("other.{DOMAIN}"), "vvb")?),
    ];
    for (word, mut papers) in wrong {
        // The impostor itself believes our authority, so it is we who refuse.
        papers.authority = estate.papers(&format!("vvb1.{DOMAIN}"), "vvb")?.authority;
        let (number, registrar) = ("6016".to_owned(), address(143).to_string());
        let line = Line { number, login: None, registrar, through: None, answers: true };
        let impostor = Baresip::start(&browser, &line, &papers, &[])?;
        let mut carrier =
            Carrier::dial(estate.lab(), cube.address, &Order::one(vec![Act::Wait(Duration::from_secs(1))]))?;
        let status = carrier.program().wait(SOON)?;
        ensure!(!status.success(), "{word}: the call was answered");
        eventually(&format!("a refusal that says {word}"), SOON, || {
            let told = estate.refusals("cvp1")?.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            Ok(if told.contains(word) { Ok(()) } else { Err(told) })
        })?;
        let output = impostor.stop()?.output;
        ensure!(!output.contains("INVITE sip:"), "{word}: an INVITE reached the impostor");
    }
    nothing_half_open(&estate, "cube1")?;
    nothing_half_open(&estate, "cvp1")
}

/// The visitor got one of these alerts and no answer in SIP.
fn refused_by_alert(node: &str, what: &str, visit: &Visit, alerts: &[&str]) -> Result<()> {
    ensure!(!visit.was_served(), "{node} served a visitor with {what}: {:?}", visit.answer);
    let alert = visit.alert().unwrap_or_default();
    let right = alerts.iter().any(|wanted| alert.contains(wanted));
    ensure!(
        right,
        "{node} refused a visitor with {what} by the alert {alert:?}; expected {alerts:?}\n{}",
        visit.transcript
    );
    Ok(())
}

/// The visitor got through TLS and was told 403.
fn refused_in_sip(node: &str, what: &str, visit: &Visit) -> Result<()> {
    let answer = visit.answer.as_deref().unwrap_or_default();
    let right = answer.starts_with("SIP/2.0 403");
    ensure!(right, "{node} answered a visitor with {what} by {answer:?}\n{}", visit.transcript);
    Ok(())
}

/// No call, dialog or transaction stays, and no connection with the visitor does.
fn nothing_half_open(estate: &Estate, node: &str) -> Result<()> {
    eventually(&format!("nothing to be left at {node}"), Duration::from_secs(45), || {
        let status = estate.show(&format!("status --node {node}"))?;
        let status = objects(&status, &["legs", "dialogs"]).pop().context("no status")?;
        let connections = estate.show(&format!("sip-ua connections tcp tls detail --node {node}"))?;
        let open = objects(&connections, &["remote", "write_queue"]);
        let strangers =
            open.iter().filter(|c| c["remote"].as_str().is_some_and(|r| r.starts_with("198.18.133.75:"))).count();
        let left = status["legs"] != 0 || status["calls"] != 0 || status["dialogs"] != 0 || strangers > 0;
        Ok(if left { Err(format!("{strangers} connections; {status}")) } else { Ok(()) })
    })
}
