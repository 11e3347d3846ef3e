//! Log-in: limits, the password, the audit log.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::hmac;

use super::limits::Limits;
use super::visitors::Visitors;
use super::{Account, Directory, NoPerson, Origin, password};
use crate::{Change, Error, Store};

/// Somebody whose password was right need not have it hashed again within this time.
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// How many such there are at most.
const KNOWN: usize = 4096;

/// Lets people in: shared by all connections of a process. Blocks for the time of an argon2id (tens of milliseconds), one
/// at a time; a runtime calls it where it may block.
pub struct Accounts {
    pub(super) store: Mutex<Store>,
    limits: Mutex<Limits>,
    known: Mutex<BTreeMap<String, Known>>,
    /// Those who are not of the store.
    pub(super) visitors: Visitors,
    /// One hash at a time: 19 MiB and a core for each is more than strangers should have.
    hashing: Mutex<()>,
    /// Of the digests of passwords that were right; as old as this process.
    pub(super) key: hmac::Key,
    nobodys: String,
    began: Instant,
}

/// A password that was right.
struct Known {
    digest: hmac::Tag,
    /// What it was right for.
    kept: String,
    until: Duration,
}

/// Where somebody stands who wants in.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    pub source: IpAddr,
    /// For the audit log: `desk`.
    pub of: &'static str,
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum NotIn {
    /// Which of the two is never said.
    #[error("name or password is wrong")]
    Wrong,
    /// After too many wrong ones.
    #[error("too many wrong passwords: try again in {} s", .wait.as_secs().max(1))]
    Locked { wait: Duration },
    /// The password is right.
    #[error("{0}")]
    NoRole(String),
    /// It is not known whose they are.
    #[error("the directory does not answer, and this is no account of the store: nobody else is let in until it does")]
    Directory,
    #[error(transparent)]
    Store(#[from] Error),
}

impl Accounts {
    /// With a connection to the store of their own.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new(store: Store) -> Result<Accounts, Error> {
        Ok(Accounts {
            store: Mutex::new(store),
            limits: Mutex::default(),
            known: Mutex::default(),
            visitors: Visitors::default(),
            hashing: Mutex::default(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &password::random::<32>()?),
            nobodys: password::nobodys()?,
            began: Instant::now(),
        })
    }

    /// Asks this directory from now on about names that the store does not have; `None`: none is asked.
    pub fn replace_directory(&self, directory: Option<Arc<dyn Directory>>) {
        self.visitors.replace(directory);
    }

    /// Whose name and password these are. An unknown name costs what a wrong password costs. Neither limited nor written
    /// down: doors to a network want [`Accounts::log_in`].
    pub fn verify(&self, name: &str, password: &str) -> Option<Account> {
        self.look(name, password).ok()?.map(|(account, _)| account)
    }

    /// The same at a door: five wrong passwords lock a name for five minutes, twenty an address; each wrong password is
    /// in the audit log, and each right one that was not used within the last ten minutes.
    ///
    /// # Errors
    /// They are not let in.
    pub fn log_in(&self, name: &str, password: &str, door: Door) -> Result<Account, NotIn> {
        // A directory takes `Ada` for `ada`: one name, one count.
        // What is longer than any name is none, and is not remembered whole.
        let counted: String = name.to_lowercase().chars().take(super::LONGEST_NAME + 1).collect();
        if let Some(wait) = lock(&self.limits).wait(&counted, door.source, self.now()) {
            return Err(NotIn::Locked { wait });
        }
        match self.look(name, password) {
            Ok(Some((account, first))) => {
                if let Err(locked) = self.count(&counted, door, true) {
                    // Nor may it be known from here, or its next use would have no line in the audit log.
                    if first {
                        self.forget(&account);
                    }
                    return Err(locked);
                }
                if first {
                    let by = match account.origin {
                        Origin::Store | Origin::Provider { .. } => String::new(),
                        Origin::Directory => format!(" by the directory's word, as {}", account.role.word()),
                    };
                    if let Err(error) = self.write_down(&account.name, door, &format!("logged in{by}")) {
                        // Else the next try would get in without a line in the audit log.
                        self.forget(&account);
                        return Err(error.into());
                    }
                }
                Ok(account)
            }
            Ok(None) => {
                self.count(&counted, door, false)?;
                self.write_down(name, door, "gave a wrong name or password")?;
                Err(NotIn::Wrong)
            }
            // Counted, so that who has no business here is not looked at for ever.
            Err(NotIn::NoRole(words)) => {
                self.count(&counted, door, false)?;
                self.write_down(name, door, &format!("was not let in: {words}"))?;
                Err(NotIn::NoRole(words))
            }
            Err(other) => Err(other),
        }
    }

    /// As if they had never shown their password.
    fn forget(&self, account: &Account) {
        lock(&self.known).remove(&account.name);
        self.visitors.forget(&account.name);
    }

    /// Whether this address may try to come in by something else than a password.
    ///
    /// # Errors
    /// After twenty that were wrong, passwords and others together, it waits.
    pub fn may_try(&self, door: Door) -> Result<(), NotIn> {
        match lock(&self.limits).wait_of(door.source, self.now()) {
            Some(wait) => Err(NotIn::Locked { wait }),
            None => Ok(()),
        }
    }

    /// What came from there was wrong: it is counted, and in the audit log.
    ///
    /// # Errors
    /// The store's.
    pub fn refused(&self, name: &str, door: Door, what: &str) -> Result<(), Error> {
        lock(&self.limits).wrong_from(door.source, self.now());
        self.write_down(name, door, what)
    }

    /// Many may try at once, and each is hashed in its turn: of those that come after the last that is allowed nobody learns
    /// whether they were right.
    fn count(&self, name: &str, door: Door, right: bool) -> Result<(), NotIn> {
        let (mut limits, now) = (lock(&self.limits), self.now());
        match (limits.wait(name, door.source, now), right) {
            (Some(wait), _) => return Err(NotIn::Locked { wait }),
            (None, true) => limits.right(name, door.source),
            (None, false) => limits.wrong(name, door.source, now),
        }
        Ok(())
    }

    /// Whether this account is still as it was when it was let in. A password that was changed since is not looked at. Of
    /// one that a directory vouches for it blocks, once a minute, for as long as that takes. A store that cannot be read takes nobody's
    /// account away: whoever is there stays until it says otherwise.
    pub fn holds(&self, account: &Account) -> bool {
        match account.origin {
            Origin::Store => match lock(&self.store).account(&account.name) {
                Ok(found) => found.is_some_and(|(found, _)| found == *account),
                Err(_) => true,
            },
            Origin::Directory => {
                !self.is_of_the_store(&account.name).unwrap_or(true) && self.visitors.holds(account, self.now())
            }
            Origin::Provider { until_s, .. } => now_ms() / 1000 < until_s,
        }
    }

    fn is_of_the_store(&self, name: &str) -> Result<bool, Error> {
        lock(&self.store).has_account_like(name)
    }

    /// Whose they are, and whether that was not known yet.
    fn look(&self, name: &str, password: &str) -> Result<Option<(Account, bool)>, NotIn> {
        let found = lock(&self.store).account(name)?;
        let Some((account, kept)) = found else {
            return self.look_elsewhere(name, password);
        };
        if self.is_known(name, password, &kept) {
            return Ok(Some((account, false)));
        }
        if !self.fits(&kept, password) {
            return Ok(None);
        }
        self.remember(name, password, kept);
        Ok(Some((account, true)))
    }

    /// The same of who has no account in the store.
    fn look_elsewhere(&self, name: &str, password: &str) -> Result<Option<(Account, bool)>, NotIn> {
        let nobody = || {
            self.fits(&self.nobodys, password);
            Ok(None)
        };
        // A bind with an empty password is no log-in, whatever the server says to it (RFC 4513 §5.1.2).
        let may_be = super::is_name(name) && (1..=super::LONGEST_PASSWORD).contains(&password.len());
        if !may_be || !self.visitors.any() || self.is_of_the_store(name)? {
            return nobody();
        }
        let name = name.to_lowercase();
        match self.visitors.look(&name, password, &self.key, self.now()) {
            Ok(found) => Ok(Some(found)),
            Err(NoPerson::Nobody) => Ok(None),
            Err(NoPerson::NoRole(words)) => Err(NotIn::NoRole(words)),
            Err(NoPerson::Unavailable(_)) => Err(NotIn::Directory),
        }
    }

    fn fits(&self, kept: &str, password: &str) -> bool {
        let _one = lock(&self.hashing);
        password::fits(kept, password)
    }

    fn is_known(&self, name: &str, password: &str, kept: &str) -> bool {
        let known = lock(&self.known);
        known.get(name).is_some_and(|known| {
            known.until > self.now()
                && known.kept == kept
                && hmac::verify(&self.key, password.as_bytes(), known.digest.as_ref()).is_ok()
        })
    }

    fn remember(&self, name: &str, password: &str, kept: String) {
        let (mut known, now) = (lock(&self.known), self.now());
        if known.len() >= KNOWN {
            known.retain(|_, known| known.until > now);
        }
        if known.len() < KNOWN || known.contains_key(name) {
            let digest = hmac::sign(&self.key, password.as_bytes());
            known.insert(name.to_owned(), Known { digest, kept, until: now + KNOWN_FOR });
        }
    }

    /// In the audit log: what somebody of this name did at this door.
    ///
    /// # Errors
    /// The store's.
    pub fn write_down(&self, name: &str, door: Door, what: &str) -> Result<(), Error> {
        let at_ms = now_ms();
        // Whatever a stranger typed: no control characters, no more than a name has.
        let who: String = name.chars().filter(|c| !c.is_control()).take(super::LONGEST_NAME).collect();
        let what = format!("at the {}: {what}", door.of);
        lock(&self.store).add_change(&Change { at_ms, who, source: door.source.to_string(), what, detail: "{}".into() })
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

/// What a thread that panicked left is whole: each of these is changed in one step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
