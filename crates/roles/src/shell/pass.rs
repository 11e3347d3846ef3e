//! Offers and answers carried from one leg to the other, untouched but inspected: what call server and call manager do
//! instead of ending media (RFC 3264; RFC 3725 flow I where we ask one side for an offer and bring it to the other).
//!
//! A description that is not protected as required goes nowhere: the exchange is refused, or, where one side has agreed
//! to it already, the call is over. There is no fallback.

use bytes::Bytes;
use sdp::{Direction, Policy, Protection, Reject};
use serde::{Deserialize, Serialize};
use sip::{Headers, Status};

use super::{LegNo, Shell, words};

/// Two legs whose peers speak to each other, and the exchange under way between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    a: LegNo,
    b: LegNo,
    protection: Protection,
    step: Step,
    /// What the leg that is being refreshed said before.
    known: Option<Bytes>,
    /// What our answers to the first INVITE say besides.
    saying: Headers,
    /// The leg that is kept quiet: what goes to it says `inactive`, what comes from it says `sendrecv`, because the other
    /// side is served elsewhere meanwhile and need not know.
    quiet: Option<LegNo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Idle,
    /// `from`'s INVITE waits; the other was asked in turn. `late`: without an offer.
    Asked {
        from: LegNo,
        late: bool,
    },
    /// The other's offer went to `from` in our 2xx; the answer comes in its ACK and goes on in ours.
    Answering {
        from: LegNo,
    },
    /// We asked `from` for an offer.
    Fetching {
        from: LegNo,
    },
    /// `from`'s offer, in a 2xx not acknowledged yet, went to the other.
    Offering {
        from: LegNo,
    },
    /// `leg` is offered again what was last agreed; as a rule it says the same again. If not, the other is told: as often
    /// as `more` says, since two peers that make fresh keys each time would go on for ever.
    Renewing {
        leg: LegNo,
        more: u8,
    },
}

/// How far an exchange came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Going,
    /// Both sides agree.
    Agreed,
    /// One side did not want it. What was agreed before stands, except on a leg that waits for our ACK (`waiting`):
    /// acknowledge it and end it.
    Declined {
        status: Status,
        why: String,
        waiting: Option<LegNo>,
    },
    /// One side agreed to what the other cannot have: end the call.
    Broken(String),
}

impl Passage {
    /// `from` INVITEd and `to` is INVITEd in turn. `late`: without an offer.
    pub fn passing_on(from: LegNo, to: LegNo, late: bool, protection: Protection) -> Passage {
        Passage::new(from, to, protection, Step::Asked { from, late })
    }

    fn new(a: LegNo, b: LegNo, protection: Protection, step: Step) -> Passage {
        Passage { a, b, protection, step, known: None, saying: Headers::new(), quiet: None }
    }

    /// With these headers in our answers to the INVITE that is passed on.
    pub fn saying(self, headers: Headers) -> Passage {
        Passage { saying: headers, ..self }
    }

    /// With this one too, instead of an earlier one of its name.
    pub fn also_saying(&mut self, header: (sip::Name, String)) {
        self.saying.retain(|(name, _)| *name != header.0);
        self.saying.push(header);
    }

    pub fn said(&self) -> &[(sip::Name, String)] {
        &self.saying
    }

    /// `from` was INVITEd without an offer; what it offers will be brought to `to`, whose leg is up.
    pub fn fetching(from: LegNo, to: LegNo, protection: Protection) -> Passage {
        Passage::new(from, to, protection, Step::Fetching { from })
    }

    /// From the next exchange on this leg is kept quiet (held), or none is.
    pub fn keep_quiet(&mut self, leg: Option<LegNo>) {
        self.quiet = leg;
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet.is_some()
    }

    /// Asks `from` for an offer, to be brought to the other. False: an exchange is under way.
    pub fn fetch(&mut self, shell: &mut Shell, from: LegNo) -> bool {
        let idle = self.is_idle();
        if idle {
            self.step = Step::Fetching { from };
            shell.reinvite(from, None);
        }
        idle
    }

    /// Nothing comes any more of the exchange under way.
    pub fn forsake(&mut self) {
        self.step = Step::Idle;
    }

    /// What `from` says, as the other side is told.
    fn carried(&self, from: LegNo, sdp: Bytes) -> Bytes {
        let direction = match self.quiet {
            None => return sdp,
            Some(quiet) if quiet == from => Direction::SendRecv,
            Some(_) => Direction::Inactive,
        };
        // It was inspected, so it is a description.
        sdp::directed(&sdp, direction).map_or(sdp, Bytes::from)
    }

    /// `to` is INVITEd with what `from` offers in a 2xx that is not acknowledged yet.
    pub fn offering(from: LegNo, to: LegNo, protection: Protection) -> Passage {
        Passage::new(from, to, protection, Step::Offering { from })
    }

    pub fn is_idle(&self) -> bool {
        self.step == Step::Idle
    }

    /// Whether a re-INVITE of ours is under way on this leg.
    pub fn awaits(&self, leg: LegNo) -> bool {
        match self.step {
            Step::Idle | Step::Answering { .. } => false,
            Step::Asked { from, .. } | Step::Offering { from } => from != leg && self.has(leg),
            Step::Fetching { from } | Step::Renewing { leg: from, .. } => from == leg,
        }
    }

    pub fn has(&self, leg: LegNo) -> bool {
        self.a == leg || self.b == leg
    }

    pub fn other(&self, leg: LegNo) -> LegNo {
        if self.a == leg { self.b } else { self.a }
    }

    /// A re-INVITE of `from`: the other is asked in turn.
    pub fn reinvited(&mut self, shell: &mut Shell, from: LegNo, sdp: Option<Bytes>) {
        if !self.is_idle() {
            return shell.refuse(from, Status(491), Vec::new(), "glare");
        }
        if let Some(reject) = sdp.as_ref().and_then(|sdp| shell.inspect(from, self.protection, sdp).err()) {
            return shell.reject(from, &reject);
        }
        self.step = Step::Asked { from, late: sdp.is_none() };
        let sdp = sdp.map(|sdp| self.carried(from, sdp));
        shell.reinvite(self.other(from), sdp);
    }

    /// Refreshes a session whose peer takes no UPDATE: a re-INVITE with what we last said (RFC 4028 §7.4).
    pub fn refresh(&mut self, shell: &mut Shell, leg: LegNo) {
        let said = shell.leg(leg).and_then(|leg| leg.said.clone());
        match said {
            Some(said) if self.is_idle() => self.renew(shell, leg, said, 2),
            // An exchange under way refreshes too.
            Some(_) | None => {}
        }
    }

    fn renew(&mut self, shell: &mut Shell, leg: LegNo, offer: Bytes, more: u8) {
        self.known = shell.leg(leg).and_then(|leg| leg.heard.clone());
        self.step = Step::Renewing { leg, more };
        shell.reinvite(leg, Some(offer));
    }

    /// 2xx to our INVITE or re-INVITE on `leg`.
    pub fn accepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) -> Progress {
        let Some(sdp) = sdp else {
            shell.ack(leg, None);
            return self.broken("a 2xx came without a description");
        };
        if let Err(reject) = shell.inspect(leg, self.protection, &sdp) {
            return self.misfit(shell, leg, &reject);
        }
        match self.step {
            Step::Asked { from, late: false } if from != leg => {
                shell.ack(leg, None);
                let sdp = self.carried(leg, sdp);
                shell.respond(from, Status(200), std::mem::take(&mut self.saying), Some(sdp));
                self.step = Step::Idle;
                Progress::Agreed
            }
            Step::Asked { from, late: true } if from != leg => {
                let sdp = self.carried(leg, sdp);
                shell.respond(from, Status(200), std::mem::take(&mut self.saying), Some(sdp));
                self.step = Step::Answering { from };
                Progress::Going
            }
            Step::Fetching { from } if from == leg => {
                let sdp = self.carried(leg, sdp);
                shell.reinvite(self.other(leg), Some(sdp));
                self.step = Step::Offering { from };
                Progress::Going
            }
            Step::Offering { from } if from != leg => {
                shell.ack(leg, None);
                let sdp = self.carried(leg, sdp);
                shell.ack(from, Some(sdp));
                self.step = Step::Idle;
                Progress::Agreed
            }
            Step::Renewing { leg: renewed, more } if renewed == leg => {
                shell.ack(leg, None);
                self.step = Step::Idle;
                let same = self.known.take() == Some(sdp.clone());
                match (same, more) {
                    (true, _) => Progress::Agreed,
                    // The other side is served elsewhere; they will agree anew when they meet again.
                    _ if self.is_quiet() => Progress::Agreed,
                    (false, 0) => self.broken("a refresh changed the description of both sides again and again"),
                    (false, more) => {
                        self.renew(shell, self.other(leg), sdp, more - 1);
                        Progress::Going
                    }
                }
            }
            _ => {
                shell.ack(leg, None);
                Progress::Going
            }
        }
    }

    /// ACK of `leg`, with the answer if our 2xx made the offer.
    pub fn acked(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) -> Progress {
        let Step::Answering { from } = self.step else { return Progress::Going };
        if from != leg {
            return Progress::Going;
        }
        let other = self.other(from);
        let Some(sdp) = sdp else {
            shell.ack(other, None);
            return self.broken("an ACK came without the answer to our offer");
        };
        if let Err(reject) = shell.inspect(leg, self.protection, &sdp) {
            shell.ack(other, None);
            shell.rejected(leg, Status(488), words::rejection(&reject));
            return self.broken(&reject.to_string());
        }
        let sdp = self.carried(leg, sdp);
        shell.ack(other, Some(sdp));
        self.step = Step::Idle;
        Progress::Agreed
    }

    /// Our re-INVITE on `leg` came to nothing.
    ///
    /// A leg that will not be quiet is offered the same once more to talk: the other has offered already, and waits.
    pub fn declined(&mut self, shell: &mut Shell, leg: LegNo, status: Status, why: String) -> Progress {
        let step = std::mem::replace(&mut self.step, Step::Idle);
        let waiting = match step {
            Step::Offering { from } if from != leg && self.quiet == Some(leg) => {
                (self.quiet, self.step) = (None, step);
                let offer = shell.leg(from).and_then(|leg| leg.heard.clone());
                shell.reinvite(leg, offer);
                return Progress::Going;
            }
            Step::Asked { from, .. } if from != leg => {
                shell.refuse(from, status, Vec::new(), why.clone());
                None
            }
            Step::Offering { from } if from != leg => Some(from),
            _ => None,
        };
        Progress::Declined { status, why, waiting }
    }

    /// The 2xx's description may not pass.
    fn misfit(&mut self, shell: &mut Shell, leg: LegNo, reject: &Reject) -> Progress {
        shell.rejected(leg, Status(488), words::rejection(reject));
        shell.ack(leg, None);
        match self.step {
            Step::Asked { from, .. } => shell.reject(from, reject),
            Step::Offering { from } => shell.ack(from, None),
            Step::Idle | Step::Answering { .. } | Step::Fetching { .. } | Step::Renewing { .. } => {}
        }
        self.broken(&reject.to_string())
    }

    fn broken(&mut self, why: &str) -> Progress {
        self.step = Step::Idle;
        Progress::Broken(why.to_owned())
    }
}

impl Shell {
    /// Looks at a description that `leg`'s peer sent and that we pass on: what it says goes into the record, and what is
    /// not protected as required is refused.
    pub fn inspect(&mut self, leg: LegNo, protection: Protection, sdp: &[u8]) -> Result<(), Reject> {
        let seen = sdp::inspect(&Policy::new(protection), sdp)?;
        let now = self.now();
        if let Some(leg) = self.leg_mut(leg) {
            leg.passed(&seen, now);
        }
        Ok(())
    }
}
