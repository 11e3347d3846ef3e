//! Where an audio stream ends at a node that ends media (voice browser, phone): offers and answers with fresh keys on a
//! leased port (RFC 3264, RFC 4568), and what the media thread is told of them.

use bytes::Bytes;
use media::{Command, Latch, Lease, Play};
use sdp::{Direction, Local, Negotiated, Offered, Policy, Reject};
use serde::{Deserialize, Serialize};
use sip::{Headers, Status};

use crate::shell::{LegNo, Shell};

/// Our end of one leg's audio.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Terminal {
    lease: Lease,
    local: Local,
    policy: Policy,
    /// An offer of ours that waits for its answer.
    offered: Option<Offered>,
    /// Ours, as last agreed; `None` before the first agreement.
    direction: Option<Direction>,
}

impl Terminal {
    /// Takes an open port. `None`: the media threads have none to lend at this moment.
    pub(crate) fn open(shell: &mut Shell, policy: Policy) -> Option<Terminal> {
        let lease = shell.lend()?;
        Some(Terminal::on(lease, shell, policy))
    }

    pub(crate) fn on(lease: Lease, shell: &mut Shell, policy: Policy) -> Terminal {
        let shown = lease.fingerprint.map(sdp::Fingerprint::sha_256);
        let local = Local { fingerprint: shown, ..Local::new(lease.addr, shell.random()) };
        Terminal { lease, local, policy, offered: None, direction: None }
    }

    /// The leg has the port until it is over.
    pub(crate) fn belongs_to(&self, shell: &mut Shell, leg: LegNo) {
        shell.give(leg, self.lease);
    }

    pub(crate) fn lease(&self) -> Lease {
        self.lease
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Media is agreed.
    pub(crate) fn is_agreed(&self) -> bool {
        self.direction.is_some()
    }

    /// Answers an offer: our description. The stream is set, or re-keyed and redirected.
    pub(crate) fn answer(&mut self, shell: &mut Shell, leg: LegNo, offer: &[u8]) -> Result<Bytes, Reject> {
        let (text, negotiated) = sdp::answer(&self.policy, &mut self.local, offer, &mut shell.keys())?;
        self.offered = None;
        self.set(shell, leg, negotiated);
        Ok(text.into())
    }

    /// Ours, as last agreed; both ways before that.
    pub(crate) fn direction(&self) -> Direction {
        self.direction.unwrap_or(Direction::SendRecv)
    }

    /// An offer of ours with fresh keys; what is agreed stays in force until it is answered.
    pub(crate) fn offer(&mut self, shell: &mut Shell, direction: Direction) -> Bytes {
        let (text, offered) = sdp::offer(&self.policy, &mut self.local, direction, &mut shell.keys());
        self.offered = Some(offered);
        text.into()
    }

    /// Whether an offer of ours waits for its answer.
    pub(crate) fn is_offering(&self) -> bool {
        self.offered.is_some()
    }

    /// Reads the answer to our offer; early ones (RFC 3261 §13.2.1, in a 183) may be followed by the final one.
    pub(crate) fn accept(&mut self, shell: &mut Shell, leg: LegNo, answer: &[u8], early: bool) -> Result<(), Reject> {
        let Some(offered) = &self.offered else { return Ok(()) };
        let negotiated = sdp::accept(offered, &self.policy, answer)?;
        if !early {
            self.offered = None;
        }
        self.set(shell, leg, negotiated);
        Ok(())
    }

    /// A re-INVITE of the peer: their offer is answered, or ours made where they have none.
    pub(crate) fn reinvited(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<&[u8]>) {
        let described = match sdp {
            Some(offer) => self.answer(shell, leg, offer),
            None => Ok(self.offer(shell, Direction::SendRecv)),
        };
        match described {
            Ok(described) => shell.respond(leg, Status(200), Headers::new(), Some(described)),
            Err(reject) => shell.reject(leg, &reject),
        }
    }

    /// The session is to be refreshed by a re-INVITE of ours: the same again, under fresh keys.
    pub(crate) fn refresh(&mut self, shell: &mut Shell, leg: LegNo) {
        if !self.is_offering() {
            let offer = self.offer(shell, self.direction());
            shell.reinvite(leg, Some(offer));
        }
    }

    /// ACK for our 2xx: with the answer, where that offered. The error says what was wrong with it.
    pub(crate) fn acked(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<&[u8]>) -> Result<(), String> {
        match (self.is_offering(), sdp) {
            (false, _) => Ok(()),
            (true, Some(answer)) => self.accept(shell, leg, answer, false).map_err(|reject| reject.to_string()),
            (true, None) => Err("our offer was acknowledged without an answer".into()),
        }
    }

    /// Our offer came to nothing.
    pub(crate) fn withdraw(&mut self) {
        self.offered = None;
    }

    pub(crate) fn play(&self, shell: &mut Shell, play: Play) {
        shell.media(Command::Play { lease: self.lease.id, play });
    }

    pub(crate) fn silence(&self, shell: &mut Shell) {
        shell.media(Command::Silence { lease: self.lease.id });
    }

    fn set(&mut self, shell: &mut Shell, leg: LegNo, negotiated: Negotiated) {
        if let Some(old) = self.direction.replace(negotiated.direction)
            && old != negotiated.direction
        {
            shell.note(leg, format!("media is {} (was {})", negotiated.direction.name(), old.name()));
        }
        let lease = self.lease.id;
        shell.media(Command::Set { lease, negotiated: Box::new(negotiated), latch: Latch::Never });
        // So that the record knows of the stream from its beginning, not only once somebody asks.
        shell.media(Command::Report { lease });
    }
}
