//! Hold: the agent keeps the caller waiting, and the caller hears a browser's music (RFC 3264 §8.4, RFC 7088).
//!
//! The phone's own hold is the truth: by its key, or because it was told to ([`super::work`]), it offers `sendonly`,
//! `inactive` or no address, and offers to talk again when it wants to. A phone that cannot be told is made inactive from
//! here. Either way the phone's leg is quiet and the caller is served by a browser, and neither description is ours: only
//! the direction is.

use std::sync::Arc;

use bytes::Bytes;
use sdp::{Direction, Policy, Protection};
use sip::Status;

use super::CallServer;
use super::browsers::Why;
use super::call::{Call, Hold, HoldStep, Holder, Music, Stage};
use crate::Verb;
use crate::shell::{CallNo, LegNo, Passage, Progress, Shell};

impl CallServer {
    /// A re-INVITE of the agent's phone: hold, back from hold, or something else that it has to say of its media.
    pub(super) fn agent_reinvited(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, sdp: Option<Bytes>) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let Stage::Talking { passage, hold, .. } = &mut call.stage else { return };
        if !passage.is_idle() {
            return passage.reinvited(shell, leg, sdp);
        }
        if let Some(hold) = hold.as_deref().filter(|hold| sdp.is_some() && hold.heard == sdp) {
            let said = shell.leg(leg).and_then(|leg| leg.said.clone());
            tracing::debug!(by = ?hold.by, "a held call was refreshed");
            return shell.respond(leg, Status(200), Vec::new(), said);
        }
        let wish = sdp.as_deref().and_then(direction_of);
        let by = match (hold.as_deref().map(|hold| hold.by), wish) {
            // `sendonly` is nobody's but the phone's own; `inactive` is also what we made it say.
            (None, Some(Direction::SendOnly | Direction::Inactive)) | (Some(_), Some(Direction::SendOnly)) => {
                Some(Holder::Phone)
            }
            (Some(Holder::Phone), Some(Direction::SendRecv | Direction::RecvOnly) | None) | (None, _) => None,
            (by, _) => by,
        };
        call.begin_turn(shell, by);
        let Some(passage) = call.stage.passage() else { return };
        passage.reinvited(shell, leg, sdp);
        if passage.is_idle() {
            // Refused where it stands: it may not pass.
            self.not_turned(shell, no, "what the phone offers may not pass");
        }
    }

    /// For a phone that cannot be told to hold: it is asked to be inactive.
    pub(super) fn hold_for_phone(&mut self, shell: &mut Shell, no: CallNo) -> Result<(), String> {
        self.exchange(shell, no, Some(Holder::Desk))
    }

    /// The desk's own hold ends.
    pub(super) fn retrieve_for_phone(&mut self, shell: &mut Shell, no: CallNo) -> Result<(), String> {
        self.exchange(shell, no, None)
    }

    /// Caller and agent describe their media anew: the caller first where the agent is to be quiet, else the agent.
    fn exchange(&mut self, shell: &mut Shell, no: CallNo, by: Option<Holder>) -> Result<(), String> {
        let call = self.calls.get_mut(&no).ok_or("the call is over")?;
        let (caller, Stage::Talking { agent, passage, .. }) = (call.caller, &mut call.stage) else {
            return Err(format!("no agent talks in call {}", no.0));
        };
        let agent = *agent;
        if !passage.is_idle() {
            return Err("media is being agreed; try again".into());
        }
        call.begin_turn(shell, by);
        if let Some(passage) = call.stage.passage() {
            passage.fetch(shell, if by.is_some() { caller } else { agent });
        }
        Ok(())
    }

    /// Caller and agent agree anew: is the caller held now?
    pub(super) fn turned(&mut self, shell: &mut Shell, no: CallNo) {
        let now_ms = call::ms(shell.now());
        let Some(call) = self.calls.get_mut(&no) else { return };
        let (caller, Stage::Talking { agent, passage, hold }) = (call.caller, &mut call.stage) else { return };
        let agent = *agent;
        let (turn, verb, what) = match (hold.as_deref_mut(), passage.is_quiet()) {
            (None, _) => return,
            (Some(Hold { step: HoldStep::Beginning, .. }), false) => {
                return self.not_turned(shell, no, "the phone will not be held");
            }
            (Some(hold), true) => {
                hold.heard = shell.leg(agent).and_then(|leg| leg.heard.clone());
                let new = std::mem::replace(&mut hold.step, HoldStep::Held) == HoldStep::Beginning;
                let what = match hold.by {
                    Holder::Phone => "the agent's phone holds the caller",
                    Holder::Desk => "the agent holds the caller at the desk",
                };
                (new, Verb::Hold, what)
            }
            (Some(_), false) => {
                *hold = None;
                (true, Verb::Retrieve, "the agent is back with the caller")
            }
        };
        if turn {
            if verb == Verb::Retrieve {
                call.join(shell, caller, agent);
            }
            call.turned_ms = Some(now_ms);
            for leg in [caller, agent] {
                shell.note(leg, what);
            }
            call.answer_desk(shell, &verb, Ok(()));
        }
        if verb == Verb::Hold {
            self.play_music(shell, no, Vec::new());
            self.consult(shell, no);
        }
        if turn {
            self.show_dialog(shell, no);
            self.show_agent_of(shell, no);
        }
        self.keep(shell, no);
    }

    /// The exchange came to nothing: all is as it was.
    pub(super) fn not_turned(&mut self, shell: &mut Shell, no: CallNo, why: &str) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let Stage::Talking { agent, passage, hold } = &mut call.stage else { return };
        let agent = *agent;
        let (verb, held) = match hold.as_deref_mut() {
            None => return,
            Some(Hold { step: HoldStep::Beginning, .. }) => {
                passage.keep_quiet(None);
                *hold = None;
                (Verb::Hold, false)
            }
            Some(hold) => {
                passage.keep_quiet(Some(agent));
                hold.step = HoldStep::Held;
                (Verb::Retrieve, true)
            }
        };
        call.answer_desk(shell, &verb, Err(why.to_owned()));
        call.answer_desk(shell, &Verb::Consult, Err(why.to_owned()));
        if held {
            self.play_music(shell, no, Vec::new());
        }
    }

    /// What caller and agent were agreeing on when an earlier process ended is begun anew where they have agreed on nothing
    /// yet, and else given up: nobody's answer will come any more.
    pub(super) fn resume_exchange(&mut self, shell: &mut Shell, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        match &mut call.stage {
            Stage::Connecting { agent, passage, .. } if !passage.is_idle() => {
                passage.forsake();
                passage.fetch(shell, *agent);
            }
            Stage::Talking { passage, .. } if !passage.is_idle() => {
                passage.forsake();
                self.not_turned(shell, no, "the call server was started again");
            }
            // The browser that was to wait with the caller has not met them: another does.
            Stage::Moving { browser, passage, .. } => {
                passage.forsake();
                shell.end(*browser, "the call server was started again");
                self.rehome(shell, no, Vec::new(), Why::Lost("the call server was started again"));
            }
            _ => {}
        }
    }

    /// A browser is asked for an offer for the held caller. With none the caller hears nothing, and is held all the same.
    fn play_music(&mut self, shell: &mut Shell, no: CallNo, mut tried: Vec<Arc<str>>) {
        let Some(caller) = self.calls.get(&no).filter(|call| call.stage.hold().is_some()).map(|call| call.caller)
        else {
            return;
        };
        let browser = self.call_browser(shell, no, &mut tried, None);
        let Some(hold) = self.calls.get_mut(&no).and_then(|call| call.stage.hold_mut()) else { return };
        hold.music = browser.map(|browser| Music {
            browser,
            passage: Passage::fetching(browser, caller, Protection::Secure),
            tried,
            probe: None,
        });
        if browser.is_none() {
            shell.note(caller, "held without music: no voice browser is left");
        }
    }

    pub(super) fn is_music(&self, no: CallNo, leg: LegNo) -> bool {
        self.calls.get(&no).and_then(|call| call.stage.music()).is_some_and(|music| music.browser == leg)
    }

    /// The browser that plays is gone, or never came: the next one.
    pub(super) fn music_lost(&mut self, shell: &mut Shell, no: CallNo, why: &str) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let caller = call.caller;
        let tried = call.stage.music().map(|music| music.tried.clone()).unwrap_or_default();
        call.stop_music(shell, why);
        shell.note(caller, format!("the music is lost ({why})"));
        self.play_music(shell, no, tried);
    }

    /// How the exchange between held caller and browser goes.
    pub(super) fn music_progressed(&mut self, shell: &mut Shell, no: CallNo, progress: Progress) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let Some((browser, idle)) = call.stage.music().map(|music| (music.browser, music.passage.is_idle())) else {
            return;
        };
        match progress {
            Progress::Going => {}
            Progress::Agreed => {
                if idle {
                    call.join(shell, call.caller, browser);
                    self.keep(shell, no);
                }
            }
            Progress::Broken(why) | Progress::Declined { why, waiting: Some(_), .. } => call.stop_music(shell, &why),
            Progress::Declined { waiting: None, .. } => {}
        }
    }
}

impl Call {
    /// Before an exchange between caller and agent after which the caller is held (by whom), or not.
    fn begin_turn(&mut self, shell: &mut Shell, by: Option<Holder>) {
        self.stop_music(shell, "the agent is with the caller");
        let Stage::Talking { agent, passage, hold } = &mut self.stage else { return };
        passage.keep_quiet(by.map(|_| *agent));
        match (hold.as_deref_mut(), by) {
            (None, None) => {}
            (None, Some(by)) => {
                *hold = Some(Box::new(Hold { by, step: HoldStep::Beginning, heard: None, music: None }));
            }
            (Some(hold), None) => hold.step = HoldStep::Ending,
            (Some(hold), Some(by)) => hold.by = by,
        }
    }

    /// The caller's exchange with the music is of no interest any more, nor is the browser.
    pub(super) fn stop_music(&mut self, shell: &mut Shell, why: &str) {
        let Some(music) = self.stage.hold_mut().and_then(|hold| hold.music.take()) else { return };
        if shell.leg(self.caller).is_some_and(|leg| leg.server.is_some()) {
            shell.refuse(self.caller, Status(491), Vec::new(), "the party changes");
        }
        if music.passage.awaits(self.caller) {
            self.stale.push(self.caller);
        }
        shell.end(music.browser, why);
    }
}

/// What a description says of its author's audio; nothing where it is none.
fn direction_of(sdp: &[u8]) -> Option<Direction> {
    let policy = Policy {
        protection: Protection::Secure,
        suites: Vec::new(),
        codecs: Vec::new(),
        telephone_event: true,
        exchange: Vec::new(),
    };
    sdp::inspect(&policy, sdp).ok().map(|seen| seen.direction)
}
