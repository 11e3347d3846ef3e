//! Asks authorities about peers' certificates, beside all handshakes: one thread with a runtime, started with the first
//! question. Each authority's responder is asked one thing at a time, so one that hangs keeps its own waiting and nobody
//! else's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use trust::ocsp::{self, Question, Wanted};

use super::exchange::ask;
use super::kept::Kept;

/// Questions that wait to be heard of; one that finds no room is asked by the next handshake.
const WAITING: usize = 256;
/// Certificates that are asked about again and again, more than a site has peers.
const MOST: usize = 1024;
/// Responders asked at once.
const AT_ONCE: usize = 16;
/// An answer that came is asked for anew after half of its time, and within these.
const SOONEST: Duration = Duration::from_secs(60);
const LATEST: Duration = Duration::from_secs(3600);
/// One that did not come is asked for anew after as long, twice as long each time.
const AGAIN: Duration = Duration::from_secs(5);
const AGAIN_AT_MOST: Duration = Duration::from_secs(300);
/// Of whom no handshake has asked for as long nothing is asked any more.
const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);

/// A process's.
pub(crate) struct Asker {
    thread: Option<JoinHandle<()>>,
    /// What verifiers tell it by; without it they tell it nothing.
    wanted: Option<Arc<Wanted>>,
}

impl Asker {
    /// What was heard before is believed as far as it counts, and kept in this data directory.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(data: &Path) -> std::io::Result<Asker> {
        let (sender, questions) = mpsc::channel(WAITING);
        let wanted: Arc<Wanted> = Arc::new(move |question| {
            let _ = sender.try_send(question);
        });
        ocsp::on_wanted(&wanted);
        let kept = Kept::open(data);
        let known = kept.believe(seconds());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("ocsp:asks".into()).spawn(move || {
            runtime.block_on(Asking::new(kept, known).run(questions));
            // An answer that has not come is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Asker { thread: Some(thread), wanted: Some(wanted) })
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        // With it goes the channel's only sender, unless a verifier is just telling: then a moment later.
        self.wanted = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// By the certificate and its issuer.
type Key = (Vec<u8>, Vec<u8>);

struct Known {
    question: Question,
    due: Instant,
    failures: u32,
    /// When a handshake wanted it.
    wanted: Instant,
}

struct Asking {
    kept: Kept,
    known: BTreeMap<Key, Known>,
    /// The responders that are being asked, and what.
    busy: BTreeSet<String>,
    under_way: JoinSet<(Question, Result<Vec<u8>, String>)>,
}

impl Asking {
    fn new(kept: Kept, before: Vec<Question>) -> Asking {
        let mut asking = Asking { kept, known: BTreeMap::new(), busy: BTreeSet::new(), under_way: JoinSet::new() };
        for question in before {
            asking.hear_of(question);
        }
        asking
    }

    /// Until nobody can want anything any more.
    async fn run(mut self, mut questions: mpsc::Receiver<Question>) {
        loop {
            self.begin();
            let free = |known: &&Known| !self.busy.contains(&known.question.responder);
            let next = self.known.values().filter(free).map(|known| known.due).min();
            let next = next.filter(|_| self.under_way.len() < AT_ONCE);
            tokio::select! {
                question = questions.recv() => match question {
                    Some(question) => self.hear_of(question),
                    None => return,
                },
                Some(done) = self.under_way.join_next() => if let Ok((question, answer)) = done {
                    self.done(question, answer);
                },
                () = until(next) => {}
            }
        }
    }

    fn hear_of(&mut self, question: Question) {
        let now = Instant::now();
        if self.known.len() >= MOST {
            self.known.retain(|_, known| now.duration_since(known.wanted) < FORGOTTEN / 7);
        }
        if self.known.len() >= MOST {
            return;
        }
        let key = (question.certificate.clone(), question.issuer.clone());
        let known = self.known.entry(key).or_insert_with(|| Known {
            question: question.clone(),
            due: now,
            failures: 0,
            wanted: now,
        });
        known.wanted = now;
        // The site may name another responder than before.
        if known.question != question {
            (known.question, known.due, known.failures) = (question, now, 0);
        }
    }

    /// Asks what is due, each responder one thing.
    fn begin(&mut self) {
        let now = Instant::now();
        self.known.retain(|_, known| now.duration_since(known.wanted) < FORGOTTEN);
        for known in self.known.values_mut().filter(|known| known.due <= now) {
            if self.under_way.len() >= AT_ONCE {
                return;
            }
            if !self.busy.insert(known.question.responder.clone()) {
                continue;
            }
            // Until it is done it is not due.
            known.due = now + AGAIN_AT_MOST;
            let question = known.question.clone();
            self.under_way.spawn(async move {
                let answer = ask(&question).await;
                (question, answer)
            });
        }
    }

    fn done(&mut self, question: Question, answer: Result<Vec<u8>, String>) {
        self.busy.remove(&question.responder);
        let Question { certificate, issuer, responder } = &question;
        let heard = answer.and_then(|answer| {
            let heard = ocsp::hear(&answer, certificate, issuer, seconds());
            heard.map(|heard| (answer, heard)).map_err(|fault| format!("{responder} gave {fault}"))
        });
        let known = self.known.get_mut(&(certificate.clone(), issuer.clone()));
        let after = match &heard {
            Ok((answer, heard)) => {
                self.kept.keep(&question, answer);
                let half = Duration::from_secs((heard.until - seconds()).max(0).unsigned_abs() / 2);
                half.clamp(SOONEST, LATEST)
            }
            Err(why) => {
                ocsp::failed(certificate, issuer, why.clone());
                let failures = known.as_ref().map_or(0, |known| known.failures);
                if failures == 0 {
                    tracing::warn!(responder, why, "an authority does not say whether a certificate is revoked");
                }
                AGAIN.saturating_mul(1 << failures.min(6)).min(AGAIN_AT_MOST)
            }
        };
        if let Some(known) = known.filter(|known| known.question == question) {
            known.failures = if heard.is_ok() { 0 } else { known.failures.saturating_add(1) };
            known.due = Instant::now() + after;
        }
    }
}

async fn until(next: Option<Instant>) {
    match next {
        Some(next) => sleep_until(next).await,
        None => std::future::pending().await,
    }
}

fn seconds() -> i64 {
    // Seconds since 1970 fit an i64.
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() as i64)
}
