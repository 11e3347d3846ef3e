//! What a desk asks of an agent's phone: to answer, to hold, to take back, to consult and to bring together, to press keys.
//!
//! A phone that has a door for it (`Allow-Events: talk, hold`) is told by NOTIFY within its dialog and does it itself; the
//! desk is answered when the phone has done it, or after five seconds that it has not.

use std::time::Duration;

use sip::{ClientId, Method, Name};

use super::CallServer;
use super::call::{Alarm, Asked, Call, HoldStep, Holder, Stage};
use crate::shell::{CallNo, Doors, LegNo, Outcome, Shell, keys};
use crate::{ControlId, Reply, Verb};

/// How long a phone may take to do what it was told to.
const PATIENCE: Duration = Duration::from_secs(5);

impl CallServer {
    /// Answered at once, or when the phone has done it.
    pub(super) fn work(&mut self, shell: &mut Shell, control: ControlId, no: CallNo, verb: Verb, with: String) {
        let ready = match self.calls.get(&no) {
            None => Err(format!("there is no call {}", no.0)),
            Some(call) if call.asked.is_some() => Err("the phone is still doing what it was asked to before".into()),
            Some(call) => self.can(shell, no, call, &verb),
        };
        let keys = !with.is_empty() && with.len() <= keys::MOST_KEYS && with.chars().all(keys::is_key);
        let ready = match verb == Verb::Press && !keys {
            true => Err(format!("expected 1 to {} keys out of 0-9, *, # and A-D", keys::MOST_KEYS)),
            false => ready,
        };
        if let Err(why) = ready {
            return shell.reply(control, Reply::Sorry(why));
        }
        if let Some(call) = self.calls.get_mut(&no) {
            call.asked = Some(Asked { control, verb: Some(verb.clone()), with, request: None });
            self.timers.set(shell.now().mono + PATIENCE, Alarm::Unheeded(no, control));
        }
        if let Err(why) = self.begin(shell, no, &verb) {
            self.answer_desk(shell, no, &verb, Err(why));
        }
    }

    fn begin(&mut self, shell: &mut Shell, no: CallNo, verb: &Verb) -> Result<(), String> {
        let call = self.calls.get_mut(&no).ok_or("the call is over")?;
        let leg = call.phones_leg().ok_or("no agent has the call")?;
        let doors = doors_of(shell, leg);
        let by = call.stage.hold().map(|hold| hold.by);
        let told = match verb {
            Verb::Answer => Some("talk"),
            Verb::Hold | Verb::Consult => Some("hold").filter(|_| doors.hold),
            Verb::Retrieve => Some("talk").filter(|_| by == Some(Holder::Phone)),
            Verb::Complete | Verb::Confer | Verb::Press => None,
        };
        match (told, verb) {
            (Some(event), _) => {
                let request = tell(shell, leg, event);
                if let Some(asked) = &mut call.asked {
                    asked.request = request;
                }
                Ok(())
            }
            (None, Verb::Hold | Verb::Consult) => self.hold_for_phone(shell, no),
            (None, Verb::Retrieve | Verb::Answer) => self.retrieve_for_phone(shell, no),
            (None, Verb::Press) => {
                // Whoever ends media on the caller's side presses them; the last answer is the desk's.
                let Some(asked) = &mut call.asked else { return Ok(()) };
                for key in asked.with.chars() {
                    asked.request = shell.request(call.caller, Method::Info, Vec::new(), Some(keys::pressed(key)));
                }
                Ok(())
            }
            (None, Verb::Confer) => self.confer(shell, no),
            (None, Verb::Complete) => {
                self.complete(shell, no)?;
                self.answer_desk(shell, no, verb, Ok(()));
                Ok(())
            }
        }
    }

    /// The phone's answer to what it was told. True: it was that.
    pub(super) fn phone_said(&mut self, shell: &mut Shell, no: CallNo, client: ClientId, outcome: &Outcome) -> bool {
        let Some(call) = self.calls.get_mut(&no) else { return false };
        let Some(asked) = call.asked.as_mut().filter(|asked| asked.request == Some(client)) else { return false };
        asked.request = None;
        let status = outcome.status();
        let Some(verb) = asked.verb.clone() else { return true };
        if status.is_success() {
            if verb == Verb::Press {
                call.answer_desk(shell, &verb, Ok(()));
            }
        } else {
            let who = if verb == Verb::Press { "the other side" } else { "the phone" };
            let why = format!("{who}: {} {}", status.0, status.reason());
            // It said that it would and does not: what needs nothing of it is left.
            let done = match verb {
                Verb::Hold | Verb::Consult => self.hold_for_phone(shell, no),
                Verb::Answer | Verb::Retrieve | Verb::Complete | Verb::Confer | Verb::Press => Err(why),
            };
            if let Err(why) = done {
                self.answer_desk(shell, no, &verb, Err(why));
            }
        }
        true
    }

    pub(super) fn unheeded(&mut self, shell: &mut Shell, no: CallNo, control: ControlId) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        if call.asked.as_ref().is_some_and(|asked| asked.control == control) {
            call.forsake_desk(shell, "the phone has not done it within 5 s");
        }
    }

    pub(super) fn answer_desk(&mut self, shell: &mut Shell, no: CallNo, verb: &Verb, outcome: Result<(), String>) {
        if let Some(call) = self.calls.get_mut(&no) {
            call.answer_desk(shell, verb, outcome);
        }
    }
}

impl CallServer {
    /// The caller is held: whom the agent wants to consult is called.
    pub(super) fn consult(&mut self, shell: &mut Shell, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let Some(asked) = call.asked.take_if(|asked| asked.verb == Some(Verb::Consult)) else { return };
        let agent = call.served_by.clone().map(|agent| agent.0).unwrap_or_default();
        if let Err(why) = self.make_call(shell, asked.control, &agent, &asked.with, Some(no)) {
            shell.reply(asked.control, Reply::Sorry(why));
        }
    }

    /// Whether the agent's phone can be asked for this now; why not, in words.
    fn can(&self, shell: &Shell, no: CallNo, call: &Call, verb: &Verb) -> Result<(), String> {
        let leg = call.phones_leg().ok_or("no agent has the call")?;
        let doors = doors_of(shell, leg);
        let talking = matches!(call.stage, Stage::Talking { .. });
        let consultation = self.consultation_of(no).and_then(|other| self.calls.get(&other));
        match (verb, call.stage.hold()) {
            (Verb::Answer, _) if call.ringing.is_none() => Err("the agent's phone does not ring".into()),
            (Verb::Answer, _) if !doors.talk => {
                Err("the phone cannot be told to answer: it takes no Event: talk".into())
            }
            (Verb::Answer, _) => Ok(()),
            (_, _) if self.joins(no) => Err("somebody is on the way into the call: try again".into()),
            (_, _) if !talking => Err("the agent's call is not connected".into()),
            (Verb::Hold, None) => Ok(()),
            (Verb::Press, _) if call.made.is_some() => {
                Err("phones are not pressed keys for: the other party is one, not a border with media".into())
            }
            (Verb::Press, None) => Ok(()),
            (Verb::Consult, None) if call.made.as_ref().is_some_and(|made| made.consults.is_some()) => {
                Err("this is a consultation already".into())
            }
            (Verb::Consult, None) if consultation.is_some() => Err("there is a consultation of this call".into()),
            (Verb::Consult, None) => Ok(()),
            (Verb::Hold | Verb::Consult | Verb::Press, Some(_)) => Err("the caller is held".into()),
            (Verb::Retrieve | Verb::Complete | Verb::Confer, None) => Err("the caller is not held".into()),
            (_, Some(hold)) if hold.step != HoldStep::Held => Err("media is being agreed; try again".into()),
            (Verb::Retrieve, Some(_)) if consultation.is_some_and(|other| !other.is_held()) => {
                Err("the agent consults somebody: hold or end that first".into())
            }
            (Verb::Retrieve, Some(hold)) if hold.by == Holder::Phone && !doors.talk => {
                Err("the phone holds the call by its own key and takes no Event: talk: take it back there".into())
            }
            (Verb::Retrieve, Some(_)) => Ok(()),
            (Verb::Confer, Some(_)) if !self.confers(shell) => {
                Err("this site has no media resource for conferences (conference_group of the call server)".into())
            }
            (Verb::Complete | Verb::Confer, Some(_)) => match consultation.map(|other| &other.stage) {
                None => Err("there is no consultation of this call".into()),
                Some(Stage::Talking { hold: None, .. }) => Ok(()),
                Some(Stage::Talking { .. }) => Err("the consultation is held: take it back first".into()),
                Some(_) => Err("the consultation is not connected yet".into()),
            },
        }
    }

    /// Somebody is on the way into this call, or into the one that is held for it.
    pub(super) fn joins(&self, no: CallNo) -> bool {
        let is = |no: CallNo| self.calls.get(&no).is_some_and(|call| call.joining.is_some());
        is(no) || self.beside(no).is_some_and(is)
    }

    /// What the agent's phone can be asked to do with it now.
    pub(super) fn verbs(&self, shell: &Shell, no: CallNo) -> Vec<Verb> {
        let all = [Verb::Answer, Verb::Hold, Verb::Retrieve, Verb::Consult, Verb::Complete, Verb::Press, Verb::Confer];
        let Some(call) = self.calls.get(&no) else { return Vec::new() };
        all.into_iter().filter(|verb| self.can(shell, no, call, verb).is_ok()).collect()
    }
}

impl Call {
    /// Nobody will do any more what the phone was asked to.
    pub(super) fn forsake_desk(&mut self, shell: &mut Shell, why: &str) {
        if let Some(asked) = self.asked.take() {
            shell.reply(asked.control, Reply::Sorry(why.to_owned()));
        }
    }

    /// The leg to the agent's phone.
    fn phones_leg(&self) -> Option<LegNo> {
        match (&self.ringing, &self.stage) {
            (Some(ringing), _) => Some(ringing.leg),
            (None, Stage::Connecting { agent, .. } | Stage::Talking { agent, .. }) => Some(*agent),
            _ => None,
        }
    }
}

fn doors_of(shell: &Shell, leg: LegNo) -> Doors {
    shell.book().leg(leg).map(|entry| entry.doors).unwrap_or_default()
}

/// NOTIFY without a subscription, within the dialog, as phones of the field take it.
fn tell(shell: &mut Shell, leg: LegNo, event: &str) -> Option<ClientId> {
    let headers = vec![(Name::Event, event.into()), (Name::SubscriptionState, "active".into())];
    shell.request(leg, Method::Notify, headers, None)
}
