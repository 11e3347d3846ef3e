//! One call at the call server: who serves the caller now, and who is being asked to.

use std::collections::BTreeMap;
use std::sync::Arc;

use acd::AgentId;
use serde::{Deserialize, Serialize};

use crate::shell::{LegNo, Passage};

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
    /// Answers of the caller to offers that are of no interest any more: acknowledged, and no more.
    pub(super) stale: u8,
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
    },
    /// Everybody was told that it is over.
    Over,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Queued {
    pub(super) name: String,
    /// What the browser's application gave for the agent (`User-to-User`, RFC 7433).
    pub(super) attached: Option<String>,
    /// The browser's leg that referred and hears how it goes (RFC 3515); none after it is gone.
    pub(super) told: Option<LegNo>,
}

/// An agent's phone rings for this caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ringing {
    pub(super) leg: LegNo,
    pub(super) agent: AgentId,
    pub(super) extension: String,
    pub(super) tried: Vec<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Alarm {
    /// A member of a group has not even begun to answer this INVITE.
    NotEvenRinging(LegNo),
    /// A browser whose connection ended has not answered the question whether it lives.
    Unproved(LegNo),
}

impl Stage {
    pub(super) fn browser(&self) -> Option<LegNo> {
        match self {
            Stage::Arriving { browser, .. } | Stage::Served { browser, .. } | Stage::Moving { browser, .. } => {
                Some(*browser)
            }
            Stage::Connecting { browser, .. } => *browser,
            Stage::Talking { .. } | Stage::Over => None,
        }
    }

    /// Whether the caller's call is with this leg, for good or on the way to it.
    pub(super) fn is_party(&self, leg: LegNo) -> bool {
        let agent = match self {
            Stage::Connecting { agent, .. } | Stage::Talking { agent, .. } => Some(*agent),
            Stage::Arriving { .. } | Stage::Served { .. } | Stage::Moving { .. } | Stage::Over => None,
        };
        agent.or(self.browser()) == Some(leg)
    }

    pub(super) fn passage(&mut self) -> Option<&mut Passage> {
        match self {
            Stage::Arriving { passage, .. }
            | Stage::Served { passage, .. }
            | Stage::Moving { passage, .. }
            | Stage::Connecting { passage, .. }
            | Stage::Talking { passage, .. } => Some(passage),
            Stage::Over => None,
        }
    }
}
