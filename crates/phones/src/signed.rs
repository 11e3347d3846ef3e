//! `.sgn`: a file with a signature before it. The file itself follows octet for octet.

use crate::header::{self, Header, Names, Spec};
use crate::{Certificate, Digest, Distrust, Error, Malformed, Signer};

/// A signed file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedFile {
    header: Header,
    octets: Vec<u8>,
}

/// Signs `body` under the path it is asked for by, such as `SEP001122334455.cnf.xml.sgn`.
///
/// # Errors
/// The signer's key has no code, or names make the header too long.
pub fn sign_file(
    file_name: &str,
    body: &[u8],
    signer: &Signer,
    digest: Digest,
    timestamp: u32,
    names: Names,
) -> Result<Vec<u8>, Error> {
    header::write(&spec(file_name, digest, timestamp, names), body, signer)
}

fn spec(file_name: &str, digest: Digest, timestamp: u32, names: Names) -> Spec<'_> {
    Spec { version: (1, 0), signer_version: None, digest, file_name, timestamp, names, more: &[] }
}

impl SignedFile {
    pub fn parse(octets: &[u8]) -> Result<SignedFile, Malformed> {
        let header = Header::parse(octets)?;
        if header.version.0 != 1 || !header.encryption.is_empty() {
            let found = format!("version {}.{}", header.version.0, header.version.1);
            return Err(Malformed::new(0, "VERSION", "a signed file, which is version 1.0", found));
        }
        Ok(SignedFile { header, octets: octets.to_vec() })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The file without its header. Believe it only after [`SignedFile::verify`] or [`crate::Holding::believe`].
    pub fn body(&self) -> &[u8] {
        self.octets.get(self.header.length..).unwrap_or_default()
    }

    pub fn verify(&self, certificate: &Certificate) -> Result<(), Distrust> {
        self.header.verify(&self.octets, certificate)
    }
}
