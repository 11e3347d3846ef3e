//! The voice browser's side of a call: finding one, noticing that it is lost, finding the next.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sdp::Protection;
use sip::{Method, Status};

use super::call::{Alarm, Call, SILENCE, Stage};
use super::{CallServer, plan_of};
use crate::shell::{CallNo, LegNo, Outgoing, Passage, Refused, Shell, warning};

/// A browser whose connection ended has this long to show that it lives: the caller is to be elsewhere within 5 s.
const PROOF: Duration = Duration::from_millis(1500);

/// Why a caller needs a browser who has been answered already.
#[derive(Clone, Copy)]
pub(super) enum Why<'a> {
    /// The one that served them is gone.
    Lost(&'a str),
    /// The agent sent them on.
    Transferred,
}

impl CallServer {
    /// INVITE to the next member of the call's group: with the caller's offer, or without one to be given one.
    pub(super) fn call_browser(
        &mut self,
        shell: &mut Shell,
        no: CallNo,
        tried: &mut Vec<Arc<str>>,
        offer: Option<Bytes>,
    ) -> Option<LegNo> {
        let node = shell.plan_of(no);
        let call = self.calls.get(&no)?;
        let dice = shell.random();
        let chosen = plan_of(&node)?.member(&call.group, tried, |peer| shell.is_up(peer), dice)?;
        tried.push(chosen.clone());
        let peer = node.peers.iter().find(|peer| peer.name == chosen)?;
        let mut uri = peer.uri(Some(&call.application));
        let queue = call.queue.as_ref().map(|queue| queue.name.as_str());
        let queue = queue.or(call.stage.hold().map(|_| "hold"));
        if let Some(queue) = queue.filter(|_| offer.is_none()) {
            // For a browser of ours that takes over: the question was answered, go straight to the queue's music.
            uri = uri.with_param("queue", Some(queue));
        }
        let leg = shell.call(Outgoing {
            call: no,
            peer: chosen.clone(),
            hop: Shell::hop_to(peer),
            uri,
            calling: call.calling.clone(),
            called: call.dialled.clone(),
            mate: Some(call.caller).filter(|_| !call.is_ours),
            dial_peer: None,
            max_forwards: call.max_forwards,
            headers: Vec::new(),
            sdp: offer,
            dangerous: Vec::new(),
        });
        shell.decided(no, format!("{chosen} of group {} serves the caller", call.group));
        self.timers.set(shell.now().mono + SILENCE, Alarm::NotEvenRinging(leg));
        Some(leg)
    }

    /// A caller is here: the first browser, or the next one.
    pub(super) fn arrive(&mut self, shell: &mut Shell, no: CallNo, mut tried: Vec<Arc<str>>, last: (Status, String)) {
        let Some(caller) = self.calls.get(&no).map(|call| call.caller) else { return };
        let offer = shell.leg(caller).and_then(|leg| leg.heard.clone());
        let late = offer.is_none();
        match self.call_browser(shell, no, &mut tried, offer) {
            Some(browser) => {
                let passage = Passage::passing_on(caller, browser, late, Protection::Secure);
                self.set_stage(no, Stage::Arriving { browser, passage, tried });
            }
            None => {
                let headers = vec![warning(&shell.plan().node, &last.1)];
                self.set_stage(no, Stage::Over);
                shell.refuse(caller, last.0, headers, last.1);
            }
        }
    }

    /// The caller has nobody: the next browser is asked for an offer. With none left the call is over.
    pub(super) fn rehome(&mut self, shell: &mut Shell, no: CallNo, mut tried: Vec<Arc<str>>, why: Why<'_>) {
        self.let_far_go(shell, no, "the voice browser is lost");
        let Some(call) = self.calls.get_mut(&no) else { return };
        let caller = call.caller;
        if let Some(queue) = &mut call.queue {
            queue.told = None;
        }
        call.leave_exchange(shell);
        match self.call_browser(shell, no, &mut tried, None) {
            Some(browser) => {
                shell.note(
                    caller,
                    match why {
                        Why::Lost(why) => format!("the voice browser is lost ({why}); the next one takes over"),
                        Why::Transferred => "a voice browser takes over until the next agent answers".into(),
                    },
                );
                let passage = Passage::fetching(browser, caller, Protection::Secure);
                self.set_stage(no, Stage::Moving { browser, passage, tried });
            }
            None => match why {
                Why::Lost(why) => self.finish(shell, no, &format!("no voice browser is left: {why}")),
                Why::Transferred => self.finish(shell, no, "no voice browser is left to wait with"),
            },
        }
    }

    /// The browser's leg ended without a goodbye.
    pub(super) fn browser_lost(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, why: &str) {
        let peer = shell.book().leg(leg).map(|entry| entry.peer.clone());
        let Some(call) = self.calls.get_mut(&no) else { return };
        match &mut call.stage {
            Stage::Arriving { tried, .. } => {
                let tried = std::mem::take(tried);
                self.arrive(shell, no, tried, (Status(504), why.to_owned()));
            }
            Stage::Moving { tried, .. } => {
                let tried = std::mem::take(tried);
                self.rehome(shell, no, tried, Why::Lost(why));
            }
            Stage::Served { .. } => self.rehome(shell, no, peer.into_iter().collect(), Why::Lost(why)),
            Stage::Connecting { browser, .. } => *browser = None,
            Stage::Talking { .. } | Stage::Mixed(_) | Stage::Dialling { .. } | Stage::Bridging { .. } => {}
            Stage::Promised | Stage::Over => {}
        }
    }

    /// The browser's connection ended: is it there?
    pub(super) fn probe(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo) {
        let Some(probe) = self.calls.get_mut(&no).and_then(|call| call.stage.probe_of(leg)) else { return };
        if probe.is_none() {
            shell.note(leg, "the connection ended; the browser is asked whether it lives");
            *probe = shell.request(leg, Method::Options, Vec::new(), None);
            self.timers.set(shell.now().mono + PROOF, Alarm::Unproved(leg));
        }
    }

    pub(super) fn alarm(&mut self, shell: &mut Shell, alarm: Alarm) {
        let leg = match alarm {
            Alarm::NotEvenRinging(leg) | Alarm::Unproved(leg) => leg,
            Alarm::Unheeded(no, control) => return self.unheeded(shell, no, control),
            Alarm::Unanswered(no, leg) => return self.unanswered(shell, no, leg),
            Alarm::Parting(no) => return self.parted(shell, no),
            Alarm::NotKept(ask) => return self.refer_kept(shell, ask),
        };
        let Some(no) = shell.book().leg(leg).map(|entry| entry.call).filter(|_| shell.is_live(leg)) else { return };
        let silent = match alarm {
            Alarm::NotEvenRinging(_) => {
                shell.leg(leg).is_some_and(|leg| leg.record.state == call::record::LegState::Calling)
            }
            Alarm::Unheeded(..) | Alarm::Unanswered(..) | Alarm::Parting(_) | Alarm::NotKept(_) => false,
            Alarm::Unproved(_) => {
                self.calls.get_mut(&no).and_then(|call| call.stage.probe_of(leg)).is_some_and(|probe| probe.is_some())
            }
        };
        if !silent {
            return;
        }
        let why = "no sign of life";
        shell.note_silent(leg);
        shell.end(leg, why);
        match () {
            () if self.is_agents(no, leg) => self.agent_unreachable(shell, no, why),
            () if self.is_music(no, leg) => self.music_lost(shell, no, why),
            () if self.is_far(no, leg) => {
                let refused = Refused { status: Status(504), why: why.into(), unreachable: true };
                self.far_refused(shell, no, leg, &refused);
            }
            () if self.is_place(no, leg) => self.room_lost(shell, no, why),
            () if self.joiner_refused(shell, no, leg, why) => {}
            () => self.browser_lost(shell, no, leg, why),
        }
    }
}

impl Call {
    /// Whatever was under way between caller and browser is of no interest any more.
    pub(super) fn leave_exchange(&mut self, shell: &mut Shell) {
        if shell.leg(self.caller).is_some_and(|leg| leg.is_answered() && leg.server.is_some()) {
            shell.refuse(self.caller, Status(491), Vec::new(), "the party changes");
        }
        let caller = self.caller;
        if self.stage.passage().is_some_and(|passage| passage.awaits(caller)) {
            self.stale.push(caller);
        }
    }
}
