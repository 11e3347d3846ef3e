//! CTL and ITL: signed lists of the certificates that a phone trusts, and for what.

mod record;
mod show;
#[cfg(test)]
mod tests;

pub use record::{Field, Function, Layout, Record};
pub use show::show;
pub(crate) use show::{expiry, rows};

use crate::header::{self, Header, Names, Spec};
use crate::tlv::Reader;
use crate::{Certificate, Digest, Distrust, Error, Malformed, Signer};

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Certificate trust list: mixed mode.
    Ctl,
    /// Identity trust list: every cluster.
    Itl,
}

impl Kind {
    /// The name in the header of every list of this kind.
    pub fn file_name(self) -> &'static str {
        match self {
            Kind::Ctl => "CTLFile.tlv",
            Kind::Itl => "ITLFile.tlv",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Kind::Ctl => "CTL",
            Kind::Itl => "ITL",
        }
    }
}

/// A list as it was read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustList {
    kind: Kind,
    header: Header,
    records: Vec<Record>,
    octets: Vec<u8>,
}

/// What a list to be written says.
#[derive(Clone, Debug)]
pub struct ListSpec {
    pub kind: Kind,
    /// `None`: the older format, without SIGNER_VERSION. `Some((1, 1))` announces HTTPS and elliptic curves.
    pub signer_version: Option<(u8, u8)>,
    pub digest: Digest,
    /// Seconds since 1970; a phone takes no list that is older than the one it has.
    pub timestamp: u32,
    pub names: Names,
    pub records: Vec<Record>,
}

impl ListSpec {
    /// # Errors
    /// The signer's key has no code, or the header would be too long.
    pub fn sign(&self, signer: &Signer) -> Result<TrustList, Error> {
        let octets = header::write(&self.header(), &self.body(), signer)?;
        Ok(TrustList::parse(&octets)?)
    }

    fn header(&self) -> Spec<'static> {
        Spec {
            version: (1, 2),
            signer_version: self.signer_version,
            digest: self.digest,
            file_name: self.kind.file_name(),
            timestamp: self.timestamp,
            names: self.names,
            more: &[],
        }
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for record in &self.records {
            record.write(&mut body);
        }
        body
    }
}

impl TrustList {
    pub fn parse(octets: &[u8]) -> Result<TrustList, Malformed> {
        let header = Header::parse(octets)?;
        let kind = match header.file_name.as_str() {
            "CTLFile.tlv" => Kind::Ctl,
            "ITLFile.tlv" => Kind::Itl,
            other => {
                return Err(Malformed::new(
                    header.signature_span.end,
                    "FILENAME",
                    "`CTLFile.tlv` or `ITLFile.tlv`",
                    format!("`{other}`"),
                ));
            }
        };
        if header.version.0 != 1 || !header.encryption.is_empty() {
            let found = format!("version {}.{}", header.version.0, header.version.1);
            return Err(Malformed::new(0, "VERSION", "a list, which is version 1.2", found));
        }
        let mut reader = Reader::new(octets.get(header.length..).unwrap_or_default(), header.length);
        let mut records = Vec::new();
        while !reader.is_empty() {
            records.push(Record::read(&mut reader)?);
        }
        Ok(TrustList { kind, header, records, octets: octets.to_vec() })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The file.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Records of one function.
    pub fn of(&self, function: Function) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.function() == function)
    }

    /// The certificates in it, each once.
    pub fn certificates(&self) -> Vec<&Certificate> {
        let mut all: Vec<&Certificate> = Vec::new();
        for certificate in self.records.iter().filter_map(Record::certificate) {
            if !all.contains(&certificate) {
                all.push(certificate);
            }
        }
        all
    }

    /// Whether `certificate` signed it.
    pub fn verify(&self, certificate: &Certificate) -> Result<(), Distrust> {
        self.header.verify(&self.octets, certificate)
    }

    /// Whether a certificate in the list itself signed it, with a role that may sign lists: all that first use can ask.
    pub fn verify_itself(&self) -> Result<&Certificate, Distrust> {
        let signers: Vec<&Record> = self
            .records
            .iter()
            .filter(|record| record.certificate().is_some_and(|certificate| self.header.signer.is(certificate)))
            .collect();
        let Some(first) = signers.first().and_then(|record| record.certificate()) else {
            return Err(self.header.unknown_signer(self.certificates()));
        };
        if !signers.iter().any(|record| signs_lists(record.function())) {
            return Err(Distrust::WrongRole {
                signer: first.subject(Names::Equipment).to_owned(),
                role: signers.iter().map(|record| record.function().to_string()).collect::<Vec<_>>().join(", "),
                expected: SIGNS_LISTS.to_owned(),
            });
        }
        self.verify(first)?;
        Ok(first)
    }
}

pub(crate) const SIGNS_LISTS: &str = "System Administrator Security Token, CCM+TFTP or TFTP";

/// Phones take lists signed by a SAST, and ITLs also by the TFTP server.
pub(crate) fn signs_lists(function: Function) -> bool {
    function == Function::Sast || function.signs_files()
}
