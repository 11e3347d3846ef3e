//! What a dialog does by itself: session timers (RFC 4028), the second try after 422 and 491, the end by 481 and 408
//! (RFC 3261 §12.2.1.2, RFC 5057).

use std::time::Duration;

use super::calls::{Ask, seconds};
use super::clients::{Again, Purpose};
use super::{ClientId, DialogId, Endpoint, Event};
use crate::dialog::{Dialog, Phase, Usage};
use crate::message::{Headers, Message, Method, Name, Response, Status};
use crate::session_timer::{self, LEAST, Refresher, Said, SessionDue, SessionTimer};

/// A refresh that met glare or a broken way is tried again after this time.
const REFRESH_PAUSE: Duration = Duration::from_secs(4);

/// What a message says of session timers.
pub(super) fn said(message: &Message) -> Said {
    let (mut expires, mut refresher) = (None, None);
    if let Some(value) = message.header(&Name::SessionExpires) {
        let mut params = value.split(';');
        expires = params.next().and_then(|seconds| seconds.trim().parse().ok());
        for (name, value) in params.filter_map(|param| param.split_once('=')) {
            if name.trim().eq_ignore_ascii_case("refresher") {
                refresher = match value.trim() {
                    value if value.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
                    value if value.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
                    _ => None,
                };
            }
        }
    }
    Said { expires, refresher, min_se: min_se(message), supported: message.has_token(&Name::Supported, "timer") }
}

fn min_se(message: &Message) -> Option<u32> {
    message.header(&Name::MinSe)?.split(';').next()?.trim().parse().ok()
}

/// Fields of a request that asks for a timer. `wanted` 0 asks for none.
pub(super) fn ask(wanted: u32, min_se: u32, refresher: Option<Refresher>) -> Vec<(Name, String)> {
    let mut fields = vec![(Name::Supported, "timer".to_owned())];
    if wanted > 0 {
        let wanted = wanted.max(min_se);
        let refresher = refresher.map_or(String::new(), |side| format!(";refresher={}", side.as_str()));
        fields.push((Name::SessionExpires, format!("{wanted}{refresher}")));
        if min_se > LEAST {
            fields.push((Name::MinSe, min_se.to_string()));
        }
    }
    fields
}

impl Endpoint {
    /// Session fields of a re-INVITE or UPDATE of ours: the roles stay as they are (RFC 4028 §7.4).
    pub(super) fn session_fields(&self, dialog_id: DialogId) -> Vec<(Name, String)> {
        let wanted = seconds(self.config.session_expires);
        let Some(dialog) = self.dialogs.get(&dialog_id) else { return Vec::new() };
        match &dialog.session {
            Some(session) => {
                let side = if session.ours { Refresher::Uac } else { Refresher::Uas };
                ask(session.expires, dialog.min_se, Some(side))
            }
            None => ask(wanted, dialog.min_se, None),
        }
    }

    /// A 2xx of the peer to our INVITE or UPDATE.
    pub(super) fn agreed_by_peer(&mut self, dialog_id: DialogId, response: &Response, now: Duration) {
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        // One that its user has ended only waits for its ACK: it has no session any more.
        if matches!(dialog.phase, Phase::Leaving { .. }) {
            return;
        }
        let agreed = session_timer::accepted(said(response));
        dialog.session = match (agreed, dialog.session) {
            (Some(agreed), _) => Some(SessionTimer::start(agreed.expires, agreed.refresher == Refresher::Uac, now)),
            // Our refresh was understood though not in so many words.
            (None, Some(session)) if session.ours => Some(SessionTimer::start(session.expires, true, now)),
            (None, _) => None,
        };
        self.arm_dialog(dialog_id);
    }

    /// The timer that our 2xx to an INVITE or UPDATE agrees to, and the fields that say so.
    pub(super) fn agree(&mut self, dialog_id: DialogId, request: &Message, now: Duration) -> Vec<(Name, String)> {
        let wanted = seconds(self.config.session_expires);
        let min_se = seconds(self.config.min_se).max(LEAST);
        let mut fields = vec![(Name::Supported, "timer".to_owned())];
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return fields };
        let said = said(request);
        dialog.min_se = dialog.min_se.max(said.min_se.unwrap_or(LEAST));
        // Too small an interval was refused when the request came.
        let agreed = if wanted == 0 { None } else { session_timer::answer(said, wanted, min_se).unwrap_or(None) };
        dialog.session = agreed.map(|agreed| {
            if agreed.require {
                fields.push((Name::Require, "timer".to_owned()));
            }
            let side = agreed.refresher.as_str();
            fields.push((Name::SessionExpires, format!("{};refresher={side}", agreed.expires)));
            SessionTimer::start(agreed.expires, agreed.refresher == Refresher::Uas, now)
        });
        self.arm_dialog(dialog_id);
        fields
    }

    /// Our Min-SE when a request asks for less (RFC 4028 §9).
    pub(super) fn too_brief(&self, request: &Message) -> Option<Headers> {
        if !matches!(request.method(), Method::Invite | Method::Update) {
            return None;
        }
        let min_se = seconds(self.config.min_se).max(LEAST);
        let refused = session_timer::answer(said(request), seconds(self.config.session_expires), min_se).err()?;
        Some(vec![(Name::MinSe, refused.to_string())])
    }

    /// Sends an INVITE once more if its refusal is one that we can mend: 422, or 491 within a dialog. True when done.
    pub(super) fn once_more(
        &mut self,
        request: ClientId,
        dialog_id: DialogId,
        status: Status,
        response: &Response,
        again: Again,
        now: Duration,
    ) -> bool {
        let pause = 10 * self.mint.below(201);
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return false };
        let asked = dialog.session.map_or(0, |session| session.expires).max(seconds(self.config.session_expires));
        let larger = min_se(response).filter(|least| status.0 == 422 && *least > asked.max(dialog.min_se));
        match again {
            Again::Initial(initial) => {
                let Some(least) = larger else { return false };
                dialog.min_se = least;
                let id = self.mint.id();
                self.send_initial(dialog_id, id, request, initial, now);
            }
            Again::Inside(waiting) => {
                if let Some(least) = larger {
                    dialog.min_se = least;
                } else if status.0 == 491 {
                    // RFC 3261 §14.1: 2.1–4 s for who made the Call-ID, 0–2 s for the other, in steps of 10 ms.
                    let pause = if dialog.caller { 2100 + pause.min(1900) } else { pause };
                    dialog.invites.pause = Some(now + Duration::from_millis(pause.into()));
                } else {
                    return false;
                }
                dialog.invites.waiting.push_front(*waiting);
                self.arm_dialog(dialog_id);
                self.next_invite(dialog_id, now);
            }
        }
        true
    }

    /// After the last word on a request within a dialog.
    pub(super) fn after_inside(&mut self, dialog_id: DialogId, status: Status, now: Duration) {
        let confirmed = self.dialogs.get(&dialog_id).is_some_and(|dialog| matches!(dialog.phase, Phase::Confirmed));
        match status.0 {
            408 | 481 if confirmed => {
                let why = if status.0 == 408 { "a request was not answered" } else { "the peer knows no such dialog" };
                self.expire(dialog_id, status, why, now);
            }
            _ => self.next_invite(dialog_id, now),
        }
    }

    fn expire(&mut self, dialog_id: DialogId, status: Status, why: &str, now: Duration) {
        let reason = format!("SIP;cause={};text=\"{why}\"", status.0);
        self.answer_pending(dialog_id, now);
        match self.dialogs.get(&dialog_id).map(|dialog| dialog.usage) {
            Some(Usage::Subscription) => self.drop_dialog(dialog_id),
            _ => self.bye(dialog_id, &vec![(Name::Reason, reason)], now),
        }
        self.report(Event::Expired { dialog: dialog_id, why: why.to_owned() });
    }

    pub(super) fn dialog_due(&mut self, dialog_id: DialogId, now: Duration) {
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        dialog.armed = None;
        if dialog.invites.pause.is_some_and(|until| until <= now) {
            dialog.invites.pause = None;
            self.next_invite(dialog_id, now);
        }
        let due = self.dialogs.get_mut(&dialog_id).and_then(|dialog| dialog.session.as_mut()?.tick(now).into());
        match due {
            Some(SessionDue::Refresh) => self.refresh(dialog_id, now),
            Some(SessionDue::Expired) => {
                let why = "the session timer ran out (RFC 4028): no refresh came in time";
                return self.expire(dialog_id, Status(408), why, now);
            }
            Some(SessionDue::Nothing) | None => {}
        }
        self.arm_dialog(dialog_id);
    }

    /// Our turn: by UPDATE without a body where the peer takes it, else the user sends a re-INVITE.
    fn refresh(&mut self, dialog_id: DialogId, now: Duration) {
        match self.dialogs.get(&dialog_id) {
            Some(Dialog { takes_update: true, .. }) => {
                let client = ClientId(self.mint.id());
                let ask = Ask { method: &Method::Update, headers: &Headers::new(), body: None };
                if self.send_inside(dialog_id, client, Purpose::Refresh, ask, now).is_err() {
                    self.refresh_later(dialog_id, now);
                }
            }
            Some(_) => self.report(Event::RefreshDue { dialog: dialog_id }),
            None => {}
        }
    }

    pub(super) fn refresh_later(&mut self, dialog_id: DialogId, now: Duration) {
        if let Some(session) = self.dialogs.get_mut(&dialog_id).and_then(|dialog| dialog.session.as_mut()) {
            session.again(REFRESH_PAUSE, now);
        }
        self.arm_dialog(dialog_id);
    }

    /// The answer to our own UPDATE. Success has restarted the timer already; 408 and 481 end the dialog after this.
    pub(super) fn refreshed(&mut self, dialog_id: DialogId, status: Status, response: &Response, now: Duration) {
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        match status.0 {
            200..=299 | 408 | 481 => {}
            422 => {
                let least = min_se(response).unwrap_or(LEAST);
                match dialog.session.as_mut() {
                    Some(session) if least > session.expires => {
                        session.expires = least;
                        dialog.min_se = dialog.min_se.max(least);
                        self.refresh(dialog_id, now);
                    }
                    _ => self.refresh_later(dialog_id, now),
                }
            }
            491 | 500..=599 if status.0 != 501 => self.refresh_later(dialog_id, now),
            _ => {
                dialog.takes_update = false;
                self.refresh(dialog_id, now);
            }
        }
    }
}
