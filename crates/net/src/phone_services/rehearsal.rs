//! What a change would do to each phone of a call manager, judged from what the store knows of it. Nothing is changed.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use phones::capf::{AuthMode, Enrolment, Operation};
use phones::{
    Change, Contact, Function, Held, Holding, Kind, Known, Proof, Standing, TrustList, Verdict, Which, rehearse,
};
use site::{Node, Site, TransportType};
use store::DataDir;
use trust::{CertificateFacts, Identity, KeyKind};

use super::Station;

/// A phone, what is known of it and what would become of it.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    pub device: String,
    pub line: String,
    pub verdict: Verdict,
    pub held: Held,
    /// Its certificate from CAPF.
    pub lsc: Option<CertificateFacts>,
}

/// What is known of the phones of a call manager.
pub(super) struct Census {
    held: BTreeMap<String, Held>,
    lists: BTreeMap<String, Vec<u8>>,
}

impl Census {
    /// # Errors
    /// The store cannot be read.
    pub(super) fn read(dir: &DataDir, station: &Station, node: &str) -> anyhow::Result<Census> {
        let store = dir.store()?;
        let mut held: BTreeMap<String, Held> = BTreeMap::new();
        for row in store.phones_held(node)? {
            let read = serde_json::from_str(&row.held).with_context(|| format!("what {} holds", row.device))?;
            held.insert(row.device, read);
        }
        let registered: BTreeMap<String, u64> = store.lines_registered(node)?.into_iter().collect();
        for (phone, ..) in station.phones()? {
            if let Some(at) = registered.get(&phone.line) {
                held.entry(phone.name.clone()).or_default().contacts.insert(Contact::Registration, at / 1000);
            }
        }
        Ok(Census { held, lists: store.phone_lists(node)?.into_iter().collect() })
    }

    pub(super) fn held(&self, device: &str) -> Held {
        self.held.get(device).cloned().unwrap_or_default()
    }

    /// Whether this phone would take lists that this certificate (DER) signs: each list that it holds has it for that.
    pub(super) fn may_be_signed_for(&self, device: &str, signer: &[u8]) -> bool {
        let held = self.held(device);
        let has_it = |list: TrustList| {
            list.of(Function::Sast).filter_map(|record| record.certificate()).any(|known| known.der() == signer)
        };
        let read = |digest: &String| TrustList::parse(self.lists.get(digest)?).ok();
        let mut lists = [Kind::Ctl, Kind::Itl].into_iter().filter_map(|kind| held.list(kind));
        lists.all(|list| read(&list.digest).is_some_and(has_it))
    }

    /// `None`: it was never seen to read a list.
    fn holding(&self, held: &Held) -> Option<Holding> {
        let fetched: Vec<_> = [Kind::Ctl, Kind::Itl].into_iter().filter_map(|kind| held.list(kind)).collect();
        let read = |digest: &String| TrustList::parse(self.lists.get(digest)?).ok();
        let lists: Option<Vec<TrustList>> = fetched.iter().map(|list| read(&list.digest)).collect();
        lists.filter(|lists| !lists.is_empty()).map(Holding::of)
    }
}

impl Station {
    /// What `change` would do to each phone, in the order of the site. `None`: this node serves no phones.
    ///
    /// # Errors
    /// The keys, the store or a phone's row cannot be read.
    pub fn rehearse(
        dir: &DataDir,
        site: &Site,
        node: &Node,
        change: &Change,
        now: SystemTime,
    ) -> anyhow::Result<Option<Vec<Rehearsed>>> {
        let (Some(station), Some(spare)) = (Station::open(dir, site, node)?, Station::open(dir, site, node)?) else {
            return Ok(None);
        };
        let made = match change {
            // Phones may have been told of this one.
            Change::Renew(Which::Recovery) => match dir.phone_keys(&node.name)?.next_recovery {
                Some(next) => Some(next),
                None => Some(stand_in(site, node, Which::Recovery, now)?),
            },
            Change::Renew(which) => Some(stand_in(site, node, *which, now)?),
            Change::SetMode(_) | Change::RemoveRoot(_) => None,
        };
        let standing = (station.mode(), station.cluster().has_ctl);
        let timestamp = station.next_timestamp(now);
        let after = Standing::after(spare.into_services(), standing, change, made.as_ref(), timestamp)?;
        station.judged(dir, &node.name, &after, now).map(Some)
    }

    /// Phones that `change` would lose, and that are not lost as things stand.
    ///
    /// # Errors
    /// As [`Station::rehearse`].
    pub(super) fn lost_by(
        dir: &DataDir,
        site: &Site,
        node: &Node,
        change: &Change,
        now: SystemTime,
    ) -> anyhow::Result<Vec<String>> {
        let Some(station) = Station::open(dir, site, node)? else { return Ok(Vec::new()) };
        let (mode, has_ctl) = (station.mode(), station.cluster().has_ctl);
        let today = Standing::of(station.services(), mode, has_ctl, station.next_timestamp(now))?;
        let today = station.judged(dir, &node.name, &today, now)?;
        let after = Station::rehearse(dir, site, node, change, now)?.unwrap_or_default();
        let lost = |phone: &Rehearsed| matches!(phone.verdict, Verdict::Lost(_));
        let newly = today.iter().zip(&after).filter(|(today, after)| !lost(today) && lost(after));
        Ok(newly.map(|(_, after)| after.device.clone()).collect())
    }

    /// As lists would be written: never older than what phones were given.
    fn next_timestamp(&self, now: SystemTime) -> u32 {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let written = [Kind::Ctl, Kind::Itl].into_iter().filter_map(|kind| self.list(kind));
        let newest = written.map(|list| list.header().timestamp).max().unwrap_or(0);
        u32::try_from(seconds).unwrap_or(u32::MAX).max(newest.saturating_add(1))
    }

    fn judged(&self, dir: &DataDir, node: &str, after: &Standing, now: SystemTime) -> anyhow::Result<Vec<Rehearsed>> {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let census = Census::read(dir, self, node)?;
        let mut all = Vec::new();
        for (phone, profile, row) in self.phones()? {
            let held = census.held(&phone.name);
            let lsc = row.certificate.as_deref().map(CertificateFacts::from_der).transpose()?;
            let by_token = profile.proof() == site::Proof::OAuth;
            let proof = match (&phone.secure_certificate_subject, profile.proof()) {
                // What it registers by is of no list, and no change of trust takes it away.
                (_, site::Proof::OAuth) => Proof::Digest(None),
                (Some(_), _) => Proof::SiteCertificate,
                (None, site::Proof::Digest) => Proof::Digest(row.certificate.clone()),
                (None, site::Proof::Certificate) => Proof::Lsc(row.certificate.clone()),
            };
            let known = Known {
                device: phone.name.clone(),
                holding: census.holding(&held),
                proof,
                // Mixed mode is nothing to a phone with a token.
                secure: profile.transport() == TransportType::Tls && !by_token,
                enrols: enrols(&row, seconds),
            };
            let verdict = rehearse(&known, after, i64::try_from(seconds).unwrap_or(i64::MAX));
            all.push(Rehearsed { device: phone.name.clone(), line: phone.line.clone(), verdict, held, lsc });
        }
        Ok(all)
    }
}

/// CAPF gives it a certificate when it next comes, with nobody's help.
fn enrols(row: &Enrolment, now: u64) -> bool {
    row.order.as_ref().is_some_and(|order| {
        order.operation == Operation::InstallUpgrade
            && order.completes_by >= now
            && match order.mode {
                AuthMode::NullString => true,
                AuthMode::ExistingLsc => row.certificate.is_some(),
                AuthMode::AuthenticationString | AuthMode::ExistingMic => false,
            }
    })
}

/// A certificate such as the renewal would make, for the rehearsal alone: its key is forgotten with it.
fn stand_in(site: &Site, node: &Node, which: Which, now: SystemTime) -> anyhow::Result<Identity> {
    let host = site.host_name(node);
    let request = trust::Request {
        common_name: match which {
            Which::Tftp | Which::Ca => host.clone(),
            _ => format!("{host}-{}", which.word()),
        },
        dns_names: vec![host],
        ip_addresses: vec![node.address],
        node: None,
        uris: Vec::new(),
        key: match which {
            Which::Tftp | Which::Ca => KeyKind::P256,
            _ => KeyKind::Rsa2048,
        },
        not_before: now - Duration::from_secs(3600),
        not_after: now + Duration::from_secs(3650 * 24 * 3600),
    };
    Ok(trust::self_signed(&site.name, &request, which == Which::Capf)?)
}
