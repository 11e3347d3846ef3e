//! The shell: the part of a node that is the same in every role. Peers and admission, OPTIONS, legs with their records,
//! leased ports, asks, the journal, control, drain and the signing of statements.
//!
//! A role ([`Role`]) is told what happened to its legs and acts through the methods of [`Shell`]; it never sees a
//! transaction, a flow that was not admitted, or a leg that is over. All state is data.

mod acts;
mod admission;
mod asks;
mod book;
mod carry;
mod closing;
mod control;
mod dns;
mod doubt;
mod health;
mod hear;
mod identity;
pub(crate) mod keys;
mod pass;
mod pool;
mod role;
pub(crate) mod seats;
mod strangers;
mod timers;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use call::session_id::Uuid;
use call::{Leg, Now};
use media::{Lease, LeaseId};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use sdp::{MasterKey, Suite};
use serde::{Deserialize, Serialize};
use sip::{ClientId, DialogId, Endpoint, FlowId, Hop, Method, Target, Transport};

pub use acts::Outgoing;
pub use admission::{Admitted, Sight};
pub use book::{Book, CallEntry, CallNo, Doors, LegEntry, LegNo};
pub(crate) use carry::CarriedCall;
pub(crate) use hear::why_refused;
pub use pass::{Passage, Progress};
pub(crate) use role::{ALLOW, reason};
pub use role::{Invited, Outcome, Refused, Role};
pub use timers::Timers;
pub(crate) use words::{from_side, in_words};
pub use words::{rejection, warning};

use crate::{ControlId, Journal, Output, PeerPlan, Plan, Watched};

/// Server transactions under way beyond which new calls are answered 503.
const MOST_TRANSACTIONS: usize = 4096;
/// Flows of datagram peers remembered; of streams as many as there are.
const MOST_SIGHTS: usize = 4096;

/// One node but for its role.
#[derive(Debug, Serialize, Deserialize)]
pub struct Shell {
    pub(crate) sip: Endpoint,
    now: Now,
    plan: Arc<Plan>,
    /// Earlier plans that calls still use.
    plans: BTreeMap<u64, Arc<Plan>>,
    book: Book,
    health: health::Health,
    pool: pool::Pool,
    asks: asks::Asks,
    dns: dns::Dns,
    control: control::Controls,
    doubts: doubt::Doubts,
    /// Requests other than INVITE inside legs, under way.
    methods: BTreeMap<ClientId, Method>,
    /// Calls that may have ended.
    ending: BTreeSet<CallNo>,
    /// The call that the input under way is about: what a panic costs.
    current: Option<CallNo>,
    panics: u64,
    strangers: strangers::Strangers,
    rng: ChaCha20Rng,
    /// Who is at the other end of each flow. Proofs are not data: the next message of the flow brings them again.
    #[serde(skip)]
    sights: BTreeMap<FlowId, Sight>,
    /// Flows of strangers, closed once they have their answer.
    #[serde(skip)]
    closing_flows: Vec<FlowId>,
    #[serde(skip)]
    watched: Watched,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

impl Shell {
    pub(crate) fn new(seed: [u8; 32], plan: Arc<Plan>, ends_media: bool, now: Now) -> Shell {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut sip_seed = [0; 32];
        rng.fill_bytes(&mut sip_seed);
        let config = sip::Config {
            local: plan.local.clone(),
            product: concat!("Ringfence/", env!("CARGO_PKG_VERSION")).into(),
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            ring: Duration::from_secs(180),
            session_expires: plan.session_expires,
            min_se: plan.min_se,
            max_transactions: MOST_TRANSACTIONS,
            rate: plan.source_rate,
            overload_control: plan.overload_control,
            reliable: true,
            ..sip::Config::default()
        };
        let mut health = health::Health::default();
        health.set_plan(&plan.heartbeats, now.mono);
        let media_ip = plan.local.first().map(|(_, addr)| addr.ip());
        Shell {
            sip: Endpoint::new(sip_seed, config, now.mono),
            now,
            plans: BTreeMap::new(),
            book: Book::default(),
            health,
            pool: pool::Pool::new(media_ip.filter(|_| ends_media)),
            asks: asks::Asks::default(),
            dns: dns::Dns::default(),
            control: control::Controls::default(),
            doubts: doubt::Doubts::default(),
            methods: BTreeMap::new(),
            ending: BTreeSet::new(),
            current: None,
            panics: 0,
            rng,
            sights: BTreeMap::new(),
            closing_flows: Vec::new(),
            watched: Watched::default(),
            strangers: strangers::Strangers::default(),
            outputs: VecDeque::new(),
            plan,
        }
    }

    pub fn now(&self) -> Now {
        self.now
    }

    pub(crate) fn set_now(&mut self, now: Now) {
        self.now = now;
    }

    /// The plan that new calls route by.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The plan that this call began with.
    pub fn plan_of(&self, call: CallNo) -> Arc<Plan> {
        let generation = self.book.call(call).map(|entry| entry.plan);
        generation.and_then(|generation| self.plans.get(&generation)).unwrap_or(&self.plan).clone()
    }

    pub(crate) fn set_plan(&mut self, plan: Arc<Plan>) {
        let before = |peer: &&PeerPlan| self.plan.peers.iter().any(|old| old.name == peer.name && old != *peer);
        let changed: Vec<Arc<str>> = plan.peers.iter().filter(before).map(|peer| peer.name.clone()).collect();
        let old = std::mem::replace(&mut self.plan, plan);
        if self.book.uses_plan(old.generation) {
            self.plans.insert(old.generation, old);
        }
        for peer in &changed {
            self.health.forget(peer);
        }
        self.health.set_plan(&self.plan.heartbeats, self.now.mono);
        self.sip.shape(self.plan.source_rate, self.plan.overload_control);
        self.look_up();
        // Everybody is looked at again with the new plan's eyes.
        self.sights.clear();
    }

    pub fn book(&self) -> &Book {
        &self.book
    }

    /// A leg's own state; `None` once its call is over.
    pub fn leg(&self, no: LegNo) -> Option<&Leg> {
        self.book.leg(no).map(|entry| &entry.leg)
    }

    pub fn leg_mut(&mut self, no: LegNo) -> Option<&mut Leg> {
        self.book.leg_mut(no).map(|entry| &mut entry.leg)
    }

    /// Whether the leg is there and not over.
    pub fn is_live(&self, no: LegNo) -> bool {
        self.leg(no).is_some_and(|leg| !leg.is_ended())
    }

    pub fn is_answered(&self, no: LegNo) -> bool {
        self.leg(no).is_some_and(Leg::is_answered)
    }

    /// Writes into the leg's record what happened to it (re-keying, change of party, hold), in words.
    pub fn note(&mut self, no: LegNo, what: impl Into<String>) {
        let now = self.now;
        if let Some(leg) = self.leg_mut(no) {
            leg.event(what, now);
        }
    }

    /// The same of what the leg's party is in the call, where that is more than one who talks.
    pub fn took_part(&mut self, no: LegNo, words: &str) {
        self.note(no, words);
        if let Some(leg) = self.leg_mut(no) {
            leg.record.parts.push(words.to_owned());
        }
    }

    /// Whether calls should go to this peer.
    pub fn is_up(&self, peer: &str) -> bool {
        self.health.is_up(peer, self.now.mono)
    }

    /// Where requests to a peer of the plan go that has an address.
    pub fn hop_to(peer: &PeerPlan) -> Hop {
        Hop::Target(target_at(peer, peer.addr))
    }

    /// Where requests to a peer of the plan go, past the places that were tried in vain (RFC 3263 §4.3).
    ///
    /// # Errors
    /// There is no (further) place, in words.
    pub fn way_to(&mut self, peer: &PeerPlan, tried: &[SocketAddr]) -> Result<Target, String> {
        let places = match &peer.domain {
            None => vec![peer.addr],
            Some(_) => self.places(peer)?,
        };
        let next = places.into_iter().find(|place| !tried.contains(place));
        next.map(|addr| target_at(peer, addr))
            .ok_or_else(|| format!("{} has no (further) place that can be reached from this node's address", peer.name))
    }

    /// Where a peer with a domain is, as far as this node's address reaches.
    fn places(&mut self, peer: &PeerPlan) -> Result<Vec<SocketAddr>, String> {
        let seed = self.secret();
        let mut places = self.dns.places(peer, seed, self.now.mono).map_err(|nowhere| nowhere.to_string())?;
        let local = self.local(peer.transport);
        places.retain(|place| local.is_none_or(|local| local.is_ipv4() == place.is_ipv4()));
        Ok(places)
    }

    /// A call met silence, 503 or no connection at this place of a peer: others are tried first for a while.
    pub fn place_failed(&mut self, peer: &Arc<str>, place: SocketAddr) {
        if self.plan.peers.iter().any(|known| known.name == *peer && known.domain.is_some()) {
            self.dns.failed(peer, place, self.now.mono);
        }
    }

    /// Asks the DNS again where its answers have lasted.
    pub(crate) fn look_up_again(&mut self) {
        if self.dns.deadline().is_some_and(|at| at <= self.now.mono) {
            self.look_up();
        }
    }

    /// Asks the DNS what is to be asked of it now.
    pub(crate) fn look_up(&mut self) {
        for question in self.dns.due(&self.plan.peers, self.now.mono) {
            self.resolve(question);
        }
    }

    /// The address that this node has for a transport: the host part of what we say of ourselves.
    pub fn local(&self, transport: Transport) -> Option<std::net::SocketAddr> {
        self.plan.local.iter().find(|(t, _)| *t == transport).or(self.plan.local.first()).map(|(_, addr)| *addr)
    }

    /// A fresh UUID for a party that has none (RFC 7989 §4.1, §6).
    pub fn mint_uuid(&mut self) -> Uuid {
        let mut octets = [0; 16];
        self.rng.fill_bytes(&mut octets);
        Uuid::random(octets)
    }

    /// A secret of this life of the node (nonces are proved with it), or a seed.
    pub(crate) fn secret(&mut self) -> [u8; 32] {
        let mut octets = [0; 32];
        self.rng.fill_bytes(&mut octets);
        octets
    }

    /// A random number, e.g. for an `o=` line.
    pub fn random(&mut self) -> u64 {
        // SDP readers of the field keep 63 bits.
        self.rng.next_u64() >> 2
    }

    /// The source of fresh SRTP master keys for [`sdp::offer`] and [`sdp::answer`].
    pub fn keys(&mut self) -> impl FnMut(Suite) -> MasterKey {
        let rng = &mut self.rng;
        move |suite: Suite| {
            let (key, salt) = suite.key_salt_len();
            let mut bytes = vec![0; key + salt];
            rng.fill_bytes(&mut bytes);
            MasterKey::new(bytes)
        }
    }

    /// Two open ports of one media thread for two legs of one call.
    pub fn lend_pair(&mut self) -> Option<(Lease, Lease)> {
        self.pool.pair()
    }

    /// An open port of the same media thread, so that packets can be relayed between the two.
    pub fn lend_beside(&mut self, lease: Lease) -> Option<Lease> {
        self.pool.beside(lease.id.thread)
    }

    /// An open port for a leg.
    pub fn lend(&mut self) -> Option<Lease> {
        self.pool.one()
    }

    /// The leg has this port until it is over.
    pub fn give(&mut self, leg: LegNo, lease: Lease) {
        self.book.lend(leg, lease);
    }

    pub fn lease_of(&self, leg: LegNo) -> Option<LeaseId> {
        self.book.leg(leg)?.lease.map(|lease| lease.id)
    }

    /// A lease that no leg has got: its port is closed and comes back.
    pub fn give_back(&mut self, lease: Lease) {
        self.media(media::Command::Close { lease: lease.id });
    }

    pub fn media(&mut self, command: media::Command) {
        self.outputs.push_back(Output::Media(command));
    }

    pub fn journal(&mut self, journal: Journal) {
        self.outputs.push_back(Output::Journal(journal));
    }

    /// A decision in words, filed under the caller's UUID.
    pub fn decided(&mut self, call: CallNo, words: impl Into<String>) {
        let caller = self.book.call(call).map_or_else(Uuid::nil, |entry| entry.caller.clone());
        self.journal(Journal::Decision { caller, words: words.into() });
    }

    pub fn reply(&mut self, control: ControlId, reply: crate::Reply) {
        self.outputs.push_back(Output::Reply(control, reply));
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn sight(&self, flow: FlowId) -> Option<&Sight> {
        self.sights.get(&flow)
    }

    /// Looks at who sent a message; remembers it for as long as the flow lives.
    pub(crate) fn see(&mut self, flow: sip::Flow, peer: Arc<trust::Peer>) -> &Sight {
        if !self.sights.contains_key(&flow.id) && self.sights.len() >= MOST_SIGHTS {
            let datagram = self.sights.iter().find(|(_, sight)| sight.flow.transport == Transport::Udp);
            if let Some(id) = datagram.map(|(id, _)| *id) {
                self.sights.remove(&id);
            }
        }
        let (plan, dns) = (&self.plan, &self.dns);
        self.sights.entry(flow.id).or_insert_with(|| {
            let admitted = admission::admit(plan, dns, &flow, &peer);
            Sight { flow, peer, admitted }
        })
    }

    pub(crate) fn forget_flow(&mut self, flow: FlowId) {
        self.sights.remove(&flow);
    }

    pub(crate) fn dialogs_on(&self, flow: FlowId) -> Vec<(LegNo, DialogId)> {
        let live = self.book.legs().filter(|(_, entry)| !entry.leg.is_ended());
        live.map(|(no, entry)| (no, entry.leg.dialog))
            .filter(|(_, dialog)| self.sip.flow(*dialog) == Some(flow))
            .collect()
    }

    pub(crate) fn set_current(&mut self, call: Option<CallNo>) {
        self.current = call;
    }

    pub(crate) fn take_current(&mut self) -> Option<CallNo> {
        self.panics += 1;
        self.current.take()
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        let finish = self.ending.iter().filter_map(|call| self.book.call(*call)?.finish_by).min();
        [
            self.sip.deadline(),
            self.health.deadline(),
            self.pool.deadline(),
            self.control.deadline(),
            self.doubts.deadline(),
            self.dns.deadline(),
            finish,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

fn target_at(peer: &PeerPlan, addr: SocketAddr) -> Target {
    Target { transport: peer.transport, addr, peer: peer.name.clone() }
}
