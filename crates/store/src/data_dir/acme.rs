//! Identities that are ordered by ACME (RFC 8555): the key and the request of an order, the account's key, and when
//! another order is due.
//!
//! An order's key is in memory until its certificate is judged: whatever breaks an order off, nothing of it is left, and
//! a request that waits for another authority (`requests/`) is not touched. What orders came to is in `acme/`, so that a
//! process that is started again and again does not order again and again: authorities count.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Context;
use site::Site;
use trust::{CertificateFacts, KeyKind, generate_key};
use zeroize::Zeroizing;

use super::revoking::millis;
use super::{DataDir, private};
use crate::files;

/// Between two orders of one identity, whatever came of the first; twice as long after each that fails.
const HOUR: u64 = 3600;
const LONGEST: u64 = 24 * HOUR;

/// What an order needs of the one whose certificate it is.
pub struct AcmeOrder {
    /// The name that is proved.
    pub name: String,
    /// The signing request (PEM).
    pub request: String,
    key: Zeroizing<String>,
}

/// What the orders of an identity came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcmeOrders {
    /// When the last one began: seconds since 1970; 0: there was none with these settings.
    pub last: u64,
    /// How many have begun since the last one that came to a certificate.
    pub failed: u32,
}

impl AcmeOrders {
    /// Before this no process orders by itself: seconds since 1970.
    pub fn next(self) -> u64 {
        let wait = HOUR << self.failed.saturating_sub(1).min(8);
        if self.last == 0 { 0 } else { self.last.saturating_add(wait.min(LONGEST)) }
    }
}

impl DataDir {
    /// A key and a request for the one name of a node: the authority certifies what it sees, neither private addresses
    /// nor names of ours.
    ///
    /// # Errors
    /// The site has no such identity.
    pub fn acme_order(&self, identity: &str, now: SystemTime) -> anyhow::Result<AcmeOrder> {
        let site = self.site()?;
        let request = self.request(&site, identity, now)?;
        let name = request.common_name.clone();
        let only = trust::Request {
            dns_names: vec![name.clone()],
            ip_addresses: Vec::new(),
            node: None,
            uris: Vec::new(),
            ..request
        };
        let key = generate_key(KeyKind::P256)?.0;
        let request = trust::signing_request(&site.name, &only, &key)?;
        Ok(AcmeOrder { name, request, key })
    }

    /// Puts the chain of an order into force. Nothing has changed if this fails.
    ///
    /// # Errors
    /// What is wrong with the chain: it is judged as [`DataDir::import`] judges one, and has to have the name of the order.
    pub fn acme_take(
        &self,
        identity: &str,
        order: &AcmeOrder,
        chain: &str,
        now: SystemTime,
    ) -> anyhow::Result<CertificateFacts> {
        let _lock = self.lock()?;
        let facts = self.put_in_force(identity, chain, &order.key, std::slice::from_ref(&order.name), now)?;
        self.write_orders(identity, AcmeOrders { last: millis(now) / 1000, failed: 0 })?;
        Ok(facts)
    }

    /// The key (PEM) that this data directory is known by at an authority's directory, made at the first use. Each has its
    /// own: what is proved to one authority says nothing to another.
    ///
    /// # Errors
    /// It cannot be kept, or others on this host may read it.
    pub fn acme_key(&self, directory: &str) -> anyhow::Result<Zeroizing<String>> {
        let _lock = self.lock()?;
        let name = trust::fingerprint(directory.as_bytes());
        let file = self.acme_folder().join(format!("{}.key", name.get(..32).unwrap_or_default()));
        if !file.exists() {
            files::create_folder(&self.acme_folder())?;
            let key = generate_key(KeyKind::P256)?.0;
            files::write_private(&file, key.as_bytes())?;
        }
        private(&file)?;
        self.read(&file).map(Zeroizing::new)
    }

    /// Whether an identity that is ordered by ACME is to be ordered now: it is still by the site's own CA, or two thirds
    /// of its life are over; and the last order was long enough ago.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn acme_due(&self, identity: &str, now: SystemTime) -> anyhow::Result<bool> {
        let held = self.identity(identity)?;
        let now = millis(now) / 1000;
        let due = self.is_own(&held.facts().issuer)? || held.due() <= now as i64;
        let orders = self.acme_orders(identity)?;
        // A clock that was wrong then counts for nothing now.
        Ok(due && (now >= orders.next() || now < orders.last))
    }

    /// To be called as an order begins by itself, before the authority hears of it: an order that is cut off is one that
    /// failed.
    ///
    /// # Errors
    /// It cannot be kept.
    pub fn acme_begins(&self, identity: &str, now: SystemTime) -> anyhow::Result<()> {
        let _lock = self.lock()?;
        let failed = self.acme_orders(identity)?.failed.saturating_add(1);
        self.write_orders(identity, AcmeOrders { last: millis(now) / 1000, failed })
    }

    /// What the identity's orders came to, with the settings that it has now: with others none counts.
    ///
    /// # Errors
    /// The site, or what was kept, cannot be read.
    pub fn acme_orders(&self, identity: &str) -> anyhow::Result<AcmeOrders> {
        let file = self.orders_file(identity);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(AcmeOrders::default()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        let mut words = text.split_whitespace();
        let read = (|| Some((words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?)))();
        Ok(match read {
            Some((settings, last, failed)) if settings == settings_of(&self.site()?, identity) => {
                AcmeOrders { last, failed }
            }
            _ => AcmeOrders::default(),
        })
    }

    fn write_orders(&self, identity: &str, orders: AcmeOrders) -> anyhow::Result<()> {
        files::create_folder(&self.acme_folder())?;
        let settings = settings_of(&self.site()?, identity);
        let text = format!("{settings} {} {}\n", orders.last, orders.failed);
        let file = self.orders_file(identity);
        files::write_private(&file, text.as_bytes()).with_context(|| format!("cannot write {}", file.display()))
    }

    fn orders_file(&self, identity: &str) -> PathBuf {
        self.acme_folder().join(format!("{identity}.orders"))
    }

    fn acme_folder(&self) -> PathBuf {
        self.path().join("acme")
    }
}

/// What tells one set of settings from another.
fn settings_of(site: &Site, identity: &str) -> String {
    let settings = site.acme_of(identity).map(|(node, acme)| format!("{} {acme:?}", node.address));
    let print = trust::fingerprint(settings.unwrap_or_default().as_bytes());
    print.get(..32).unwrap_or_default().to_owned()
}
