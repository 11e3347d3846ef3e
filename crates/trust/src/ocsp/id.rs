//! Which certificate is meant: its issuer's name and key, hashed, and its serial number (RFC 6960 §4.1.1, `CertID`).

use aws_lc_rs::digest;
use x509_parser::prelude::{FromDer, X509Certificate};
use yasna::{ASN1Result, BERReader, DERWriter, tags};

use super::der::{invalid, oid};
use crate::Error;
use crate::facts::hex;

/// What issuers are hashed with. That is no signature: a collision would have to be made by two authorities together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// The one that every responder knows (RFC 5019 §2.1.1).
    Sha1,
    Sha256,
}

impl Hash {
    pub(super) const ALL: [Hash; 2] = [Hash::Sha1, Hash::Sha256];

    fn oid(self) -> &'static [u64] {
        match self {
            Hash::Sha1 => &[1, 3, 14, 3, 2, 26],
            Hash::Sha256 => &[2, 16, 840, 1, 101, 3, 4, 2, 1],
        }
    }

    pub(super) fn of(self, octets: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &digest::SHA256,
        };
        digest::digest(algorithm, octets).as_ref().to_vec()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateId {
    hash: Hash,
    issuer_name: Vec<u8>,
    issuer_key: Vec<u8>,
    /// As DER has it: a number whose first bit is a one begins with a zero octet.
    serial: Vec<u8>,
}

impl CertificateId {
    /// Of a certificate and its issuer's, both in DER.
    ///
    /// # Errors
    /// One of them cannot be read, or the one was not issued under the other's name.
    pub fn of(certificate: &[u8], issuer: &[u8], hash: Hash) -> Result<CertificateId, Error> {
        let certificate = parsed(certificate)?;
        let issuer = parsed(issuer)?;
        if certificate.issuer().as_raw() != issuer.subject().as_raw() {
            return Err(Error::Certificate(format!(
                "`{}` was issued by `{}`, not by `{}`",
                certificate.subject(),
                certificate.issuer(),
                issuer.subject()
            )));
        }
        Ok(CertificateId {
            hash,
            issuer_name: hash.of(issuer.subject().as_raw()),
            issuer_key: hash.of(&issuer.public_key().subject_public_key.data),
            serial: certificate.raw_serial().to_vec(),
        })
    }

    /// Whether it means a certificate of this issuer (DER).
    pub fn is_of(&self, issuer: &[u8]) -> bool {
        let Ok(issuer) = parsed(issuer) else { return false };
        self.issuer_name == self.hash.of(issuer.subject().as_raw())
            && self.issuer_key == self.hash.of(&issuer.public_key().subject_public_key.data)
    }

    /// As [`crate::CertificateFacts::serial`].
    pub fn serial(&self) -> String {
        hex(&self.serial)
    }

    pub(super) fn read(reader: BERReader<'_, '_>) -> ASN1Result<CertificateId> {
        reader.read_sequence(|reader| {
            let hash = reader.next().read_sequence(|reader| {
                let found = reader.next().read_oid()?;
                // NULL, or nothing.
                reader.read_optional(|reader| reader.read_der())?;
                Ok(Hash::ALL.into_iter().find(|hash| oid(hash.oid()) == found))
            })?;
            let (issuer_name, issuer_key) = (reader.next().read_bytes()?, reader.next().read_bytes()?);
            let serial = reader.next().read_tagged_der()?;
            match hash {
                Some(hash) if serial.tag() == tags::TAG_INTEGER => {
                    Ok(CertificateId { hash, issuer_name, issuer_key, serial: serial.value().to_vec() })
                }
                _ => invalid(),
            }
        })
    }

    pub(super) fn write(&self, writer: DERWriter<'_>) {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&oid(self.hash.oid()));
                writer.next().write_null();
            });
            writer.next().write_bytes(&self.issuer_name);
            writer.next().write_bytes(&self.issuer_key);
            writer.next().write_tagged_implicit(tags::TAG_INTEGER, |writer| writer.write_bytes(&self.serial));
        });
    }
}

pub(super) fn parsed(der: &[u8]) -> Result<X509Certificate<'_>, Error> {
    let (_, certificate) = X509Certificate::from_der(der)
        .map_err(|error| Error::Certificate(format!("this is not an X.509 certificate: {error}")))?;
    Ok(certificate)
}
