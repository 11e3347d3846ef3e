//! The book: which calls this node has, which legs they are made of, and where to find them by dialog and by lease.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use call::Leg;
use call::record::{LegRecord, LegState};
use call::session_id::{SessionId, Uuid};
use call::statement::WentOn;
use media::{Lease, LeaseId};
use serde::{Deserialize, Serialize};
use sip::{ClientId, DialogId, FlowId, Message, Name};

use super::identity::Identity;

/// The node's number of a call. Counts up, never used twice in one life of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallNo(pub u64);

/// The node's number of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LegNo(pub u64);

/// A call as every role has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallEntry {
    /// Generation of the plan that the call began with and keeps.
    pub plan: u64,
    /// In the order they were made; ended ones stay until the call is over, since the statement tells of them.
    pub legs: Vec<LegNo>,
    /// The caller's UUID: key of statements, ladders and traces.
    pub caller: Uuid,
    /// What the caller is known by besides the number, of a call that came in.
    pub(super) identity: Box<Identity>,
    /// Legs that went on in other callers' calls.
    pub went_on: Vec<WentOn>,
    /// All legs are over; the facts of the media are waited for no longer than this.
    pub finish_by: Option<Duration>,
    /// Goes on without any leg: somebody is to be called back.
    pub waits: bool,
}

/// A leg with what only this node's shell knows of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LegEntry {
    pub leg: Leg,
    pub call: CallNo,
    /// Name of the peer in the plan (or of the device) that this leg is with.
    pub peer: Arc<str>,
    /// The leg of this call whose far party is this leg's near party.
    pub mate: Option<LegNo>,
    /// Our INVITE that made this leg, while no final answer came.
    pub inviting: Option<ClientId>,
    pub lease: Option<Lease>,
    /// The connection that the record's signalling facts are of.
    pub flow: Option<FlowId>,
    /// What watchers were last told of: state, parties, media's other end.
    pub told: Option<Told>,
    /// What the peer lets be done to it from here, as it said last.
    pub doors: Doors,
}

/// What a phone does when it is told to within a dialog: NOTIFY with `Event: talk` (pick up, take back) or `hold`. It says
/// so by `Allow-Events` (RFC 6665 §8.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doors {
    pub talk: bool,
    pub hold: bool,
}

impl Doors {
    /// `None`: the message says nothing of events.
    pub(crate) fn of(message: &Message) -> Option<Doors> {
        message.header(&Name::AllowEvents)?;
        let mut doors = Doors::default();
        for event in message.headers(&Name::AllowEvents).flat_map(|list| list.split(',')) {
            doors.talk |= event.trim().eq_ignore_ascii_case("talk");
            doors.hold |= event.trim().eq_ignore_ascii_case("hold");
        }
        Some(doors)
    }

    /// As the peer on the other side is told; nothing where there is none.
    pub(crate) fn header(self) -> Option<(Name, String)> {
        let words: Vec<&str> =
            [("talk", self.talk), ("hold", self.hold)].iter().filter(|(_, is)| *is).map(|(word, _)| *word).collect();
        (!words.is_empty()).then(|| (Name::AllowEvents, words.join(", ")))
    }
}

/// What makes a leg worth telling about again.
type Told = (LegState, SessionId, Option<SocketAddr>);

/// All calls and legs of a node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Book {
    next: u64,
    calls: BTreeMap<CallNo, CallEntry>,
    /// In boxes of their own, since the map moves what it holds.
    legs: BTreeMap<LegNo, Box<LegEntry>>,
    by_dialog: BTreeMap<DialogId, LegNo>,
    by_lease: BTreeMap<LeaseId, LegNo>,
    /// Legs that somebody may have changed since watchers were told.
    touched: BTreeSet<LegNo>,
}

impl Book {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn open(&mut self, plan: u64) -> CallNo {
        let call = CallNo(self.number());
        let entry = CallEntry {
            plan,
            legs: Vec::new(),
            caller: Uuid::nil(),
            identity: Box::default(),
            went_on: Vec::new(),
            finish_by: None,
            waits: false,
        };
        self.calls.insert(call, entry);
        call
    }

    pub(super) fn next_leg(&mut self) -> LegNo {
        LegNo(self.number())
    }

    pub(super) fn add(&mut self, no: LegNo, entry: LegEntry) {
        self.by_dialog.insert(entry.leg.dialog, no);
        self.add_ended(no, entry);
    }

    /// A leg that only its record is left of.
    pub(super) fn add_ended(&mut self, no: LegNo, entry: LegEntry) {
        self.touched.insert(no);
        if let Some(call) = self.calls.get_mut(&entry.call) {
            call.legs.push(no);
        }
        if let Some(lease) = entry.lease {
            self.by_lease.insert(lease.id, no);
        }
        self.next = self.next.max(no.0).max(entry.call.0);
        self.legs.insert(no, Box::new(entry));
    }

    /// A call of an earlier life of this node. False when the number is taken.
    pub(super) fn adopt(&mut self, no: CallNo, entry: CallEntry) -> bool {
        if self.calls.contains_key(&no) {
            return false;
        }
        self.next = self.next.max(no.0);
        self.calls.insert(no, CallEntry { legs: Vec::new(), ..entry });
        true
    }

    /// The leg is a part of another call from now on.
    pub(super) fn move_leg(&mut self, no: LegNo, to: CallNo) {
        let Some(caller) = self.calls.get(&to).map(|call| call.caller.clone()) else { return };
        let Some(entry) = self.legs.get_mut(&no) else { return };
        let from = std::mem::replace(&mut entry.call, to);
        entry.leg.record.call = to.0;
        if let Some(call) = self.calls.get_mut(&from) {
            call.legs.retain(|leg| *leg != no);
            if call.caller != caller {
                entry.leg.record.was_of.push(call.caller.clone());
                call.went_on.push(WentOn { sip_call_id: entry.leg.record.sip_call_id.clone(), caller });
            }
        }
        if let Some(call) = self.calls.get_mut(&to) {
            call.legs.push(no);
        }
    }

    pub(super) fn lend(&mut self, leg: LegNo, lease: Lease) {
        if let Some(entry) = self.legs.get_mut(&leg) {
            entry.lease = Some(lease);
            self.by_lease.insert(lease.id, leg);
        }
    }

    /// The lease is the media thread's again.
    pub(super) fn returned(&mut self, lease: LeaseId) {
        if let Some(entry) = self.by_lease.remove(&lease).and_then(|leg| self.legs.get_mut(&leg)) {
            entry.lease = None;
        }
    }

    /// The dialog is over: later events of it find nobody.
    pub(super) fn forget_dialog(&mut self, dialog: DialogId) {
        self.by_dialog.remove(&dialog);
    }

    pub(super) fn remove(&mut self, no: CallNo) -> Option<(CallEntry, Vec<LegEntry>)> {
        let call = self.calls.remove(&no)?;
        let mut legs = Vec::new();
        for leg in call.legs.iter().filter_map(|leg| self.legs.remove(leg)) {
            self.by_dialog.remove(&leg.leg.dialog);
            if let Some(lease) = leg.lease {
                self.by_lease.remove(&lease.id);
            }
            legs.push(*leg);
        }
        Some((call, legs))
    }

    pub fn call(&self, no: CallNo) -> Option<&CallEntry> {
        self.calls.get(&no)
    }

    pub(super) fn call_mut(&mut self, no: CallNo) -> Option<&mut CallEntry> {
        self.calls.get_mut(&no)
    }

    pub fn calls(&self) -> impl Iterator<Item = (CallNo, &CallEntry)> {
        self.calls.iter().map(|(no, entry)| (*no, entry))
    }

    pub fn leg(&self, no: LegNo) -> Option<&LegEntry> {
        self.legs.get(&no).map(|entry| &**entry)
    }

    pub fn leg_mut(&mut self, no: LegNo) -> Option<&mut LegEntry> {
        self.touched.insert(no);
        self.legs.get_mut(&no).map(|entry| &mut **entry)
    }

    /// Records of the legs whose state, parties or media's other end changed since the last time.
    pub(super) fn changed(&mut self) -> Vec<LegRecord> {
        let mut records = Vec::new();
        for no in std::mem::take(&mut self.touched) {
            let Some(entry) = self.legs.get_mut(&no) else { continue };
            let record = &entry.leg.record;
            let passed = record.passed.as_ref().and_then(|passed| passed.remote_media);
            let remote = record.media.as_ref().map_or(passed, |media| media.remote);
            let now = (record.state, record.session_id.clone(), remote);
            if entry.told.as_ref() != Some(&now) {
                records.push(record.clone());
                entry.told = Some(now);
            }
        }
        records
    }

    /// Nobody watches: what changed is no news to anybody.
    pub(super) fn not_told(&mut self) {
        self.touched.clear();
    }

    pub fn legs(&self) -> impl Iterator<Item = (LegNo, &LegEntry)> {
        self.legs.iter().map(|(no, entry)| (*no, &**entry))
    }

    pub fn legs_of(&self, call: CallNo) -> impl Iterator<Item = (LegNo, &LegEntry)> {
        let legs = self.calls.get(&call).map(|call| call.legs.as_slice()).unwrap_or_default();
        legs.iter().filter_map(|no| Some((*no, &**self.legs.get(no)?)))
    }

    pub fn by_dialog(&self, dialog: DialogId) -> Option<LegNo> {
        self.by_dialog.get(&dialog).copied()
    }

    pub fn by_lease(&self, lease: LeaseId) -> Option<LegNo> {
        self.by_lease.get(&lease).copied()
    }

    pub fn len(&self) -> usize {
        self.calls.len()
    }

    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Legs that are not over.
    pub fn live_legs(&self) -> usize {
        self.legs.values().filter(|entry| !entry.leg.is_ended()).count()
    }

    pub(super) fn uses_plan(&self, generation: u64) -> bool {
        self.calls.values().any(|call| call.plan == generation)
    }
}
