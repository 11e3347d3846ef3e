//! Hops: the legs of all statements put together by Call-ID, their two ends compared, each judged.

use std::net::SocketAddr;

use crate::record::{Direction, LegRecord, LegState};
use crate::session_id::Uuid;
use crate::statement::Statement;
use crate::verdict::{Hop, Kind, Seen, Wrong};

/// One node's end of a dialog.
#[derive(Clone, Copy)]
struct End<'a> {
    node: &'a str,
    leg: &'a LegRecord,
}

impl End<'_> {
    fn calls(self) -> bool {
        self.leg.direction == Direction::Originate
    }

    fn connected(self) -> bool {
        self.leg.connected_ms.is_some()
    }

    /// Packets that came on this leg.
    fn heard(self) -> u64 {
        self.leg.media.as_ref().map_or(0, |media| media.rx_protected + media.rx_clear)
    }

    /// The box at the other end in words, where it is no node of ours: its name if it proved one, and its address.
    fn stranger(self) -> String {
        let signalling = &self.leg.signalling;
        let proved = signalling.peer.as_ref().and_then(|certificate| certificate.common_name.clone());
        let name = proved.unwrap_or_else(|| self.leg.peer.clone());
        match signalling.remote {
            Some(remote) if name != remote.to_string() => format!("{name} ({remote})"),
            Some(remote) => remote.to_string(),
            None => name,
        }
    }
}

/// All hops in the order in which the call went.
pub(super) fn judge(statements: &[Statement], others: &[Statement], caller: &Uuid) -> Vec<Hop> {
    let mut ends = ends_of(statements);
    let elsewhere = ends_of(others);
    ends.sort_by_key(|end| (end.leg.began_ms, !end.calls()));
    let mut hops: Vec<(u64, Hop)> = Vec::new();
    while !ends.is_empty() {
        let first = ends.remove(0);
        let faces = |end: &End<'_>| end.leg.sip_call_id == first.leg.sip_call_id && end.node != first.node;
        let here = ends.iter().position(faces).map(|at| (ends.remove(at), Some(caller)));
        // Of two callers' calls, each end has its own caller.
        let other = here.or_else(|| elsewhere.iter().copied().find(faces).map(|end| (end, None)));
        let hop = match other {
            Some((second, caller)) if first.calls() || !second.calls() => both(first, second, caller),
            Some((second, caller)) => both(second, first, caller),
            None => alone(first, statements),
        };
        hops.push((first.leg.began_ms, hop));
    }
    in_order(hops)
}

fn ends_of(statements: &[Statement]) -> Vec<End<'_>> {
    statements.iter().flat_map(|s| s.legs.iter().map(|leg| End { node: &s.node, leg })).collect()
}

/// A hop comes after the one that led to it, whatever the clocks of the nodes say.
fn in_order(mut hops: Vec<(u64, Hop)>) -> Vec<Hop> {
    let mut ordered: Vec<Hop> = Vec::new();
    while !hops.is_empty() {
        let is_next = |hop: &Hop| match ordered.iter().any(|before| before.to == hop.from) {
            true => 0,
            // Somebody whom no other hop reaches begins a call.
            false if hops.iter().all(|(_, other)| other.to != hop.from) => 1,
            false => 2,
        };
        let entry = |hop: &Hop| ordered.is_empty() && is_next(hop) == 1;
        let best = hops.iter().enumerate().min_by_key(|(_, (began, hop))| (!entry(hop), is_next(hop), *began));
        // `hops` is not empty, so there is a least one.
        let Some(at) = best.map(|(at, _)| at) else {
            break;
        };
        ordered.push(hops.remove(at).1);
    }
    ordered
}

/// Both ends are nodes whose statements we have: `a` called `b`. `caller`: of both; `None` when one of them has its word
/// in another caller's call.
fn both(a: End<'_>, b: End<'_>, caller: Option<&Uuid>) -> Hop {
    let mut hop = Hop {
        from: a.node.into(),
        to: b.node.into(),
        seen: Seen::BothEnds,
        signalling: signalling_words(a.leg),
        media: media_words(a.leg.media.as_ref().map_or(b.leg, |_| a.leg)),
        state: state_words(a.leg),
        parts: parts_of(&[a, b], caller.is_none()),
        exceptions: Vec::new(),
        keys_seen_by: Vec::new(),
        wrong: Vec::new(),
    };
    let place = format!("hop {} -> {}", a.node, b.node);
    let mut compare = Compare { a: a.node, b: b.node, place: &place, wrong: Vec::new() };
    compare.direction(a, b);
    match (a.connected(), b.connected()) {
        (false, false) => {}
        // An answer may be lost with its connection, or cross a CANCEL (RFC 3261 §9.1): who gave it calls the call
        // answered, who asked never heard of it. Then nobody may have been heard there either, and there are no media
        // to compare; who was at the other end there is.
        (false, true) if b.heard() == 0 && a.leg.signalling.transport.is_empty() => {}
        (false, true) if b.heard() == 0 => compare.boxes(a, b, caller),
        _ => compare.all(a, b, caller),
    }
    hop.wrong.append(&mut compare.wrong);
    protection(a, true, &place, &mut hop);
    protection(b, true, &place, &mut hop);
    hop
}

/// As either end has them, once.
fn parts_of(ends: &[End<'_>], apart: bool) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    if apart {
        parts.push("the leg moved from one call to another as it ended: one end tells of it in the other".into());
    }
    for end in ends {
        for part in &end.leg.parts {
            let words = format!("{}: {part}", end.node);
            if !parts.contains(&words) {
                parts.push(words);
            }
        }
    }
    parts
}

/// One end's word: the other is a stranger, or its statement is missing.
fn alone(end: End<'_>, statements: &[Statement]) -> Hop {
    let peer_node = end.leg.signalling.peer.as_ref().and_then(|certificate| certificate.node());
    let other = peer_node.map_or_else(|| end.stranger(), str::to_owned);
    let (from, to) = if end.calls() { (end.node.to_owned(), other) } else { (other, end.node.to_owned()) };
    let place = format!("hop {from} -> {to}");
    let mut hop = Hop {
        from,
        to,
        seen: Seen::OneSided { by: end.node.into() },
        signalling: signalling_words(end.leg),
        media: media_words(end.leg),
        state: state_words(end.leg),
        parts: parts_of(&[end], false),
        exceptions: Vec::new(),
        keys_seen_by: Vec::new(),
        wrong: Vec::new(),
    };
    // An attempt that never connected may have been refused before the other node knew of a call.
    if let (Some(node), true) = (peer_node, end.connected()) {
        let known = statements.iter().any(|s| s.node == node);
        let what = match known {
            false => format!(
                "{} proved by certificate that it spoke with node {node}, and no statement of {node} is here",
                end.node
            ),
            true => {
                format!("{} states a connected dialog with {node}; the statement of {node} has no word of it", end.node)
            }
        };
        hop.wrong.push(Wrong::new(if known { Kind::Disagreement } else { Kind::MissingStatement }, &place, what));
    }
    protection(end, peer_node.is_some(), &place, &mut hop);
    hop
}

/// Puts two ends' words side by side.
struct Compare<'a> {
    a: &'a str,
    b: &'a str,
    place: &'a str,
    wrong: Vec<Wrong>,
}

impl Compare<'_> {
    fn same(&mut self, what: &str, a: impl AsRef<str>, b: impl AsRef<str>) {
        let (a, b) = (a.as_ref(), b.as_ref());
        if a != b {
            self.wrong.push(Wrong::new(
                Kind::Disagreement,
                self.place,
                format!("{what}: {} says {a}, {} says {b}", self.a, self.b),
            ));
        }
    }

    fn direction(&mut self, a: End<'_>, b: End<'_>) {
        if a.leg.direction == b.leg.direction {
            let both = if a.calls() { "both ends say that they called" } else { "both ends say that they were called" };
            self.wrong.push(Wrong::new(Kind::Disagreement, self.place, format!("who called whom: {both}")));
        }
    }

    fn all(&mut self, a: End<'_>, b: End<'_>, caller: Option<&Uuid>) {
        self.same("connected", yes(a.connected()), yes(b.connected()));
        self.boxes(a, b, caller);
        self.media(a, b);
    }

    /// Who was at either end, over what.
    fn boxes(&mut self, a: End<'_>, b: End<'_>, caller: Option<&Uuid>) {
        let (x, y) = (&a.leg.signalling, &b.leg.signalling);
        self.same("transport", &x.transport, &y.transport);
        // Ports differ from connection to connection, and a call may outlive one: the boxes must be the same.
        self.same(&format!("address of {}", self.a), ip(x.local), ip(y.remote));
        self.same(&format!("address of {}", self.b), ip(x.remote), ip(y.local));
        let (tls, other) = (x.tls.clone().unwrap_or_default(), y.tls.clone().unwrap_or_default());
        self.same("TLS version", none(&tls.version), none(&other.version));
        self.same("TLS suite", none(&tls.suite), none(&other.suite));
        self.same("key exchange group", none(&tls.group), none(&other.group));
        self.same("mutual TLS", yes(tls.mutual), yes(other.mutual));
        let seen = |end: End<'_>| end.leg.signalling.peer.as_ref().map_or("none".into(), |c| c.fingerprint.clone());
        self.same(&format!("certificate of {}", self.a), none(&tls.local_fingerprint), seen(b));
        self.same(&format!("certificate of {}", self.b), seen(a), none(&other.local_fingerprint));
        let named =
            |end: End<'_>| end.leg.signalling.peer.as_ref().and_then(|c| c.node()).unwrap_or("nobody").to_owned();
        self.same(&format!("who is at the end of {}", self.b), named(a), self.b);
        self.same(&format!("who is at the end of {}", self.a), self.a, named(b));
        if let Some(caller) = caller {
            self.session_id(a, b, caller);
        }
    }

    /// The caller is on our side of one end and beyond the peer of the other (RFC 7989 §6).
    fn session_id(&mut self, a: End<'_>, b: End<'_>, caller: &Uuid) {
        let side = |id: &crate::session_id::SessionId| match (id.local == *caller, id.remote == *caller) {
            (true, false) => "on its own side",
            (false, true) => "beyond the other end",
            (true, true) => "on both sides",
            (false, false) => "on neither side",
        };
        let (x, y) = (side(&a.leg.session_id), side(&b.leg.session_id));
        if !matches!((x, y), ("on its own side", "beyond the other end") | ("beyond the other end", "on its own side"))
        {
            let what = format!("Session-ID: {} has the caller {x}, {} {y}", self.a, self.b);
            self.wrong.push(Wrong::new(Kind::Disagreement, self.place, what));
        }
    }

    fn media(&mut self, a: End<'_>, b: End<'_>) {
        match (&a.leg.media, &b.leg.media, &a.leg.passed, &b.leg.passed) {
            (Some(x), Some(y), ..) => {
                self.same("SRTP suite", none(&x.suite), none(&y.suite));
                self.same("media keying", none(&x.keying), none(&y.keying));
                self.same("codec", none(&x.codec), none(&y.codec));
            }
            (Some(used), None, _, Some(passed)) if used.was_set() => {
                self.used_and_passed(used, passed, self.a.to_owned(), self.b.to_owned())
            }
            (None, Some(used), Some(passed), _) if used.was_set() => {
                self.used_and_passed(used, passed, self.b.to_owned(), self.a.to_owned())
            }
            (None, None, Some(x), Some(y)) => {
                self.same("media profile", protected(x.is_secure()), protected(y.is_secure()))
            }
            _ => {}
        }
    }

    /// What the end that carries media used, against what the end that passes descriptions on saw of it.
    fn used_and_passed(
        &mut self,
        used: &crate::record::media_facts::MediaRecord,
        passed: &crate::record::Passed,
        carries: String,
        passes: String,
    ) {
        let mut wrong = |what: String| self.wrong.push(Wrong::new(Kind::Disagreement, self.place, what));
        if used.suite.is_empty() == passed.is_secure() {
            wrong(format!("media profile: {carries} used {}, {passes} passed {}", none(&used.suite), passed.profile));
        } else if passed.is_keyed_by_handshake() != (used.keying == "DTLS-SRTP") {
            wrong(format!("media keying: {carries} used {}, {passes} passed {}", none(&used.keying), passed.profile));
        } else if !used.suite.is_empty() && !passed.is_keyed_by_handshake() && !passed.suites.contains(&used.suite) {
            wrong(format!("SRTP suite: {carries} used {}, {passes} passed {}", used.suite, passed.suites.join(", ")));
        }
        if let (Some(local), Some(seen)) = (used.local, passed.remote_media)
            && local != seen
        {
            wrong(format!("media address of {carries}: it says {local}, {passes} passed {seen}"));
        }
    }
}

/// Is this end protected as it must be, or by whose word is it not?
fn protection(end: End<'_>, between_nodes: bool, place: &str, hop: &mut Hop) {
    let signalling = &end.leg.signalling;
    let mut wrong = |kind, what: String| hop.wrong.push(Wrong::new(kind, place, format!("{}: {what}", end.node)));
    let mut exceptions = Vec::new();
    match &signalling.tls {
        // Nothing ever came over this leg.
        None if signalling.transport.is_empty() => {}
        None if end.leg.allows(PLAIN_SIP) => {
            exceptions.push(format!("{}: signalling is {} in clear, by {PLAIN_SIP}", end.node, signalling.transport))
        }
        None => wrong(
            Kind::Signalling,
            format!("signalling is {} in clear and no {PLAIN_SIP} allows it", signalling.transport),
        ),
        Some(tls) => {
            if !matches!(tls.version.as_str(), "TLSv1.2" | "TLSv1.3") {
                wrong(Kind::Signalling, format!("{} is not TLSv1.2 or TLSv1.3", none(&tls.version)));
            }
            if !tls.mutual && (between_nodes || !signalling.is_of_secret()) {
                wrong(Kind::Signalling, "the TLS connection is not mutual".into());
            }
        }
    }
    if let Some(media) = &end.leg.media {
        let clear = media.clear();
        if media.suite.is_empty() && ((end.connected() && media.was_set()) || clear > 0) {
            match [PLAIN_RTP, FALLBACK].into_iter().find(|word| end.leg.allows(word)) {
                Some(word) => exceptions.push(format!("{}: media is RTP in clear, by {word}", end.node)),
                None => wrong(Kind::Media, format!("media is RTP in clear and no {PLAIN_RTP} allows it")),
            }
        } else if clear > 0 && end.leg.allows(FALLBACK) {
            exceptions.push(format!("{}: {clear} packets of media in clear, by {FALLBACK}", end.node));
        } else if clear > 0 {
            wrong(Kind::Media, format!("{clear} packets in clear on a stream of {}", media.suite));
        }
    } else if let Some(passed) = &end.leg.passed {
        if passed.sdes_key_seen {
            hop.keys_seen_by.push(end.node.into());
        }
        match (passed.is_secure(), end.leg.allows(PLAIN_RTP)) {
            (true, _) => {}
            (false, true) => {
                exceptions.push(format!("{}: passed {} in clear, by {PLAIN_RTP}", end.node, passed.profile))
            }
            (false, false) => {
                wrong(Kind::Media, format!("passed {} in clear and no {PLAIN_RTP} allows it", passed.profile))
            }
        }
    }
    hop.exceptions.append(&mut exceptions);
}

const PLAIN_SIP: &str = "dangerous_plain_sip";
const PLAIN_RTP: &str = "dangerous_plain_rtp";
const FALLBACK: &str = "dangerous_srtp_fallback";

fn signalling_words(leg: &LegRecord) -> String {
    match &leg.signalling.tls {
        Some(tls) => format!(
            "{} {} {} {}",
            tls.version,
            tls.suite,
            tls.group,
            if tls.mutual { "mutual".to_owned() } else { format!("one-way, by {}", none(&leg.signalling.admitted_by)) }
        ),
        None if leg.signalling.transport.is_empty() => "no answer came".into(),
        None => format!("{} in clear", leg.signalling.transport),
    }
}

fn media_words(leg: &LegRecord) -> String {
    match (&leg.media, &leg.passed) {
        (Some(media), _) if !media.was_set() => "no media".into(),
        (Some(media), _) if media.suite.is_empty() => {
            format!("RTP in clear, {} packets out and {} in", media.tx_clear, media.rx_clear)
        }
        (Some(media), _) => format!("SRTP {}, {} clear packets", media.suite, media.clear()),
        (None, Some(passed)) if passed.is_secure() => {
            format!("SRTP passed on ({})", passed.profile)
        }
        (None, Some(passed)) => format!("RTP passed on ({})", passed.profile),
        (None, None) => "no media".into(),
    }
}

fn state_words(leg: &LegRecord) -> String {
    let why = leg.ended_because.as_deref().unwrap_or("no reason given");
    match (leg.state, leg.connected_ms) {
        (LegState::Ended, Some(_)) => format!("ended: {why}"),
        (LegState::Ended, None) => format!("never connected: {why}"),
        (_, Some(_)) => "still up".into(),
        (_, None) => "still being set up".into(),
    }
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn protected(is: bool) -> &'static str {
    if is { "SRTP" } else { "RTP" }
}

fn none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn ip(addr: Option<SocketAddr>) -> String {
    addr.map_or_else(|| "unknown".into(), |addr| addr.ip().to_string())
}
