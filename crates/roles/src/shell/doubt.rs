//! Legs whose connection ended: their peer may have ended the call meanwhile, and its BYE may not have found the way. So it
//! is asked, by OPTIONS inside the dialog (RFC 3261 §11, §12.2.1.2): 481 ends the leg, any other answer settles it, and no
//! connection means to ask again, less and less often. Whoever never answers is the session timer's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::{ClientId, Method};

use super::{LegNo, Shell};

/// As a rule the peer is back by itself before this.
const FIRST: Duration = Duration::from_secs(2);
/// Each pause is twice the one before: the last question is asked some four minutes after the connection ended.
const TRIES: u8 = 7;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Doubts {
    due: BTreeSet<(Duration, LegNo)>,
    tries: BTreeMap<LegNo, u8>,
    asked: BTreeMap<ClientId, LegNo>,
}

impl Doubts {
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The leg is over.
    pub(super) fn settle(&mut self, leg: LegNo) {
        if self.tries.remove(&leg).is_some() {
            self.due.retain(|(_, doubted)| *doubted != leg);
            self.asked.retain(|_, doubted| *doubted != leg);
        }
    }
}

impl Shell {
    /// The leg's connection ended.
    pub(crate) fn doubt(&mut self, leg: LegNo) {
        if self.is_answered(leg) && !self.doubts.tries.contains_key(&leg) {
            self.doubts.tries.insert(leg, 0);
            self.doubts.due.insert((self.now.mono + FIRST, leg));
        }
    }

    /// Asks those whose turn it is.
    pub(crate) fn ask_the_doubted(&mut self) {
        while self.doubts.deadline().is_some_and(|at| at <= self.now.mono) {
            let Some((_, leg)) = self.doubts.due.pop_first() else { return };
            match self.request(leg, Method::Options, Vec::new(), None) {
                Some(client) => {
                    self.doubts.asked.insert(client, leg);
                }
                None => self.doubts.settle(leg),
            }
        }
    }

    /// The end of a request. False: it was none of these questions.
    pub(crate) fn doubted(&mut self, client: ClientId, answered: bool) -> bool {
        let Some(leg) = self.doubts.asked.remove(&client) else { return false };
        self.methods.remove(&client);
        let tries = self.doubts.tries.get(&leg).map_or(TRIES, |tries| tries + 1);
        if answered || tries >= TRIES {
            self.doubts.settle(leg);
        } else {
            self.doubts.tries.insert(leg, tries);
            self.doubts.due.insert((self.now.mono + FIRST * (1 << tries), leg));
        }
        true
    }
}
