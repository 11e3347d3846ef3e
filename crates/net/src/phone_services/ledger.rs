//! What phones hold, written down as they are given it: in memory at once, in the store once a second; and then a roll
//! is looked at, which goes by it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use phones::config::{Asked, whose_list};
use phones::{Contact, Held, Kind, Ledger, News};
use store::{PhoneHeld, Store};
use tokio::sync::watch;

use super::{Asker, Shared};

/// How long what phones were given may be lost in a crash: it is written once for all of them.
const GATHERED: Duration = Duration::from_secs(1);
/// How often what phones know the services by is looked at.
const KEYS: Duration = Duration::from_secs(600);

/// The ledger of one call manager, and where it is kept.
pub(super) struct Book {
    ledger: Mutex<Ledger>,
    store: Mutex<Store>,
}

impl Book {
    /// # Errors
    /// The store cannot be read.
    pub(super) fn open(store: Store, node: &str, devices: impl IntoIterator<Item = String>) -> anyhow::Result<Book> {
        let before = store.phones_held(node)?;
        let before = before.into_iter().filter_map(|row| Some((row.device, serde_json::from_str(&row.held).ok()?)));
        Ok(Book { ledger: Mutex::new(Ledger::new(devices, before)), store: Mutex::new(store) })
    }

    /// A phone has been given this file, which it asked for by this name.
    pub(super) fn given(&self, name: &str, asker: &Asker, octets: &[u8]) {
        let name = name.trim_start_matches('/');
        let proved = match asker {
            Asker::Device(device) => Some(device.as_str()),
            Asker::Anyone => None,
        };
        self.write(|ledger, now| match Asked::of(name) {
            Some(Asked::Ctl) => {
                whose_list(name)
                    .or(proved)
                    .into_iter()
                    .for_each(|device| ledger.fetched(device, Kind::Ctl, octets, now));
            }
            Some(Asked::Itl) => {
                whose_list(name)
                    .or(proved)
                    .into_iter()
                    .for_each(|device| ledger.fetched(device, Kind::Itl, octets, now));
            }
            Some(Asked::Device { device, .. }) => ledger.heard(&device, Contact::File, now),
            None => {}
        });
    }

    pub(super) fn heard(&self, device: &str, contact: Contact) {
        self.write(|ledger, now| ledger.heard(device, contact, now));
    }

    fn write(&self, entry: impl FnOnce(&mut Ledger, u64)) {
        let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        entry(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner), now);
    }

    fn news(&self) -> Option<News> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).news()
    }

    /// Writes down what is new.
    pub(super) fn keep(&self, node: &str) {
        let Some(news) = self.news() else { return };
        let kept = self.store.lock().unwrap_or_else(PoisonError::into_inner).together(|store| {
            for (digest, octets) in &news.lists {
                store.put_phone_list(node, digest, octets)?;
            }
            for (device, held) in &news.phones {
                store.put_phone_held(node, &row(device, held))?;
            }
            // Lists change seldom, and so only then.
            if !news.lists.is_empty() {
                store.forget_phone_lists(node)?;
            }
            Ok(())
        });
        if let Err(error) = kept {
            tracing::error!(node, %error, "what phones hold was not written down; it is tried again");
            self.ledger.lock().unwrap_or_else(PoisonError::into_inner).failed(news);
        }
    }
}

fn row(device: &str, held: &Held) -> PhoneHeld {
    let digest = |kind| held.list(kind).map(|list| list.digest.clone()).unwrap_or_default();
    // Plain data with string keys, so it has a JSON form.
    let text = serde_json::to_string(held).unwrap_or_default();
    PhoneHeld { device: device.to_owned(), ctl: digest(Kind::Ctl), itl: digest(Kind::Itl), held: text }
}

/// Until the services stop.
pub(super) async fn keep(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut looked: Option<Instant> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(GATHERED) => {}
            _ = stopped.changed() => return,
        }
        let shared = shared.clone();
        let keys = looked.is_none_or(|at| at.elapsed() >= KEYS);
        if keys {
            looked = Some(Instant::now());
        }
        // A write waits for the disk, and phones shall not.
        let tended = tokio::task::spawn_blocking(move || {
            shared.book.keep(&shared.node);
            let now = SystemTime::now();
            if let Err(error) = shared.tend_roll(now) {
                tracing::error!(error = %format!("{error:#}"), "a roll could not go on; it is tried again");
            }
            if keys && let Err(error) = shared.tend_keys(now) {
                tracing::error!(error = %format!("{error:#}"), "phones' services could not be renewed; it is tried again");
            }
        });
        // A panic in there is in the log already.
        let _ = tended.await;
    }
}
