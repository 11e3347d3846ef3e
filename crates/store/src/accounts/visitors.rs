//! Who is no account of the store and is let in by a directory's word. A right password is known for half a minute, so that
//! a client that shows it with each request does not have the directory asked each time; who stays is asked about again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::hmac;

use super::doors::lock;
use super::{Account, Origin, Role};

/// A password that was right need not be shown to the directory again within this time.
const KNOWN_FOR: Duration = Duration::from_secs(30);
/// Somebody who stays is asked about this often.
const CONFIRMED_FOR: Duration = Duration::from_secs(60);
/// Somebody who stays may while the directory does not answer, for as long.
const GRACE: Duration = Duration::from_secs(600);
/// After it did not answer nobody waits for it for as long: the accounts of the store have the doors to themselves.
const LEFT_ALONE: Duration = Duration::from_secs(5);
/// How many are remembered: who are more are asked about each time.
const REMEMBERED: usize = 16_384;

/// Where people are who have no account in the store. Both block, for seconds at most.
pub trait Directory: Send + Sync {
    /// Who has this name and this password, which is not empty.
    ///
    /// # Errors
    /// Nobody who may come in, or it is not known.
    fn log_in(&self, name: &str, password: &str) -> Result<Person, NoPerson>;

    /// Who has this name.
    ///
    /// # Errors
    /// As [`Directory::log_in`].
    fn find(&self, name: &str) -> Result<Person, NoPerson>;
}

/// Somebody whom a directory knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub role: Role,
    /// The agent of the site that they are.
    pub agent: Option<String>,
}

/// Why a directory names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPerson {
    #[error("name or password is wrong")]
    Nobody,
    /// They are who they say, and that gives them no role here; why.
    #[error("{0}")]
    NoRole(String),
    /// What went wrong, for the log: strangers are not told.
    #[error("{0}")]
    Unavailable(String),
}

#[derive(Default)]
pub(super) struct Visitors {
    directory: RwLock<Option<Arc<dyn Directory>>>,
    here: Mutex<BTreeMap<String, Visitor>>,
    /// Until then nobody is asked about.
    left_alone: Mutex<Duration>,
    /// One is asked about again at a time; the others go by what was said last.
    confirming: Mutex<()>,
}

struct Visitor {
    account: Account,
    /// Of the password that was right.
    digest: hmac::Tag,
    known_until: Duration,
    confirmed: Duration,
}

impl Visitors {
    pub(super) fn replace(&self, directory: Option<Arc<dyn Directory>>) {
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = directory;
        lock(&self.here).clear();
        *lock(&self.left_alone) = Duration::ZERO;
    }

    pub(super) fn any(&self) -> bool {
        self.directory().is_some()
    }

    fn directory(&self) -> Option<Arc<dyn Directory>> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whose name and password these are, and whether they were not here before.
    pub(super) fn look(
        &self,
        name: &str,
        password: &str,
        key: &hmac::Key,
        now: Duration,
    ) -> Result<(Account, bool), NoPerson> {
        let digest = hmac::sign(key, password.as_bytes());
        let known = |visitor: &&Visitor| {
            visitor.known_until > now && hmac::verify(key, password.as_bytes(), visitor.digest.as_ref()).is_ok()
        };
        if let Some(visitor) = lock(&self.here).get(name).filter(known) {
            return Ok((visitor.account.clone(), false));
        }
        let person = self.ask(now, |directory| directory.log_in(name, password))?;
        let Person { role, agent } = person;
        let account = Account { name: name.to_owned(), role, agent, made_ms: 0, origin: Origin::Directory };
        let mut here = lock(&self.here);
        if here.len() >= REMEMBERED {
            here.retain(|_, visitor| now.saturating_sub(visitor.confirmed) < GRACE);
        }
        let before = here
            .get(name)
            .is_some_and(|visitor| visitor.account == account && now.saturating_sub(visitor.confirmed) < GRACE);
        if here.len() < REMEMBERED || here.contains_key(name) {
            let visitor = Visitor { account: account.clone(), digest, known_until: now + KNOWN_FOR, confirmed: now };
            here.insert(name.to_owned(), visitor);
        }
        Ok((account, !before))
    }

    /// As if they had never been here.
    pub(super) fn forget(&self, name: &str) {
        lock(&self.here).remove(name);
    }

    /// Whether somebody who was let in still would be.
    pub(super) fn holds(&self, account: &Account, now: Duration) -> bool {
        let Some(since) = self.since(account, now) else { return false };
        if since < CONFIRMED_FOR {
            return true;
        }
        let Ok(_one) = self.confirming.try_lock() else { return since < GRACE };
        match self.ask(now, |directory| directory.find(&account.name)) {
            Ok(Person { role, agent }) if role == account.role && agent == account.agent => {
                if let Some(visitor) = lock(&self.here).get_mut(&account.name) {
                    visitor.confirmed = now;
                }
                true
            }
            Err(NoPerson::Unavailable(_)) => since < GRACE,
            Ok(_) | Err(NoPerson::Nobody | NoPerson::NoRole(_)) => {
                lock(&self.here).remove(&account.name);
                false
            }
        }
    }

    /// How long ago the directory said that this account is so; `None`: it does not, or was not asked.
    fn since(&self, account: &Account, now: Duration) -> Option<Duration> {
        let here = lock(&self.here);
        here.get(&account.name)
            .filter(|found| found.account == *account)
            .map(|found| now.saturating_sub(found.confirmed))
    }

    fn ask(
        &self,
        now: Duration,
        question: impl FnOnce(&dyn Directory) -> Result<Person, NoPerson>,
    ) -> Result<Person, NoPerson> {
        let directory = self.directory().ok_or(NoPerson::Nobody)?;
        if *lock(&self.left_alone) > now {
            return Err(NoPerson::Unavailable("it did not answer a moment ago".into()));
        }
        let began = std::time::Instant::now();
        let answer = question(&*directory);
        if matches!(answer, Err(NoPerson::Unavailable(_))) {
            *lock(&self.left_alone) = now + began.elapsed() + LEFT_ALONE;
        }
        answer
    }
}
