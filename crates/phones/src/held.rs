//! What phones hold, as far as a call manager can tell: the lists that each was last given, and when it was last heard of.
//! From this a rehearsal judges what a change would do to them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Digest, Kind, TrustList};

/// The same contact of the same phone is written down again after so many seconds.
const AGAIN: u64 = 60;

/// How a phone was last heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contact {
    /// It read a list or its configuration.
    File,
    /// It asked TVS.
    TrustVerification,
    /// It came to CAPF.
    Enrolment,
    /// It registered.
    Registration,
}

impl Contact {
    pub fn word(self) -> &'static str {
        match self {
            Contact::File => "read a file",
            Contact::TrustVerification => "asked TVS",
            Contact::Enrolment => "came to CAPF",
            Contact::Registration => "registered",
        }
    }
}

/// A list that a phone was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// SHA-256 of the file, lower-case hex.
    pub digest: String,
    /// Serial number and subject of who signed it.
    pub signer: String,
    /// Seconds since 1970.
    pub at: u64,
}

/// What is known of one phone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub ctl: Option<Fetched>,
    pub itl: Option<Fetched>,
    /// Seconds since 1970 of the last of each kind.
    pub contacts: BTreeMap<Contact, u64>,
}

impl Held {
    pub fn list(&self, kind: Kind) -> Option<&Fetched> {
        match kind {
            Kind::Ctl => self.ctl.as_ref(),
            Kind::Itl => self.itl.as_ref(),
        }
    }

    pub fn last(&self) -> Option<(Contact, u64)> {
        self.contacts.iter().map(|(contact, at)| (*contact, *at)).max_by_key(|(_, at)| *at)
    }
}

/// SHA-256 of a list, by which it is kept.
pub fn list_digest(octets: &[u8]) -> String {
    trust::hex(&Digest::Sha256.of(octets))
}

/// What is to be written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Lists that no phone had before, by their digest.
    pub lists: Vec<(String, Vec<u8>)>,
    pub phones: Vec<(String, Held)>,
}

/// What is known of the phones of one call manager. Bounded by them: nobody else is written down.
#[derive(Debug, Default)]
pub struct Ledger {
    phones: BTreeMap<String, Held>,
    /// Lists that phones were given, by their digest, with who signed each.
    signers: BTreeMap<String, String>,
    /// Those of them that are to be written down.
    new: BTreeMap<String, Vec<u8>>,
    changed: BTreeSet<String>,
}

impl Ledger {
    /// `devices`: the phones that there are. `before`: what was kept of them, and of others.
    pub fn new(devices: impl IntoIterator<Item = String>, before: impl IntoIterator<Item = (String, Held)>) -> Ledger {
        let mut phones: BTreeMap<String, Held> = devices.into_iter().map(|device| (device, Held::default())).collect();
        for (device, held) in before {
            if let Some(phone) = phones.get_mut(&device) {
                *phone = held;
            }
        }
        Ledger { phones, ..Ledger::default() }
    }

    pub fn phone(&self, device: &str) -> Option<&Held> {
        self.phones.get(device)
    }

    pub fn phones(&self) -> impl Iterator<Item = (&String, &Held)> {
        self.phones.iter()
    }

    /// A phone has the whole of this list. `now`: seconds since 1970.
    pub fn fetched(&mut self, device: &str, kind: Kind, list: &[u8], now: u64) {
        let Some(phone) = self.phones.get_mut(device) else { return };
        let held = match kind {
            Kind::Ctl => &mut phone.ctl,
            Kind::Itl => &mut phone.itl,
        };
        let digest = list_digest(list);
        if held.as_ref().is_none_or(|held| held.digest != digest) {
            let signer = match self.signers.get(&digest) {
                Some(signer) => signer.clone(),
                // What is no list was never served as one.
                None => {
                    let Ok(read) = TrustList::parse(list) else { return };
                    let signer = &read.header().signer;
                    let signer = format!("{} {}", signer.serial, signer.subject);
                    self.signers.insert(digest.clone(), signer.clone());
                    self.new.insert(digest.clone(), list.to_vec());
                    signer
                }
            };
            *held = Some(Fetched { digest, signer, at: now });
            self.changed.insert(device.to_owned());
        }
        self.heard(device, Contact::File, now);
    }

    /// A phone was heard of.
    pub fn heard(&mut self, device: &str, contact: Contact, now: u64) {
        let Some(phone) = self.phones.get_mut(device) else { return };
        let before = phone.contacts.get(&contact).copied();
        if before.is_none_or(|before| now >= before.saturating_add(AGAIN)) {
            phone.contacts.insert(contact, now);
            self.changed.insert(device.to_owned());
        }
    }

    /// What has changed since the last time, to be written down; `None`: nothing.
    pub fn news(&mut self) -> Option<News> {
        if self.changed.is_empty() {
            return None;
        }
        let lists = std::mem::take(&mut self.new).into_iter().collect();
        let changed = std::mem::take(&mut self.changed);
        let row = |device: String| self.phones.get(&device).map(|held| (device, held.clone()));
        Some(News { lists, phones: changed.into_iter().filter_map(row).collect() })
    }

    /// It could not be written down: it is among the next news.
    pub fn failed(&mut self, news: News) {
        self.new.extend(news.lists);
        self.changed.extend(news.phones.into_iter().map(|(device, _)| device));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_keys::{self as keys, NOW, certificate, signer};
    use crate::{Function, ListSpec, Names, Record};

    fn list(timestamp: u32) -> TrustList {
        let records = vec![Record::new(&certificate(keys::RECOVERY), Function::Sast, "cucm1", None)];
        let (digest, names) = (Digest::Sha512, Names::Equipment);
        ListSpec { kind: Kind::Itl, signer_version: None, digest, timestamp, names, records }
            .sign(&signer(keys::RECOVERY))
            .unwrap()
    }

    #[test]
    fn a_list_is_written_down_once_and_a_phone_of_nobody_never() {
        let mut ledger = Ledger::new(["SEP1".to_owned(), "SEP2".to_owned()], []);
        let (list, other) = (list(NOW), list(NOW + 1));
        for device in ["SEP1", "SEP2", "SEP3", "../SEP1"] {
            ledger.fetched(device, Kind::Itl, list.octets(), 100);
        }
        let news = ledger.news().unwrap();
        assert_eq!((news.lists.len(), news.phones.len()), (1, 2));
        assert!(news.phones[0].1.itl.as_ref().unwrap().signer.contains("CN=ITLRECOVERY_cucm1"));
        assert_eq!(ledger.news(), None);
        // The same again is no news for a minute.
        ledger.fetched("SEP1", Kind::Itl, list.octets(), 110);
        assert_eq!(ledger.news(), None);
        ledger.heard("SEP1", Contact::TrustVerification, 111);
        ledger.fetched("SEP2", Kind::Itl, other.octets(), 112);
        let again = ledger.news().unwrap();
        assert_eq!((again.lists.len(), again.phones.len()), (1, 2));
        // What could not be written is not forgotten.
        ledger.failed(again.clone());
        assert_eq!(ledger.news(), Some(again));
        assert_eq!(ledger.phone("SEP1").unwrap().last(), Some((Contact::TrustVerification, 111)));
        let read = Ledger::new(["SEP2".to_owned()], news.phones);
        assert_eq!(read.phone("SEP2").unwrap().itl.as_ref().unwrap().digest, list_digest(list.octets()));
    }
}
