//! What a phone holds, and the rules by which it takes another list or believes a file: the first unseen, later ones by
//! signature, never an older one.

use std::net::IpAddr;

use crate::list::{SIGNS_LISTS, signs_lists};
use crate::{Certificate, Distrust, EncryptedFile, Error, Function, Kind, Names, Record, SignedFile, TrustList};

/// The lists that a phone holds.
#[derive(Clone, Debug, Default)]
pub struct Holding {
    ctl: Option<TrustList>,
    itl: Option<TrustList>,
}

/// What became of a list that was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The phone held none: taken unseen (trust on first use).
    First,
    /// Signed by one that is trusted.
    Updated,
    /// The one that is held already.
    Same,
    /// Its signer is not known: ask TVS about this certificate, and call [`Holding::offer_vouched`] if it is vouched for.
    Ask(Certificate),
}

impl Holding {
    /// What a phone is known to hold. Nothing is verified: it was when it was taken.
    pub fn of(lists: impl IntoIterator<Item = TrustList>) -> Holding {
        let mut holding = Holding::default();
        for list in lists {
            holding.put(list);
        }
        holding
    }

    pub fn list(&self, kind: Kind) -> Option<&TrustList> {
        match kind {
            Kind::Ctl => self.ctl.as_ref(),
            Kind::Itl => self.itl.as_ref(),
        }
    }

    fn lists(&self) -> impl Iterator<Item = &TrustList> {
        self.ctl.iter().chain(&self.itl)
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        self.lists().flat_map(TrustList::records)
    }

    /// Nothing is trusted yet.
    pub fn is_empty(&self) -> bool {
        self.lists().next().is_none()
    }

    /// The administrator (or a factory reset) erased what was held.
    pub fn erase(&mut self) {
        *self = Holding::default();
    }

    /// A list came.
    ///
    /// # Errors
    /// It is malformed, older than the one held, changed, or signed by one whose role does not allow it.
    pub fn offer(&mut self, octets: &[u8]) -> Result<Outcome, Error> {
        let list = TrustList::parse(octets)?;
        if self.is_empty() {
            list.verify_itself()?;
            self.put(list);
            return Ok(Outcome::First);
        }
        if let Some(outcome) = self.compare(&list)? {
            return Ok(outcome);
        }
        let signers: Vec<&Record> = self
            .records()
            .filter(|record| record.certificate().is_some_and(|certificate| list.header().signer.is(certificate)))
            .collect();
        let Some(certificate) = signers.first().and_then(|record| record.certificate()) else {
            // Whoever signed stands in the list itself, and TVS is asked about that certificate; nobody else could be.
            let signer = list.verify_itself()?.clone();
            return Ok(Outcome::Ask(signer));
        };
        if !signers.iter().any(|record| signs_lists(record.function())) {
            return Err(wrong_role(certificate, &signers, SIGNS_LISTS).into());
        }
        list.verify(certificate)?;
        self.put(list);
        Ok(Outcome::Updated)
    }

    /// A list whose signer TVS has vouched for, as one that may sign lists.
    ///
    /// # Errors
    /// As [`Holding::offer`], or another than `signer` signed.
    pub fn offer_vouched(&mut self, octets: &[u8], signer: &Certificate) -> Result<Outcome, Error> {
        let list = TrustList::parse(octets)?;
        if let Some(outcome) = self.compare(&list)? {
            return Ok(outcome);
        }
        list.verify(signer)?;
        self.put(list);
        Ok(Outcome::Updated)
    }

    /// A signed file that was asked for as `name`.
    ///
    /// # Errors
    /// Its signer is not in a list held, has no TFTP role, did not sign this, or signed it under another name.
    pub fn believe(&self, file: &SignedFile, name: &str) -> Result<(), Distrust> {
        self.believe_header(file.header(), file.octets(), name)
    }

    /// As [`Holding::believe`], for an encrypted file.
    pub fn believe_encrypted(&self, file: &EncryptedFile, name: &str) -> Result<(), Distrust> {
        self.believe_header(file.header(), file.octets(), name)
    }

    fn believe_header(&self, header: &crate::Header, octets: &[u8], name: &str) -> Result<(), Distrust> {
        let signers: Vec<&Record> = self
            .records()
            .filter(|record| record.certificate().is_some_and(|certificate| header.signer.is(certificate)))
            .collect();
        let Some(certificate) = signers.first().and_then(|record| record.certificate()) else {
            let known: Vec<&Certificate> = self.records().filter_map(Record::certificate).collect();
            return Err(header.unknown_signer(known));
        };
        if !signers.iter().any(|record| record.function().signs_files()) {
            return Err(wrong_role(certificate, &signers, "CCM+TFTP or TFTP"));
        }
        header.verify(octets, certificate)?;
        if header.file_name != name {
            return Err(Distrust::WrongName { expected: name.to_owned(), found: header.file_name.clone() });
        }
        Ok(())
    }

    /// Certificates that a service of this function may show.
    pub fn certificates(&self, function: Function) -> Vec<&Certificate> {
        self.records().filter(|record| record.function() == function).filter_map(Record::certificate).collect()
    }

    /// The address that the lists have for a host.
    pub fn address_of(&self, host: &str) -> Option<IpAddr> {
        let named = |record: &&Record| record.dns_name().is_some_and(|name| name.eq_ignore_ascii_case(host));
        self.records().filter(named).find_map(Record::address)
    }

    fn compare(&self, list: &TrustList) -> Result<Option<Outcome>, Distrust> {
        let Some(held) = self.list(list.kind()) else { return Ok(None) };
        if held.octets() == list.octets() {
            return Ok(Some(Outcome::Same));
        }
        let (offered, held) = (list.header().timestamp, held.header().timestamp);
        if offered < held {
            return Err(Distrust::Older { offered, held });
        }
        Ok(None)
    }

    fn put(&mut self, list: TrustList) {
        match list.kind() {
            Kind::Ctl => self.ctl = Some(list),
            Kind::Itl => self.itl = Some(list),
        }
    }
}

fn wrong_role(certificate: &Certificate, records: &[&Record], expected: &str) -> Distrust {
    Distrust::WrongRole {
        signer: certificate.subject(Names::Equipment).to_owned(),
        role: records.iter().map(|record| record.function().to_string()).collect::<Vec<_>>().join(", "),
        expected: expected.to_owned(),
    }
}
