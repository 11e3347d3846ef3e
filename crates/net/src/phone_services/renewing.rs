//! What phones know a call manager's services by is renewed on its own, ahead of time: one after the other, and never so
//! that a phone which is known would be lost.

use std::time::SystemTime;

use phones::{Change, Which};
use site::{Node, Site};
use store::DataDir;
use trust::{CertificateFacts, Identity};

use super::rehearsal::Census;
use super::{Shared, Station};

/// A certificate that ends so soon is renewed whoever is lost: they would be lost with it.
const LAST: i64 = 30 * 24 * 3600;

/// What became of the key that signs lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryRenewed {
    /// Told in lists from now on; these phones hold none yet that tells of it.
    Announced(CertificateFacts, Vec<String>),
    /// It signs lists.
    Taken(CertificateFacts),
}

impl Station {
    /// One step of the renewal of the key that signs lists: it is announced, or where it was, in force. `hurry`: phones that
    /// do not know of it are given up.
    ///
    /// # Errors
    /// It would lose phones, each of which is named; or keys or store cannot be read or written.
    pub fn renew_recovery(
        dir: &DataDir,
        site: &Site,
        node: &Node,
        now: SystemTime,
        hurry: bool,
    ) -> anyhow::Result<RecoveryRenewed> {
        let keys = dir.phone_keys(&node.name)?;
        let announced = keys.next_recovery.is_some();
        if !announced {
            dir.announce_recovery(&node.name, now)?;
        }
        let awaited = Station::awaited(dir, site, node)?;
        if announced || hurry {
            return Ok(RecoveryRenewed::Taken(dir.take_recovery(&node.name, &awaited, now, hurry)?));
        }
        Ok(RecoveryRenewed::Announced(dir.announce_recovery(&node.name, now)?, awaited))
    }

    /// Phones that hold a list without the key that is announced to sign lists. One that was never seen to hold a list takes
    /// its first unseen.
    ///
    /// # Errors
    /// Keys or store cannot be read.
    pub fn awaited(dir: &DataDir, site: &Site, node: &Node) -> anyhow::Result<Vec<String>> {
        let (Some(next), Some(station)) = (dir.phone_keys(&node.name)?.next_recovery, Station::open(dir, site, node)?)
        else {
            return Ok(Vec::new());
        };
        let next = next.chain_der().into_iter().next().unwrap_or_default();
        let census = Census::read(dir, &station, &node.name)?;
        Ok(station.devices().filter(|device| !census.may_be_signed_for(device, &next)).collect())
    }
}

impl Shared {
    /// Renews what is due, one thing at a time. The services show it when the process next looks at its certificates.
    ///
    /// # Errors
    /// Something cannot be read or written; what was, stays.
    pub(super) fn tend_keys(&self, now: SystemTime) -> anyhow::Result<()> {
        let Some((dir, site, node)) = self.rolling.idle() else { return Ok(()) };
        let (keys, at) = (dir.phone_keys(&node.name)?, seconds(now));
        if keys.next_recovery.is_some() {
            return self.tend_recovery((dir, site, node), &keys.recovery, now);
        }
        if at >= keys.recovery.facts().due() {
            let made = dir.announce_recovery(&node.name, now)?;
            tracing::info!(node = node.name, serial = made.serial, "ITLRecovery: the next is told in phones' lists");
            return Ok(());
        }
        let services = [(Which::Tvs, &keys.tvs), (Which::Capf, &keys.capf), (Which::CallManager, &keys.call_manager)];
        for (which, held) in services.into_iter().filter(|(_, held)| at >= held.facts().due()) {
            let lost = Station::lost_by(dir, site, node, &Change::Renew(which), now)?;
            if !lost.is_empty() && at < held.facts().not_after - LAST {
                let phones = lost.join(", ");
                tracing::warn!(
                    node = node.name,
                    certificate = which.word(),
                    phones,
                    "not renewed yet: these phones would be lost; reset them"
                );
                continue;
            }
            match dir.renew_phone_key(&node.name, which.word(), now) {
                Ok(made) => {
                    tracing::info!(node = node.name, certificate = which.word(), serial = made.serial, "renewed");
                    return Ok(());
                }
                // Another was, less than a fortnight ago.
                Err(error) => {
                    tracing::debug!(certificate = which.word(), error = %format!("{error:#}"), "not renewed yet")
                }
            }
        }
        Ok(())
    }

    fn tend_recovery(
        &self,
        (dir, site, node): (&DataDir, &Site, &Node),
        held: &Identity,
        now: SystemTime,
    ) -> anyhow::Result<()> {
        self.book.keep(&self.node);
        let awaited = Station::awaited(dir, site, node)?;
        if !awaited.is_empty() {
            if seconds(now) >= held.facts().not_after - LAST {
                let phones = awaited.join(", ");
                tracing::warn!(
                    node = node.name,
                    phones,
                    "ITLRecovery ends soon, and waits for these phones: reset them"
                );
            }
            return Ok(());
        }
        match Station::renew_recovery(dir, site, node, now, false) {
            Ok(_) => tracing::info!(node = node.name, "ITLRecovery: phones' lists are signed by the next from now on"),
            // A fortnight from when it was told, and from a neighbour's renewal.
            Err(error) => tracing::debug!(error = %format!("{error:#}"), "ITLRecovery waits"),
        }
        Ok(())
    }
}

fn seconds(now: SystemTime) -> i64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
