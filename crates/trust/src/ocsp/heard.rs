//! What authorities have said of peers' certificates, and what is to be asked of them.
//!
//! One book for the process: verifiers look into it during a handshake and never wait; who has sockets asks meanwhile
//! ([`on_wanted`]) and enters what came ([`hear`], [`failed`]). That it is everybody's harms nobody, because an answer is
//! entered only when the certificate's own issuer vouches for it, and is found under exactly these two certificates.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Answer, Fault, SKEW, Status, judge};
use crate::CertificateFacts;
use crate::facts::fingerprint;

/// More than a site has peers.
const MOST: usize = 4096;

/// What somebody must ask an authority: of which certificate of which issuer (DER), and where.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    pub certificate: Vec<u8>,
    pub issuer: Vec<u8>,
    pub responder: String,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({} at {})", fingerprint(&self.certificate), self.responder)
    }
}

/// Told of each question; it must not wait.
pub type Wanted = dyn Fn(Question) + Send + Sync;

#[derive(Default)]
struct Book {
    /// By the fingerprints of certificate and issuer.
    entries: BTreeMap<(String, String), Entry>,
    listeners: Vec<Weak<Wanted>>,
}

#[derive(Default)]
struct Entry {
    answer: Option<Answer>,
    /// Why there was none the last time.
    failure: Option<String>,
}

static BOOK: Mutex<Book> = Mutex::new(Book { entries: BTreeMap::new(), listeners: Vec::new() });
/// How often somebody was found revoked.
static REVOCATIONS: AtomicU64 = AtomicU64::new(0);

fn book() -> std::sync::MutexGuard<'static, Book> {
    BOOK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(certificate: &[u8], issuer: &[u8]) -> (String, String) {
    (fingerprint(certificate), fingerprint(issuer))
}

/// From now on `wanted` hears what is to be asked, as long as it is kept.
pub fn on_wanted(wanted: &Arc<Wanted>) {
    let mut book = book();
    book.listeners.retain(|listener| listener.strong_count() > 0);
    book.listeners.push(Arc::downgrade(wanted));
}

pub(crate) fn want(question: Question) {
    let listeners: Vec<Arc<Wanted>> = book().listeners.iter().filter_map(Weak::upgrade).collect();
    for listener in listeners {
        listener(question.clone());
    }
}

/// Judges an answer ([`judge`]) and enters it, if none that is newer is there. A revocation is for good.
///
/// # Errors
/// It may not be believed.
pub fn hear(answer: &[u8], certificate: &[u8], issuer: &[u8], now: i64) -> Result<Answer, Fault> {
    let heard = judge(answer, certificate, issuer, now)?;
    let mut book = book();
    if book.entries.len() >= MOST {
        book.entries.retain(|_, entry| entry.answer.as_ref().is_some_and(|answer| counts(answer, now)));
    }
    if book.entries.len() >= MOST {
        book.entries.clear();
    }
    let entry = book.entries.entry(key(certificate, issuer)).or_default();
    entry.failure = None;
    let revoked = |answer: &Answer| matches!(answer.status, Status::Revoked { .. });
    let keeps = |held: &Answer| (revoked(held) && !revoked(&heard)) || held.made > heard.made;
    if !entry.answer.as_ref().is_some_and(keeps) {
        if revoked(&heard) && !entry.answer.as_ref().is_some_and(revoked) {
            REVOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        entry.answer = Some(heard.clone());
    }
    Ok(heard)
}

/// Enters that there was no answer, and why.
pub fn failed(certificate: &[u8], issuer: &[u8], why: String) {
    let mut book = book();
    if book.entries.len() < MOST {
        book.entries.entry(key(certificate, issuer)).or_default().failure = Some(why);
    }
}

/// What counts at `now` (seconds since 1970); else why there was no answer the last time, if anybody asked.
pub(crate) fn heard(certificate: &[u8], issuer: &[u8], now: i64) -> Result<Answer, Option<String>> {
    let book = book();
    let entry = book.entries.get(&key(certificate, issuer)).ok_or(None)?;
    match &entry.answer {
        Some(answer) if counts(answer, now) => Ok(answer.clone()),
        _ => Err(entry.failure.clone()),
    }
}

/// What is told of a certificate that was found revoked.
pub(crate) fn revoked(certificate: &CertificateFacts) -> Option<String> {
    let book = book();
    let of_it = book.entries.range((certificate.fingerprint.clone(), String::new())..);
    let of_it = of_it.take_while(|((leaf, _), _)| *leaf == certificate.fingerprint);
    let answers = of_it.filter_map(|(_, entry)| entry.answer.as_ref());
    let found = answers.map(|answer| &answer.status).find(|status| matches!(status, Status::Revoked { .. }));
    found.map(|status| format!("{status}, says its authority (OCSP)"))
}

/// How often somebody was found revoked since the process began: who sees another number judges open connections again.
pub fn revocations() -> u64 {
    REVOCATIONS.load(Ordering::Relaxed)
}

fn counts(answer: &Answer, now: i64) -> bool {
    // What was revoked stays so, whatever the date.
    matches!(answer.status, Status::Revoked { .. })
        || (answer.made <= now.saturating_add(SKEW) && now <= answer.until.saturating_add(SKEW))
}
