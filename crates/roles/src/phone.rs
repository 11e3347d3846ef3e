//! A headless phone: registers, rings, answers, calls, plays and records audio, and knows whether it may show a lock.
//! The demo's agent, and with loud words (UDP, RTP/AVP) the lab's carrier.

mod orders;
mod plan;
mod registrar;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use media::{Command, Play};
use sdp::Direction;
use serde::{Deserialize, Serialize};
use sip::{ClientId, FlowId, Headers, Method, Name, Request, ServerId, Status};

pub use self::plan::{Plan, Record, Registration, Say, Secret};
use self::registrar::Registrar;
use crate::plan::Kind;
use crate::shell::{CallNo, Invited, LegNo, Outcome, Outgoing, Refused, Role, Shell, Timers, warning};
use crate::terminal::Terminal;
use crate::{Control, ControlId, Lock, Reply};

#[derive(Debug, Serialize, Deserialize)]
pub struct Phone {
    registrar: Registrar,
    calls: BTreeMap<LegNo, Call>,
    /// Legs that ring and are answered by themselves.
    answers: Timers<LegNo>,
}

/// One call, ringing or connected, in or out.
#[derive(Debug, Serialize, Deserialize)]
struct Call {
    stage: Stage,
    /// `None` while an incoming call rings: the port is taken when it is answered.
    terminal: Option<Terminal>,
    /// What a call that rings offered.
    offer: Option<Bytes>,
    /// The audio that this phone says and keeps has begun.
    begun: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Rings,
    Calls,
    Connected,
}

impl Phone {
    pub(crate) fn new(shell: &mut Shell) -> Phone {
        let mut phone = Phone { registrar: Registrar::default(), calls: BTreeMap::new(), answers: Timers::default() };
        if let Some(plan) = plan_of(shell).filter(|plan| plan.registration.is_some()) {
            phone.registrar.wish(shell);
            phone.registrar.tick(shell, &plan);
        }
        phone
    }

    /// Takes the call that rings on this leg.
    fn answer(&mut self, shell: &mut Shell, leg: LegNo) -> Result<(), String> {
        let plan = plan_of(shell).ok_or("this node is no phone")?;
        let call = self.calls.get_mut(&leg).filter(|call| call.stage == Stage::Rings).ok_or("no call rings")?;
        self.answers.drop_where(|ringing| *ringing == leg);
        let Some(mut terminal) = Terminal::open(shell, plan.policy()) else {
            self.calls.remove(&leg);
            shell.refuse(leg, Status(503), vec![(Name::RetryAfter, "5".into())], "no media port is free");
            return Err("no media port is free".into());
        };
        terminal.belongs_to(shell, leg);
        let described = match &call.offer {
            Some(offer) => terminal.answer(shell, leg, offer),
            None => Ok(terminal.offer(shell, Direction::SendRecv)),
        };
        match described {
            Ok(described) => {
                (call.terminal, call.stage) = (Some(terminal), Stage::Connected);
                shell.respond(leg, Status(200), orders::allowed(&plan), Some(described));
                Ok(())
            }
            Err(reject) => {
                self.calls.remove(&leg);
                shell.reject(leg, &reject);
                Err(reject.to_string())
            }
        }
    }

    fn dial(&mut self, shell: &mut Shell, number: &str) -> Result<(), String> {
        let plan = plan_of(shell).ok_or("this node is no phone")?;
        if self.calls.len() >= plan.calls {
            return Err("busy with another call".into());
        }
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_alphanumeric() || b"*#+-_.=".contains(&b)) {
            return Err("a number is of digits, letters and * # + - _ . =".into());
        }
        let server = shell.plan().peers.iter().find(|peer| peer.name == plan.server).cloned();
        let server = server.ok_or_else(|| format!("the plan has no peer {}", plan.server))?;
        let mut terminal = Terminal::open(shell, plan.policy()).ok_or("no media port is open yet; try again")?;
        let offer = terminal.offer(shell, Direction::SendRecv);
        let caller = shell.mint_uuid();
        let call = shell.open_own(caller);
        let leg = shell.call(Outgoing {
            call,
            peer: server.name.clone(),
            hop: Shell::hop_to(&server),
            uri: server.uri(Some(number)),
            calling: plan.line.clone(),
            called: number.to_owned(),
            mate: None,
            dial_peer: None,
            max_forwards: 70,
            headers: Headers::new(),
            sdp: Some(offer),
            dangerous: plan.protection.dangerous(),
        });
        terminal.belongs_to(shell, leg);
        self.calls.insert(leg, Call { stage: Stage::Calls, terminal: Some(terminal), offer: None, begun: false });
        Ok(())
    }

    fn press(&mut self, shell: &mut Shell, digits: String) -> Result<(), String> {
        let connected = self.calls.values().rev().find(|call| call.stage == Stage::Connected);
        let terminal = connected.and_then(|call| call.terminal.as_ref()).ok_or("no call is connected")?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit() || b"*#ABCDabcd".contains(&b)) {
            return Err("keys are 0-9, *, # and A-D".into());
        }
        shell.media(Command::Dial { lease: terminal.lease().id, digits });
        Ok(())
    }

    /// Puts the other end on hold or takes it back (RFC 3264 §8.4).
    fn hold(&mut self, shell: &mut Shell, on: bool) -> Result<(), String> {
        let connected = self.calls.iter().rev().find(|(_, call)| call.stage == Stage::Connected);
        let leg = connected.map(|(leg, _)| *leg).ok_or("no call is connected")?;
        self.hold_on(shell, leg, on)
    }

    fn hold_on(&mut self, shell: &mut Shell, leg: LegNo, on: bool) -> Result<(), String> {
        let call = self.calls.get_mut(&leg).filter(|call| call.stage == Stage::Connected);
        let terminal = call.and_then(|call| call.terminal.as_mut()).ok_or("no call is connected")?;
        if terminal.is_offering() {
            return Err("media is being agreed; try again".into());
        }
        let offer = terminal.offer(shell, if on { Direction::SendOnly } else { Direction::SendRecv });
        shell.reinvite(leg, Some(offer));
        Ok(())
    }

    fn hang_up(&mut self, shell: &mut Shell) -> Result<(), String> {
        let calls = std::mem::take(&mut self.calls);
        if calls.is_empty() {
            return Err("there is no call".into());
        }
        for (leg, call) in calls {
            self.answers.drop_where(|ringing| *ringing == leg);
            match call.stage {
                Stage::Rings => shell.refuse(leg, Status(603), Headers::new(), "declined here"),
                Stage::Calls | Stage::Connected => shell.end(leg, "hung up"),
            }
        }
        Ok(())
    }

    /// Contract 92: locked when every part of every call here is secure.
    fn lock(&self, shell: &Shell) -> Lock {
        let mut why = (self.calls.is_empty()).then(|| "there is no call".to_owned());
        for (leg, call) in &self.calls {
            why = why.or_else(|| match call.stage {
                Stage::Connected => shell.leg(*leg).and_then(|leg| leg.record.unlocked_because()),
                Stage::Rings | Stage::Calls => Some("the call is not connected yet".into()),
            });
        }
        Lock { locked: why.is_none(), why }
    }

    /// Media is agreed and the other end listens: say and keep what the plan says.
    fn begin(&mut self, shell: &mut Shell, leg: LegNo) {
        let Some(plan) = plan_of(shell) else { return };
        let Some(call) = self.calls.get_mut(&leg).filter(|call| !call.begun) else { return };
        let Some(terminal) = call.terminal.as_ref().filter(|terminal| terminal.is_agreed()) else { return };
        call.begun = true;
        if let Some(Record { heard, said }) = plan.record {
            shell.media(Command::Record { lease: terminal.lease().id, heard, said });
        }
        if let Some(Say { prompt, repeat }) = plan.say {
            terminal.play(shell, Play { id: 1, prompt, repeat });
        }
    }

    /// An answer to an offer of ours in a 2xx or an ACK. On failure the leg ends, in words.
    fn agree(&mut self, shell: &mut Shell, leg: LegNo, answer: Option<Bytes>) {
        let Some(terminal) = self.calls.get_mut(&leg).and_then(|call| call.terminal.as_mut()) else { return };
        if !terminal.is_offering() {
            return;
        }
        let agreed = match answer {
            Some(answer) => terminal.accept(shell, leg, &answer, false).map_err(|reject| reject.to_string()),
            // The answer came in a provisional response; the final one need not repeat it.
            None if terminal.is_agreed() => {
                terminal.withdraw();
                Ok(())
            }
            None => Err("our offer was accepted without an answer".to_owned()),
        };
        if let Err(why) = agreed {
            self.forget(leg);
            shell.end(leg, why);
        }
    }

    fn forget(&mut self, leg: LegNo) {
        self.calls.remove(&leg);
        self.answers.drop_where(|ringing| *ringing == leg);
    }
}

fn plan_of(shell: &Shell) -> Option<Plan> {
    match &shell.plan().kind {
        Kind::Phone(plan) => Some(plan.clone()),
        _ => None,
    }
}

impl Role for Phone {
    fn invited(&mut self, shell: &mut Shell, invited: Invited) {
        let leg = invited.leg;
        let Some(plan) = plan_of(shell) else { return };
        if self.calls.len() >= plan.calls {
            return shell.refuse(leg, Status(486), Headers::new(), "busy with another call");
        }
        // What cannot be agreed is turned down before it rings.
        if let Some(Err(reject)) = invited.sdp.as_deref().map(|offer| sdp::inspect(&plan.policy(), offer)) {
            return shell.reject(leg, &reject);
        }
        if let Some(leg) = shell.leg_mut(leg) {
            leg.record.dangerous.extend(plan.protection.dangerous());
        }
        let uuid = shell.mint_uuid();
        shell.is_party(leg, uuid);
        self.calls.insert(leg, Call { stage: Stage::Rings, terminal: None, offer: invited.sdp, begun: false });
        shell.respond(leg, Status(180), orders::allowed(&plan), None);
        let at_once = orders::answers_itself(&plan, &invited.request).then_some(Duration::ZERO);
        if let Some(after) = at_once.or(plan.answer_after) {
            self.answers.set(shell.now().mono + after, leg);
        }
    }

    fn provisional(&mut self, shell: &mut Shell, leg: LegNo, _: Status, sdp: Option<Bytes>) {
        let terminal = self.calls.get_mut(&leg).and_then(|call| call.terminal.as_mut());
        if let (Some(terminal), Some(answer)) = (terminal, sdp)
            && let Err(reject) = terminal.accept(shell, leg, &answer, true)
        {
            self.forget(leg);
            shell.end(leg, reject.to_string());
        }
    }

    fn accepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        shell.ack(leg, None);
        if let Some(call) = self.calls.get_mut(&leg) {
            call.stage = Stage::Connected;
        }
        self.agree(shell, leg, sdp);
        self.begin(shell, leg);
    }

    fn refused(&mut self, _: &mut Shell, leg: LegNo, _: Refused) {
        self.forget(leg);
    }

    fn acked(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        self.agree(shell, leg, sdp);
        self.begin(shell, leg);
    }

    fn reinvited(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        let Some(terminal) = self.calls.get_mut(&leg).and_then(|call| call.terminal.as_mut()) else {
            let words = warning(&shell.plan().node, "this call rings; there is nothing to change yet");
            return shell.refuse(leg, Status(491), vec![words], "nothing to change yet");
        };
        terminal.reinvited(shell, leg, sdp.as_deref());
    }

    fn in_dialog(&mut self, shell: &mut Shell, leg: LegNo, server: ServerId, request: Request) {
        match request.method() {
            Method::Notify => self.ordered(shell, leg, server, &request),
            _ => shell.answer_not_allowed(leg, server),
        }
    }

    fn refresh_due(&mut self, shell: &mut Shell, leg: LegNo) {
        if let Some(terminal) = self.calls.get_mut(&leg).and_then(|call| call.terminal.as_mut()) {
            terminal.refresh(shell, leg);
        }
    }

    fn reaccepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        shell.ack(leg, None);
        self.agree(shell, leg, sdp);
    }

    fn rerefused(&mut self, _: &mut Shell, leg: LegNo, _: Status, _: String) {
        if let Some(terminal) = self.calls.get_mut(&leg).and_then(|call| call.terminal.as_mut()) {
            terminal.withdraw();
        }
    }

    fn gone(&mut self, _: &mut Shell, leg: LegNo, _: String) {
        self.forget(leg);
    }

    fn over(&mut self, _: &mut Shell, _: CallNo) {}

    fn outside(&mut self, shell: &mut Shell, client: ClientId, outcome: Outcome) {
        if let Some(plan) = plan_of(shell) {
            self.registrar.outcome(shell, &plan, client, outcome);
        }
    }

    fn closed(&mut self, shell: &mut Shell, _: FlowId) {
        if plan_of(shell).is_some_and(|plan| plan.registration.is_some()) {
            self.registrar.connection_ended(shell);
        }
    }

    fn media(&mut self, _: &mut Shell, _: LegNo, event: media::Event) {
        if let media::Event::Unplayable { prompt, .. } = event {
            tracing::warn!(%prompt, "there is no such prompt: this phone says nothing");
        }
    }

    fn control(&mut self, shell: &mut Shell, control: ControlId, request: Control) {
        let done = match request {
            Control::Dial { number } => self.dial(shell, &number),
            Control::Press { digits } => self.press(shell, digits),
            Control::Answer => {
                match self.calls.iter().find(|(_, call)| call.stage == Stage::Rings).map(|(leg, _)| *leg) {
                    Some(leg) => self.answer(shell, leg),
                    None => Err("no call rings".into()),
                }
            }
            Control::Hold { on } => self.hold(shell, on),
            Control::HangUp => self.hang_up(shell),
            Control::Lock => return shell.reply(control, Reply::Lock(self.lock(shell))),
            _ => Err("a phone does not do that".into()),
        };
        shell.reply(control, done.map_or_else(Reply::Sorry, |()| Reply::Done));
    }

    fn replan(&mut self, shell: &mut Shell) {
        if plan_of(shell).is_some_and(|plan| plan.registration.is_some()) {
            self.registrar.wish(shell);
        }
    }

    fn deadline(&self) -> Option<Duration> {
        [self.answers.deadline(), self.registrar.deadline()].into_iter().flatten().min()
    }

    fn tick(&mut self, shell: &mut Shell) {
        while let Some(leg) = self.answers.due(shell.now().mono) {
            if let Err(why) = self.answer(shell, leg) {
                tracing::warn!(%why, "a call was not answered");
            }
        }
        if let Some(plan) = plan_of(shell) {
            self.registrar.tick(shell, &plan);
        }
    }
}
