//! A conference of the media resource as the call server has it: who sits there, who is on the way, who supervises.

use acd::AgentId;
use bytes::Bytes;
use media::conference::Part;
use serde::{Deserialize, Serialize};
use sip::ClientId;

use crate::shell::{CallNo, LegNo, Passage};
use crate::{ControlId, Oversight};

/// A party's place; its name is that of its seat at the media resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Who {
    Caller,
    Agent,
    /// Whom the agent consulted.
    Consulted,
    Supervisor,
}

impl Who {
    pub(super) fn seat(self) -> &'static str {
        match self {
            Who::Caller => "caller",
            Who::Agent => "agent",
            Who::Consulted => "consulted",
            Who::Supervisor => "supervisor",
        }
    }
}

/// One party and its place at the media resource, each a leg of ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Seat {
    pub(super) who: Who,
    pub(super) leg: LegNo,
    pub(super) place: LegNo,
    pub(super) passage: Passage,
    /// What the media resource offers, while the party is not asked yet.
    pub(super) offer: Option<Bytes>,
    /// The question whether the media resource lives.
    pub(super) probe: Option<ClientId>,
}

impl Seat {
    /// Nobody who talks is touched before all seats are this far.
    pub(super) fn is_prepared(&self) -> bool {
        self.offer.is_some() || self.passage.is_idle()
    }
}

/// Those who hear each other through the media resource.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Room {
    pub(super) seats: Vec<Seat>,
    /// All have agreed.
    pub(super) assembled: bool,
}

impl Room {
    pub(super) fn of(&self, who: Who) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.who == who)
    }

    pub(super) fn seat_of(&mut self, leg: LegNo) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.passage.has(leg))
    }
}

/// Somebody is to come into the call. Those who talk go on as they do until all is prepared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Joining {
    /// The agent's consultation: all three come together. `None`: a supervisor comes.
    pub(super) consultation: Option<CallNo>,
    /// None before the supervisor's phone has picked up.
    pub(super) seats: Vec<Seat>,
    /// The supervisor's phone has picked up to have the caller: between the two.
    pub(super) taking_over: Option<Passage>,
}

/// A supervisor in an agent's call, or on the way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Supervision {
    pub(super) by: AgentId,
    pub(super) how: Oversight,
    pub(super) leg: LegNo,
    /// When it was asked for, milliseconds since 1970.
    pub(super) began_ms: u64,
    /// Who waits to hear that it is so.
    pub(super) control: Option<ControlId>,
    /// The media resource is asked for another part.
    pub(super) change: Option<(ClientId, Oversight)>,
}

impl Oversight {
    /// Of the supervisor, among the seats.
    pub(super) fn part(self) -> Part<String> {
        match self {
            Oversight::Listen => Part::Listens,
            Oversight::Whisper => Part::Whispers { to: Who::Agent.seat().to_owned() },
            Oversight::Barge | Oversight::TakeOver => Part::Talks,
        }
    }

    /// For records, after the supervisor's name.
    pub(super) fn words(self) -> &'static str {
        match self {
            Oversight::Listen => "listens: hears caller and agent, and is heard by neither",
            Oversight::Whisper => "whispers: hears caller and agent, and is heard by the agent alone",
            Oversight::Barge => "has barged in: all hear each other",
            Oversight::TakeOver => "has taken the call over",
        }
    }
}
