//! A certificate as trust lists quote it: names, serial and key in the lists' own spelling, beside the DER (RFC 5280).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::dn;
use crate::header::Names;
use crate::{Digest, Error};

/// A certificate's serial number: big-endian, without leading zeros or a sign octet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Serial(Vec<u8>);

impl Serial {
    pub fn new(octets: &[u8]) -> Serial {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        Serial(octets.get(zeros..).unwrap_or_default().to_vec())
    }

    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// `70:CA:F6:…`, as `show ctl` prints it.
impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|octet| format!("{octet:02X}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A public key, as PUBLICKEY (tag 7 of a record) holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// DER `RSAPublicKey`, and the length of the modulus in bits.
    Rsa { der: Vec<u8>, bits: usize },
    /// Uncompressed X9.62 point, and the field's size in bits: 256, 384 or 521.
    Ec { point: Vec<u8>, bits: usize },
    /// Of a kind that no phone of this family has.
    Other,
}

impl PublicKey {
    /// From a DER SubjectPublicKeyInfo that is all there is.
    pub fn from_spki(der: &[u8]) -> Option<PublicKey> {
        let (rest, spki) = SubjectPublicKeyInfo::from_der(der).ok()?;
        rest.is_empty().then(|| PublicKey::of(&spki))
    }

    fn of(spki: &SubjectPublicKeyInfo<'_>) -> PublicKey {
        let octets = spki.subject_public_key.data.to_vec();
        if spki.algorithm.algorithm == OID_PKCS1_RSAENCRYPTION {
            return match modulus_bits(&octets) {
                Some(bits) => PublicKey::Rsa { der: octets, bits },
                None => PublicKey::Other,
            };
        }
        let curve = spki.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        let bits = match curve {
            Some(curve) if spki.algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY => {
                let _ = curve;
                return PublicKey::Other;
            }
            Some(curve) if curve == OID_EC_P256 => 256,
            Some(curve) if curve == OID_NIST_EC_P384 => 384,
            Some(curve) if curve == OID_NIST_EC_P521 => 521,
            _ => return PublicKey::Other,
        };
        if octets.len() == 1 + 2 * usize::div_ceil(bits, 8) && octets.first() == Some(&4) {
            PublicKey::Ec { point: octets, bits }
        } else {
            PublicKey::Other
        }
    }

    /// As the lists hold it.
    pub fn octets(&self) -> &[u8] {
        match self {
            PublicKey::Rsa { der, .. } => der,
            PublicKey::Ec { point, .. } => point,
            PublicKey::Other => &[],
        }
    }

    /// The DER `RSAPublicKey`, if it is one.
    pub fn rsa(&self) -> Option<&[u8]> {
        match self {
            PublicKey::Rsa { der, .. } => Some(der),
            PublicKey::Ec { .. } | PublicKey::Other => None,
        }
    }

    /// In words: `RSA 2048`, `EC P-384`.
    pub fn words(&self) -> String {
        match self {
            PublicKey::Rsa { bits, .. } => format!("RSA {bits}"),
            PublicKey::Ec { bits, .. } => format!("EC P-{bits}"),
            PublicKey::Other => "a key of another kind".to_owned(),
        }
    }
}

fn modulus_bits(key: &[u8]) -> Option<usize> {
    let (n, _) = super::der::integer(super::der::sequence(key)?)?;
    let n = n.get(n.iter().take_while(|octet| **octet == 0).count()..)?;
    let first = n.first()?;
    Some(n.len() * 8 - first.leading_zeros() as usize)
}

/// A certificate, and what lists and requests say of it. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    der: Vec<u8>,
    serial: Serial,
    /// Subject and issuer, in both spellings.
    subject: [String; 2],
    issuer: [String; 2],
    common_name: String,
    public_key: PublicKey,
    signature: Vec<u8>,
    validity: (i64, i64),
}

impl Certificate {
    /// # Errors
    /// The octets are not one X.509 certificate.
    pub fn from_der(der: &[u8]) -> Result<Certificate, Error> {
        let (rest, parsed) = X509Certificate::from_der(der)
            .map_err(|error| Error::Key(format!("this is not an X.509 certificate: {error}")))?;
        if !rest.is_empty() {
            return Err(Error::Key(format!("{} octets follow the certificate", rest.len())));
        }
        let both = |name| [dn::text(name, Names::Equipment), dn::text(name, Names::Open)];
        let common_name = parsed
            .subject()
            .iter_common_name()
            .filter_map(|name| name.as_str().ok())
            .last()
            .map(|name| name.chars().filter(|c| !c.is_control()).collect())
            .unwrap_or_default();
        Ok(Certificate(Arc::new(Inner {
            serial: Serial::new(parsed.raw_serial()),
            subject: both(parsed.subject()),
            issuer: both(parsed.issuer()),
            common_name,
            public_key: PublicKey::of(parsed.public_key()),
            signature: parsed.signature_value.data.to_vec(),
            validity: (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp()),
            der: der.to_vec(),
        })))
    }

    /// The certificates of a PEM text; or one that is DER.
    ///
    /// # Errors
    /// It holds none, or one that cannot be read.
    pub fn read_all(octets: &[u8]) -> Result<Vec<Certificate>, Error> {
        if octets.first() == Some(&0x30) {
            return Ok(vec![Certificate::from_der(octets)?]);
        }
        let text = String::from_utf8_lossy(octets);
        let ders = trust::certificates_der(&text).map_err(|error| Error::Key(error.to_string()))?;
        if ders.is_empty() {
            return Err(Error::Key("there is no certificate in it: expected PEM or DER".into()));
        }
        ders.iter().map(|der| Certificate::from_der(der)).collect()
    }

    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    pub fn serial(&self) -> &Serial {
        &self.0.serial
    }

    pub fn subject(&self, style: Names) -> &str {
        spelt(&self.0.subject, style)
    }

    pub fn issuer(&self, style: Names) -> &str {
        spelt(&self.0.issuer, style)
    }

    /// The most specific CN; empty if there is none.
    pub fn common_name(&self) -> &str {
        &self.0.common_name
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.0.public_key
    }

    /// The signature on the certificate itself.
    pub fn signature(&self) -> &[u8] {
        &self.0.signature
    }

    /// First and last moment, in seconds since 1970.
    pub fn validity(&self) -> (i64, i64) {
        self.0.validity
    }

    pub fn digest(&self, digest: Digest) -> Vec<u8> {
        digest.of(&self.0.der)
    }

    /// Whether serial and issuer are its. Issuers are compared by attributes, not by spelling.
    pub fn is(&self, serial: &Serial, issuer: &str) -> bool {
        self.0.serial == *serial && super::same_name(self.issuer(Names::Open), issuer)
    }
}

fn spelt(both: &[String; 2], style: Names) -> &str {
    let [equipment, open] = both;
    match style {
        Names::Equipment => equipment,
        Names::Open => open,
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject(Names::Equipment))
            .field("serial", &self.0.serial)
            .finish_non_exhaustive()
    }
}
