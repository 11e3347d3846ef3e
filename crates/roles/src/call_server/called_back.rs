//! Callers who would rather be called back than wait: they are let go, and keep the place in the line without being there.
//! When their turn comes the agent is called first, then with what the agent's phone offers the number that they called
//! from, through the border that they came by (RFC 3725 flow I).

use std::collections::BTreeMap;

use acd::CallId;
use bytes::Bytes;
use sdp::Protection;

use super::call::{Alarm, Call, Queued, Stage};
use super::outgoing::RINGS;
use super::{CallServer, plan_of};
use crate::shell::{CallNo, LegNo, Outgoing, Passage, Shell};

/// No leg has this number: theirs begin at 1.
const NOBODY: LegNo = LegNo(0);

/// What becomes of the wish to be called back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    Made,
    /// An agent is ready for them: they need not wait.
    NoNeed,
    /// The call's decisions say why.
    Refused,
}

impl CallServer {
    /// The caller of this call is to be called back when the turn in this queue comes.
    pub(super) fn promise(&mut self, shell: &mut Shell, no: CallNo, queue: &str) -> Promise {
        let Some(call) = self.calls.get(&no) else { return Promise::Refused };
        if call.calling.is_empty() {
            shell.decided(no, "not called back: the caller gave no number");
            return Promise::Refused;
        }
        let instead = Call {
            caller: NOBODY,
            stage: Stage::Promised,
            queue: Some(Queued {
                name: queue.to_owned(),
                attached: None,
                told: None,
                since_ms: ::call::ms(shell.now()),
            }),
            ringing: None,
            notes: BTreeMap::new(),
            served_by: None,
            stale: Vec::new(),
            asked: None,
            is_ours: true,
            max_forwards: 70,
            ..call.clone()
        };
        let number = call.calling.clone();
        if let Err(why) = self.told(shell, self.arrival(no, queue)) {
            shell.decided(no, format!("not called back: {why}"));
            return Promise::Refused;
        }
        let ours = shell.mint_uuid();
        let promised = shell.open_own(ours.clone());
        shell.outlasts_legs(promised, true);
        let input = acd::Input::CallBack { call: CallId(no.0), instead: CallId(promised.0), number };
        if let Err(why) = self.told(shell, input) {
            shell.outlasts_legs(promised, false);
            let is_offered =
                |row: acd::AgentRow| matches!(row.state, acd::AgentState::Reserved { call, .. } if call.0 == no.0);
            if self.router.agents().into_iter().any(is_offered) {
                return Promise::NoNeed;
            }
            shell.decided(no, format!("not called back: {why}"));
            return Promise::Refused;
        }
        self.calls.insert(promised, instead);
        if let Some(call) = self.calls.get_mut(&no) {
            call.promised = Some(promised);
        }
        shell.decided(no, format!("the caller keeps the place in {queue} and is called back, as {}", ours.0));
        shell.decided(promised, format!("called back from {queue}, when the turn comes"));
        self.keep(shell, promised);
        Promise::Made
    }

    /// The same of one who was promised it by an earlier process.
    pub(super) fn promised_again(&mut self, shell: &mut Shell, no: CallNo, queue: &str, since_ms: u64) {
        let number = self.calls.get(&no).map(|call| call.calling.clone()).unwrap_or_default();
        // The place is had by coming, and left to who is called back: by a number that no call has.
        let stand_in = CallId(u64::MAX - no.0);
        if let acd::Input::Arrive(arrival) = self.arrival_again(shell, no, queue, since_ms) {
            self.tell_router(shell, acd::Input::Arrive(acd::Arrival { call: stand_in, ..arrival }));
        }
        self.tell_router(shell, acd::Input::CallBack { call: stand_in, instead: CallId(no.0), number });
    }

    /// An agent is there, with an offer: the caller of before is called with it.
    pub(super) fn call_back(&mut self, shell: &mut Shell, no: CallNo, agent: LegNo, sdp: Option<Bytes>) {
        let inspected = match &sdp {
            Some(sdp) => shell.inspect(agent, Protection::Secure, sdp).map_err(|reject| reject.to_string()),
            None => Err("the agent's phone answered without an offer".into()),
        };
        let (node, dice) = (shell.plan_of(no), shell.random());
        let member =
            plan_of(&node).and_then(|plan| plan.member(&plan.ingress_group, &[], |peer| shell.is_up(peer), dice));
        let peer = member.and_then(|name| node.peers.iter().find(|peer| peer.name == name));
        let Some(call) = self.calls.get_mut(&no) else { return };
        let peer = match (inspected, peer) {
            (Ok(()), Some(peer)) => peer,
            (inspected, _) => {
                shell.ack(agent, None);
                let why = inspected.err().unwrap_or_else(|| "no border controller is there to call by".into());
                return self.finish(shell, no, &why);
            }
        };
        let callee = shell.call(Outgoing {
            call: no,
            peer: peer.name.clone(),
            hop: Shell::hop_to(peer),
            uri: peer.uri(Some(&call.calling)),
            calling: call.dialled.clone(),
            called: call.calling.clone(),
            mate: None,
            dial_peer: None,
            max_forwards: call.max_forwards,
            headers: Vec::new(),
            sdp,
            dangerous: Vec::new(),
        });
        call.caller = callee;
        call.stage = Stage::Dialling { agent, passage: Some(Passage::offering(agent, callee, Protection::Secure)) };
        shell.outlasts_legs(no, false);
        shell.decided(no, "the agent is there: the caller is called back");
        self.timers.set(shell.now().mono + RINGS, Alarm::Unanswered(no, callee));
        self.show_dialog(shell, no);
        self.route(shell);
    }
}
