//! Strangers: whoever was not admitted gets 403 in words (401 where a token would admit it), and costs us nothing that lasts. No transaction is opened for
//! them (RFC 3261 §8.2.7: the answer is the same each time the request comes), so that a flood from made-up addresses
//! neither fills the table that calls need nor has us send an answer many times over to somebody who asked for none.
//! Of a flood the first of each second are written down and the rest are counted: what the store must keep for calls does
//! not wait behind it.

use serde::{Deserialize, Serialize};
use sip::{Flow, Method, Request, Status};
use trust::Refusal;

use super::{Shell, words};

/// Refusals of strangers that are written down in one second.
const NOTED: u32 = 20;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Strangers {
    second: u64,
    noted: u32,
    more: u64,
}

impl Strangers {
    /// Whether this one is written down; and how many were not since the last that was.
    fn note(&mut self, second: u64) -> Option<u64> {
        if second != self.second {
            (self.second, self.noted) = (second, 0);
        }
        if self.noted < NOTED {
            self.noted += 1;
            return Some(std::mem::take(&mut self.more));
        }
        self.more += 1;
        None
    }
}

impl Shell {
    /// Writes down that somebody was refused who proved nothing, if not too many were in this second.
    pub(crate) fn refused_stranger(&mut self, flow: Option<Flow>, status: Status, refusal: Refusal) {
        if let Some(more) = self.strangers.note(self.now.mono.as_secs()) {
            if more > 0 {
                tracing::warn!(more, "strangers were refused and not written down one by one");
            }
            self.refused(flow, status, refusal);
        }
    }

    /// 403 (or 401) to a request that begins something, from somebody who is not let in.
    pub(crate) fn turn_stranger_away(&mut self, flow: Flow, request: &Request) {
        let Some(Err(refusal)) = self.sights.get(&flow.id).map(|sight| &sight.admitted) else { return };
        // An ACK is never answered; that of a 403 has a tag and does not come here.
        if request.method() == Method::Ack {
            return;
        }
        let refusal = refusal.clone();
        let mut headers = vec![words::warning(&self.plan.node, &words::in_words(&refusal))];
        let challenge = self.plan.oauth_of(&flow).map(|oauth| oauth.challenge(false));
        let status = Status(if challenge.is_some() { 401 } else { 403 });
        headers.extend(challenge.unwrap_or_default());
        self.sip.turn_away(flow, request, status, &headers);
        self.refused_stranger(Some(flow), status, refusal);
        if flow.transport.is_reliable() && !self.closing_flows.contains(&flow.id) {
            self.closing_flows.push(flow.id);
        }
    }
}
