//! What a role is told, and what it says of itself. Everything has a default that suits a role which does not care.

use std::time::Duration;

use bytes::Bytes;
use sip::{ClientId, Flow, FlowId, Message, Method, Name, Request, Response, ServerId, Status};

use super::{Admitted, CallNo, LegNo, Shell, Sight};
use crate::{AskId, Control, ControlId, Reply, Told};

/// An INVITE of an admitted peer that begins a call. Its call and leg are in the book already.
#[derive(Clone, Debug)]
pub struct Invited {
    pub call: CallNo,
    pub leg: LegNo,
    pub admitted: Admitted,
    pub request: Request,
    /// User part of the Request-URI.
    pub called: String,
    /// User part of From.
    pub calling: String,
    pub sdp: Option<Bytes>,
    /// For the INVITE that passes this one on.
    pub max_forwards: u8,
}

/// An INVITE of ours that made no dialog. The leg is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What came, or 408 for silence and 503 for no connection.
    pub status: Status,
    pub why: String,
    /// Nobody answered: no connection, silence, or a 503.
    pub unreachable: bool,
}

/// The end of a request of ours other than the INVITE that makes a leg.
#[derive(Clone, Debug)]
pub enum Outcome {
    Response(Box<Response>),
    /// None came; words say why.
    Nothing(String),
}

impl Outcome {
    pub fn status(&self) -> Status {
        match self {
            Outcome::Response(response) => response.status().unwrap_or(Status(500)),
            Outcome::Nothing(_) => Status(408),
        }
    }
}

/// A role: what one kind of node does with calls.
#[expect(unused_variables, reason = "defaults ignore what they are told")]
pub trait Role {
    /// Another way in than by a peer of the plan (a phone's registration): `None` refuses.
    fn knows(&self, shell: &Shell, sight: &Sight) -> Option<Admitted> {
        None
    }

    /// Whether REGISTER comes to [`Role::register`], from whomever.
    fn is_registrar(&self) -> bool {
        false
    }

    fn register(&mut self, shell: &mut Shell, server: ServerId, request: Request, flow: FlowId) {}

    /// Whether what an admitted peer wants to begin may go on: an INVITE that opens a call, or a request outside of any
    /// dialog. False: it was answered here, and nothing is left of it.
    fn lets_in(
        &mut self,
        shell: &mut Shell,
        server: ServerId,
        request: &Request,
        flow: Flow,
        admitted: &Admitted,
    ) -> bool {
        true
    }

    // --- legs
    /// Answer with [`Shell::respond`] or [`Shell::refuse`].
    fn invited(&mut self, shell: &mut Shell, invited: Invited);

    /// 101–199 to our INVITE.
    fn provisional(&mut self, shell: &mut Shell, leg: LegNo, status: Status, sdp: Option<Bytes>) {}

    /// 2xx to our INVITE that makes the leg: call [`Shell::ack`].
    fn accepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>);

    /// Our INVITE came to nothing; the leg is over.
    fn refused(&mut self, shell: &mut Shell, leg: LegNo, refused: Refused);

    /// ACK for our 2xx to an INVITE or re-INVITE, with the answer if we offered.
    fn acked(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {}

    /// A re-INVITE (or UPDATE with an offer) of the peer: answer with [`Shell::respond`].
    fn reinvited(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>);

    /// 2xx to our re-INVITE: call [`Shell::ack`].
    fn reaccepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>);

    /// Our re-INVITE came to nothing; the leg stands as it was.
    fn rerefused(&mut self, shell: &mut Shell, leg: LegNo, status: Status, why: String) {}

    /// The peer ended the leg (BYE, CANCEL, silence); it is over.
    fn gone(&mut self, shell: &mut Shell, leg: LegNo, why: String);

    /// The leg is over without a word of the peer: our 2xx never acknowledged, its session expired, its dialog unknown
    /// there (481). As [`Role::gone`] by default.
    fn lost(&mut self, shell: &mut Shell, leg: LegNo, why: String) {
        self.gone(shell, leg, why);
    }

    /// REFER, NOTIFY, INFO, MESSAGE inside the leg: answer with [`Shell::answer`]. 405 by default.
    fn in_dialog(&mut self, shell: &mut Shell, leg: LegNo, server: ServerId, request: Request) {
        shell.answer_not_allowed(leg, server);
    }

    /// The end of a request of ours inside the leg ([`Shell::request`]).
    fn outcome(&mut self, shell: &mut Shell, leg: LegNo, client: ClientId, method: Method, outcome: Outcome) {}

    /// The session must be refreshed and the peer takes no UPDATE: re-INVITE.
    fn refresh_due(&mut self, shell: &mut Shell, leg: LegNo) {}

    /// The connection that carried this leg ended; the leg itself may well be alive.
    fn flow_lost(&mut self, shell: &mut Shell, leg: LegNo) {}

    /// The call is out of the book: forget it.
    fn over(&mut self, shell: &mut Shell, call: CallNo);

    // --- the rest
    /// A request outside any dialog other than INVITE, OPTIONS and REGISTER, of an admitted peer. 405 by default.
    fn request(&mut self, shell: &mut Shell, server: ServerId, request: Request, admitted: Admitted) {
        shell.answer_outside(server, Status(405), vec![(Name::Allow, ALLOW.into())]);
    }

    /// The end of a request of ours outside dialogs (REGISTER).
    fn outside(&mut self, shell: &mut Shell, client: ClientId, outcome: Outcome) {}

    /// A connection ended, or could not be made.
    fn closed(&mut self, shell: &mut Shell, flow: FlowId) {}

    /// There are more media ports than before.
    fn leased(&mut self, shell: &mut Shell) {}

    /// Media of one of our legs: digits, prompts played, silence. Facts and closing are the shell's.
    fn media(&mut self, shell: &mut Shell, leg: LegNo, event: media::Event) {}

    /// The answer to an ask of ours ([`Shell::ask`]).
    fn told(&mut self, shell: &mut Shell, ask: AskId, told: Told) {}

    fn control(&mut self, shell: &mut Shell, control: ControlId, request: Control) {
        shell.reply(control, Reply::Sorry(format!("a {} does not do that", shell.plan().role)));
    }

    fn replan(&mut self, shell: &mut Shell) {}

    /// State of a live call, or of a registration, that an earlier process persisted. The error says why it is not taken on.
    fn adopt(&mut self, shell: &mut Shell, state: &[u8]) -> Result<(), String> {
        Err("this role goes on with nothing".into())
    }

    /// An agent's state that an earlier process persisted, told after the calls. The error says why it is not taken.
    fn adopt_agent(&mut self, shell: &mut Shell, id: &str, state: &str) -> Result<(), String> {
        Err("this role has no agents".into())
    }

    /// Figures of a quarter of an hour that an earlier process persisted, oldest first, told before the calls.
    fn adopt_figures(&mut self, shell: &mut Shell, figures: acd::Interval) {}

    fn deadline(&self) -> Option<Duration> {
        None
    }

    fn tick(&mut self, shell: &mut Shell) {}
}

/// Methods that every role understands at least so far as to answer them.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, REFER, NOTIFY";

/// The words of a BYE's or a refusal's Reason (RFC 3326), or else of its status line.
pub(crate) fn reason(message: &Message) -> Option<String> {
    let value = message.header(&Name::Reason)?;
    let text = value.split(';').find_map(|part| part.trim().strip_prefix("text="));
    Some(text.unwrap_or(value).trim_matches('"').to_owned())
}
