//! Calls that outlive the process: what is written of each at its stable changes, and how the next process goes on with it.
//!
//! What is written begins with four octets that say what it is and two that say in what version. The rest is of that
//! version alone: read as another's it would be nonsense that looks like sense, so it is not read at all.

use acd::CallId;
use serde::{Deserialize, Serialize};
use sip::Method;

use super::CallServer;
use super::call::{Call, Stage};
use crate::shell::{CallNo, CarriedCall, LegNo, Shell};
use crate::{Ask, AskId, Persist};

const MARK: [u8; 4] = *b"CALL";
/// To be counted up with every change of what is kept: of [`Call`], of what the shell carries and all that is in them.
const VERSION: u16 = 7;

/// A call as it is persisted; while it is written its parts are borrowed.
#[derive(Serialize, Deserialize)]
struct Kept<R = Call, C = CarriedCall> {
    role: R,
    call: C,
}

/// The call in these octets, or why there is none to be had.
fn read(state: &[u8]) -> Result<Kept, String> {
    let version = match state.split_first_chunk() {
        Some((mark, rest)) if *mark == MARK => rest.split_first_chunk().map(|(version, rest)| (*version, rest)),
        _ => None,
    };
    let Some((version, rest)) = version else {
        return Err(format!("expected a call of version {VERSION}; it was kept before versions were written down"));
    };
    match u16::from_le_bytes(version) {
        VERSION => {
            postcard::from_bytes(rest).map_err(|error| format!("a call of version {VERSION} is damaged: {error}"))
        }
        newer @ VERSION.. => {
            Err(format!("expected a call of version {VERSION}; a newer Ringfence kept it, of {newer}"))
        }
        older => Err(format!("expected a call of version {VERSION}; an older Ringfence kept it, of {older}")),
    }
}

impl CallServer {
    /// What outlives the process: written at stable changes.
    pub(super) fn keep(&mut self, shell: &mut Shell, no: CallNo) {
        if let Some(state) = self.written(shell, no) {
            shell.persist(Persist::Call { call: no.0, state: Some(state), awaited: false });
        }
    }

    /// The same for somebody who waits for it. `None`: there is nothing to be kept.
    pub(super) fn keep_promptly(&mut self, shell: &mut Shell, no: CallNo) -> Option<AskId> {
        let state = self.written(shell, no)?;
        Some(shell.ask(Ask::Persist(Persist::Call { call: no.0, state: Some(state), awaited: true })))
    }

    fn written(&self, shell: &Shell, no: CallNo) -> Option<Vec<u8>> {
        let (role, call) = self.calls.get(&no).zip(shell.carry_out(no))?;
        let mut state = MARK.to_vec();
        state.extend(VERSION.to_le_bytes());
        postcard::to_extend(&Kept { role, call }, state).ok()
    }

    /// Whoever waited in a queue waits again, at the same place; whoever talks goes on talking, and the agent with them.
    /// The error says why the call is not taken on.
    pub(super) fn take_on(&mut self, shell: &mut Shell, state: &[u8]) -> Result<(), String> {
        let Kept { mut role, call } = read(state)?;
        let no = call.no;
        if !shell.carry_in(call) {
            return Err("nothing of the call was alive when it was kept, or its number is another's".into());
        }
        (role.ringing, role.stale, role.asked) = (None, Vec::new(), None);
        // Who was on the way is not any more; who is there, is.
        let mut strays = Vec::new();
        let taken_over = role.is_taken_over();
        if let Some(joining) = role.joining.take() {
            strays.extend(joining.seats.iter().map(|seat| seat.place));
            strays.extend(role.supervision.take().map(|by| by.leg));
        }
        role.supervision.iter_mut().for_each(|by| (by.control, by.change) = (None, None));
        let waits = role.queue.as_ref().filter(|_| matches!(role.stage, Stage::Served { .. } | Stage::Moving { .. }));
        let waits = waits.map(|queue| (queue.name.clone(), queue.since_ms));
        // A call that no queue sent is in none.
        let queue = role.queue.as_ref().map(|queue| queue.name.clone()).unwrap_or_default();
        // Whoever consults is the held caller's, whose call has the lower number and is here already if it lives.
        let held = role.made.as_ref().and_then(|made| made.consults).filter(|held| self.calls.contains_key(held));
        role.made.iter_mut().for_each(|made| made.consults = held);
        if let Some(held) = held.and_then(|held| self.calls.get_mut(&held)) {
            // It was written down before this one was begun.
            held.consultation = Some(no);
        }
        let is_there = matches!(role.stage, Stage::Talking { .. } | Stage::Connecting { .. } | Stage::Mixed(_));
        let supervises = role.supervision.as_ref().map(|by| (CallId(by.leg.0), by.by.clone()));
        let talks = role.served_by.clone().filter(|_| is_there && held.is_none());
        self.calls.insert(no, role);
        strays.into_iter().for_each(|leg| shell.end(leg, "the call server was started again"));
        if let Some((leg, by)) = supervises {
            self.router.resume_conversation(leg, &by, String::new(), shell.now().mono);
        }
        self.resume_exchange(shell, no);
        if taken_over {
            self.meet_again(shell, no);
        }
        self.resume_room(shell, no);
        let now = shell.now().mono;
        let promised = self.calls.get(&no).is_some_and(|call| matches!(call.stage, Stage::Promised));
        let place =
            self.calls.get(&no).and_then(|call| call.queue.as_ref()).map(|queue| (queue.name.clone(), queue.since_ms));
        if let (true, Some((queue, since_ms))) = (promised, place) {
            self.promised_again(shell, no, &queue, since_ms);
        }
        let is_over = self.calls.get(&no).is_some_and(|call| matches!(call.stage, Stage::Over));
        if let Some((queue, since_ms)) = waits.filter(|_| !is_over) {
            self.tell_router(shell, self.arrival_again(shell, no, &queue, since_ms));
        }
        if let Some(agent) = talks {
            self.router.resume_conversation(CallId(no.0), &agent, queue, now);
        }
        self.call_the_roll(shell, no);
        self.route(shell);
        Ok(())
    }

    /// Who hung up while nobody was here to hear of it does not know the dialog any more, and says so (481) when asked;
    /// the endpoint ends it then (RFC 3261 section 12.2.1.2). Whoever is there answers something else.
    fn call_the_roll(&mut self, shell: &mut Shell, no: CallNo) {
        let legs: Vec<LegNo> =
            shell.book().legs_of(no).filter(|(_, entry)| entry.leg.is_answered()).map(|(leg, _)| leg).collect();
        for leg in legs.into_iter().filter(|leg| shell.is_live(*leg)).collect::<Vec<_>>() {
            match self.calls.get_mut(&no).is_some_and(|call| call.stage.probe_of(leg).is_some()) {
                // A browser or media resource is not waited for as long as anybody else.
                true => self.probe(shell, no, leg),
                false => drop(shell.request(leg, Method::Options, Vec::new(), None)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_version_kept_is_told_and_not_read() {
        let of = |version: u16| [MARK.as_slice(), &version.to_le_bytes(), &[0xff; 5]].concat();
        for (state, words) in [
            (vec![0; 60], "before versions"),
            (vec![], "before versions"),
            (MARK.to_vec(), "before versions"),
            (of(1), "an older Ringfence kept it, of 1"),
            (of(VERSION + 1), "a newer Ringfence kept it, of 8"),
            (of(VERSION), "is damaged"),
        ] {
            let why = read(&state).err().expect("no call");
            assert!(why.contains(words), "{why}");
        }
    }
}
