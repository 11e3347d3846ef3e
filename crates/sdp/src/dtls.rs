//! DTLS-SRTP as descriptions have it: whose certificate (RFC 8122), who begins (RFC 4145, RFC 5763 §5), and the checks of
//! addresses that a browser wants (ICE, RFC 8839). We are an ICE-lite end: one address, which answers.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::Keying;
use crate::attribute::attributes;
use crate::negotiate::Keys;
use crate::reject::Reject;
use crate::session::{Line, Media, Session};
use crate::suite::Suite;

/// How the two ends come to their SRTP keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exchange {
    /// In the descriptions (RFC 4568).
    Sdes,
    /// By a handshake on the media path, of certificates whose fingerprints are in the descriptions (RFC 5763).
    Dtls,
}

/// What a DTLS-SRTP stream was agreed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dtls {
    /// We begin the handshake.
    pub active: bool,
    /// The peer's certificate.
    pub fingerprint: Fingerprint,
    /// None: the peer has no ICE, and its address is the description's.
    pub ice: Option<Ice>,
}

/// Both ends' ICE credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ice {
    pub local: Credentials,
    pub remote: Credentials,
}

/// User name fragment and password of one end (RFC 8839 §5.4). Zeroed on drop, `Debug` leaves the password out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    pub ufrag: String,
    pub pwd: String,
}

/// The hash of a certificate (RFC 8122 §5).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub hash: Hash,
    pub digest: Vec<u8>,
}

/// Hashes that are still sound, the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// Who begins (RFC 4145 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    Active,
    Passive,
    ActPass,
}

impl Credentials {
    /// 48 bits of name and 192 of password.
    pub(crate) fn fresh(keys: Keys<'_>) -> Credentials {
        let text = STANDARD.encode(keys(Suite::AeadAes256Gcm).bytes());
        // 44 octets are 60 characters.
        let (ufrag, rest) = text.split_at_checked(8).unwrap_or((&text, ""));
        Credentials { ufrag: ufrag.to_owned(), pwd: rest.chars().take(32).collect() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, …)", self.ufrag)
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.pwd.zeroize();
    }
}

impl Hash {
    pub fn name(self) -> &'static str {
        match self {
            Hash::Sha256 => "sha-256",
            Hash::Sha384 => "sha-384",
            Hash::Sha512 => "sha-512",
        }
    }

    fn octets(self) -> usize {
        match self {
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }
}

impl Fingerprint {
    pub fn sha_256(digest: [u8; 32]) -> Fingerprint {
        Fingerprint { hash: Hash::Sha256, digest: digest.to_vec() }
    }

    /// `sha-256 12:DF:3E:…`; none for another hash, or not as many octets as it has.
    pub fn parse(value: &str) -> Option<Fingerprint> {
        let (name, digits) = value.trim().split_once(' ')?;
        let known = [Hash::Sha256, Hash::Sha384, Hash::Sha512];
        let hash = known.into_iter().find(|hash| name.eq_ignore_ascii_case(hash.name()))?;
        let octet = |pair: &str| u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2);
        let digest: Vec<u8> = digits.trim().split(':').map(octet).collect::<Option<_>>()?;
        (digest.len() == hash.octets()).then_some(Fingerprint { hash, digest })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.digest.iter().map(|octet| format!("{octet:02X}")).collect();
        write!(f, "{} {}", self.hash.name(), pairs.join(":"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Setup {
    fn parse(value: &str) -> Option<Setup> {
        match value.trim() {
            "active" => Some(Setup::Active),
            "passive" => Some(Setup::Passive),
            "actpass" => Some(Setup::ActPass),
            _ => None,
        }
    }
}

impl Media {
    /// UDP/TLS/RTP/SAVP or UDP/TLS/RTP/SAVPF: SRTP keyed by DTLS.
    pub fn is_dtls(&self) -> bool {
        self.proto.eq_ignore_ascii_case("UDP/TLS/RTP/SAVP") || self.proto.eq_ignore_ascii_case("UDP/TLS/RTP/SAVPF")
    }
}

impl Session {
    /// The fingerprint of the section's certificate by the strongest hash that is sound.
    pub fn fingerprint(&self, media: &Media) -> Option<Fingerprint> {
        let found = self.of(media, "fingerprint");
        found.iter().filter_map(|value| Fingerprint::parse(value)).max_by_key(|found| found.hash)
    }

    /// Both of them, or none. None also of a lite end: it checks nothing, and neither do we (RFC 8445 §6.1.1).
    pub fn ice(&self, media: &Media) -> Option<Credentials> {
        if attributes(&self.lines, "ice-lite").next().is_some() {
            return None;
        }
        let one = |name: &'static str| self.of(media, name).first().map(|value| value.trim().to_owned());
        let (ufrag, pwd) = (one("ice-ufrag")?, one("ice-pwd")?);
        // RFC 8839 §5.4: 4 to 256 characters, 22 to 256.
        let sane = (4..=256).contains(&ufrag.len()) && (22..=256).contains(&pwd.len());
        sane.then_some(Credentials { ufrag, pwd })
    }

    pub(crate) fn setup(&self, media: &Media) -> Option<Setup> {
        Setup::parse(self.of(media, "setup").first()?)
    }

    /// Whether the section's stream is bundled with others (RFC 9143), or alone.
    pub(crate) fn bundles(&self, media: &Media) -> bool {
        let Some(mid) = media.mid() else { return false };
        let mut groups = attributes(&self.lines, "group").filter_map(|value| value.trim().strip_prefix("BUNDLE"));
        groups.any(|mids| mids.split_ascii_whitespace().any(|it| it == mid))
    }

    /// The section's own values of an attribute, or else the session's.
    fn of<'a>(&'a self, media: &'a Media, name: &'a str) -> Vec<&'a str> {
        let own: Vec<&str> = attributes(&media.lines, name).collect();
        if own.is_empty() { attributes(&self.lines, name).collect() } else { own }
    }
}

/// Lines of our own side: certificate, role, credentials and the one address that we have.
pub(crate) fn lines(
    fingerprint: &Fingerprint,
    setup: &str,
    ice: Option<&Credentials>,
    addr: std::net::SocketAddr,
) -> Vec<Line> {
    let mut lines =
        vec![Line::new('a', format!("fingerprint:{fingerprint}")), Line::new('a', format!("setup:{setup}"))];
    if let Some(ice) = ice {
        // RFC 8445 §5.1.2.1: type preference 126 of a host, local preference 65,535, component 1.
        let candidate = format!("candidate:1 1 udp 2130706431 {} {} typ host", addr.ip(), addr.port());
        lines.extend([
            Line::new('a', format!("ice-ufrag:{}", ice.ufrag)),
            Line::new('a', format!("ice-pwd:{}", ice.pwd)),
            Line::new('a', candidate),
            Line::new('a', "end-of-candidates"),
        ]);
    }
    lines
}

/// What a section says of its side of a handshake.
pub(crate) struct Theirs {
    pub(crate) setup: Setup,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) ice: Option<Credentials>,
}

/// Certificate, role and the one port that a handshake needs (RFC 5763 §5, RFC 5764 §4.1).
pub(crate) fn handshake_of(session: &Session, media: &Media) -> Result<Theirs, Reject> {
    let lacks = |rule: &str, what: &str| Reject::new(rule, format!("{} without it", media.proto), what);
    let rule = "DTLS-SRTP is no more than its certificate's fingerprint (RFC 5763); mend the peer";
    let fingerprint = session.fingerprint(media).ok_or_else(|| lacks(rule, "a=fingerprint of sha-256 or stronger"))?;
    let rule = "DTLS-SRTP needs to know who begins (RFC 5763 section 5); mend the peer";
    let setup = session.setup(media).ok_or_else(|| lacks(rule, "a=setup of active, passive or actpass"))?;
    let rule = "one handshake keys one port: RTP and RTCP must share it (RFC 5761); switch rtcp-mux on at the peer";
    if !media.rtcp_mux() {
        return Err(lacks(rule, "a=rtcp-mux"));
    }
    Ok(Theirs { setup, fingerprint, ice: session.ice(media) })
}

pub(crate) fn answered_handshake(ours: &Credentials, session: &Session, media: &Media) -> Result<Keying, Reject> {
    let theirs = handshake_of(session, media)?;
    if theirs.setup == Setup::ActPass {
        let rule = "an answer says who begins (RFC 4145 section 4.1); mend the peer";
        return Err(Reject::new(rule, "a=setup:actpass", "a=setup:active or a=setup:passive"));
    }
    let ice = theirs.ice.map(|remote| Ice { local: ours.clone(), remote });
    let active = theirs.setup == Setup::Passive;
    Ok(Keying::Dtls(Box::new(Dtls { active, fingerprint: theirs.fingerprint, ice })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_read_and_print_and_weak_ones_are_none() {
        let text =
            "sha-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD";
        let read = Fingerprint::parse(text).unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(Fingerprint::parse(&text.to_lowercase()), Some(read));
        for wrong in [
            "",
            "sha-256",
            "sha-256 12:DF",
            "sha-256 1:2",
            "sha-256 zz",
            &text.replace("256", "1"),
            &text[..text.len() - 3],
        ] {
            assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn passwords_are_long_enough_and_never_shown() {
        let mut fill = 0;
        let fresh = Credentials::fresh(&mut |suite| {
            fill += 7;
            let (key, salt) = suite.key_salt_len();
            crate::MasterKey::new(vec![fill; key + salt])
        });
        assert_eq!((fresh.ufrag.len(), fresh.pwd.len()), (8, 32));
        assert!(!format!("{fresh:?}").contains(&fresh.pwd));
    }
}
