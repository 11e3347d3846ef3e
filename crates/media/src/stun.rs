//! The checks of ICE, answered (RFC 8445, RFC 8489): we are a lite end, so every question comes from the peer, bears our
//! name and a code by our password, and is answered to where it came from. What has neither is nobody's: no answer at
//! all, or else we would be a mirror for strangers.
//!
//! Keepalives of signalling, which have no password, are `sip::stun`'s.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::hmac;
use sdp::Ice;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;
const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
/// Attributes from here on may be passed over.
const OPTIONAL: u16 = 0x8000;

/// An authentic question, and what is said to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) answer: Vec<u8>,
    /// The peer takes this way from now on; `false` also where it was refused.
    pub(crate) nominated: bool,
}

/// Whether a datagram on a media port is STUN (RFC 7983).
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|octet| *octet < 4)
}

/// A question of the peer's, answered. None for what is not authentic, and for all else that is STUN.
pub(crate) fn check(datagram: &[u8], from: SocketAddr, ice: &Ice) -> Option<Checked> {
    let question = Question::parse(datagram)?;
    let transaction = datagram.get(4..HEADER)?;
    let (ours, theirs) = question.username?.split_once(':')?;
    if ours != ice.local.ufrag || theirs != ice.remote.ufrag || !question.is_authentic(datagram, &ice.local.pwd) {
        return None;
    }
    let mut answer = Answer::new(SUCCESS, transaction);
    let is_refused = question.unknown.is_some() || question.controlled;
    if let Some(unknown) = question.unknown {
        answer = Answer::new(ERROR, transaction);
        answer.put(ERROR_CODE, &[0, 0, 4, 20]);
        answer.put(UNKNOWN_ATTRIBUTES, &unknown.to_be_bytes());
    } else if question.controlled {
        // Who is lite is always controlled: the peer has to control (RFC 8445 §6.1.1).
        answer = Answer::new(ERROR, transaction);
        answer.put(ERROR_CODE, &[0, 0, 4, 87]);
    } else {
        answer.mapped(from);
    }
    Some(Checked { answer: answer.sealed(&ice.local.pwd), nominated: question.nominates && !is_refused })
}

#[derive(Default)]
struct Question<'a> {
    username: Option<&'a str>,
    /// Where MESSAGE-INTEGRITY begins, and its code.
    integrity: Option<(usize, &'a [u8])>,
    nominates: bool,
    controlled: bool,
    /// The first that must be understood and is not.
    unknown: Option<u16>,
}

impl<'a> Question<'a> {
    fn parse(datagram: &'a [u8]) -> Option<Question<'a>> {
        let [k0, k1, l0, l1, c0, c1, c2, c3, ..] = *datagram.first_chunk::<HEADER>()?;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let whole = HEADER + len == datagram.len() && len.is_multiple_of(4);
        if u16::from_be_bytes([k0, k1]) != REQUEST || [c0, c1, c2, c3] != COOKIE || !whole {
            return None;
        }
        let mut question = Question::default();
        let mut at = HEADER;
        while let Some([a, b, c, d]) = datagram.get(at..at + 4).and_then(|four| four.first_chunk::<4>()).copied() {
            let (code, len) = (u16::from_be_bytes([a, b]), usize::from(u16::from_be_bytes([c, d])));
            let value = datagram.get(at + 4..at + 4 + len)?;
            if code == FINGERPRINT {
                let last = at + 8 == datagram.len();
                return (last && value == fingerprint(datagram.get(..at)?)).then_some(question);
            }
            // Behind the code nothing counts (RFC 8489 §14.5).
            if question.integrity.is_none() {
                match code {
                    USERNAME => question.username = std::str::from_utf8(value).ok(),
                    INTEGRITY => question.integrity = Some((at, value)),
                    USE_CANDIDATE => question.nominates = true,
                    ICE_CONTROLLED => question.controlled = true,
                    PRIORITY => {}
                    other if other < OPTIONAL => question.unknown = question.unknown.or(Some(other)),
                    _ => {}
                }
            }
            at += 4 + len.next_multiple_of(4);
        }
        // A check of ICE has a fingerprint (RFC 8445 §7.1).
        None
    }

    /// The code is of all ahead of it, with the length up to its own end (RFC 8489 §14.5).
    fn is_authentic(&self, datagram: &[u8], password: &str) -> bool {
        let Some((at, code)) = self.integrity else { return false };
        let Some(ahead) = datagram.get(..at) else { return false };
        let mut signed = ahead.to_vec();
        set_len(&mut signed, at + 24 - HEADER);
        hmac::verify(&key(password), &signed, code).is_ok()
    }
}

struct Answer(Vec<u8>);

impl Answer {
    fn new(kind: u16, transaction: &[u8]) -> Answer {
        let mut octets = Vec::with_capacity(96);
        octets.extend(kind.to_be_bytes());
        octets.extend([0, 0]);
        octets.extend(transaction);
        Answer(octets)
    }

    fn put(&mut self, code: u16, value: &[u8]) {
        self.0.extend(code.to_be_bytes());
        // At most 20 octets are ever put.
        self.0.extend((value.len() as u16).to_be_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn mapped(&mut self, from: SocketAddr) {
        let mask: Vec<u8> = self.0.get(4..HEADER).unwrap_or_default().to_vec();
        let port = from.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
        let (family, address) = match from.ip() {
            IpAddr::V4(address) => (1, address.octets().to_vec()),
            IpAddr::V6(address) => (2, address.octets().to_vec()),
        };
        let mut value = vec![0, family];
        value.extend(port.to_be_bytes());
        value.extend(address.iter().zip(mask).map(|(octet, mask)| octet ^ mask));
        self.put(XOR_MAPPED_ADDRESS, &value);
    }

    fn sealed(mut self, password: &str) -> Vec<u8> {
        let len = self.0.len() + 24 - HEADER;
        set_len(&mut self.0, len);
        let code = hmac::sign(&key(password), &self.0);
        self.put(INTEGRITY, code.as_ref());
        let len = self.0.len() + 8 - HEADER;
        set_len(&mut self.0, len);
        let sum = fingerprint(&self.0);
        self.put(FINGERPRINT, &sum);
        self.0
    }
}

/// SHA-1 is what the protocol has (RFC 8489 §14.5); a code by it is not what is broken of SHA-1.
fn key(password: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes())
}

fn set_len(message: &mut [u8], len: usize) {
    if let Some(place) = message.get_mut(2..4) {
        place.copy_from_slice(&(len as u16).to_be_bytes());
    }
}

/// RFC 8489 §14.7. The length must already be the whole message's.
fn fingerprint(message: &[u8]) -> [u8; 4] {
    let mut sum = u32::MAX;
    for octet in message {
        sum ^= u32::from(*octet);
        for _ in 0..8 {
            sum = sum >> 1 ^ (0xedb8_8320 & 0u32.wrapping_sub(sum & 1));
        }
    }
    (!sum ^ 0x5354_554e).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use sdp::Credentials;

    use super::*;
    use crate::test_hex::hex;

    /// RFC 5769 §2.1: its password is `VOkJxbRl1RmTxUk/WvJxBt`.
    const SAMPLE: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff\
        80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";

    fn ice(ours: &str, theirs: &str) -> Ice {
        let of = |ufrag: &str| Credentials { ufrag: ufrag.into(), pwd: "VOkJxbRl1RmTxUk/WvJxBt".into() };
        Ice { local: of(ours), remote: of(theirs) }
    }

    fn from() -> SocketAddr {
        "192.0.2.1:32853".parse().unwrap()
    }

    /// A question as a full agent asks it.
    fn question(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let transaction = [&COOKIE[..], &[7; 12]].concat();
        let mut message = Answer::new(REQUEST, &transaction);
        for (code, value) in attributes {
            message.put(*code, value);
        }
        message.sealed("VOkJxbRl1RmTxUk/WvJxBt")
    }

    #[test]
    fn the_rfcs_sample_is_authentic_and_its_sum_fits() {
        let sample = hex(SAMPLE);
        let read = Question::parse(&sample).expect("whole, with its fingerprint");
        assert_eq!(read.username, Some("evtj:h6vY"));
        assert!(read.is_authentic(&sample, "VOkJxbRl1RmTxUk/WvJxBt"));
        assert!(!read.is_authentic(&sample, "VOkJxbRl1RmTxUk/WvJxBu"));
        // It says of itself that it is controlled, which who asks a lite end is not.
        let refused = check(&sample, from(), &ice("evtj", "h6vY")).unwrap();
        assert_eq!((&refused.answer[..2], refused.answer[27], refused.nominated), (&[1, 0x11][..], 87, false));
    }

    #[test]
    fn a_check_is_told_where_it_came_from_and_nominates() {
        let asked = question(&[(USERNAME, b"ours:them"), (PRIORITY, &[1; 4]), (USE_CANDIDATE, &[])]);
        let said = check(&asked, from(), &ice("ours", "them")).unwrap();
        assert!(said.nominated);
        assert_eq!(said.answer[..2], [1, 1]);
        assert_eq!(said.answer[4..20], asked[4..20]);
        // RFC 5769 §2.2: the same address under the same cookie.
        assert_eq!(said.answer[20..32], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        // The answer's own code and sum are as a peer would read them.
        let mut back = said.answer.clone();
        back[..2].copy_from_slice(&REQUEST.to_be_bytes());
        let len = back.len();
        let sum = fingerprint(&back[..len - 8]);
        back[len - 4..].copy_from_slice(&sum);
        assert!(Question::parse(&back).is_some());
        let plain = question(&[(USERNAME, b"ours:them"), (PRIORITY, &[1; 4])]);
        assert!(!check(&plain, from(), &ice("ours", "them")).unwrap().nominated);
    }

    #[test]
    fn strangers_get_no_answer() {
        let asked = question(&[(USERNAME, b"ours:them")]);
        let known = ice("ours", "them");
        assert!(check(&asked, from(), &known).is_some());
        assert_eq!(check(&question(&[(USERNAME, b"ours:else")]), from(), &known), None);
        assert_eq!(check(&question(&[]), from(), &known), None);
        let mut other = known.clone();
        other.local.pwd = "another password, long".into();
        assert_eq!(check(&asked, from(), &other), None);
        for at in 0..asked.len() {
            let mut spoilt = asked.clone();
            spoilt[at] ^= 1;
            assert_eq!(check(&spoilt, from(), &known), None, "octet {at}");
            assert_eq!(check(&asked[..at], from(), &known), None, "cut at {at}");
        }
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_420() {
        let asked = question(&[(USERNAME, b"ours:them"), (0x0033, &[0; 4]), (USE_CANDIDATE, &[])]);
        let said = check(&asked, from(), &ice("ours", "them")).unwrap();
        assert_eq!((&said.answer[..2], &said.answer[26..28], said.nominated), (&[1, 0x11][..], &[4, 20][..], false));
        assert_eq!(said.answer[28..34], [0, 10, 0, 2, 0, 0x33]);
    }
}
