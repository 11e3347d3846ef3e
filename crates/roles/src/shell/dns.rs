//! Peers that the plan knows by a domain: where they are now (RFC 3263), and what of that to try next.
//!
//! What the DNS said is kept for as long as it allows and then asked for again beside the calls: none waits for it, and
//! while nobody answers, the last that is known stands (RFC 8767). Among equals the weights decide anew for each call.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::Uri;
use sip::locate::{Locate, Nowhere, Question, Records};

use crate::{PeerPlan, Resolved};

/// However short an answer lasts, the DNS is not asked more often; however long, not more seldom.
const LASTS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3600));
/// When nobody answered: asked again after this time.
const AGAIN: Duration = Duration::from_secs(10);
/// An address that failed a call is tried last for so long (RFC 3263 §4.3).
const SHUNNED: Duration = Duration::from_secs(30);

/// What is known of one question.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    /// `None`: nobody has answered yet.
    records: Option<Records>,
    /// When to ask (again); `None` while an answer is under way.
    ask_at: Option<Duration>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Dns {
    known: BTreeMap<Question, Known>,
    shunned: BTreeMap<(Arc<str>, SocketAddr), Duration>,
}

/// How far what is known leads.
enum Walk {
    Found(Vec<SocketAddr>),
    Lacks(Question),
    Nowhere(Nowhere),
}

impl Dns {
    /// The questions to be asked now for these peers; what no peer needs any more is forgotten.
    pub(super) fn due(&mut self, peers: &[PeerPlan], now: Duration) -> Vec<Question> {
        let mut needed = Vec::new();
        for peer in peers {
            if let Walk::Lacks(question) = self.walk(peer, [0; 32], |question| needed.push(question.clone())) {
                needed.push(question);
            }
        }
        self.known.retain(|question, _| needed.contains(question));
        self.shunned.retain(|_, until| *until > now);
        let mut due = Vec::new();
        for question in needed {
            let known = self.known.entry(question.clone()).or_insert(Known { records: None, ask_at: Some(now) });
            if known.ask_at.is_some_and(|at| at <= now) {
                known.ask_at = None;
                due.push(question);
            }
        }
        due
    }

    /// An answer, or why there is none. Whether it changed what is known.
    pub(super) fn told(&mut self, question: &Question, answer: Result<Resolved, String>, now: Duration) -> bool {
        let Some(known) = self.known.get_mut(question) else { return false };
        match answer {
            Ok(Resolved { records, lasts }) => {
                known.ask_at = Some(now + lasts.clamp(LASTS.0, LASTS.1));
                known.records.replace(records) != known.records
            }
            Err(why) => {
                known.ask_at = Some(now + AGAIN);
                let stale = known.records.is_some();
                tracing::warn!(?question, %why, stale, "the DNS gave no answer");
                false
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.known.values().filter_map(|known| known.ask_at).min()
    }

    /// Where the peer is, the best place first.
    ///
    /// # Errors
    /// Nowhere that is known, in words.
    pub(super) fn places(&self, peer: &PeerPlan, seed: [u8; 32], now: Duration) -> Result<Vec<SocketAddr>, Nowhere> {
        match self.walk(peer, seed, |_| {}) {
            Walk::Found(mut places) => {
                let key = |place: &SocketAddr| (peer.name.clone(), *place);
                places.sort_by_key(|place| self.shunned.get(&key(place)).is_some_and(|until| *until > now));
                Ok(places)
            }
            Walk::Lacks(question) => Err(Nowhere(format!("the DNS has not yet answered {question}"))),
            Walk::Nowhere(nowhere) => Err(nowhere),
        }
    }

    /// A call met silence, 503 or no connection there.
    pub(super) fn failed(&mut self, peer: &Arc<str>, place: SocketAddr, now: Duration) {
        self.shunned.insert((peer.clone(), place), now + SHUNNED);
    }

    /// Whether the peer is at this address, as far as is known.
    pub(super) fn is_at(&self, peer: &PeerPlan, ip: IpAddr) -> bool {
        matches!(self.walk(peer, [0; 32], |_| {}), Walk::Found(places) if places.iter().any(|place| place.ip() == ip))
    }

    /// From the peer's domain to its addresses through what is known; `passed` is told each question on the way.
    fn walk(&self, peer: &PeerPlan, seed: [u8; 32], mut passed: impl FnMut(&Question)) -> Walk {
        let Some(domain) = &peer.domain else { return Walk::Found(Vec::new()) };
        let transport = (String::from("transport"), Some(peer.transport.as_str().to_ascii_lowercase()));
        let mut uri = Uri::sip(None, &domain.host, domain.port);
        uri.params = vec![transport];
        let mut search = match Locate::new(&uri, &[peer.transport], seed) {
            Ok(search) => search,
            Err(nowhere) => return Walk::Nowhere(nowhere),
        };
        while let Some(question) = search.question() {
            match self.known.get(&question).and_then(|known| known.records.clone()) {
                Some(records) => {
                    passed(&question);
                    search.told(records);
                }
                None => return Walk::Lacks(question),
            }
        }
        match search.found() {
            Ok(found) => Walk::Found(found.into_iter().map(|candidate| candidate.addr).collect()),
            Err(nowhere) => Walk::Nowhere(nowhere),
        }
    }
}
