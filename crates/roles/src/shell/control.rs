//! Administration's questions that every role answers alike: calls, statements, status, drain.

use std::collections::BTreeSet;
use std::time::Duration;

use call::record::LegRecord;
use call::session_id::Uuid;
use call::statement::WentOn;
use media::{Command, LeaseId};
use serde::{Deserialize, Serialize};

use super::{CallNo, Shell};
use crate::{Control, ControlId, Reply, Status};

/// Counters are asked of the media threads before records are shown; older ones serve after this.
const PATIENCE: Duration = Duration::from_millis(300);

/// An answer that waits for fresh facts.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Waiting {
    control: ControlId,
    /// `None`: all calls.
    caller: Option<Uuid>,
    facts: BTreeSet<LeaseId>,
    until: Duration,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Controls {
    waiting: Vec<Waiting>,
    /// Draining since somebody asked; those who wait for the end of it.
    draining: Option<Vec<ControlId>>,
}

impl Controls {
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }
}

impl Shell {
    pub fn is_draining(&self) -> bool {
        self.control.draining.is_some()
    }

    /// Answers what needs no role. Gives back what does.
    pub(crate) fn controlled(&mut self, control: ControlId, request: Control) -> Option<Control> {
        match request {
            Control::Calls => self.show(control, None),
            Control::Statement { caller } => self.show(control, Some(caller)),
            Control::Status => {
                let status = self.status();
                self.reply(control, Reply::Status(status));
            }
            Control::Drain => {
                tracing::info!(calls = self.book.len(), "draining");
                self.control.draining.get_or_insert_default().push(control);
            }
            other => return Some(other),
        }
        None
    }

    fn status(&self) -> Status {
        Status {
            node: self.plan.node.clone(),
            role: self.plan.role.clone(),
            calls: self.book.len(),
            legs: self.book.live_legs(),
            dialogs: self.sip.dialogs(),
            transactions: self.sip.transactions(),
            leases_free: self.pool.free(),
            draining: self.is_draining(),
            panics: self.panics,
            plan_generation: self.plan.generation,
            refused: self.sip.refusals().iter().map(|(cause, times)| (cause.to_string(), *times)).collect(),
        }
    }

    fn show(&mut self, control: ControlId, caller: Option<Uuid>) {
        let wanted = |call: CallNo| match (&caller, self.book.call(call)) {
            (Some(caller), Some(entry)) => entry.caller == *caller,
            _ => true,
        };
        let shown = self.book.legs().filter(|(_, entry)| wanted(entry.call) && !entry.leg.is_ended());
        let facts: BTreeSet<LeaseId> = shown.filter_map(|(_, entry)| entry.lease.map(|lease| lease.id)).collect();
        for lease in &facts {
            self.media(Command::Report { lease: *lease });
        }
        let until = self.now.mono + PATIENCE;
        self.control.waiting.push(Waiting { control, caller, facts, until });
    }

    /// Facts came of this stream.
    pub(crate) fn reported(&mut self, lease: LeaseId) {
        for waiting in &mut self.control.waiting {
            waiting.facts.remove(&lease);
        }
    }

    /// Answers all that is complete, or late.
    pub(crate) fn settle(&mut self) {
        let now = self.now.mono;
        let (ready, still): (Vec<_>, Vec<_>) = std::mem::take(&mut self.control.waiting)
            .into_iter()
            .partition(|waiting| waiting.facts.is_empty() || waiting.until <= now);
        self.control.waiting = still;
        for waiting in ready {
            match waiting.caller {
                None => {
                    let records = self.book.legs().map(|(_, entry)| entry.leg.record.clone()).collect();
                    self.reply(waiting.control, Reply::Calls(records));
                }
                Some(caller) => self.statement_of(waiting.control, caller),
            }
        }
        if self.book.is_empty() && self.asks.statements() == 0 {
            for control in self.control.draining.as_mut().map(std::mem::take).unwrap_or_default() {
                self.reply(control, Reply::Done);
            }
        }
    }

    fn statement_of(&mut self, control: ControlId, caller: Uuid) {
        let calls: Vec<CallNo> =
            self.book.calls().filter(|(_, entry)| entry.caller == caller).map(|(no, _)| no).collect();
        let records: Vec<LegRecord> =
            calls.iter().flat_map(|call| self.book.legs_of(*call).map(|(_, entry)| entry.leg.record.clone())).collect();
        let went_on = calls.iter().filter_map(|call| self.book.call(*call)).flat_map(|entry| entry.went_on.clone());
        let went_on: Vec<WentOn> = went_on.collect();
        match calls.first() {
            None => self.reply(
                control,
                Reply::Sorry("no live call of that caller; statements of finished ones are in the store".into()),
            ),
            Some(call) => {
                let plan = self.plan_of(*call);
                let payload = self.statement(&plan, caller, records, went_on).to_bytes();
                self.show_statement(control, payload);
            }
        }
    }
}
