//! INVITEs that name another dialog: to take its place (Replaces, RFC 3891 §3) or to join it (Join, RFC 3911 §4).

use super::{DialogId, Endpoint};
use crate::dialog::{Dialog, Phase, Usage};
use crate::message::{Join, Replaces, Request, Status};

/// What an INVITE means for a dialog that exists here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// Answer the INVITE and end this dialog, which is confirmed: BYE.
    Replace(DialogId),
    /// Answer the INVITE and end this dialog, which we are calling: CANCEL.
    ReplaceEarly(DialogId),
    /// Answer the INVITE and mix it with this dialog.
    Join(DialogId),
}

impl Endpoint {
    /// What the INVITE asks of a dialog of ours, by its Replaces or Join; `None` when it has neither. The error is what it
    /// must be answered with. Whether its sender may do so is for the user to judge before it does as this says
    /// (RFC 3891 §3: at least as trusted as the party it replaces).
    pub fn takeover(&self, invite: &Request) -> Result<Option<Takeover>, Status> {
        let replaces = invite.typed::<Replaces>().transpose().map_err(|_| Status(400))?;
        let join = invite.typed::<Join>().transpose().map_err(|_| Status(400))?;
        match (replaces, join) {
            // RFC 3911 §4: the two exclude each other.
            (Some(_), Some(_)) => Err(Status(400)),
            (Some(replaces), None) => self.replaced(&replaces).map(Some),
            (None, Some(join)) => self.joined(&join).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// How the peer of this dialog is told which one is meant: the tags as the peer sees them (RFC 3891 §6.1). `None` before
    /// the peer has a tag.
    pub fn replaces(&self, id: DialogId) -> Option<Replaces> {
        let parties = &self.dialogs.get(&id)?.parties;
        Some(Replaces {
            call_id: parties.call_id.clone(),
            to_tag: parties.remote_tag.clone()?,
            from_tag: parties.local_tag.clone(),
            early_only: false,
            params: Vec::new(),
        })
    }

    /// Which dialog of ours is meant, in an INVITE or by whoever is referred to itself. The error as for
    /// [`Endpoint::takeover`].
    ///
    /// # Errors
    /// There is none that could be taken the place of.
    pub fn replaced(&self, wanted: &Replaces) -> Result<Takeover, Status> {
        let (id, dialog) = self.named(&wanted.call_id, &wanted.to_tag, &wanted.from_tag).ok_or(Status(481))?;
        match dialog.phase {
            Phase::Confirmed if wanted.early_only => Err(Status(486)),
            Phase::Confirmed => Ok(Takeover::Replace(id)),
            Phase::Calling { .. } => Ok(Takeover::ReplaceEarly(id)),
            // An early dialog that somebody else began is not ours to replace.
            Phase::Called { .. } => Err(Status(481)),
            // Ended already, in our eyes.
            Phase::Leaving { .. } => Err(Status(603)),
        }
    }

    fn joined(&self, wanted: &Join) -> Result<Takeover, Status> {
        let (id, dialog) = self.named(&wanted.call_id, &wanted.to_tag, &wanted.from_tag).ok_or(Status(481))?;
        match dialog.phase {
            Phase::Confirmed | Phase::Calling { .. } => Ok(Takeover::Join(id)),
            Phase::Called { .. } => Err(Status(481)),
            Phase::Leaving { .. } => Err(Status(603)),
        }
    }

    /// The call of that name: `ours` is our tag. A peer of RFC 2543 without a tag is meant by `0`.
    fn named(&self, call_id: &str, ours: &str, theirs: &str) -> Option<(DialogId, &Dialog)> {
        let id = self.owner_of(ours)?;
        let dialog = self.dialogs.get(&id).filter(|dialog| dialog.usage == Usage::Session)?;
        let parties = &dialog.parties;
        let their_tag = parties.remote_tag.as_deref()?;
        let same = parties.call_id == call_id
            && parties.local_tag.eq_ignore_ascii_case(ours)
            && (their_tag == theirs || (their_tag.is_empty() && theirs == "0"));
        same.then_some((id, dialog))
    }
}
