//! Call manager (CUCM): phones register here over TLS, trunks lead to the other nodes, and calls between them pass
//! through: signalling alone, descriptions inspected and untouched.

mod bindings;
mod challenges;
mod control;
mod door;
mod flows;
mod guesses;
mod judge;
mod notices;
mod plan;
mod registrar;
mod tokens;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use sdp::Protection;
use serde::{Deserialize, Serialize};
use sip::{ClientId, Flow, FlowId, Headers, Hop, Method, Name, Request, ServerId, Status, Uri};

pub use plan::{Phone, Plan, Trunk};
pub use tokens::OAuth;

use self::control::Relayed;
use self::door::{Asked, Door};
use self::notices::Notices;
use self::registrar::Registrar;
use crate::plan::Kind;
use crate::shell::{
    ALLOW, Admitted, CallNo, Invited, LegNo, Outcome, Outgoing, Passage, Progress, Refused, Role, Shell, Sight,
    from_side, warning,
};
use crate::{AskId, Control, ControlId, Reply, Told};

/// Whose call it is, by what was proved.
enum Identity {
    /// A trunk's: the number is what its peer says.
    Trunk,
    /// A phone's line.
    Line(String),
    /// A phone's that is not registered any more.
    Parted,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct CallManager {
    registrar: Registrar,
    door: Door,
    notices: Notices,
    calls: BTreeMap<CallNo, Passage>,
    relayed: Relayed,
}

impl CallManager {
    pub(crate) fn new(shell: &mut Shell) -> CallManager {
        let secret = shell.secret();
        for extension in flows::EXTENSIONS {
            shell.sip.understand(extension);
        }
        CallManager {
            registrar: Registrar::new(secret),
            door: Door::new(),
            notices: Notices::default(),
            calls: BTreeMap::new(),
            relayed: Relayed::default(),
        }
    }

    fn passage(&mut self, shell: &Shell, leg: LegNo) -> Option<(CallNo, &mut Passage)> {
        let call = shell.book().leg(leg)?.call;
        Some((call, self.calls.get_mut(&call)?))
    }

    /// A phone may write what it likes into From; its line's own number goes on (RFC 3325: asserted by us, on what the
    /// registration proved). A trunk's peer answers for its callers.
    fn identity(&self, shell: &mut Shell, invited: &Invited) -> Identity {
        if !invited.admitted.is_device() {
            return Identity::Trunk;
        }
        let flow = shell.leg(invited.leg).and_then(|leg| shell.sip.flow(leg.dialog));
        let Some(line) = flow.and_then(|flow| self.registrar.number_of(flow, &invited.calling)) else {
            return Identity::Parted;
        };
        if line != invited.calling {
            shell.set_calling(invited.leg, &line);
            shell.note(invited.leg, "the phone gave itself another number; its line's own goes on");
        }
        let host = shell.local(sip::Transport::Tls).map(|addr| addr.ip().to_string()).unwrap_or_default();
        shell.assert_caller(invited.call, Uri::sip(Some(&line), host, None));
        Identity::Line(line)
    }

    /// An exchange came to an end that matters.
    fn progressed(shell: &mut Shell, call: CallNo, progress: Progress) {
        match progress {
            Progress::Going | Progress::Agreed => {}
            Progress::Broken(why) => shell.end_call(call, &why),
            Progress::Declined { status, why, waiting } => {
                if let Some(leg) = waiting {
                    shell.ack(leg, None);
                    shell.end_call(call, &format!("{} {why}", status.0));
                }
            }
        }
    }
}

/// Transmit Security Status: how secure the phone's side is, in the words of its padlock.
fn security_status(tls: bool, protection: Protection) -> (Name, String) {
    let word = match (tls, protection) {
        (true, Protection::Secure) => "Encrypted",
        (true, _) => "Authenticated",
        (false, _) => "NotAuthenticated",
    };
    (Name::CallInfo, format!("<urn:x-cisco-remotecc:callinfo>;security={word}"))
}

impl Role for CallManager {
    fn knows(&self, _: &Shell, sight: &Sight) -> Option<Admitted> {
        self.registrar.device_on(sight.flow.id).map(|(device, by)| Admitted::device(device, by))
    }

    fn is_registrar(&self) -> bool {
        true
    }

    fn register(&mut self, shell: &mut Shell, server: ServerId, request: Request, flow: FlowId) {
        let plan = shell.plan().clone();
        if let Kind::CallManager(plan) = &plan.kind {
            self.registrar.register(shell, plan, server, &request, flow);
        }
    }

    fn lets_in(
        &mut self,
        shell: &mut Shell,
        server: ServerId,
        request: &Request,
        flow: Flow,
        admitted: &Admitted,
    ) -> bool {
        let node = shell.plan().clone();
        let Kind::CallManager(plan) = &node.kind else { return true };
        // Phones were judged when they registered.
        let trunk = plan.trunk_of(admitted.peer()).filter(|_| !admitted.is_device());
        trunk.is_none_or(|trunk| {
            let asked = Asked { trunk, peer: admitted.peer(), request, flow };
            self.door.lets_in(shell, plan, server, &asked)
        })
    }

    /// What a trunk's profile accepts and this release knows. A phone may do none of it.
    fn request(&mut self, shell: &mut Shell, server: ServerId, request: Request, admitted: Admitted) {
        let node = shell.plan().clone();
        let Kind::CallManager(plan) = &node.kind else { return };
        let of_trunk = !admitted.is_device();
        match request.method() {
            Method::Notify if of_trunk => self.notices.pass_on(shell, plan, &self.registrar, server, &request),
            Method::Subscribe => shell.answer_outside(server, Status(489), Vec::new()),
            Method::Refer if of_trunk => {
                let why = "a REFER outside of a dialog is accepted by the profile, and not carried out by this release";
                shell.answer_outside(server, Status(501), vec![warning(&node.node, why)]);
            }
            _ => shell.answer_outside(server, Status(405), vec![(Name::Allow, ALLOW.into())]),
        }
    }

    fn outside(&mut self, shell: &mut Shell, client: ClientId, outcome: Outcome) {
        self.notices.outcome(shell, client, &outcome);
    }

    fn invited(&mut self, shell: &mut Shell, invited: Invited) {
        let (leg, no) = (invited.leg, invited.call);
        let node = shell.plan_of(no);
        let Kind::CallManager(plan) = &node.kind else { return };
        let (calling, headers) = match self.identity(shell, &invited) {
            // What a trunk's application gave for the phone's user goes on (RFC 7433).
            Identity::Trunk => {
                let attached =
                    invited.request.headers(&Name::UserToUser).map(|data| (Name::UserToUser, data.to_owned()));
                (invited.calling, attached.chain(control::at_once(shell, leg, &invited.request)).collect())
            }
            Identity::Line(line) => (line, Headers::new()),
            Identity::Parted => {
                let why = "this phone's registration has ended: what the site says of it has changed";
                return shell.refuse(leg, Status(403), vec![warning(&node.node, why)], why);
            }
        };
        let Some(phone) = plan.phone_of_line(self.registrar.number(&invited.called)) else {
            let why = "no line has the number called";
            return shell.refuse(leg, Status(404), vec![warning(&node.node, why)], why);
        };
        let (device, from) = (&phone.device, invited.admitted.peer());
        let protection = match plan.is_plain(from) && plan.is_plain(&device.name) {
            true => Protection::DangerousPlainRtp,
            false => Protection::Secure,
        };
        let dangerous = protection.dangerous();
        if let Some(leg) = shell.leg_mut(leg) {
            leg.record.dangerous.extend(dangerous.clone());
        }
        if let Some(Err(reject)) = invited.sdp.as_ref().map(|sdp| shell.inspect(leg, protection, sdp)) {
            return shell.reject(leg, &reject);
        }
        let Some(binding) = self.registrar.binding(&device.line) else {
            let why = format!("{} is not registered", device.name);
            return shell.refuse(leg, Status(480), vec![warning(&node.node, &why)], why);
        };
        // A name that leads to one device leads to no other (RFC 5627 §5.1).
        let wanted = invited
            .request
            .request_uri()
            .and_then(Result::ok)
            .and_then(|uri| uri.param("gr").flatten().map(str::to_owned));
        let is_it = |wanted: &String| binding.instance.as_ref().is_some_and(|instance| instance.id == *wanted);
        if wanted.as_ref().is_some_and(|wanted| !is_it(wanted)) {
            let why = format!("{} is registered, but not this device of it", device.line);
            return shell.refuse(leg, Status(480), vec![warning(&node.node, &why)], why);
        }
        let headers = headers.into_iter().chain(binding.path.iter().map(|hop| (Name::Route, hop.to_string())));
        let late = invited.sdp.is_none();
        let transmits = plan.trunk_of(from).is_some_and(|trunk| trunk.profile.transmit_security_status);
        let status = transmits.then(|| security_status(binding.shown.tls, protection));
        let to = shell.call(Outgoing {
            call: no,
            peer: device.name.as_str().into(),
            hop: Hop::Flow(binding.flow),
            uri: binding.contact.clone(),
            calling,
            called: device.line.clone(),
            mate: Some(leg),
            dial_peer: None,
            max_forwards: invited.max_forwards,
            headers: headers.collect(),
            sdp: invited.sdp,
            dangerous,
        });
        self.calls.insert(no, Passage::passing_on(leg, to, late, protection).saying(status.into_iter().collect()));
    }

    fn provisional(&mut self, shell: &mut Shell, leg: LegNo, status: Status, _: Option<Bytes>) {
        // An early description is not passed on: ours are without RFC 3262, so nobody would know that it arrived.
        self.tell_doors(shell, leg);
        let Some((_, passage)) = self.passage(shell, leg) else { return };
        let caller = passage.other(leg);
        let status = if status.0 == 183 { Status(180) } else { status };
        shell.respond(caller, status, passage.said().to_vec(), None);
    }

    fn accepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        self.tell_doors(shell, leg);
        let Some((call, passage)) = self.passage(shell, leg) else { return };
        let progress = passage.accepted(shell, leg, sdp);
        CallManager::progressed(shell, call, progress);
    }

    fn refused(&mut self, shell: &mut Shell, leg: LegNo, refused: Refused) {
        let Some((_, passage)) = self.passage(shell, leg) else { return };
        let caller = passage.other(leg);
        let status = match refused.status.0 {
            _ if refused.unreachable => Status(480),
            401 | 407 => Status(403),
            300..=399 => Status(480),
            _ => refused.status,
        };
        let why = format!("the phone: {}", refused.why);
        let headers = vec![warning(&shell.plan().node, &why)];
        shell.refuse(caller, status, headers, why);
    }

    fn acked(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        let Some((call, passage)) = self.passage(shell, leg) else { return };
        let progress = passage.acked(shell, leg, sdp);
        CallManager::progressed(shell, call, progress);
    }

    fn reinvited(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        shell.file_under(leg);
        if let Some((_, passage)) = self.passage(shell, leg) {
            passage.reinvited(shell, leg, sdp);
        }
    }

    fn reaccepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        let Some((call, passage)) = self.passage(shell, leg) else { return };
        let progress = passage.accepted(shell, leg, sdp);
        CallManager::progressed(shell, call, progress);
    }

    fn in_dialog(&mut self, shell: &mut Shell, leg: LegNo, server: ServerId, request: Request) {
        match request.method() {
            Method::Notify => self.told_of_phone(shell, leg, server, &request),
            _ => shell.answer_not_allowed(leg, server),
        }
    }

    fn outcome(&mut self, shell: &mut Shell, _: LegNo, client: ClientId, _: Method, outcome: Outcome) {
        self.relayed.outcome(shell, client, &outcome);
    }

    fn rerefused(&mut self, shell: &mut Shell, leg: LegNo, status: Status, why: String) {
        let Some((call, passage)) = self.passage(shell, leg) else { return };
        let progress = passage.declined(shell, leg, status, why);
        CallManager::progressed(shell, call, progress);
    }

    fn gone(&mut self, shell: &mut Shell, leg: LegNo, why: String) {
        // A goodbye may be the first to say with whom the caller's side had been brought together.
        shell.file_under(leg);
        if let Some((_, passage)) = self.passage(shell, leg) {
            let other = passage.other(leg);
            shell.end(other, from_side("the other side", &why));
        }
    }

    fn refresh_due(&mut self, shell: &mut Shell, leg: LegNo) {
        if let Some((_, passage)) = self.passage(shell, leg) {
            passage.refresh(shell, leg);
        }
    }

    fn over(&mut self, shell: &mut Shell, call: CallNo) {
        self.calls.remove(&call);
        self.relayed.forget(shell);
    }

    fn closed(&mut self, shell: &mut Shell, flow: FlowId) {
        self.registrar.closed(shell, flow);
    }

    fn told(&mut self, shell: &mut Shell, ask: AskId, told: Told) {
        self.registrar.told(shell, ask, told);
    }

    /// A binding of an earlier process: its connection is gone, and with it the way to the phone, which will register
    /// again. Nothing is left to take on.
    fn adopt(&mut self, _: &mut Shell, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn control(&mut self, shell: &mut Shell, control: ControlId, request: Control) {
        let reply = match request {
            Control::Registrations => Reply::Registrations(self.registrar.list(shell)),
            _ => Reply::Sorry("a call manager does not do that".into()),
        };
        shell.reply(control, reply);
    }

    fn replan(&mut self, shell: &mut Shell) {
        let plan = shell.plan().clone();
        if let Kind::CallManager(plan) = &plan.kind {
            self.registrar.replan(shell, plan);
        }
    }

    fn deadline(&self) -> Option<Duration> {
        self.registrar.deadline()
    }

    fn tick(&mut self, shell: &mut Shell) {
        self.registrar.tick(shell);
    }
}
