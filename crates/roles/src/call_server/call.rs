//! One call at the call server: who serves the caller now, and who is being asked to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acd::AgentId;
use serde::{Deserialize, Serialize};

use super::room::{Joining, Room, Supervision};
use crate::shell::{CallNo, LegNo, Passage, Shell};
use crate::{AskId, ControlId, Verb};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) caller: LegNo,
    pub(super) calling: String,
    pub(super) dialled: String,
    pub(super) max_forwards: u8,
    /// Group of browsers, and what they are asked for.
    pub(super) group: String,
    pub(super) application: String,
    /// Of the number dialled.
    pub(super) call_type: Option<String>,
    pub(super) stage: Stage,
    /// Where the caller waits, once a browser said so by REFER.
    pub(super) queue: Option<Queued>,
    pub(super) ringing: Option<Ringing>,
    /// What agents noted about it, by name.
    pub(super) notes: BTreeMap<String, String>,
    /// The agent who answered.
    pub(super) served_by: Option<AgentId>,
    /// Whose answers to offers are of no interest any more, one entry an offer: acknowledged, and no more.
    pub(super) stale: Vec<LegNo>,
    /// When the agent last held the caller or took them back, milliseconds since 1970.
    pub(super) turned_ms: Option<u64>,
    /// What a desk waits for.
    pub(super) asked: Option<Asked>,
    /// Whom this caller is called back by: a browser that asks for it again did not hear that it was promised.
    pub(super) promised: Option<CallNo>,
    /// An agent made it.
    pub(super) made: Option<Made>,
    /// The consultation that was last begun over it; it may be over, or a call of its own by now.
    pub(super) consultation: Option<CallNo>,
    /// By Session-ID each side talks with us: nobody called in, so we are the caller under whom all nodes file it.
    pub(super) is_ours: bool,
    /// Somebody is to come into it.
    pub(super) joining: Option<Box<Joining>>,
    pub(super) supervision: Option<Supervision>,
    /// Legs that end when those who remain have agreed.
    pub(super) leaving: Vec<LegNo>,
}

/// A call that an agent made. Its `caller` is whom they called.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Made {
    /// The call that is held meanwhile.
    pub(super) consults: Option<CallNo>,
}

/// Something that the agent's phone was asked to do; answered when it has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) control: ControlId,
    /// `None`: to call somebody.
    pub(super) verb: Option<Verb>,
    /// The number to consult.
    pub(super) with: String,
    /// The request that asks the phone itself.
    pub(super) request: Option<sip::ClientId>,
}

/// The agent keeps the caller waiting, who hears a browser's music.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Hold {
    pub(super) by: Holder,
    pub(super) step: HoldStep,
    /// What the phone last said of its media: said again, it is a refresh and no news.
    pub(super) heard: Option<bytes::Bytes>,
    pub(super) music: Option<Music>,
}

/// Whose hold it is, and so whose to take off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Holder {
    /// The phone's own, by its key or told to: it says so by what it offers (RFC 3264 §8.4).
    Phone,
    /// Ours, for a phone that cannot be told to: it is re-INVITEd to be inactive.
    Desk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum HoldStep {
    Beginning,
    Held,
    Ending,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Music {
    pub(super) browser: LegNo,
    pub(super) passage: Passage,
    pub(super) tried: Vec<Arc<str>>,
    pub(super) probe: Option<sip::ClientId>,
}

impl Call {
    /// Nothing has happened in it.
    pub(super) fn new(caller: LegNo, group: String, application: String) -> Call {
        Call {
            caller,
            calling: String::new(),
            dialled: String::new(),
            max_forwards: 70,
            group,
            application,
            call_type: None,
            stage: Stage::Over,
            queue: None,
            ringing: None,
            notes: BTreeMap::new(),
            served_by: None,
            stale: Vec::new(),
            turned_ms: None,
            asked: None,
            promised: None,
            made: None,
            consultation: None,
            is_ours: false,
            joining: None,
            supervision: None,
            leaving: Vec::new(),
        }
    }

    /// The agent keeps the other party waiting.
    pub(super) fn is_held(&self) -> bool {
        self.stage.hold().is_some_and(|hold| hold.step != HoldStep::Beginning)
    }

    /// From now on these two are each other's far parties.
    pub(super) fn join(&self, shell: &mut Shell, a: LegNo, b: LegNo) {
        if !self.is_ours {
            shell.join(a, b);
        }
    }

    /// Whoever waits for what the phone was asked to do is answered.
    pub(super) fn answer_desk(&mut self, shell: &mut Shell, verb: &Verb, outcome: Result<(), String>) {
        if let Some(asked) = self.asked.take_if(|asked| asked.verb.as_ref() == Some(verb)) {
            shell.reply(asked.control, outcome.map_or_else(crate::Reply::Sorry, |()| crate::Reply::Done));
        }
    }

    /// Whoever called is answered: somebody is there.
    pub(super) fn answer_call(&mut self, shell: &mut Shell) {
        if let Some(asked) = self.asked.take_if(|asked| asked.verb.is_none()) {
            shell.reply(asked.control, crate::Reply::Done);
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Stage {
    /// The caller's INVITE waits while a browser is called with its offer.
    Arriving {
        browser: LegNo,
        passage: Passage,
        tried: Vec<Arc<str>>,
    },
    /// The browser asks, plays, refers.
    Served {
        browser: LegNo,
        passage: Passage,
        probe: Option<sip::ClientId>,
    },
    /// The browser is lost; another is asked for an offer for the caller, who hears nothing meanwhile.
    Moving {
        browser: LegNo,
        passage: Passage,
        tried: Vec<Arc<str>>,
    },
    /// The agent picked up and offered; the caller is asked. The browser plays until both agree.
    Connecting {
        agent: LegNo,
        passage: Passage,
        browser: Option<LegNo>,
    },
    Talking {
        agent: LegNo,
        passage: Passage,
        hold: Option<Box<Hold>>,
    },
    /// Three and more hear each other through the media resource.
    Mixed(Box<Room>),
    /// The agent's phone is called, then with its offer the destination.
    Dialling {
        agent: LegNo,
        passage: Option<Passage>,
    },
    /// Somebody was promised to be called back: nobody is in the call until an agent answers.
    Promised,
    /// Everybody was told that it is over.
    Over,
    /// A browser, here the caller, has called somebody for a caller whom it serves in another call.
    Bridging {
        far: LegNo,
        served: CallNo,
        passage: Passage,
        number: String,
        /// What the browser's application gave for them.
        attached: Option<String>,
        tried: Vec<Arc<str>>,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Queued {
    pub(super) name: String,
    /// What the browser's application gave for the agent (`User-to-User`, RFC 7433).
    pub(super) attached: Option<String>,
    /// The browser's leg that referred and hears how it goes (RFC 3515); none after it is gone.
    pub(super) told: Option<LegNo>,
    /// When they came into this line, milliseconds since 1970: the place outlives the process.
    pub(super) since_ms: u64,
}

/// A phone rings for this caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ringing {
    pub(super) leg: LegNo,
    /// Whom the router chose; `None`: an agent sent the caller to this number.
    pub(super) agent: Option<AgentId>,
    pub(super) extension: String,
    pub(super) tried: Vec<Arc<str>>,
}

/// A member of a group that does not begin to answer an INVITE in this time gets no more of it.
pub(super) const SILENCE: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Alarm {
    /// A member of a group has not even begun to answer this INVITE.
    NotEvenRinging(LegNo),
    /// A browser whose connection ended has not answered the question whether it lives.
    Unproved(LegNo),
    /// A phone has not done what it was asked to.
    Unheeded(CallNo, ControlId),
    /// Whom an agent calls, or the agent's own phone, has rung for long enough.
    Unanswered(CallNo, LegNo),
    /// A browser plays the last words of a script.
    Parting(CallNo),
    /// What a browser asked is done, and still not kept.
    NotKept(AskId),
}

impl Stage {
    pub(super) fn browser(&self) -> Option<LegNo> {
        match self {
            Stage::Arriving { browser, .. } | Stage::Served { browser, .. } | Stage::Moving { browser, .. } => {
                Some(*browser)
            }
            Stage::Connecting { browser, .. } => *browser,
            Stage::Talking { .. } | Stage::Mixed(_) | Stage::Dialling { .. } | Stage::Bridging { .. } => None,
            Stage::Promised | Stage::Over => None,
        }
    }

    /// A browser serves the caller, and nothing is being agreed between them.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self, Stage::Served { passage, .. } if passage.is_idle())
    }

    /// Whether the caller's call is with this leg, for good or on the way to it.
    pub(super) fn is_party(&self, leg: LegNo) -> bool {
        let agent = match self {
            Stage::Connecting { agent, .. } | Stage::Talking { agent, .. } | Stage::Dialling { agent, .. } => {
                Some(*agent)
            }
            Stage::Bridging { far, .. } => Some(*far),
            Stage::Arriving { .. } | Stage::Served { .. } | Stage::Moving { .. } => None,
            // Who leaves a conference is looked at apart.
            Stage::Mixed(_) | Stage::Promised | Stage::Over => None,
        };
        agent.or(self.browser()) == Some(leg)
    }

    pub(super) fn hold(&self) -> Option<&Hold> {
        match self {
            Stage::Talking { hold, .. } => hold.as_deref(),
            _ => None,
        }
    }

    pub(super) fn hold_mut(&mut self) -> Option<&mut Hold> {
        match self {
            Stage::Talking { hold, .. } => hold.as_deref_mut(),
            _ => None,
        }
    }

    /// The music that a held caller hears, or is to hear.
    pub(super) fn music(&self) -> Option<&Music> {
        self.hold().and_then(|hold| hold.music.as_ref())
    }

    /// The question whether this browser lives, which serves the caller or plays to them; `None`: it does not.
    pub(super) fn probe_of(&mut self, leg: LegNo) -> Option<&mut Option<sip::ClientId>> {
        match self {
            Stage::Served { browser, probe, .. } => Some(probe).filter(|_| *browser == leg),
            Stage::Mixed(room) => room.seats.iter_mut().find(|seat| seat.place == leg).map(|seat| &mut seat.probe),
            _ => {
                let music = self.hold_mut()?.music.as_mut()?;
                Some(&mut music.probe).filter(|_| music.browser == leg)
            }
        }
    }

    /// Where what this leg says goes on: a held caller is with the music, the agent is not.
    pub(super) fn passage_of(&mut self, leg: LegNo) -> Option<&mut Passage> {
        if let Stage::Mixed(room) = self {
            return room.seat_of(leg).map(|seat| &mut seat.passage);
        }
        match self.music().is_some_and(|music| music.passage.has(leg)) {
            true => self.hold_mut()?.music.as_mut().map(|music| &mut music.passage),
            false => self.passage().filter(|passage| passage.has(leg)),
        }
    }

    /// Between caller and browser, or caller and agent.
    pub(super) fn passage(&mut self) -> Option<&mut Passage> {
        match self {
            Stage::Arriving { passage, .. }
            | Stage::Served { passage, .. }
            | Stage::Moving { passage, .. }
            | Stage::Connecting { passage, .. }
            | Stage::Talking { passage, .. }
            | Stage::Bridging { passage, .. } => Some(passage),
            Stage::Dialling { passage, .. } => passage.as_mut(),
            Stage::Mixed(_) | Stage::Promised | Stage::Over => None,
        }
    }
}
