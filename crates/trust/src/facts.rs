//! What a certificate says (RFC 5280), as every page, log and record of ours shows it, and whom it names (RFC 5922).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

use crate::Error;

/// URI in the certificate of a node of ours; its name follows.
pub const NODE_URI: &str = "urn:ringfence:node:";

/// A certificate's facts, as every page, log and record of ours shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// RFC 4514 string, e.g. `CN=cvp1.lab.test,O=lab`.
    pub subject: String,
    pub common_name: Option<String>,
    pub dns_names: Vec<String>,
    pub ip_addresses: Vec<IpAddr>,
    pub uris: Vec<String>,
    pub issuer: String,
    /// Lower-case hex.
    pub serial: String,
    /// SHA-256 over the DER certificate, lower-case hex.
    pub fingerprint: String,
    /// SHA-256 over the SubjectPublicKeyInfo, lower-case hex.
    pub key_fingerprint: String,
    /// Seconds since 1970.
    pub not_before: i64,
    pub not_after: i64,
}

impl CertificateFacts {
    pub fn from_der(der: &[u8]) -> Result<CertificateFacts, Error> {
        let (rest, certificate) = X509Certificate::from_der(der)
            .map_err(|error| Error::Certificate(format!("this is not an X.509 certificate: {error}")))?;
        if !rest.is_empty() {
            return Err(Error::Certificate(format!("{} octets follow the certificate", rest.len())));
        }
        let mut facts = CertificateFacts {
            subject: distinguished_name(certificate.subject()),
            common_name: common_name(certificate.subject()),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            uris: Vec::new(),
            issuer: distinguished_name(certificate.issuer()),
            serial: hex(certificate.raw_serial()),
            fingerprint: hex(digest(&SHA256, der).as_ref()),
            key_fingerprint: hex(digest(&SHA256, certificate.public_key().raw).as_ref()),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        };
        let names = certificate.subject_alternative_name().map_err(|error| {
            Error::Certificate(format!("the certificate's alternative names cannot be read: {error}"))
        })?;
        for name in names.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => facts.dns_names.push((*name).to_owned()),
                GeneralName::URI(uri) => facts.uris.push((*uri).to_owned()),
                GeneralName::IPAddress(octets) => facts.ip_addresses.extend(ip_address(octets)),
                _ => {}
            }
        }
        Ok(facts)
    }

    /// Name of the Ringfence node this certificate was issued to (`urn:ringfence:node:<name>` among the URIs).
    pub fn node(&self) -> Option<&str> {
        self.uris.iter().find_map(|uri| uri.strip_prefix(NODE_URI))
    }

    /// Whether the subject CN or a SAN equals `name` (RFC 5922 §7; CN too because profiles name it; no wildcards;
    /// DNS names compare without case).
    pub fn is_named(&self, name: &str) -> bool {
        if name.is_empty() || name.contains('*') {
            return false;
        }
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.ip_addresses.contains(&address) || self.common_name.as_deref() == Some(name);
        }
        let dns = self.dns_names.iter().chain(&self.common_name).map(String::as_str);
        // A domain's certificate may say so as a SIP URI without a user (RFC 5922 §7.1).
        let sip = self.uris.iter().filter_map(|uri| sip_host(uri));
        dns.chain(sip).any(|have| have.eq_ignore_ascii_case(name)) || self.uris.iter().any(|uri| uri == name)
    }

    /// CN and SANs for a refusal's "presented".
    pub fn names(&self) -> Vec<String> {
        let addresses: Vec<String> = self.ip_addresses.iter().map(IpAddr::to_string).collect();
        let mut names: Vec<String> = Vec::new();
        for name in self.common_name.iter().chain(&self.dns_names).chain(&addresses).chain(&self.uris) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Whether `at` (seconds since 1970) lies within its dates.
    pub fn is_valid_at(&self, at: i64) -> bool {
        (self.not_before..=self.not_after).contains(&at)
    }
}

/// What a certificate may be used for (RFC 5280 §4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Purposes {
    /// By who listens.
    pub(crate) server: bool,
    /// By who dials.
    pub(crate) client: bool,
}

impl Purposes {
    pub(crate) const BOTH: Purposes = Purposes { server: true, client: true };

    /// A certificate that names none may be used for all.
    pub(crate) fn from_der(der: &[u8]) -> Result<Purposes, Error> {
        let bad = |error: &dyn std::fmt::Display| {
            Error::Certificate(format!("the certificate's purposes cannot be read: {error}"))
        };
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| bad(&error))?;
        let usage = certificate.extended_key_usage().map_err(|error| bad(&error))?;
        Ok(usage.map_or(Purposes::BOTH, |usage| Purposes {
            server: usage.value.server_auth,
            client: usage.value.client_auth,
        }))
    }
}

/// A certificate's public key, without what says of which kind it is.
pub(crate) fn public_key(der: &[u8]) -> Result<Vec<u8>, Error> {
    let read = X509Certificate::from_der(der);
    let (_, certificate) =
        read.map_err(|error| Error::Certificate(format!("this is not an X.509 certificate: {error}")))?;
    Ok(certificate.public_key().subject_public_key.data.to_vec())
}

/// Certificates whose facts a thread remembers: more than a site has peers, fewer than a stranger could fill memory with.
const REMEMBERED: usize = 512;

thread_local! {
    static SEEN: RefCell<BTreeMap<Vec<u8>, Arc<CertificateFacts>>> = const { RefCell::new(BTreeMap::new()) };
}

/// As [`CertificateFacts::from_der`], remembered: the same peers come again and again. The key is the whole certificate,
/// so what comes out is what reading it again would give.
pub(crate) fn remembered(der: &[u8]) -> Result<Arc<CertificateFacts>, Error> {
    SEEN.with(|seen| {
        let mut seen = seen.borrow_mut();
        if let Some(facts) = seen.get(der) {
            return Ok(facts.clone());
        }
        let facts = Arc::new(CertificateFacts::from_der(der)?);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(der.to_vec(), facts.clone());
        Ok(facts)
    })
}

/// RFC 4514: the last RDN first, attributes by their short names, what has a meaning escaped.
pub(crate) fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter()
        .map(|rdn| {
            let attributes = rdn.iter().map(|attribute| {
                let oid = attribute.attr_type().to_id_string();
                match attribute.as_str() {
                    Ok(value) => format!("{}={}", short_name(&oid).unwrap_or(&oid), escape(value)),
                    Err(_) => format!("{oid}=#{}", hex(attribute.attr_value().data)),
                }
            });
            attributes.collect::<Vec<_>>().join("+")
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

/// How people write an attribute of a distinguished name (RFC 4514 §3, and what certificates hold besides).
pub fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

/// RFC 4514 §2.4; control characters too, so that no certificate can write a second line into a log.
fn escape(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => out.extend(['\\', c]),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            '#' if at == 0 => out.push_str("\\#"),
            c if c.is_control() => out.push_str(&format!("\\{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// The most specific CN, if it is text that can be printed.
fn common_name(name: &X509Name<'_>) -> Option<String> {
    let names: Vec<&str> = name.iter_common_name().filter_map(|attribute| attribute.as_str().ok()).collect();
    names.last().filter(|name| !name.chars().any(char::is_control)).map(|name| (*name).to_owned())
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    }
}

fn sip_host(uri: &str) -> Option<&str> {
    let rest = uri.strip_prefix("sip:").or_else(|| uri.strip_prefix("sips:"))?;
    (!rest.contains(['@', ';', '?', ':'])).then_some(rest)
}

/// SHA-256 in lower-case hex, as certificates' fingerprints are written.
pub fn fingerprint(octets: &[u8]) -> String {
    hex(digest(&SHA256, octets).as_ref())
}

/// Lower-case hex.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut out, octet| {
        for nibble in [octet >> 4, octet & 15] {
            out.push(char::from_digit(nibble.into(), 16).unwrap_or('?'));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_pki::{NOW, ca, request};

    #[test]
    fn a_certificate_says_what_was_asked_for() {
        let ca = ca("lab");
        let identity = ca.issue(&request("cvp1")).unwrap();
        let facts = identity.facts();
        assert_eq!(facts.subject, "CN=cvp1.lab.example,O=lab");
        assert_eq!(facts.common_name.as_deref(), Some("cvp1.lab.example"));
        assert_eq!(facts.node(), Some("cvp1"));
        assert!(facts.issuer.starts_with("CN=lab root CA ") && facts.issuer.ends_with(",O=lab"), "{}", facts.issuer);
        assert_eq!(facts.names(), ["cvp1.lab.example", "127.18.133.13", "urn:ringfence:node:cvp1"]);
        assert_eq!((facts.fingerprint.len(), facts.key_fingerprint.len()), (64, 64));
        assert!(
            facts.is_valid_at(NOW)
                && !facts.is_valid_at(facts.not_after + 1)
                && !facts.is_valid_at(facts.not_before - 1)
        );
    }

    #[test]
    fn names_are_compared_as_rfc_5922_says() {
        let mut facts = ca("lab").issue(&request("cvp1")).unwrap().facts().clone();
        for name in ["cvp1.lab.example", "CVP1.Lab.Example", "127.18.133.13", "urn:ringfence:node:cvp1"] {
            assert!(facts.is_named(name), "{name}");
        }
        for name in [
            "",
            "*",
            "*.lab.example",
            "lab.example",
            "xcvp1.lab.example",
            "127.18.133.1",
            "URN:RINGFENCE:NODE:CVP1",
            "::1",
        ] {
            assert!(!facts.is_named(name), "{name}");
        }
        facts.dns_names = vec!["*.lab.example".into()];
        facts.common_name = None;
        facts.uris = vec!["sip:lab.example".into(), "sip:alice@home.example".into()];
        assert!(!facts.is_named("cvp1.lab.example") && !facts.is_named("*.lab.example"));
        assert!(facts.is_named("lab.example") && !facts.is_named("home.example"));
    }

    #[test]
    fn what_is_no_certificate_is_an_error() {
        for der in [&b""[..], b"\x30", b"\x30\x03\x02\x01\x01", &[0x30; 64]] {
            assert!(CertificateFacts::from_der(der).is_err());
        }
        let identity = ca("lab").issue(&request("cvp1")).unwrap();
        let der = identity.chain_der().remove(0);
        for cut in 0..der.len() {
            assert!(CertificateFacts::from_der(&der[..cut]).is_err());
        }
        let mut longer = der.clone();
        longer.push(0);
        assert!(CertificateFacts::from_der(&longer).is_err());
    }

    #[test]
    fn what_is_remembered_is_what_is_read() {
        let ca = ca("lab");
        for node in ["cvp1", "vvb1", "cvp1"] {
            let identity = ca.issue(&request(node)).unwrap();
            let der = identity.chain_der().remove(0);
            let first = remembered(&der).unwrap();
            assert_eq!(*first, *identity.facts());
            assert!(Arc::ptr_eq(&first, &remembered(&der).unwrap()));
        }
        assert!(remembered(b"no certificate").is_err());
    }

    #[test]
    fn a_name_cannot_write_into_a_log() {
        assert_eq!(escape("a,b\n+c "), "a\\,b\\0a\\+c\\ ");
    }
}
