//! Call control of phones from a trunk: NOTIFY with `Event: talk` (pick up, take back) or `hold` within a call that came
//! over the trunk is passed on to its phone, and answered as the phone answers.
//!
//! Who may make a phone pick up may listen to a room. So it takes a trunk whose security profile accepts unsolicited
//! notifications; others are not even told that the phone would do it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sip::{ClientId, Headers, Method, Name, Request, ServerId, Status};

use super::CallManager;
use crate::plan::Kind;
use crate::shell::{Admitted, LegNo, Outcome, Shell, warning};

/// NOTIFYs under way: ours to the phone, and the one that it answers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Relayed {
    waiting: BTreeMap<ClientId, (LegNo, ServerId)>,
}

impl Relayed {
    pub(super) fn outcome(&mut self, shell: &mut Shell, client: ClientId, outcome: &Outcome) {
        if let Some((leg, server)) = self.waiting.remove(&client) {
            shell.answer(leg, server, outcome.status(), Vec::new(), None);
        }
    }

    /// Of calls that are over.
    pub(super) fn forget(&mut self, shell: &Shell) {
        self.waiting.retain(|_, (leg, _)| shell.is_live(*leg));
    }
}

impl CallManager {
    /// What came from the phone tells what it lets be done to it: its caller is told, if that is a trunk that may do it.
    pub(super) fn tell_doors(&mut self, shell: &Shell, leg: LegNo) {
        let Some(doors) = shell.book().leg(leg).and_then(|entry| entry.doors.header()) else { return };
        let Some((_, passage)) = self.passage(shell, leg) else { return };
        if controls(shell, passage.other(leg)) {
            passage.also_saying(doors);
        }
    }

    /// A NOTIFY within a call.
    pub(super) fn told_of_phone(&mut self, shell: &mut Shell, leg: LegNo, server: ServerId, request: &Request) {
        let node = shell.plan().node.clone();
        let event = request.header(&Name::Event).unwrap_or_default();
        let event = event.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let phone = self.passage(shell, leg).map(|(_, passage)| passage.other(leg));
        let doors = phone.and_then(|phone| shell.book().leg(phone)).map(|entry| entry.doors).unwrap_or_default();
        let (status, why) = match event.as_str() {
            "talk" | "hold" if !controls(shell, leg) => {
                (Status(403), "calls of this trunk do not control phones: accept_unsolicited_notification is not set")
            }
            "talk" if doors.talk => (Status(200), ""),
            "hold" if doors.hold => (Status(200), ""),
            _ => (Status(489), "the phone takes no such event"),
        };
        let Some(phone) = phone.filter(|_| status.is_success()) else {
            return shell.answer(leg, server, status, vec![warning(&node, why)], None);
        };
        let headers = vec![(Name::Event, event), (Name::SubscriptionState, "active".into())];
        match shell.request(phone, Method::Notify, headers, None) {
            Some(client) => drop(self.relayed.waiting.insert(client, (leg, server))),
            None => shell.answer(leg, server, Status(481), Vec::new(), None),
        }
    }
}

/// What asks a phone to pick up by itself, from who may ask that.
pub(super) fn at_once(shell: &Shell, leg: LegNo, request: &Request) -> Headers {
    let asks = |name: Name, word: &str| {
        let values = request.headers(&name).filter(|value| value.contains(word)).map(str::to_owned);
        values.map(|value| (name.clone(), value)).collect::<Headers>()
    };
    match controls(shell, leg) {
        true => [asks(Name::CallInfo, "answer-after="), asks(Name::AlertInfo, "info=alert-autoanswer")].concat(),
        false => Headers::new(),
    }
}

/// Whether the other end of this leg may have phones do things.
fn controls(shell: &Shell, leg: LegNo) -> bool {
    let Kind::CallManager(plan) = &shell.plan().kind else { return false };
    let entry = shell.book().leg(leg);
    // A phone may be named as it likes.
    let peer = entry.filter(|entry| !Admitted::is_of_device(&entry.leg.record.signalling.admitted_by));
    let trunk = peer.and_then(|entry| plan.trunk_of(&entry.peer));
    trunk.is_some_and(|trunk| trunk.profile.accept_unsolicited_notification)
}
