//! A call carried from one life of a node to the next: its legs with their dialogs and records, as bytes.

use serde::{Deserialize, Serialize};
use sip::DialogId;
use sip::endpoint::Carried;

use super::{CallEntry, CallNo, LegEntry, LegNo, Shell};

/// A call as it was written out. On its way out its parts are borrowed: nothing is copied but what of the dialogs stays
/// behind.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CarriedCall<C = CallEntry, L = LegEntry> {
    pub(crate) no: CallNo,
    entry: C,
    legs: Vec<(LegNo, L, Option<Carried>)>,
}

impl Shell {
    /// The call as it stands now; `None` when there is no such call.
    pub(crate) fn carry_out(&self, no: CallNo) -> Option<CarriedCall<&CallEntry, &LegEntry>> {
        let entry = self.book.call(no)?;
        let mut legs = Vec::new();
        for (no, entry) in self.book.legs_of(no) {
            let dialog = Some(&entry.leg).filter(|leg| !leg.is_ended()).and_then(|leg| self.sip.carry_out(leg.dialog));
            legs.push((no, entry, dialog));
        }
        Some(CarriedCall { no, entry, legs })
    }

    /// Goes on with a call of an earlier process. False when its number is taken here, or nothing of it lives.
    pub(crate) fn carry_in(&mut self, carried: CarriedCall) -> bool {
        let CarriedCall { no, mut entry, legs } = carried;
        if !entry.waits && legs.iter().all(|(.., dialog)| dialog.is_none()) {
            return false;
        }
        entry.plan = self.plan.generation;
        entry.finish_by = None;
        if !self.book.adopt(no, entry) {
            return false;
        }
        let now = self.now;
        for (leg_no, mut entry, dialog) in legs {
            (entry.inviting, entry.lease, entry.flow, entry.told) = (None, None, None, None);
            entry.leg.server = None;
            match dialog {
                Some(dialog) => {
                    entry.leg.dialog = self.sip.carry_in(dialog, now.mono);
                    entry.leg.event("the node was started again and goes on with this call", now);
                    self.book.add(leg_no, entry);
                }
                None => {
                    // Its number of old may be another call's by now.
                    entry.leg.dialog = DialogId::OVER;
                    entry.leg.ended("the node was started again", now);
                    self.book.add_ended(leg_no, entry);
                }
            }
        }
        true
    }
}
