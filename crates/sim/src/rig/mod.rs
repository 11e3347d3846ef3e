//! The rig: nodes, the connections between them, their media, their asks, and the clock.
//!
//! [`World::new`] starts from a seed. [`World::start`] adds a node by its plan; [`World::run`] lets time pass;
//! [`World::control`] asks a node. [`World::kill`] ends a node as SIGKILL would, [`World::cut`] breaks the connections
//! between two. With [`World::shake`] every node is written out and read back at random steps.

pub mod lab;
mod links;
mod logs;
mod pki;
mod sound;
pub mod weather;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use call::Now;
use call::record::LegRecord;
use call::session_id::Uuid;
use call::statement::{Signed, Statement};
use media::Prompts;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use roles::{
    Ask, AskId, Control, ControlId, Input, Journal, Node, Output, Persist, Plan, RefusalRecord, Reply, Resolved, Told,
};
use sip::locate::{Question, Records};
use sip::{FlowId, Transport};

pub use logs::Logs;
pub use pki::{Papers, Pki};
pub use sound::Sound;
pub use weather::Weather;

use self::links::Links;
use self::weather::Sky;

/// 2026-11-22T00:00:00Z: where simulated clocks begin.
pub const ORIGIN_S: u64 = 1_795_305_600;

/// One message as it crossed a link.
#[derive(Clone, Debug)]
pub struct Crossed {
    pub at: Duration,
    pub from: String,
    pub to: String,
    pub transport: Transport,
    pub bytes: Bytes,
}

impl Crossed {
    /// `INVITE` or `200 INVITE`: what a ladder writes on the arrow.
    pub fn arrow(&self) -> String {
        match sip::Message::parse(self.bytes.clone()) {
            Ok(message) => match message.status() {
                Some(status) => format!("{} {}", status.0, message.method().as_str()),
                None => message.method().as_str().to_owned(),
            },
            Err(error) => format!("? {error}"),
        }
    }
}

/// Something on its way.
#[derive(Debug)]
enum Event {
    Input(String, Box<Input>),
    Message {
        to: String,
        flow: sip::Flow,
        bytes: Bytes,
    },
    /// Bytes of a stream, in order.
    Segment {
        to: String,
        flow: FlowId,
        bytes: Bytes,
    },
    /// A stream ends at this end; at the other too, or so much later.
    Break {
        node: String,
        flow: FlowId,
        half: Option<Duration>,
    },
    Packet {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
}

/// A node and what only the rig knows of it.
struct Seat {
    node: Node,
    plan: Arc<Plan>,
    papers: Papers,
    /// The node's deadline since it was last spoken to: asking all of them at every step is most of a run's time.
    due: Option<Duration>,
}

/// What a node's messages are made into on their way, for what no node of ours would say. Their length stays what it is.
#[derive(Clone, Debug)]
pub struct Bend {
    pub node: String,
    pub how: fn(&str) -> String,
}

/// An estate.
pub struct World {
    now: Duration,
    rng: ChaCha8Rng,
    seq: u64,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    events: BTreeMap<u64, Event>,
    seats: BTreeMap<String, Seat>,
    /// Deadlines of all nodes, the next first: what [`Seat::due`] says of each.
    timers: BTreeSet<(Duration, String)>,
    links: Links,
    sky: Sky,
    pki: Pki,
    sound: Sound,
    shake: bool,
    /// Wakes in a row that did not move their deadline.
    idle: u32,
    control: u64,
    /// Panics of nodes, each of which cost the call that was being handled.
    pub panics: u32,
    pub crossed: Vec<Crossed>,
    pub replies: BTreeMap<ControlId, Reply>,
    pub bend: Option<Bend>,
    /// Keys that nodes heard in their media.
    pub heard_keys: Vec<(String, char)>,
    /// What each node signed, in order.
    pub statements: Vec<(String, Uuid, Signed)>,
    /// Pages of web servers by their addresses; others are 404.
    pub web: BTreeMap<String, Arc<[u8]>>,
    /// What the DNS knows; it knows nothing of other names.
    pub dns: BTreeMap<Question, Records>,
    /// Nobody answers for the DNS.
    pub dns_is_silent: bool,
    /// Prompts that media did not know.
    pub unplayable: Vec<String>,
    /// What becomes of words that are to be spoken: 60 ms of sound a character, or this failure.
    pub engine_fails: Option<String>,
    /// Which node has whom listened to: the test is the recogniser, by [`World::recognise`].
    pub listeners: Vec<(String, AskId, roles::Recognise)>,
    /// Which node has whom talk with a bot: the test is the bot, by [`World::bot_ends`].
    pub streams: Vec<(String, AskId, roles::Stream)>,
    /// Which node had what spoken.
    pub spoken: Vec<(String, roles::Speak)>,
    /// Which node asked for which page.
    pub fetched: Vec<(String, vxml::Request)>,
    pub refusals: Vec<RefusalRecord>,
    /// Finished legs by node.
    pub legs: Vec<(String, LegRecord)>,
    pub decisions: Vec<(String, String)>,
    /// Lines for the audit log: who, what.
    pub audit: Vec<(String, String)>,
    /// The same with their inputs, and what the router was told.
    pub routed: Vec<acd::Decision>,
    pub told: Vec<acd::replay::Entry>,
    /// All that nodes write down, in order: when, who, what. `None`: nobody reads it.
    pub diary: Option<Vec<(Duration, String, Journal)>>,
    /// State of live calls as the nodes had it persisted.
    pub kept: BTreeMap<(String, u64), Vec<u8>>,
    /// What waits for a store that is full or gone.
    held: Option<Vec<(String, AskId, Ask)>>,
    /// What agents want to be, likewise, by their ids.
    pub standings: BTreeMap<(String, String), String>,
    /// Figures likewise, by the beginning of their quarter.
    pub figures: BTreeMap<(String, i64), acd::Interval>,
}

impl World {
    /// `sound`: the real media engine with real packets, or [`Sound::still`].
    pub fn new(seed: u64, sound: Sound) -> World {
        World {
            now: Duration::from_secs(1),
            rng: ChaCha8Rng::seed_from_u64(seed),
            seq: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            seats: BTreeMap::new(),
            timers: BTreeSet::new(),
            links: Links::default(),
            sky: Sky::default(),
            pki: Pki::of_the_lab(),
            sound,
            shake: false,
            idle: 0,
            control: 0,
            panics: 0,
            crossed: Vec::new(),
            replies: BTreeMap::new(),
            bend: None,
            heard_keys: Vec::new(),
            statements: Vec::new(),
            web: BTreeMap::new(),
            dns: BTreeMap::new(),
            dns_is_silent: false,
            unplayable: Vec::new(),
            engine_fails: None,
            listeners: Vec::new(),
            streams: Vec::new(),
            spoken: Vec::new(),
            fetched: Vec::new(),
            refusals: Vec::new(),
            legs: Vec::new(),
            decisions: Vec::new(),
            audit: Vec::new(),
            routed: Vec::new(),
            told: Vec::new(),
            diary: None,
            kept: BTreeMap::new(),
            figures: BTreeMap::new(),
            held: None,
            standings: BTreeMap::new(),
        }
    }

    /// The prompts that ship with the project, for [`Sound::real`].
    pub fn prompts() -> Arc<Prompts> {
        Arc::new(Prompts::built_in())
    }

    /// From now on nodes are written out and read back at random steps.
    pub fn shake(&mut self) {
        self.shake = true;
    }

    pub fn now(&self) -> Now {
        Now { mono: self.now, wall: UNIX_EPOCH + Duration::from_secs(ORIGIN_S) + self.now }
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    /// Starts a node with a certificate for `host`, or with other papers.
    pub fn start(&mut self, plan: Plan, papers: Papers) {
        let plan = Arc::new(plan);
        if let Some((_, addr)) = plan.local.first() {
            self.sound.open(addr.ip());
        }
        let node = Node::new(self.seed(), plan.clone(), self.now());
        let name = plan.node.clone();
        self.seats.insert(name.clone(), Seat { node, plan, papers, due: None });
        self.drain(&name);
    }

    /// Before nodes are started at this address: it has so many media ports, for many of them or one with many calls.
    pub fn room(&mut self, address: IpAddr, ports: u16) {
        self.sound.open_many(address, ports);
    }

    /// Starts all nodes of a site, each with its own certificate.
    pub fn start_site(&mut self, site: &site::Site) {
        for node in &site.nodes {
            let plan = Plan::compile(site, &node.name, 1).expect("a validated site compiles");
            self.start(plan, Papers::node(&site.host_name(node)));
        }
    }

    /// All nodes that are up.
    pub fn names(&self) -> Vec<String> {
        self.seats.keys().cloned().collect()
    }

    pub fn plan_of(&self, name: &str) -> Arc<Plan> {
        self.seats[name].plan.clone()
    }

    /// An INVITE for this number makes the node panic.
    pub fn bait(&mut self, name: &str, called: &str) {
        if let Some(seat) = self.seats.get_mut(name) {
            seat.node.dangerous_panic_at(called);
        }
    }

    /// The node as it is, to look at.
    pub fn node(&self, name: &str) -> &Node {
        &self.seats[name].node
    }

    /// Ends a node as SIGKILL would: its connections break, and nobody is told a word.
    pub fn kill(&mut self, name: &str) {
        // What it still wanted to be kept is lost with it.
        self.held.iter_mut().for_each(|held| held.retain(|(of, ..)| of != name));
        self.gone(name);
        for (other, flow) in self.links.of(name) {
            self.broke(&other, flow);
        }
    }

    /// Ends a node as a power cut would: nobody hears anything, not even that connections ended, until they have
    /// waited this long for it.
    pub fn vanish(&mut self, name: &str, patience: Duration) {
        self.gone(name);
        for (node, flow) in self.links.of(name) {
            self.later(patience, Event::Break { node, flow, half: None });
        }
    }

    /// Nothing of a process reaches the one that comes after it.
    fn gone(&mut self, name: &str) {
        if let Some(due) = self.seats.remove(name).and_then(|seat| seat.due) {
            self.timers.remove(&(due, name.to_owned()));
        }
        self.events.retain(|_, event| !matches!(event, Event::Input(to, _) if to == name));
        self.sound.gone(name, self.now);
    }

    /// Starts a node again after [`World::kill`], with the figures, the calls and the agents' states that it had persisted.
    pub fn restart(&mut self, plan: Plan, papers: Papers) {
        let name = plan.node.clone();
        self.start(plan, papers);
        let kept = self.kept.iter().filter(|((node, _), _)| *node == name);
        let kept: Vec<(u64, Vec<u8>)> = kept.map(|((_, call), state)| (*call, state.clone())).collect();
        let standings = self.standings.iter().filter(|((node, _), _)| *node == name);
        let standings: Vec<(String, String)> = standings.map(|((_, id), state)| (id.clone(), state.clone())).collect();
        let figures = self.figures.iter().filter(|((node, _), _)| *node == name).map(|(_, figures)| figures.clone());
        let (now, figures) = (self.now(), figures.collect::<Vec<_>>());
        if let Some(seat) = self.seats.get_mut(&name) {
            for figures in figures {
                seat.node.adopt_figures(figures, now);
            }
            for (call, state) in kept {
                seat.node.adopt_call(call, &state, now);
            }
            for (id, state) in standings {
                seat.node.adopt_agent(&id, &state, now);
            }
        }
        self.drain(&name);
    }

    /// Breaks the connections between two nodes; both hear of it, and may connect again.
    pub fn cut(&mut self, a: &str, b: &str) {
        for (one, flow, other, back) in self.links.between(a, b) {
            self.broke(&one, flow);
            self.broke(&other, back);
        }
    }

    /// Of datagrams, this many in a hundred are lost.
    pub fn lose(&mut self, percent: u32) {
        self.sky.weather.loss = percent;
    }

    /// Asks a node; the answer is in [`World::replies`] when it comes.
    pub fn control(&mut self, name: &str, request: Control) -> ControlId {
        self.control += 1;
        let id = ControlId(self.control);
        self.input(name, Input::Control(id, request));
        id
    }

    /// Asks, and lets time pass until the answer is there.
    pub fn ask(&mut self, name: &str, request: Control) -> Reply {
        let id = self.control(name, request);
        self.until(Duration::from_secs(2), |world| world.replies.contains_key(&id));
        self.replies.remove(&id).expect("an answer within 2 s")
    }

    /// Live legs of a node, with fresh facts.
    pub fn calls(&mut self, name: &str) -> Vec<LegRecord> {
        match self.ask(name, Control::Calls) {
            Reply::Calls(records) => records,
            other => panic!("calls, not {other:?}"),
        }
    }

    /// A node's signed statements as data.
    pub fn statements_of(&self, name: &str) -> Vec<Statement> {
        let own = self.statements.iter().filter(|(node, ..)| node == name);
        own.map(|(_, _, signed)| signed.statement().expect("a statement")).collect()
    }

    /// A message from nowhere: what a stranger with these papers would send over a connection of its own.
    pub fn stranger(
        &mut self,
        papers: &Papers,
        addr: SocketAddr,
        to: &str,
        bytes: Bytes,
    ) -> Result<FlowId, trust::Refusal> {
        let server = self.seats[to].papers.clone();
        let peer = self.pki.seen_by_server(papers, &server, false)?;
        let local = self.seats[to].plan.local[0];
        let flow = self.links.stranger(to, local, addr, peer);
        let id = flow.id;
        self.later(Duration::from_millis(1), Event::Message { to: to.to_owned(), flow, bytes });
        Ok(id)
    }

    /// A datagram from an address where no node is.
    pub fn plain_stranger(&mut self, addr: SocketAddr, to: &str, bytes: Bytes) {
        let udp = self.seats[to].plan.local.iter().find(|(transport, _)| *transport == Transport::Udp).copied();
        let local = udp.expect("a node that listens in clear");
        let flow = self.links.stranger(to, local, addr, Arc::new(trust::Peer::Plain));
        self.later(Duration::from_millis(1), Event::Message { to: to.to_owned(), flow, bytes });
    }

    /// Lets this much time pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until something is so, but no longer than this. Panics when it does not come to be.
    pub fn until(&mut self, most: Duration, is_so: impl Fn(&World) -> bool) {
        let end = self.now + most;
        while !is_so(self) {
            assert!(self.step(end), "not so within {most:?}; what crossed:\n{}", self.ladder());
        }
    }

    /// All that crossed, one arrow a line, but for heartbeats and registrations.
    pub fn ladder(&self) -> String {
        let line = |c: &Crossed| format!("{:>9.3} {:>8} -> {:<8} {}", c.at.as_secs_f64(), c.from, c.to, c.arrow());
        let calls = |c: &&Crossed| !matches!(c.arrow().rsplit(' ').next(), Some("OPTIONS" | "REGISTER"));
        self.crossed.iter().filter(calls).map(line).collect::<Vec<_>>().join("\n")
    }

    /// Whether an arrow crossed from one node to another.
    pub fn saw(&self, from: &str, to: &str, arrow: &str) -> bool {
        self.crossed.iter().any(|c| c.from == from && c.to == to && c.arrow() == arrow)
    }

    fn later(&mut self, delay: Duration, event: Event) {
        self.at(self.now + delay, event);
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.seq += 1;
        self.events.insert(self.seq, event);
        self.queue.push(Reverse((at, self.seq)));
    }

    /// The next thing before `end`; false when there is none.
    fn step(&mut self, end: Duration) -> bool {
        let event = self.queue.peek().map(|Reverse((at, _))| *at);
        let timer = self.timers.first();
        let sound = self.sound.deadline();
        let next = [event, timer.map(|(at, _)| *at), sound].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= end) else { return false };
        self.now = self.now.max(next);
        if event == Some(next) {
            let Some(Reverse((_, seq))) = self.queue.pop() else { return true };
            if let Some(event) = self.events.remove(&seq) {
                self.happen(event);
            }
        } else if sound == Some(next) {
            for (from, to, bytes) in self.sound.tick(self.now) {
                self.later(Duration::from_millis(1), Event::Packet { from, to, bytes });
            }
            self.hear();
        } else if let Some((_, name)) = timer {
            let name = name.clone();
            self.wake(&name);
        }
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Input(name, input) => self.input(&name, *input),
            Event::Message { to, flow, bytes } => self.deliver(&to, flow, &bytes),
            Event::Segment { to, flow, bytes } => self.arrive(&to, flow, &bytes),
            Event::Break { node, flow, half } => self.break_up(&node, flow, half),
            Event::Packet { from, to, bytes } => {
                if let Some((from, to, bytes)) = self.sound.receive(from, to, bytes, self.now) {
                    self.later(Duration::from_millis(1), Event::Packet { from, to, bytes });
                }
                self.hear();
            }
        }
    }

    fn deliver(&mut self, to: &str, flow: sip::Flow, bytes: &Bytes) {
        let Some(peer) = self.links.peer(to, flow.id) else { return };
        let message = match sip::Message::parse(bytes.clone()) {
            Ok(message) => message,
            Err(error) => panic!("{to} was sent what is no message: {error}\n{}", String::from_utf8_lossy(bytes)),
        };
        self.input(to, Input::Message { flow, peer, message });
    }

    fn wake(&mut self, name: &str) {
        let now = self.now();
        if let Some(seat) = self.seats.get_mut(name) {
            let due = seat.node.deadline();
            seat.node.tick(now);
            // What a tick does may make something else due at once; but not for ever.
            self.idle = if seat.node.deadline() == due && due <= Some(now.mono) { self.idle + 1 } else { 0 };
            assert!(self.idle < 8, "{name} wakes for nothing at {due:?}");
        }
        self.drain(name);
    }

    /// Gives a node something, and does what it wants.
    pub fn input(&mut self, name: &str, input: Input) {
        let now = self.now();
        let Some(seat) = self.seats.get_mut(name) else { return };
        // As who runs a node in production does.
        if catch_unwind(AssertUnwindSafe(|| seat.node.handle(input, now))).is_err() {
            self.panics += 1;
            seat.node.abandon(now);
        }
        self.drain(name);
    }

    fn drain(&mut self, name: &str) {
        while let Some(output) = self.seats.get_mut(name).and_then(|seat| seat.node.poll()) {
            self.output(name, output);
        }
        if self.shake
            && self.rng.next_u32().is_multiple_of(4)
            && let Some(seat) = self.seats.get_mut(name)
        {
            seat.node = Node::restore(&seat.node.snapshot()).expect("what was written out is read back");
        }
        if let Some(seat) = self.seats.get_mut(name) {
            let due = seat.node.deadline();
            let was = std::mem::replace(&mut seat.due, due);
            if was != due {
                was.map(|at| self.timers.remove(&(at, name.to_owned())));
                self.timers.extend(due.map(|at| (at, name.to_owned())));
            }
        }
    }

    fn output(&mut self, name: &str, output: Output) {
        match output {
            Output::Send { hop, bytes } => self.send(name, hop, bytes),
            Output::Close { flow } => {
                if let Some((other, back)) = self.links.other_end(name, flow) {
                    self.broke(&other, back);
                }
                self.broke(name, flow);
            }
            Output::Media(command) => {
                if let Some(event) = self.sound.command(name, command, self.now) {
                    self.later(
                        Duration::from_micros(100),
                        Event::Input(name.to_owned(), Box::new(Input::Media(event))),
                    );
                }
                self.hear();
            }
            Output::Ask(id, ask) => self.asked(name, id, ask),
            Output::Reply(id, reply) => {
                self.replies.insert(id, reply);
            }
            Output::Journal(journal) => {
                if let Some(diary) = &mut self.diary {
                    diary.push((self.now, name.to_owned(), journal.clone()));
                }
                self.journal(name, journal);
            }
        }
    }

    fn journal(&mut self, name: &str, journal: Journal) {
        match journal {
            Journal::Refused(refusal) => self.refusals.push(refusal),
            Journal::Leg(record) => self.legs.push((name.to_owned(), *record)),
            Journal::Decision { words, .. } => self.decisions.push((name.to_owned(), words)),
            Journal::Routed { decision, .. } => self.routed.push(*decision),
            Journal::Routing(input) => {
                let at_ms = call::ms(self.now()) as i64;
                self.told.push(acd::replay::Entry { at_ms, input: *input });
            }
            Journal::Audit { who, what } => self.audit.push((who, what)),
            Journal::Desk(_) | Journal::Changed(_) | Journal::Registered { .. } => {}
            Journal::Recorded { .. } | Journal::KeysWanted { .. } => {}
        }
    }

    fn asked(&mut self, name: &str, id: AskId, ask: Ask) {
        let told = match ask {
            Ask::Sign { payload } => {
                let identity = self.pki.identity(&self.seats[name].papers);
                let signature = identity.sign(&payload).expect("an identity signs");
                Told::Signed { signature, chain_der: identity.chain_der() }
            }
            // As `net` does it: who comes again by themselves is told, the rest waits for the store.
            Ask::Persist(Persist::Registration { .. }) if self.held.is_some() => {
                Told::Failed("the disk that holds the store is full".into())
            }
            ask @ (Ask::Persist(_) | Ask::State { .. }) => match &mut self.held {
                Some(held) => return held.push((name.to_owned(), id, ask)),
                None => {
                    self.keep(name, ask);
                    Told::Persisted
                }
            },
            Ask::Resolve(_) if self.dns_is_silent => Told::Failed("no name server answers".into()),
            Ask::Resolve(question) => {
                let records = self.dns.get(&question).cloned().unwrap_or(Records::Nothing);
                Told::Resolved(Resolved { records, lasts: Duration::from_secs(60) })
            }
            Ask::Speak(speak) => {
                let length = speak.text.chars().count() * 480;
                self.spoken.push((name.to_owned(), *speak));
                match self.engine_fails.clone() {
                    Some(why) => Told::Failed(why),
                    None => Told::Sound(self.sound.add_clip(&vec![8000; length])),
                }
            }
            Ask::Recognise(recognise) => return self.listeners.push((name.to_owned(), id, *recognise)),
            Ask::Stream(stream) => return self.streams.push((name.to_owned(), id, *stream)),
            Ask::Sound(fetch) => {
                let url = fetch.request.url.clone();
                self.fetched.push((name.to_owned(), fetch.request));
                let read = |bytes: &Arc<[u8]>| media::audio::read(&url, bytes);
                match self.web.get(&url).ok_or_else(|| "404".to_owned()).and_then(read) {
                    Ok(samples) => Told::Sound(self.sound.add_clip(&samples)),
                    Err(why) => Told::Failed(why),
                }
            }
            Ask::Fetch(fetch) => {
                self.fetched.push((name.to_owned(), fetch.request.clone()));
                Told::Fetched(match self.web.get(&fetch.request.url) {
                    Some(bytes) => Ok(vxml::Page { url: fetch.request.url, bytes: bytes.clone() }),
                    None => Err(vxml::NotFetched::Status(404)),
                })
            }
        };
        self.later(Duration::from_millis(1), Event::Input(name.to_owned(), Box::new(Input::Told(id, told))));
    }

    /// What a store keeps.
    fn keep(&mut self, name: &str, ask: Ask) {
        match ask {
            Ask::State { of, payload } => {
                let identity = self.pki.identity(&self.seats[name].papers);
                let signature = identity.sign(&payload).expect("an identity signs");
                let signed = Signed::new(&payload, &signature, &identity.chain_der());
                self.statements.push((name.to_owned(), of.caller, signed));
            }
            Ask::Persist(Persist::Call { call, state: Some(state), .. }) => {
                self.kept.insert((name.to_owned(), call), state);
            }
            Ask::Persist(Persist::Call { call, state: None, .. }) => {
                self.kept.remove(&(name.to_owned(), call));
            }
            Ask::Persist(Persist::Interval(figures)) => {
                self.figures.insert((name.to_owned(), figures.begins_ms), *figures);
            }
            Ask::Persist(Persist::Agent { id, state }) => {
                self.standings.insert((name.to_owned(), id), state);
            }
            // Phones of this rig come again by themselves.
            Ask::Persist(Persist::Registration { .. }) => {}
            other => unreachable!("nothing that is kept: {other:?}"),
        }
    }

    /// What the recogniser that listens says to the node that asked last. After its answer it listens no more.
    pub fn recognise(&mut self, told: Told) {
        let is_on_the_way = matches!(told, Told::Speech(_));
        let (name, id, _) = self.listeners.last().cloned().expect("somebody is listened to");
        if !is_on_the_way {
            self.listeners.pop();
        }
        self.later(Duration::from_millis(1), Event::Input(name, Box::new(Input::Told(id, told))));
    }

    /// How it is over at the bot's that was asked last.
    pub fn bot_ends(&mut self, outcome: Result<vxml::StreamEnd, String>) {
        let (name, id, _) = self.streams.pop().expect("somebody talks with a bot");
        self.later(Duration::from_millis(1), Event::Input(name, Box::new(Input::Told(id, Told::Streamed(outcome)))));
    }

    /// The store is full, or gone: nothing is kept any more.
    pub fn store_fails(&mut self) {
        self.held.get_or_insert_default();
    }

    /// There is room again: what waited is kept, in its order.
    pub fn store_is_back(&mut self) {
        for (name, id, ask) in self.held.take().unwrap_or_default() {
            self.keep(&name, ask);
            self.later(Duration::from_millis(1), Event::Input(name, Box::new(Input::Told(id, Told::Persisted))));
        }
    }

    /// Events of the media engine go to whose lease they are about.
    fn hear(&mut self) {
        for (name, event) in self.sound.events() {
            if let media::Event::Unplayable { prompt, .. } = &event {
                self.unplayable.push(prompt.clone());
            }
            if let media::Event::Digit { digit, .. } = &event {
                self.heard_keys.push((name.clone(), *digit));
            }
            // What is tapped is for listeners outside; no node hears it.
            if matches!(event, media::Event::Sound { .. } | media::Event::Untapped { .. } | media::Event::Marked { .. })
            {
                continue;
            }
            self.later(Duration::from_micros(100), Event::Input(name, Box::new(Input::Media(event))));
        }
    }
}
