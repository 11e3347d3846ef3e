//! The end of a call: all legs over, all media closed with their final facts in the records, then the statement is
//! signed and kept, and the call is out of the book.

use std::time::Duration;

use call::record::LegRecord;
use call::record::media_facts::MediaRecord;
use call::statement::{Statement, WentOn};
use media::Facts;

use super::{CallEntry, CallNo, LegEntry, LegNo, Shell};
use crate::Journal;

/// How long final facts are waited for when a media thread does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl Shell {
    /// Facts of a stream go into its leg's record. `closed` gives the port back.
    pub(crate) fn facts(&mut self, lease: media::LeaseId, facts: &Facts, closed: bool) -> Option<LegNo> {
        let leg = self.book.by_lease(lease)?;
        let rekeyed = self.leg(leg)?.record.media.as_ref().map_or(0, |media| media.rekeyed);
        if facts.rekeyed > rekeyed {
            self.note(leg, "media re-keyed");
        }
        let entry = self.book.leg_mut(leg)?;
        entry.leg.record.media = Some(of(facts));
        let call = entry.call;
        if closed {
            self.book.returned(lease);
            self.ending.insert(call);
        }
        Some(leg)
    }

    /// A call that is over and whose facts are in: signed, journalled, out of the book.
    pub(crate) fn finish_one(&mut self) -> Option<CallNo> {
        let now = self.now;
        let candidates: Vec<CallNo> = self.ending.iter().copied().collect();
        for no in candidates {
            let over = self.book.legs_of(no).all(|(_, entry)| entry.leg.is_ended());
            let waits = self.book.legs_of(no).any(|(_, entry)| entry.lease.is_some());
            let Some(call) = self.book.call_mut(no) else {
                self.ending.remove(&no);
                continue;
            };
            if !over || call.waits {
                self.ending.remove(&no);
                continue;
            }
            if waits && *call.finish_by.get_or_insert(now.mono + PATIENCE) > now.mono {
                continue;
            }
            self.ending.remove(&no);
            let plan = self.plan_of(no);
            // Found above.
            let Some((call, legs)) = self.book.remove(no) else { continue };
            self.close_book(&plan, call, legs);
            return Some(no);
        }
        None
    }

    fn close_book(&mut self, plan: &crate::Plan, call: CallEntry, legs: Vec<LegEntry>) {
        let records: Vec<LegRecord> = legs.into_iter().map(|entry| entry.leg.record).collect();
        for record in &records {
            self.journal(Journal::Leg(Box::new(record.clone())));
        }
        // A carrier in clear has no identity to sign with.
        let has_word = !records.is_empty() || !call.went_on.is_empty();
        if has_word && plan.local.iter().any(|(transport, _)| *transport == sip::Transport::Tls) {
            let statement = self.statement(plan, call.caller, records, call.went_on);
            self.sign_statement(&statement);
        }
        let stale: Vec<u64> =
            self.plans.keys().copied().filter(|generation| !self.book.uses_plan(*generation)).collect();
        for generation in stale {
            self.plans.remove(&generation);
        }
    }

    pub(super) fn statement(
        &self,
        plan: &crate::Plan,
        caller: call::session_id::Uuid,
        legs: Vec<LegRecord>,
        went_on: Vec<WentOn>,
    ) -> Statement {
        Statement {
            version: Statement::VERSION,
            site: plan.site.clone(),
            node: plan.node.clone(),
            role: plan.role.clone(),
            caller,
            made_ms: call::ms(self.now),
            legs,
            went_on,
        }
    }
}

/// The record's copy of what media counted.
fn of(facts: &Facts) -> MediaRecord {
    MediaRecord {
        local: facts.local,
        remote: facts.remote,
        keying: facts.keying.clone(),
        suite: facts.suite.clone(),
        codec: facts.codec.clone(),
        rekeyed: facts.rekeyed,
        tx_protected: facts.tx.protected,
        tx_clear: facts.tx.clear,
        tx_octets: facts.tx.octets,
        rx_protected: facts.rx.protected,
        rx_clear: facts.rx.clear,
        rx_octets: facts.rx.octets,
        auth_failed: facts.auth_failed,
        replayed: facts.replayed,
        clear_dropped: facts.clear_dropped,
        lost: facts.lost,
        reordered: facts.reordered,
        jitter_ms: facts.jitter_ms,
        rtt_ms: facts.rtt_ms,
        mos: facts.mos,
        heard_as: facts.heard_as,
    }
}
