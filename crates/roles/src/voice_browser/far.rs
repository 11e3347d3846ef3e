//! Whom the browser calls for a caller: an INVITE of its own to the call server that the caller came from, a leg of the same
//! call with keys of its own, beside the caller's on one media thread.

use std::sync::Arc;

use media::Command;
use sdp::{Direction, Protection};
use serde::{Deserialize, Serialize};
use sip::{Hop, NameAddr, Status, Target, Transport, Uri};

use super::dialogue::{Far, Told};
use super::{Visit, VoiceBrowser};
use crate::shell::{Invited, LegNo, Outgoing, Shell};
use crate::terminal::Terminal;

/// Where the caller came from, which is where calls for them go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The call server as it named itself in Contact.
    pub(super) server: Uri,
    way: Option<Target>,
    peer: Arc<str>,
    calling: String,
    /// Of what is called for them: every element on a circle takes one off (RFC 3261 §16.3).
    max_forwards: u8,
    protection: Protection,
}

/// Somebody who is called, or talks with the caller.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FarParty {
    pub(super) leg: LegNo,
    pub(super) terminal: Terminal,
    number: String,
}

impl Origin {
    pub(super) fn of(shell: &Shell, invited: &Invited, protection: Protection) -> Origin {
        let leg = invited.leg;
        let server = match invited.request.contact() {
            Some(Ok(contact)) => contact.uri,
            _ => {
                let remote = shell.leg(leg).and_then(|leg| leg.record.signalling.remote);
                Uri::sip(None, remote.map_or_else(String::new, |remote| remote.ip().to_string()), None)
            }
        };
        Origin {
            server,
            way: shell.way_back_by(leg, &invited.request),
            peer: invited.admitted.peer().clone(),
            calling: invited.calling.clone(),
            max_forwards: invited.max_forwards,
            protection,
        }
    }

    /// Over TLS with SRTP, or nobody is called.
    fn secure_way(&self) -> Option<&Target> {
        let is_secure = self.protection == Protection::Secure;
        self.way.as_ref().filter(|way| is_secure && way.transport == Transport::Tls)
    }
}

impl VoiceBrowser {
    pub(super) fn dial(&mut self, shell: &mut Shell, leg: LegNo, number: String, attached: Option<&str>) {
        if let Err(status) = self.try_to_dial(shell, leg, number, attached) {
            self.tell(shell, leg, Told::Far(Far::Refused(status.0)));
        }
    }

    fn try_to_dial(
        &mut self,
        shell: &mut Shell,
        leg: LegNo,
        number: String,
        attached: Option<&str>,
    ) -> Result<(), Status> {
        let call = shell.book().leg(leg).map(|entry| entry.call).ok_or(Status(481))?;
        let visit = self.visits.get_mut(&leg).ok_or(Status(481))?;
        let origin = &visit.origin;
        let Some(way) = origin.secure_way().cloned() else {
            shell.note(leg, "nobody is called for this caller: their own call is not over TLS with SRTP");
            return Err(Status(403));
        };
        // Packets are passed between ports of one media thread.
        let lease = shell.lend_beside(visit.terminal.lease()).ok_or(Status(503))?;
        let mut terminal = Terminal::on(lease, shell, visit.terminal.policy().clone());
        let offer = terminal.offer(shell, Direction::SendRecv);
        let mut uri = Uri { user: Some(number.clone()), ..origin.server.clone() };
        if let Some(attached) = attached {
            // RFC 5552 §6.1.
            uri = uri.with_param("aai", Some(attached));
        }
        let far = shell.call(Outgoing {
            call,
            peer: origin.peer.clone(),
            hop: Hop::Target(way),
            uri,
            calling: origin.calling.clone(),
            called: number.clone(),
            // We are who the caller talks with; to whom we call we are the caller, whose UUID is the call's.
            mate: None,
            dial_peer: None,
            max_forwards: origin.max_forwards,
            headers: Vec::new(),
            sdp: Some(offer),
            dangerous: Vec::new(),
        });
        terminal.belongs_to(shell, far);
        shell.note(leg, "somebody is called for this caller");
        visit.far = Some(FarParty { leg: far, terminal, number });
        self.fars.insert(far, leg);
        Ok(())
    }

    /// The media of a leg, whichever of a caller's two it is.
    pub(super) fn terminal(&mut self, leg: LegNo) -> Option<&mut Terminal> {
        match self.fars.get(&leg) {
            Some(caller) => self.visits.get_mut(caller)?.far.as_mut().map(|far| &mut far.terminal),
            None => self.visits.get_mut(&leg).map(|visit| &mut visit.terminal),
        }
    }

    pub(super) fn far_answered(&mut self, shell: &mut Shell, far: LegNo, sdp: Option<&[u8]>) {
        shell.ack(far, None);
        let Some(caller) = self.fars.get(&far).copied() else { return };
        let Some(terminal) = self.terminal(far) else { return };
        match terminal.accept(shell, far, sdp.unwrap_or_default(), false) {
            Ok(()) => self.tell(shell, caller, Told::Far(Far::Answered)),
            Err(reject) => {
                shell.rejected(far, Status(488), crate::shell::rejection(&reject));
                shell.end(far, reject.to_string());
                self.far_over(shell, far, Far::Refused(488));
            }
        }
    }

    /// A leg is over; nothing happens where it is not a far party's.
    pub(super) fn far_over(&mut self, shell: &mut Shell, far: LegNo, how: Far) {
        let Some(caller) = self.fars.remove(&far) else { return };
        if let Some(visit) = self.visits.get_mut(&caller) {
            visit.far = None;
        }
        self.tell(shell, caller, Told::Far(how));
    }
}

impl Visit {
    /// The two hear each other. Keys of the caller may end it.
    pub(super) fn join(&self, shell: &mut Shell) {
        let Some(far) = &self.far else { return };
        let (ours, theirs) = (self.terminal.lease().id, far.terminal.lease().id);
        shell.media(Command::Bridge { a: ours, b: theirs });
        shell.media(Command::Overhear { lease: ours });
        shell.note(far.leg, "the caller talks with them");
    }

    /// The leg that is over with this.
    pub(super) fn let_go(&mut self, shell: &mut Shell, why: &str) -> Option<LegNo> {
        let far = self.far.take()?;
        shell.media(Command::Unbridge { lease: self.terminal.lease().id });
        shell.end(far.leg, why);
        Some(far.leg)
    }

    /// Whom the caller is to be brought together with, as the call server has them (RFC 5589 §7, RFC 3891).
    pub(super) fn replacing(&self, shell: &Shell) -> Option<NameAddr> {
        let far = self.far.as_ref()?;
        let replaces = shell.replaces(far.leg)?;
        let headers = vec![("Replaces".to_owned(), replaces.to_string())];
        Some(NameAddr::new(Uri { user: Some(far.number.clone()), headers, ..self.origin.server.clone() }))
    }
}
