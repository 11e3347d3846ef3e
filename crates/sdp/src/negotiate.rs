//! Offers and answers for one audio stream (RFC 3264), keyed by SDES (RFC 4568 §5.1, §7.1) or DTLS (RFC 5763 §5).

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::crypto::{Crypto, SuiteName};
use crate::dtls::{self, Credentials, Dtls, Exchange, Fingerprint, Ice, Setup, answered_handshake, handshake_of};
use crate::key::MasterKey;
use crate::opus;
use crate::reject::Reject;
use crate::session::{Line, Media, Session};
use crate::suite::Suite;
use crate::{
    Codec, Direction, Keying, Negotiated, OpusTerms, Policy, Protection, TELEPHONE_EVENT, TELEPHONE_EVENT_48000,
};

/// Our own side of one stream between offer and answer, and across re-offers (`o=` version counts up).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// Where we receive: a leased, open port.
    pub addr: SocketAddr,
    pub session_id: u64,
    pub version: u64,
    /// Of the certificate that this port shows; none: no handshake is had here.
    pub fingerprint: Option<Fingerprint>,
    /// Our ICE credentials, once there are any, and the peer's name fragment that they go with: another one begins ICE anew.
    pub ice: Option<(Credentials, Option<String>)>,
}

impl Local {
    pub fn new(addr: SocketAddr, session_id: u64) -> Local {
        Local { addr, session_id, version: 0, fingerprint: None, ice: None }
    }

    fn credentials(&mut self, theirs: Option<&str>, keys: Keys<'_>) -> Credentials {
        match &mut self.ice {
            Some((ours, known)) if theirs.is_none() || known.is_none() || known.as_deref() == theirs => {
                if known.is_none() {
                    *known = theirs.map(str::to_owned);
                }
                ours.clone()
            }
            _ => {
                let ours = Credentials::fresh(keys);
                self.ice = Some((ours.clone(), theirs.map(str::to_owned)));
                ours
            }
        }
    }
}

/// An offer of ours that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    proto: String,
    /// Empty for plain RTP and for DTLS.
    keys: Vec<OfferedKey>,
    /// Under DTLS our ICE credentials.
    dtls: Option<Credentials>,
    formats: Vec<(u8, Codec)>,
    telephone_event: Option<u8>,
    direction: Direction,
    local: IpAddr,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OfferedKey {
    tag: u32,
    suite: Suite,
    key: MasterKey,
}

/// Fresh master keys: `keys(suite)` gives a random key and salt.
pub type Keys<'a> = &'a mut dyn FnMut(Suite) -> MasterKey;

/// Makes an offer: one audio line, its suites and codecs in the policy's order. `direction` is ours.
pub fn offer(policy: &Policy, local: &mut Local, direction: Direction, random: Keys<'_>) -> (String, Offered) {
    let mut fresh = || {
        let tagged = (1..).zip(policy.offered_suites());
        tagged.map(|(tag, suite)| OfferedKey { tag, suite: *suite, key: random(*suite) }).collect()
    };
    // Who shows no certificate cannot offer a handshake.
    let shown = local.fingerprint.clone().filter(|_| policy.offered_exchange() == Exchange::Dtls);
    let (proto, keys) = match (policy.protection, &shown) {
        (Protection::DangerousPlainRtp, _) => ("RTP/AVP", Vec::new()),
        (Protection::DangerousSrtpFallback, _) => ("RTP/AVP", fresh()),
        (Protection::Secure, None) => ("RTP/SAVP", fresh()),
        (Protection::Secure, Some(_)) => ("UDP/TLS/RTP/SAVPF", Vec::new()),
    };
    let shown = shown.filter(|_| policy.protection == Protection::Secure);
    let ice = shown.is_some().then(|| local.credentials(None, random));
    let offered = Offered {
        proto: proto.to_owned(),
        keys,
        dtls: ice,
        formats: policy.codecs().iter().map(|codec| (codec.offered_payload_type(), *codec)).collect(),
        telephone_event: policy.telephone_event.then_some(TELEPHONE_EVENT),
        direction,
        local: local.addr.ip(),
    };
    let crypto = offered.keys.iter().map(|key| Crypto::new(key.tag, key.suite, key.key.clone()));
    let media = Description {
        proto,
        port: local.addr.port(),
        formats: &offered.formats,
        events: events(&offered),
        crypto: crypto.collect(),
        direction,
        // A handshake keys one port (RFC 5764 §4.1), and a browser has no other.
        rtcp_mux: offered.dtls.is_some(),
        mid: offered.dtls.is_some().then_some("0"),
        dtls: match (&shown, &offered.dtls) {
            (Some(shown), Some(ice)) => dtls::lines(shown, "actpass", Some(ice), local.addr),
            _ => Vec::new(),
        },
    };
    let media = media.media();
    let mut lines = session_lines(local);
    if offered.dtls.is_some() {
        lines.extend([Line::new('a', "group:BUNDLE 0"), Line::new('a', "ice-lite")]);
    }
    let session = Session { lines, media: vec![media] };
    (session.to_string(), offered)
}

/// Reads the answer to an offer of ours. The answer must stay within the offer: same profile, exactly one of our keys'
/// tags with its suite, one of our codecs.
pub fn accept(offered: &Offered, policy: &Policy, answer: &[u8]) -> Result<Negotiated, Reject> {
    let session = Session::parse(answer).map_err(|error| Reject::malformed(&error))?;
    let media = session.media.first().ok_or_else(|| no_audio("no m= line"))?;
    if !media.is_audio() {
        return Err(no_audio(&media.media));
    }
    if media.port == 0 {
        return Err(no_audio("audio declined with port 0"));
    }
    protected_as_required(policy, media)?;
    if !media.proto.eq_ignore_ascii_case(&offered.proto) {
        let rule = "an answer keeps the offer's profile (RFC 3264 section 6); mend the peer";
        return Err(Reject::new(rule, &media.proto, &offered.proto));
    }
    let keying = match (policy.protection, &offered.dtls) {
        (_, Some(ours)) => answered_handshake(ours, &session, media)?,
        (Protection::DangerousPlainRtp, None) => Keying::Clear,
        (Protection::DangerousSrtpFallback, None) if media.crypto().is_empty() => Keying::Clear,
        (Protection::DangerousSrtpFallback | Protection::Secure, None) => answered_key(offered, media)?,
    };
    let types = media.payload_types();
    let ours = |codec| offered.formats.iter().any(|(_, offered)| *offered == codec);
    let codec = types.iter().find_map(|map| map.codec().filter(|c| ours(*c)).map(|codec| (map.payload_type, codec)));
    let (payload_type, codec) = codec.ok_or_else(|| no_codec(policy, media))?;
    let event = types.iter().find(|map| map.is_telephone_event(codec)).map(|map| map.payload_type);
    let (remote, remote_rtcp) = addresses(&session, media, offered.local)?;
    Ok(Negotiated {
        remote,
        remote_rtcp,
        codec,
        payload_type,
        telephone_event: offered.telephone_event.and(event),
        direction: offered.direction.and(session.direction(media).mirrored()),
        ptime_ms: media.ptime_ms(),
        opus: OpusTerms::of(media, payload_type),
        keying,
    })
}

/// Answers an offer: our SDP and what is now agreed. Hold (`sendonly`, `inactive`, `c=0.0.0.0`) is mirrored. The first
/// audio line that we may take is taken; every other line is declined with port 0.
pub fn answer(
    policy: &Policy,
    local: &mut Local,
    offer: &[u8],
    keys: Keys<'_>,
) -> Result<(String, Negotiated), Reject> {
    let session = Session::parse(offer).map_err(|error| Reject::malformed(&error))?;
    let mut refused = None;
    let mut taken = None;
    for (index, media) in session.media.iter().enumerate().filter(|(_, m)| m.is_audio() && m.port != 0) {
        match Choice::of(policy, local, &session, media) {
            Ok(choice) => {
                taken = Some((index, choice));
                break;
            }
            // The first line's reason is the one to tell: it is what the peer prefers.
            Err(reject) => refused = refused.or(Some(reject)),
        }
    }
    let Some((index, choice)) = taken else {
        return Err(refused.unwrap_or_else(|| no_audio(&media_names(&session))));
    };

    let (mut crypto, mut handshake) = (Vec::new(), Vec::new());
    let keying = match choice.key {
        Key::None => Keying::Clear,
        Key::Sdes(tag, suite, remote) => {
            let local = keys(suite);
            crypto.push(Crypto::new(tag, suite, local.clone()));
            Keying::Sdes { suite, tag, local, remote }
        }
        Key::Dtls { shown, mut terms, theirs } => {
            terms.ice = theirs.map(|remote| Ice { local: local.credentials(Some(&remote.ufrag), keys), remote });
            let setup = if terms.active { "active" } else { "passive" };
            handshake = dtls::lines(&shown, setup, terms.ice.as_ref().map(|ice| &ice.local), local.addr);
            Keying::Dtls(Box::new(terms))
        }
    };
    let (lite, is_dtls) = (matches!(&keying, Keying::Dtls(dtls) if dtls.ice.is_some()), !handshake.is_empty());
    let mut lines = Vec::new();
    let negotiated = Negotiated { keying, ..choice.negotiated };
    let mut media: Vec<Media> = session.media.iter().map(declined).collect();
    if let (Some(slot), Some(offered)) = (media.get_mut(index), session.media.get(index)) {
        let description = Description {
            proto: &offered.proto,
            port: local.addr.port(),
            formats: &[(negotiated.payload_type, negotiated.codec)],
            events: negotiated.telephone_event.map(|pt| (pt, negotiated.codec.clock_rate())).into_iter().collect(),
            crypto,
            direction: negotiated.direction,
            rtcp_mux: offered.rtcp_mux(),
            mid: offered.mid(),
            dtls: handshake,
        };
        *slot = description.media();
        if let (true, Some(mid)) = (is_dtls && session.bundles(offered), offered.mid()) {
            lines.push(Line::new('a', format!("group:BUNDLE {mid}")));
        }
    }
    if lite {
        lines.push(Line::new('a', "ice-lite"));
    }
    let mut all = session_lines(local);
    all.extend(lines);
    let text = Session { lines: all, media }.to_string();
    Ok((text, negotiated))
}

/// What we would take of one offered line.
struct Choice {
    /// With `Keying::Clear` until our own key is made.
    negotiated: Negotiated,
    key: Key,
}

/// What the offer would key the stream by.
enum Key {
    None,
    Sdes(u32, Suite, MasterKey),
    /// What we show, and what is agreed but for our own ICE credentials; the peer's.
    Dtls {
        shown: Fingerprint,
        terms: Dtls,
        theirs: Option<Credentials>,
    },
}

impl Key {
    fn sdes((tag, suite, key): (u32, Suite, MasterKey)) -> Key {
        Key::Sdes(tag, suite, key)
    }

    fn dtls(local: &Local, session: &Session, media: &Media) -> Result<Key, Reject> {
        let Some(shown) = local.fingerprint.clone() else {
            let rule = "no certificate for DTLS-SRTP is at hand here; offer SDES, or see why in the log";
            return Err(Reject::new(rule, &media.proto, "RTP/SAVP"));
        };
        let theirs = handshake_of(session, media)?;
        // To whom leaves it to us we answer passive: their packets open the way through what stands in front of them.
        let terms = Dtls { active: theirs.setup == Setup::Passive, fingerprint: theirs.fingerprint, ice: None };
        Ok(Key::Dtls { shown, terms, theirs: theirs.ice })
    }
}

impl Choice {
    fn of(policy: &Policy, local: &Local, session: &Session, media: &Media) -> Result<Choice, Reject> {
        protected_as_required(policy, media)?;
        let key = match policy.protection {
            Protection::DangerousPlainRtp => Key::None,
            // Under RTP/AVP keys that are not for us are as good as none.
            Protection::DangerousSrtpFallback if media.is_avp() => {
                offered_key(policy, media).map_or(Key::None, Key::sdes)
            }
            Protection::Secure if media.is_dtls() => Key::dtls(local, session, media)?,
            Protection::DangerousSrtpFallback | Protection::Secure => Key::sdes(offered_key(policy, media)?),
        };
        let types = media.payload_types();
        let codec = types.iter().find_map(|map| {
            map.codec().filter(|codec| policy.codecs().contains(codec)).map(|codec| (map.payload_type, codec))
        });
        let (payload_type, codec) = codec.ok_or_else(|| no_codec(policy, media))?;
        let event = types.iter().find(|map| map.is_telephone_event(codec)).map(|map| map.payload_type);
        let (remote, remote_rtcp) = addresses(session, media, local.addr.ip())?;
        let negotiated = Negotiated {
            remote,
            remote_rtcp,
            codec,
            payload_type,
            telephone_event: event.filter(|_| policy.telephone_event),
            direction: session.direction(media).mirrored(),
            ptime_ms: media.ptime_ms(),
            opus: OpusTerms::of(media, payload_type),
            keying: Keying::Clear,
        };
        Ok(Choice { negotiated, key })
    }
}

/// Profile and presence of keys against the policy: no "SRTP if possible", in either direction, unless the policy says so.
pub(crate) fn protected_as_required(policy: &Policy, media: &Media) -> Result<(), Reject> {
    let lines = media.crypto().len();
    let has = match lines {
        0 => format!("{} without a=crypto", media.proto),
        _ => format!("{} with {lines} a=crypto", media.proto),
    };
    let secure = || {
        let suites: Vec<_> = policy.suites().iter().map(|suite| suite.name()).collect();
        format!("RTP/SAVP with a=crypto of {}", suites.join(", "))
    };
    match policy.protection {
        Protection::Secure if media.is_dtls() && policy.takes(Exchange::Dtls) => Ok(()),
        Protection::Secure if !policy.takes(Exchange::Sdes) => {
            let rule = "SRTP keyed by DTLS is required on this leg; switch DTLS-SRTP on at the peer, or take SDES here";
            Err(Reject::new(rule, has, "UDP/TLS/RTP/SAVPF with a=fingerprint"))
        }
        Protection::DangerousSrtpFallback if media.is_avp() => Ok(()),
        Protection::Secure | Protection::DangerousSrtpFallback if media.is_savp() && lines > 0 => Ok(()),
        Protection::Secure | Protection::DangerousSrtpFallback if media.is_savp() => {
            let rule = "RTP/SAVP without a=crypto names no key (RFC 4568); switch SDES on at the peer";
            Err(Reject::new(rule, has, secure()))
        }
        Protection::Secure if media.is_avp() && lines > 0 => {
            let rule =
                "a=crypto under RTP/AVP is 'SRTP if possible', which is not had here; make SRTP mandatory at the peer";
            Err(Reject::new(rule, has, secure()))
        }
        Protection::Secure if media.is_avp() => {
            let rule =
                "SRTP is required on this leg; switch SRTP on at the peer, or allow dangerous_plain_rtp for it here";
            Err(Reject::new(rule, has, secure()))
        }
        Protection::Secure | Protection::DangerousSrtpFallback => {
            let rule = "SRTP keyed by SDES is required on this leg; other transports and DTLS-SRTP are not taken";
            Err(Reject::new(rule, has, secure()))
        }
        Protection::DangerousPlainRtp if media.is_avp() && lines == 0 => Ok(()),
        Protection::DangerousPlainRtp if media.is_avp() => {
            let rule =
                "a=crypto under RTP/AVP says two things at once; switch SRTP off at the peer, or require it here";
            Err(Reject::new(rule, has, "RTP/AVP without a=crypto (dangerous_plain_rtp)"))
        }
        Protection::DangerousPlainRtp => {
            let rule =
                "this leg is set to plain RTP; switch SRTP off at the peer, or take dangerous_plain_rtp away here";
            Err(Reject::new(rule, has, "RTP/AVP (dangerous_plain_rtp)"))
        }
    }
}

/// The first offered key that we may use: the offer's order is the offerer's preference.
pub(crate) fn offered_key(policy: &Policy, media: &Media) -> Result<(u32, Suite, MasterKey), Reject> {
    let mut why = Vec::new();
    for line in media.crypto() {
        match line {
            Ok(crypto) => match crypto.usable(policy.suites()) {
                Ok((suite, key)) => return Ok((crypto.tag, suite, key)),
                Err(reason) => why.push(reason),
            },
            Err(error) => why.push(format!("a malformed line (expected {error})")),
        }
    }
    let names: Vec<_> = policy.suites().iter().map(|suite| suite.name()).collect();
    let rule = "no offered SRTP suite is allowed on this leg; allow one here or at the peer";
    Err(Reject::new(rule, why.join(", "), names.join(", ")))
}

fn answered_key(offered: &Offered, media: &Media) -> Result<Keying, Reject> {
    let required = || {
        let tags: Vec<_> = offered.keys.iter().map(|key| format!("{} {}", key.tag, key.suite)).collect();
        format!("one a=crypto out of {}", tags.join(", "))
    };
    let mut lines = media.crypto();
    let rule = "an answer holds exactly one a=crypto (RFC 4568 section 7.1.2); mend the peer";
    let line = match (lines.pop(), lines.len()) {
        (Some(line), 0) => line,
        (_, others) => {
            return Err(Reject::new(rule, format!("{} a=crypto", others + 1), required()));
        }
    };
    let crypto = line.map_err(|error| {
        let rule = "the answer's a=crypto cannot be read; mend the peer";
        Reject::new(rule, "a malformed line", format!("{error}"))
    })?;
    let says = format!("{} {}", crypto.tag, crypto.suite.as_str());
    let ours = offered.keys.iter().find(|key| key.tag == crypto.tag);
    let Some(ours) = ours.filter(|key| crypto.suite == SuiteName::Known(key.suite)) else {
        let rule = "the answer's a=crypto is none of the offer's (tag and suite must match); mend the peer";
        return Err(Reject::new(rule, says, required()));
    };
    let (suite, remote) = crypto.usable(&[ours.suite]).map_err(|reason| {
        let rule = "the answer's a=crypto cannot be used; mend the peer";
        Reject::new(rule, reason, required())
    })?;
    Ok(Keying::Sdes { suite, tag: ours.tag, local: ours.key.clone(), remote })
}

fn addresses(session: &Session, media: &Media, local: IpAddr) -> Result<(SocketAddr, SocketAddr), Reject> {
    let rule = "media needs an address of this leg's family in c= (host names are not taken)";
    let required = if local.is_ipv4() { "c=IN IP4 <address>" } else { "c=IN IP6 <address>" };
    let remote = session.address(media).ok_or_else(|| Reject::new(rule, "no address in c=", required))?;
    // On hold by c=0.0.0.0 nothing is sent, so the family does not matter.
    if remote.is_ipv4() != local.is_ipv4() && !remote.ip().is_unspecified() {
        return Err(Reject::new(rule, if remote.is_ipv4() { "c=IN IP4" } else { "c=IN IP6" }, required));
    }
    if remote.ip().is_multicast() {
        return Err(Reject::new("media goes to one receiver", "a multicast address in c=", required));
    }
    let rtcp = session.rtcp_address(media).filter(|rtcp| rtcp.is_ipv4() == remote.is_ipv4());
    // Without a sane RTCP port RTCP shares the RTP port's neighbour, or at the very top the port itself.
    let beside = SocketAddr::new(remote.ip(), remote.port().checked_add(1).unwrap_or(remote.port()));
    Ok((remote, rtcp.unwrap_or(beside)))
}

fn no_codec(policy: &Policy, media: &Media) -> Reject {
    let offered: Vec<String> = media.payload_types().into_iter().map(|map| map.encoding).collect();
    let required: Vec<_> = policy.codecs().iter().map(|codec| codec.name()).collect();
    Reject::new(
        "no offered codec is allowed on this leg; allow one here or at the peer",
        offered.join(", "),
        required.join(", "),
    )
}

pub(crate) fn no_audio(offered: &str) -> Reject {
    Reject::new("a call here needs one audio stream", offered, "m=audio with a port")
}

pub(crate) fn media_names(session: &Session) -> String {
    let names: Vec<String> = session.media.iter().map(|m| format!("m={} {}", m.media, m.port)).collect();
    if names.is_empty() { "no m= line".to_owned() } else { names.join(", ") }
}

/// One audio section of ours.
struct Description<'a> {
    proto: &'a str,
    port: u16,
    formats: &'a [(u8, Codec)],
    /// telephone-event: payload types and their clocks.
    events: Vec<(u8, u32)>,
    crypto: Vec<Crypto>,
    direction: Direction,
    rtcp_mux: bool,
    mid: Option<&'a str>,
    dtls: Vec<Line>,
}

impl Description<'_> {
    fn media(&self) -> Media {
        let types = self.formats.iter().map(|(pt, _)| *pt).chain(self.events.iter().map(|(pt, _)| *pt));
        let mut lines = Vec::new();
        let mut attribute = |value: String| lines.push(Line::new('a', value));
        if let Some(mid) = self.mid {
            attribute(format!("mid:{mid}"));
        }
        for (pt, codec) in self.formats {
            let channels = if codec.channels() == 1 { "" } else { "/2" };
            attribute(format!("rtpmap:{pt} {}/{}{channels}", codec.name(), codec.clock_rate()));
            if *codec == Codec::Opus {
                attribute(format!("fmtp:{pt} {}", opus::OURS));
            }
        }
        for (pt, clock) in &self.events {
            attribute(format!("rtpmap:{pt} telephone-event/{clock}"));
            attribute(format!("fmtp:{pt} 0-15"));
        }
        attribute("ptime:20".to_owned());
        for crypto in &self.crypto {
            attribute(format!("crypto:{}", crypto.print()));
        }
        if self.rtcp_mux {
            attribute("rtcp-mux".to_owned());
        }
        attribute(self.direction.name().to_owned());
        lines.extend(self.dtls.iter().cloned());
        Media {
            media: "audio".to_owned(),
            port: self.port,
            ports: None,
            proto: self.proto.to_owned(),
            formats: types.map(|pt| pt.to_string()).collect(),
            lines,
        }
    }
}

/// telephone-event of an offer, once for each clock of its codecs.
fn events(offered: &Offered) -> Vec<(u8, u32)> {
    let Some(usual) = offered.telephone_event else { return Vec::new() };
    let beside_opus = |(_, codec): &(u8, Codec)| *codec == Codec::Opus;
    let (opus, others) = (offered.formats.iter().any(beside_opus), !offered.formats.iter().all(beside_opus));
    let usual = others.then_some((usual, 8000));
    usual.into_iter().chain(opus.then_some((TELEPHONE_EVENT_48000, 48_000))).collect()
}

/// The answer's line for a stream that we do not take (RFC 3264 §6).
fn declined(offered: &Media) -> Media {
    Media { port: 0, ports: None, lines: Vec::new(), ..offered.clone() }
}

fn session_lines(local: &mut Local) -> Vec<Line> {
    local.version += 1;
    let family = if local.addr.is_ipv4() { "IP4" } else { "IP6" };
    let address = local.addr.ip();
    vec![
        Line::new('v', "0"),
        Line::new('o', format!("- {} {} IN {family} {address}", local.session_id, local.version)),
        Line::new('s', "-"),
        Line::new('c', format!("IN {family} {address}")),
        Line::new('t', "0 0"),
    ]
}
