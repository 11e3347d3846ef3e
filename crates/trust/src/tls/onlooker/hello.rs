//! The handshake messages that can be read, and what of them is worth showing.

use rustls::{CipherSuite, NamedGroup, ProtocolVersion};

use crate::facts::CertificateFacts;

/// Entries of a list that are shown.
const SHOWN: usize = 16;
/// A ServerHello with this random is a HelloRetryRequest (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

const SERVER_NAME: u16 = 0;
const GROUPS: u16 = 10;
const VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;

/// What is left to be read.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, octets: usize) -> Option<usize> {
        Some(self.take(octets)?.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)))
    }

    fn u16(&mut self) -> Option<u16> {
        u16::try_from(self.number(2)?).ok()
    }

    /// Behind its length, which has so many octets.
    fn vector(&mut self, octets: usize) -> Option<Bytes<'a>> {
        let len = self.number(octets)?;
        self.take(len).map(Bytes)
    }

    fn numbers(mut self) -> Vec<u16> {
        std::iter::from_fn(|| self.u16()).collect()
    }

    /// Content type and length of a record (RFC 8446 §5.1).
    pub(super) fn header(mut self) -> Option<(u8, usize)> {
        let kind = self.number(1)?;
        self.take(2)?;
        Some((u8::try_from(kind).ok()?, self.number(2)?))
    }

    /// Type and length of a handshake message (RFC 8446 §4).
    pub(super) fn message(mut self) -> Option<(u8, usize)> {
        let kind = self.number(1)?;
        Some((u8::try_from(kind).ok()?, self.number(3)?))
    }

    fn extensions(mut self) -> Vec<(u16, Bytes<'a>)> {
        let Some(mut all) = self.vector(2) else { return Vec::new() };
        std::iter::from_fn(|| Some((all.u16()?, all.vector(2)?))).collect()
    }
}

pub(super) fn name(kind: u8) -> &'static str {
    match kind {
        0 => "HelloRequest",
        1 => "ClientHello",
        2 => "ServerHello",
        4 => "NewSessionTicket",
        8 => "EncryptedExtensions",
        11 => "Certificate",
        12 => "ServerKeyExchange",
        13 => "CertificateRequest",
        14 => "ServerHelloDone",
        15 => "CertificateVerify",
        16 => "ClientKeyExchange",
        20 => "Finished",
        22 => "CertificateStatus",
        _ => "a message that this version does not know",
    }
}

pub(super) fn client(body: &[u8]) -> Option<String> {
    let mut body = Bytes(body);
    let legacy = body.u16()?;
    body.take(32)?;
    body.vector(1)?;
    let suites = body.vector(2)?.numbers();
    body.vector(1)?;
    let extensions = body.extensions();
    let of = |wanted| extensions.iter().find(|(kind, _)| *kind == wanted).map(|(_, data)| *data);
    let versions = of(VERSIONS).and_then(|mut data| data.vector(1)).map_or_else(|| vec![legacy], Bytes::numbers);
    let mut facts = format!("versions {}", list(&versions, version));
    match of(SERVER_NAME).and_then(server_name) {
        Some(name) => facts.push_str(&format!("; server name {name}")),
        None => facts.push_str("; no server name"),
    }
    if let Some(groups) = of(GROUPS).and_then(|mut data| data.vector(2)) {
        facts.push_str(&format!("; groups {}", list(&groups.numbers(), group)));
    }
    facts.push_str(&format!("; suites {}", list(&suites, suite)));
    Some(facts)
}

/// Whether it asks for another ClientHello, whether TLS 1.3 was chosen, and what was.
pub(super) fn server(body: &[u8]) -> Option<(bool, bool, String)> {
    let mut body = Bytes(body);
    let legacy = body.u16()?;
    let retry = body.take(32)? == RETRY;
    body.vector(1)?;
    let chosen = body.u16()?;
    body.take(1)?;
    let extensions = body.extensions();
    let of = |wanted| extensions.iter().find(|(kind, _)| *kind == wanted).map(|(_, data)| *data);
    let spoken = of(VERSIONS).and_then(|mut data| data.u16()).unwrap_or(legacy);
    let mut facts = format!("version {}; suite {}", version(spoken), suite(chosen));
    if let Some(shared) = of(KEY_SHARE).and_then(|mut data| data.u16()) {
        facts.push_str(&format!("; group {}", group(shared)));
    }
    Some((retry, spoken == 0x0304, facts))
}

/// TLS 1.2's (RFC 5246 §7.4.2).
pub(super) fn certificates(body: &[u8]) -> Option<String> {
    let mut chain = Bytes(body).vector(3)?;
    let mut told = Vec::new();
    while let Some(der) = chain.vector(3) {
        told.push(certificate(der.0));
    }
    if told.is_empty() {
        return Some("none".into());
    }
    told.truncate(4);
    Some(told.join("; signed by: "))
}

/// Whose a certificate is, in DER.
pub fn certificate(der: &[u8]) -> String {
    match CertificateFacts::from_der(der) {
        Ok(facts) => {
            let names: Vec<String> = facts.names().iter().take(SHOWN).map(|name| plain(name.as_bytes())).collect();
            let (subject, issuer) = (plain(facts.subject.as_bytes()), plain(facts.issuer.as_bytes()));
            format!("{subject}, names {}, issuer {issuer}, serial {}", names.join(" "), facts.serial)
        }
        Err(_) => "a certificate that cannot be read".into(),
    }
}

/// The group of TLS 1.2's key exchange (RFC 8422 §5.4).
pub(super) fn key_exchange(body: &[u8]) -> Option<String> {
    let mut body = Bytes(body);
    (body.number(1)? == 3).then_some(())?;
    Some(format!("group {}", group(body.u16()?)))
}

/// RFC 6066 §3.
fn server_name(mut data: Bytes<'_>) -> Option<String> {
    let mut names = data.vector(2)?;
    (names.number(1)? == 0).then_some(())?;
    Some(plain(names.vector(2)?.0))
}

/// A stranger's octets for a terminal: nothing in them moves its cursor.
fn plain(octets: &[u8]) -> String {
    let shown = octets.iter().take(256).map(|octet| match octet {
        b' '..=b'~' => char::from(*octet),
        _ => '?',
    });
    shown.collect()
}

fn version(number: u16) -> String {
    match number {
        0x0300 => "SSLv3".into(),
        0x0301 => "TLSv1.0".into(),
        0x0302 => "TLSv1.1".into(),
        0x0303 => "TLSv1.2".into(),
        0x0304 => "TLSv1.3".into(),
        _ => named(number, ProtocolVersion::from(number).as_str()),
    }
}

fn group(number: u16) -> String {
    named(number, NamedGroup::from(number).as_str())
}

fn suite(number: u16) -> String {
    named(number, CipherSuite::from(number).as_str())
}

fn named(number: u16, name: Option<&str>) -> String {
    name.map_or_else(|| format!("{number:#06x}"), str::to_owned)
}

/// Numbers without a name are shown as such, but for GREASE (RFC 8701), which is there to mean nothing.
fn list(numbers: &[u16], name: fn(u16) -> String) -> String {
    let meant: Vec<u16> = numbers.iter().copied().filter(|n| n & 0x0f0f != 0x0a0a || n >> 8 != n & 0xff).collect();
    let mut names: Vec<String> = meant.iter().take(SHOWN).map(|number| name(*number)).collect();
    if meant.len() > SHOWN {
        names.push(format!("and {} more", meant.len() - SHOWN));
    }
    names.join(" ")
}
