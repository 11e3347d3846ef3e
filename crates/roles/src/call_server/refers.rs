//! What a voice browser asks by REFER (RFC 5552 §6, blind transfer): the caller joins the queue that it names, or is to be
//! called back. It is accepted when it is kept: a caller whose browser was told so would else wait for ever in the queue
//! of a process that is no more.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::{Body, Method, Name, Request, ServerId, Status};

use super::CallServer;
use super::call::{Alarm, Call, Queued, Stage};
use super::called_back::Promise;
use crate::AskId;
use crate::shell::{CallNo, LegNo, Shell};

/// With a store that is full or gone callers are queued all the same, and soon enough for a browser not to ask again.
const PATIENCE: Duration = Duration::from_millis(250);

/// REFERs that are done and not yet accepted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Refers(BTreeMap<AskId, Refer>);

#[derive(Debug, Serialize, Deserialize)]
struct Refer {
    call: CallNo,
    leg: LegNo,
    server: ServerId,
    /// Of the transfer.
    progress: Status,
}

impl CallServer {
    pub(super) fn referred(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, server: ServerId, request: &Request) {
        let target = request.header(&Name::ReferTo).and_then(|value| sip::NameAddr::parse(value).ok());
        let attached = target.as_ref().and_then(|to| to.uri.param("aai")).flatten().and_then(user_to_user);
        let call_back = target.as_ref().is_some_and(|to| to.uri.param("call-back").is_some());
        let replaces =
            |to: &&sip::NameAddr| to.uri.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Replaces"));
        if let Some(to) = target.as_ref().filter(replaces) {
            return self.hand_over(shell, no, leg, server, to);
        }
        let Some(queue) = target.and_then(|to| to.uri.user) else {
            return shell.answer(leg, server, Status(400), Vec::new(), None);
        };
        let Some(call) = self.calls.get(&no) else { return };
        let is_same = |queued: &Queued| queued.told == Some(leg) && queued.name == queue;
        match &call.queue {
            // It did not hear that it was accepted.
            Some(queued) if is_same(queued) => return self.accept(shell, no, leg, server, Status(182)),
            None if matches!(call.stage, Stage::Served { .. }) => {}
            _ => return shell.answer(leg, server, Status(603), Vec::new(), None),
        }
        if call_back && call.promised.is_some() {
            return self.accept(shell, no, leg, server, Status(200));
        }
        if call_back {
            let progress = match self.promise(shell, no, &queue) {
                Promise::Made => Status(200),
                Promise::Refused => Status(404),
                Promise::NoNeed => {
                    self.stand_in(shell, no, leg, queue, attached);
                    Status(182)
                }
            };
            self.accept_when_kept(shell, no, leg, server, progress);
            return self.route(shell);
        }
        self.stand_in(shell, no, leg, queue.clone(), attached);
        shell.decided(no, format!("the voice browser refers the caller to queue {queue}"));
        match self.told(shell, self.arrival(no, &queue)) {
            Ok(()) => self.accept_when_kept(shell, no, leg, server, Status(182)),
            Err(why) => {
                shell.answer(leg, server, Status(202), Vec::new(), None);
                self.unqueued(shell, no, &why);
                self.keep(shell, no);
            }
        }
        self.route(shell);
    }

    fn stand_in(&mut self, shell: &Shell, no: CallNo, leg: LegNo, name: String, attached: Option<String>) {
        let since_ms = ::call::ms(shell.now());
        if let Some(call) = self.calls.get_mut(&no) {
            call.queue = Some(Queued { name, attached, told: Some(leg), since_ms });
        }
    }

    fn accept_when_kept(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, server: ServerId, progress: Status) {
        match self.keep_promptly(shell, no) {
            Some(ask) => {
                self.refers.0.insert(ask, Refer { call: no, leg, server, progress });
                self.timers.set(shell.now().mono + PATIENCE, Alarm::NotKept(ask));
            }
            None => self.accept(shell, no, leg, server, progress),
        }
    }

    /// It is kept, or is not to be waited for any longer.
    pub(super) fn refer_kept(&mut self, shell: &mut Shell, ask: AskId) {
        if let Some(Refer { call, leg, server, progress }) = self.refers.0.remove(&ask) {
            self.accept(shell, call, leg, server, progress);
        }
    }

    fn accept(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, server: ServerId, progress: Status) {
        shell.answer(leg, server, Status(202), Vec::new(), None);
        // How it goes on may be known, and told, already.
        let queued = self.calls.get(&no).and_then(|call| call.queue.as_ref());
        let waits = queued.is_some_and(|queued| queued.told == Some(leg)) && self.is_browser(no, leg);
        if waits || progress != Status(182) {
            tell(shell, leg, Status(100), false);
            tell(shell, leg, progress, progress != Status(182));
        }
    }

    /// There is no such queue: the browser is told, and still has the caller.
    pub(super) fn unqueued(&mut self, shell: &mut Shell, no: CallNo, why: &str) {
        shell.decided(no, format!("not queued: {why}"));
        if matches!(self.calls.get(&no), Some(Call { stage: Stage::Promised, .. })) {
            return self.finish(shell, no, why);
        }
        let queue = self.calls.get_mut(&no).and_then(|call| call.queue.take());
        match queue.and_then(|queue| queue.told) {
            Some(leg) => tell(shell, leg, Status(404), true),
            // Nobody sent them here who could go on with them: music for ever would be no answer.
            None => self.finish(shell, no, why),
        }
    }
}

/// NOTIFY with the state of a REFER (RFC 3515 §2.4.5).
pub(super) fn tell(shell: &mut Shell, leg: LegNo, status: Status, last: bool) {
    let state = if last { "terminated;reason=noresource" } else { "active;expires=3600" };
    let headers = vec![(Name::Event, "refer".into()), (Name::SubscriptionState, state.into())];
    shell.request(leg, Method::Notify, headers, Some(Body::sipfrag(status)));
}

/// The most octets that User-to-User carries (RFC 7434 §4).
const MOST_ATTACHED: usize = 128;

/// Application data as equipment reads it: a protocol discriminator (RFC 7434 §5: 04, IA5 characters; 00, the user's own),
/// then the octets.
pub(super) fn user_to_user(data: &str) -> Option<String> {
    if data.len() > MOST_ATTACHED {
        tracing::warn!(
            octets = data.len(),
            "an application attaches too much: at most {MOST_ATTACHED} octets go to the agent"
        );
        return None;
    }
    let discriminator = if data.is_ascii() { "04" } else { "00" };
    Some(format!("{discriminator}{};encoding=hex", trust::hex(data.as_bytes())))
}
