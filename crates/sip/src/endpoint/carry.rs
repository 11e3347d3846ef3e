//! One dialog written out alone, for the process that comes after this one: a node that was killed and started again
//! goes on with its calls, so that the next refresh (RFC 4028) or BYE meets a dialog and not a 481.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::calls::Ask;
use super::{DialogId, Endpoint};
use crate::dialog::{Dialog, Invites, Phase};
use crate::message::{Headers, Method, Response};
use crate::session_timer::SessionTimer;
use crate::transport::Flow;

/// CSeq numbers that the earlier process may have used after it wrote the dialog out: ours go on beyond them.
const SKIPPED: u32 = 1000;

/// A confirmed dialog without anything under way in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Carried(Box<Dialog>);

impl Endpoint {
    /// The dialog as it stands; `None` unless it is confirmed. Transactions under way are not part of it.
    pub fn carry_out(&self, dialog: DialogId) -> Option<Carried> {
        let dialog = self.dialogs.get(&dialog)?;
        matches!(dialog.phase, Phase::Confirmed).then(|| {
            let mut dialog = dialog.clone();
            dialog.invites = Invites::default();
            dialog.clients.clear();
            dialog.servers.clear();
            dialog.armed = None;
            Carried(Box::new(dialog))
        })
    }

    /// Goes on with a dialog of an earlier process. Its connection is gone: requests of ours go to the dialog's own
    /// target ([`Endpoint::set_target`]) until the peer speaks. Its session timer starts over.
    pub fn carry_in(&mut self, carried: Carried, now: Duration) -> DialogId {
        let id = DialogId(self.mint.id());
        let mut dialog = *carried.0;
        dialog.path.flow = None;
        dialog.local_cseq = dialog.local_cseq.wrapping_add(SKIPPED) & 0x7fff_ffff;
        dialog.session = dialog.session.map(|session| SessionTimer::start(session.expires, session.ours, now));
        self.carried.insert(dialog.parties.local_tag.to_ascii_lowercase(), id);
        self.dialogs.insert(id, dialog);
        self.arm_dialog(id);
        id
    }

    /// A 2xx that the earlier process did not live to acknowledge: until somebody does, the peer refuses every INVITE of
    /// ours (491), and ends the call in the end (RFC 3261 §13.3.1.4, §14.2). The exchange it belonged to is nobody's.
    pub(super) fn answered_before(&mut self, flow: Flow, response: &Response) {
        let success = response.status().is_some_and(|status| status.is_success()) && response.is(&Method::Invite);
        let (Some(tag), Ok((cseq, _))) = (response.from_tag(), response.cseq()) else { return };
        let Some(id) = self.carried.get(&tag.to_ascii_lowercase()).copied().filter(|_| success) else { return };
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let parties = &dialog.parties;
        if parties.call_id != response.call_id() || parties.remote_tag.as_deref() != response.to_tag() {
            return;
        }
        dialog.path.flow = Some(flow);
        let branch = self.mint.id();
        let branch = self.mint.branch(branch);
        let ask = Ask { method: &Method::Ack, headers: &Headers::new(), body: None };
        if let Some((message, hop)) = self.write_inside(id, ask, cseq, &branch, &[]) {
            self.send(hop, message.bytes().clone());
        }
    }
}
