//! What is answered: each answer is signed once and handed out until half of its time is over, so whoever asks a thousand
//! times costs one signature, and whoever asks about what nobody issued costs none.

use std::collections::BTreeMap;

use bytes::Bytes;
use trust::ocsp::{CertificateId, Request, Responder, Status, Unsuccessful};

/// Answers count from an hour ago: clocks differ.
const BACK: i64 = 3600;

#[derive(Debug, Default)]
pub(super) struct Book {
    responder: Option<Responder>,
    /// By serial number.
    statuses: BTreeMap<String, Status>,
    signed: BTreeMap<CertificateId, Signed>,
}

#[derive(Clone, Debug)]
struct Signed {
    answer: Bytes,
    until: i64,
}

/// An answer, and for how many seconds those on the way may keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) answer: Bytes,
    pub(super) max_age: i64,
}

impl Book {
    /// What is true from now on. Answers about certificates of which it says something else are forgotten.
    pub(super) fn learn(&mut self, responder: Option<Responder>, statuses: BTreeMap<String, Status>) {
        self.signed.retain(|id, _| self.statuses.get(&id.serial()) == statuses.get(&id.serial()));
        (self.responder, self.statuses) = (responder, statuses);
    }

    /// `life`: how long an answer counts; all in seconds, `now` since 1970.
    pub(super) fn answer(&mut self, request: &[u8], now: i64, life: i64) -> Reply {
        self.signed(request, now, life).unwrap_or_else(|why| Reply { answer: why.der().into(), max_age: 0 })
    }

    fn signed(&mut self, request: &[u8], now: i64, life: i64) -> Result<Reply, Unsuccessful> {
        let Request { id } = Request::read(request).ok_or(Unsuccessful::MalformedRequest)?;
        let responder = self.responder.as_ref().filter(|responder| responder.until() > now);
        let responder = responder.ok_or(Unsuccessful::TryLater)?;
        let status = self.statuses.get(&id.serial()).filter(|_| responder.answers_for(&id));
        let status = status.ok_or(Unsuccessful::Unauthorized)?;
        let fresh = |signed: &&Signed| signed.until - now > life / 2;
        let found = match self.signed.get(&id).filter(fresh) {
            Some(found) => found.clone(),
            None => {
                let until = now.saturating_add(life).min(responder.until());
                let answer = responder.answer(&id, status, now - BACK, until);
                let answer = answer.map_err(|error| {
                    tracing::error!(error = %error, "an OCSP answer could not be signed");
                    Unsuccessful::InternalError
                })?;
                let made = Signed { answer: answer.into(), until };
                self.signed.insert(id, made.clone());
                made
            }
        };
        // Before it is made anew here, nobody on the way has to ask.
        Ok(Reply { answer: found.answer, max_age: (found.until - now) / 2 })
    }
}
