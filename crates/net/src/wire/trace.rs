//! The trace tap: the last messages of a node as they passed, after decryption. Keys are redacted when it is read.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use sip::Transport;
use trust::Peer;

use crate::TraceEntry;

/// Messages and octets that are kept; the oldest go first.
const MESSAGES: usize = 8192;
const OCTETS: usize = 8 << 20;

#[derive(Default)]
pub(crate) struct Trace {
    entries: VecDeque<Passed>,
    octets: usize,
}

/// One message, kept as the bytes that passed, not a copy: it becomes text when somebody asks.
pub(crate) struct Passed {
    pub at: SystemTime,
    pub sent: bool,
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub peer: Arc<Peer>,
    pub bytes: Bytes,
}

impl Trace {
    pub(crate) fn note(&mut self, passed: Passed) {
        self.octets += passed.bytes.len();
        self.entries.push_back(passed);
        while self.entries.len() > MESSAGES || self.octets > OCTETS {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.octets -= oldest.bytes.len();
        }
    }

    /// Oldest first.
    pub(crate) fn read(&self, node: &str) -> Vec<TraceEntry> {
        self.entries.iter().map(|passed| passed.entry(node)).collect()
    }
}

impl Passed {
    fn entry(&self, node: &str) -> TraceEntry {
        let at_us = self.at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_micros());
        TraceEntry {
            at_us: u64::try_from(at_us).unwrap_or(u64::MAX),
            node: node.into(),
            sent: self.sent,
            transport: self.transport,
            local: self.local,
            remote: self.remote,
            tls: tls(&self.peer).cloned(),
            text: redact(&String::from_utf8_lossy(&self.bytes)),
        }
    }
}

/// TLS facts of a peer, if it speaks TLS.
pub(crate) fn tls(peer: &Peer) -> Option<&trust::TlsFacts> {
    match peer {
        Peer::Verified(peer) => Some(peer.tls()),
        Peer::Anonymous(facts) => Some(facts),
        Peer::Plain => None,
    }
}

/// SDES keys (RFC 4568 §9.1) wherever they stand, SDP's old `k=` line, digest answers however they are written and on
/// whatever line, tokens (RFC 8898), and digits pressed by INFO become `…`; the rest stays as it was.
fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut credentials = None;
    for line in text.split_inclusive(['\r', '\n']) {
        let lower = line.to_ascii_lowercase();
        credentials = Credentials::of(&lower, credentials);
        if credentials == Some(Credentials::Secret) && !lower.trim().is_empty() {
            let end = line.trim_end_matches(['\r', '\n']).len();
            let (text, end) = line.split_at(end);
            let value = text.split_once(':').filter(|_| !folded(&lower)).map_or(0, |(name, _)| name.len() + 1);
            let (name, value) = text.split_at(value);
            let scheme = value.split_whitespace().next().filter(|word| word.eq_ignore_ascii_case("bearer"));
            out.push_str(name);
            out.push(' ');
            out.extend(scheme);
            out.push_str(if scheme.is_some() { " …" } else { "…" });
            out.push_str(end);
        } else if lower.starts_with("k=") || lower.starts_with("signal=") {
            let (name, _) = line.split_once('=').unwrap_or((line, ""));
            let end = line.len() - line.trim_end_matches(['\r', '\n']).len();
            out.push_str(name);
            out.push_str("=…");
            out.push_str(line.get(line.len() - end..).unwrap_or_default());
        } else if lower.contains("inline:") {
            redact_after(line, &lower, "inline:", &[' ', '|', '\r', '\n', ';'], &mut out);
        } else if lower.contains("response") && lower.contains('=') {
            redact_after(line, &lower, "response", &[',', '\r', '\n'], &mut out);
        } else {
            out.push_str(line);
        }
    }
    out
}

/// Credentials that a header field is in the middle of; its value may go on in lines that begin with a blank.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Credentials {
    /// The scheme is still to come.
    Unnamed,
    /// Only the response is a secret.
    Digest,
    /// A token, or of a scheme that is not known here.
    Secret,
}

impl Credentials {
    /// What a line is of, `before` being what the line before it was of.
    fn of(lower: &str, before: Option<Credentials>) -> Option<Credentials> {
        let value = match lower.split_once(':').filter(|_| !folded(lower)) {
            // Between the two octets of a line's end nothing begins.
            _ if lower.starts_with(['\r', '\n']) => return before,
            Some((name, value)) if ["authorization", "proxy-authorization"].contains(&name.trim()) => value,
            None if before == Some(Credentials::Unnamed) => lower,
            None if folded(lower) => return before,
            _ => return None,
        };
        Some(match value.split_whitespace().next() {
            None => Credentials::Unnamed,
            Some("digest") => Credentials::Digest,
            Some(_) => Credentials::Secret,
        })
    }
}

fn folded(line: &str) -> bool {
    line.starts_with([' ', '\t'])
}

/// Copies `line`, putting `…` for what stands between each `mark` and the next of `ends`. `lower` has the same length as
/// `line`: ASCII case only was folded.
fn redact_after(line: &str, lower: &str, mark: &str, ends: &[char], out: &mut String) {
    let mut at = 0;
    while let Some(found) = lower.get(at..).and_then(|rest| rest.find(mark)) {
        let from = at + found + mark.len();
        out.push_str(line.get(at..from).unwrap_or_default());
        out.push('…');
        at = line.get(from..).and_then(|rest| rest.find(ends)).map_or(line.len(), |end| from + end);
    }
    out.push_str(line.get(at..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_digest_answers_are_redacted_and_nothing_else() {
        let text = "INVITE sip:a SIP/2.0\r\nAuthorization: Digest username=\"1001\", response=\"abcdef\", uri=\"x\"\r\n\r\nv=0\r\n\
                    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRETSECRET|2^20 inline:OTHERKEY\r\n\
                    A=CRYPTO:2 AEAD_AES_128_GCM INLINE:third\r\na=ptime:20\r\nk=clear:PASSWORD\r\n";
        let clean = redact(text);
        for secret in ["SECRET", "OTHERKEY", "third", "abcdef", "PASSWORD"] {
            assert!(!clean.contains(secret), "{secret} in {clean}");
        }
        assert!(clean.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:…|2^20 inline:…\r\n"), "{clean}");
        assert!(clean.contains("A=CRYPTO:2 AEAD_AES_128_GCM INLINE:…\r\na=ptime:20\r\n"), "{clean}");
        assert!(clean.contains("username=\"1001\", response…, uri=\"x\"\r\n"), "{clean}");
    }

    #[test]
    fn what_is_written_unusually_is_redacted_too() {
        let text = "REGISTER sip:a SIP/2.0\r\nAuthorization : Digest username=\"1001\",\r\n response = \"FOLDED\", nc=1\r\n\
                    Authorization: Digest response=BARE,uri=\"x\"\r\n\r\nSignal=5\r\nDuration=160\r\n\
                    v=0\ra=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:BYCR\ra=x\r\n";
        let clean = redact(text);
        for secret in ["FOLDED", "BARE", "Signal=5", "BYCR"] {
            assert!(!clean.contains(secret), "{secret} in {clean}");
        }
        assert!(clean.contains("Signal=…\r\nDuration=160\r\n"), "{clean}");
        assert!(clean.contains("inline:…\ra=x\r\n"), "{clean}");
    }

    #[test]
    fn tokens_are_redacted_however_they_are_written() {
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbWJlciJ9.c2lnbmF0dXJl";
        for field in [
            format!("Authorization: Bearer {token}\r\n"),
            format!("AUTHORIZATION : bearer   {token}\r\n"),
            format!("Authorization: Bearer\r\n {token}\r\n"),
            format!("Authorization:\r\n\tBearer\r\n\t{token}\r\n"),
            format!("Authorization:Token {token}\r\n"),
            format!("Authorization: Bearer {token},x=y\r\n"),
            format!("Proxy-Authorization: Bearer {token}\r\n"),
        ] {
            let text = format!("REGISTER sip:a SIP/2.0\r\n{field}Contact: <sip:1001@192.0.2.1>\r\n\r\n");
            let clean = redact(&text);
            for part in token.split('.') {
                assert!(!clean.contains(part), "{clean}");
            }
            assert!(clean.ends_with("\r\nContact: <sip:1001@192.0.2.1>\r\n\r\n"), "{clean}");
        }
        let digest = "Authorization:\r\n Digest username=\"1001\",\r\n response=\"abc\"\r\n";
        assert!(redact(digest).contains("username=\"1001\"") && !redact(digest).contains("abc"));
        assert!(redact(&format!("Authorization: Bearer {token}\r\n")).contains("Authorization: Bearer …\r\n"));
    }

    #[test]
    fn the_ring_is_bounded() {
        let mut trace = Trace::default();
        let addr = "127.0.0.1:5061".parse().unwrap();
        for n in 0..MESSAGES + 10 {
            trace.note(Passed {
                at: SystemTime::UNIX_EPOCH + std::time::Duration::from_micros(n as u64),
                sent: true,
                transport: Transport::Tls,
                local: addr,
                remote: addr,
                peer: Arc::new(Peer::Plain),
                bytes: vec![b'x'; 2000].into(),
            });
        }
        let kept = trace.read("n");
        assert_eq!(kept.len(), OCTETS / 2000);
        assert_eq!(kept.last().unwrap().at_us, MESSAGES as u64 + 9);
    }
}
