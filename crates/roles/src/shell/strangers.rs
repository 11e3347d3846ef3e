//! Strangers: whoever was not admitted gets 403 in words, and costs us nothing that lasts. No transaction is opened for
//! them (RFC 3261 §8.2.7: the answer is the same each time the request comes), so that a flood from made-up addresses
//! neither fills the table that calls need nor has us send an answer many times over to somebody who asked for none.
//! Of a flood the first of each second are written down and the rest are counted: what the store must keep for calls does
//! not wait behind it.

use serde::{Deserialize, Serialize};
use sip::{Flow, Method, Request, Status};

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
    /// 403 to a request that begins something, from somebody who is not let in.
    pub(crate) fn turn_stranger_away(&mut self, flow: Flow, request: &Request) {
        let Some(Err(refusal)) = self.sights.get(&flow.id).map(|sight| &sight.admitted) else { return };
        // An ACK is never answered; that of a 403 has a tag and does not come here.
        if request.method() == Method::Ack {
            return;
        }
        let refusal = refusal.clone();
        let headers = vec![words::warning(&self.plan.node, &words::in_words(&refusal))];
        self.sip.turn_away(flow, request, Status(403), &headers);
        if let Some(more) = self.strangers.note(self.now.mono.as_secs()) {
            if more > 0 {
                tracing::warn!(more, "strangers were refused and not written down one by one");
            }
            self.refused(Some(flow), Status(403), refusal);
        }
        if flow.transport.is_reliable() && !self.closing_flows.contains(&flow.id) {
            self.closing_flows.push(flow.id);
        }
    }
}
