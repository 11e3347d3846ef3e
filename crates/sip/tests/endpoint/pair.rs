//! Two endpoints and a link between them on one virtual clock: nothing sleeps, everything that can happen has a seed.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sip::{
    Body, ClientId, Config, DialogId, Endpoint, Event, Flow, FlowId, Headers, Hop, Invite, Message, Method, NameAddr,
    Output, Status, Target, Transport, Uri,
};

/// How bad the link is. Parts of a thousand.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub transport: Transport,
    pub loss: u32,
    pub twice: u32,
    /// Least and most time under way: apart, they reorder datagrams.
    pub delay: (Duration, Duration),
    /// Chance that a stream is reset when something is sent.
    pub reset: u32,
    /// Chance that the endpoint that acts next is written out and read back.
    pub snapshot: u32,
}

impl Link {
    pub fn udp() -> Link {
        let delay = (Duration::from_millis(10), Duration::from_millis(10));
        Link { transport: Transport::Udp, loss: 0, twice: 0, delay, reset: 0, snapshot: 0 }
    }
    pub fn tcp() -> Link {
        Link { transport: Transport::Tcp, ..Link::udp() }
    }
}

enum Transit {
    Message { to: usize, flow: u64, bytes: Bytes },
    Closed { to: usize, flow: u64 },
}

pub struct End {
    pub endpoint: Endpoint,
    pub addr: SocketAddr,
    pub events: VecDeque<Event>,
    /// Start lines of what it sent, for the eye and for counting.
    pub sent: Vec<String>,
    pub messages: Vec<Message>,
}

pub struct Pair {
    pub now: Duration,
    pub ends: [End; 2],
    pub link: Link,
    transit: BTreeMap<(Duration, u64), Transit>,
    serial: u64,
    /// The stream that is open, and when its last message arrives: streams do not reorder.
    stream: Option<u64>,
    last_arrival: [Duration; 2],
    random: ChaCha8Rng,
    /// Apart from `random`, so that a run with snapshots can be compared with one without.
    photographer: ChaCha8Rng,
    /// Drops what it says true to: (sender, start line).
    pub censor: fn(usize, &str) -> bool,
}

pub const A: usize = 0;
pub const B: usize = 1;

impl Pair {
    pub fn new(link: Link, seed: u64) -> Pair {
        Pair::with(link, seed, |_| {})
    }

    pub fn with(link: Link, seed: u64, change: impl Fn(&mut Config)) -> Pair {
        let end = |n: u8| {
            let addr: SocketAddr = format!("192.0.2.{n}:5060").parse().unwrap();
            let mut config = Config { local: vec![(link.transport, addr)], ..Config::default() };
            change(&mut config);
            let mut key = [n; 32];
            key[..8].copy_from_slice(&seed.to_le_bytes());
            let endpoint = Endpoint::new(key, config, Duration::ZERO);
            End { endpoint, addr, events: VecDeque::new(), sent: Vec::new(), messages: Vec::new() }
        };
        Pair {
            now: Duration::from_secs(1000),
            ends: [end(1), end(2)],
            link,
            transit: BTreeMap::new(),
            serial: 0,
            stream: None,
            last_arrival: [Duration::ZERO; 2],
            random: ChaCha8Rng::seed_from_u64(seed),
            photographer: ChaCha8Rng::seed_from_u64(!seed),
            censor: |_, _| false,
        }
    }

    fn chance(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.random.next_u32() % 1000 < thousandths
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.random.next_u32() % bound
    }

    pub fn target(&self, of: usize) -> Target {
        Target { transport: self.link.transport, addr: self.ends[of].addr, peer: "peer".into() }
    }

    pub fn flow(&self, at: usize, id: u64) -> Flow {
        let (local, remote) = (self.ends[at].addr, self.ends[1 - at].addr);
        Flow { id: FlowId(id), transport: self.link.transport, local, remote }
    }

    /// Takes what an endpoint wants to send and to say.
    pub fn drain(&mut self, from: usize) {
        while let Some(output) = self.ends[from].endpoint.poll() {
            match output {
                Output::Event(event) => self.ends[from].events.push_back(event),
                Output::Send { hop, bytes } => self.transmit(from, hop, bytes),
            }
        }
        if self.link.snapshot > 0 && self.photographer.next_u32() % 1000 < self.link.snapshot {
            let bytes = postcard::to_allocvec(&self.ends[from].endpoint).unwrap();
            let back: Endpoint = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(postcard::to_allocvec(&back).unwrap(), bytes, "a snapshot reads back as itself");
            self.ends[from].endpoint = back;
        }
    }

    fn transmit(&mut self, from: usize, hop: Hop, bytes: Bytes) {
        let line = String::from_utf8_lossy(bytes.split(|b| *b == b'\r').next().unwrap()).into_owned();
        self.ends[from].sent.push(line.clone());
        let message = Message::parse(bytes.clone()).expect("what an endpoint writes parses");
        self.ends[from].messages.push(message);
        if (self.censor)(from, &line) {
            return;
        }
        if self.link.transport.is_reliable() {
            return self.stream_out(from, hop, bytes);
        }
        if self.chance(self.link.loss) {
            return;
        }
        let copies = if self.chance(self.link.twice) { 2 } else { 1 };
        for _ in 0..copies {
            let at = self.now + self.delay();
            self.put(at, Transit::Message { to: 1 - from, flow: 1, bytes: bytes.clone() });
        }
    }

    fn stream_out(&mut self, from: usize, hop: Hop, bytes: Bytes) {
        match hop {
            Hop::Flow(flow) if self.stream != Some(flow.0) => {
                let now = self.now;
                return self.put(now, Transit::Closed { to: from, flow: flow.0 });
            }
            _ => {}
        }
        let serial = self.serial + 100;
        let flow = *self.stream.get_or_insert(serial);
        if self.chance(self.link.reset) {
            return self.reset();
        }
        let at = (self.now + self.delay()).max(self.last_arrival[from]);
        self.last_arrival[from] = at;
        self.put(at, Transit::Message { to: 1 - from, flow, bytes });
    }

    /// The stream breaks: what is under way is lost, both ends hear of it.
    pub fn reset(&mut self) {
        let Some(flow) = self.stream.take() else { return };
        self.transit.retain(|_, transit| !matches!(transit, Transit::Message { .. }));
        let now = self.now;
        self.put(now, Transit::Closed { to: A, flow });
        self.put(now, Transit::Closed { to: B, flow });
    }

    fn delay(&mut self) -> Duration {
        let (least, most) = self.link.delay;
        let spread = (most - least).as_millis() as u32;
        least + Duration::from_millis(if spread == 0 { 0 } else { self.below(spread + 1).into() })
    }

    fn put(&mut self, at: Duration, transit: Transit) {
        self.serial += 1;
        self.transit.insert((at, self.serial), transit);
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Duration> {
        let arrival = self.transit.keys().next().map(|(at, _)| *at);
        let deadlines = self.ends.iter().filter_map(|end| end.endpoint.deadline());
        deadlines.chain(arrival).min()
    }

    /// Goes to the next happening and lets it happen. False when there is none.
    pub fn step(&mut self) -> bool {
        self.drain(A);
        self.drain(B);
        let Some(at) = self.next() else { return false };
        self.now = self.now.max(at);
        let first = self.transit.keys().next().copied().filter(|(at, _)| *at <= self.now);
        match first.and_then(|key| self.transit.remove(&key)) {
            Some(Transit::Message { to, flow, bytes }) => {
                let flow = self.flow(to, flow);
                let now = self.now;
                self.ends[to].endpoint.receive(flow, Message::parse(bytes).unwrap(), now);
                self.drain(to);
            }
            Some(Transit::Closed { to, flow }) => {
                let now = self.now;
                let target = self.target(1 - to);
                self.ends[to].endpoint.closed(FlowId(flow), Some(&target), now);
                self.drain(to);
            }
            None => {
                for end in [A, B] {
                    self.ends[end].endpoint.tick(self.now);
                    self.drain(end);
                }
            }
        }
        true
    }

    /// Runs for this long.
    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        self.drain(A);
        self.drain(B);
        while self.next().is_some_and(|at| at <= until) {
            self.step();
        }
        self.now = until;
    }

    /// Long enough for a message to arrive and be answered, too short for any timer but 100 Trying's.
    pub fn settle(&mut self) {
        self.run(Duration::from_millis(100));
    }

    /// Runs until every transaction and dialog is gone.
    pub fn exhaust(&mut self) {
        for _ in 0..100_000 {
            if !self.step() {
                return;
            }
        }
        panic!("it never ends");
    }

    pub fn assert_empty(&self) {
        for (n, end) in self.ends.iter().enumerate() {
            assert_eq!((end.endpoint.dialogs(), end.endpoint.transactions()), (0, 0), "left in end {n}");
            assert_eq!(end.endpoint.deadline(), None, "timers left in end {n}");
        }
    }

    pub fn take(&mut self, at: usize) -> Option<Event> {
        self.ends[at].events.pop_front()
    }

    pub fn count(&self, from: usize, start: &str) -> usize {
        self.ends[from].sent.iter().filter(|line| line.starts_with(start)).count()
    }

    /// The last message that starts so.
    pub fn last(&self, from: usize, start: &str) -> &Message {
        let at = self.ends[from].sent.iter().rposition(|line| line.starts_with(start)).expect("it was sent");
        &self.ends[from].messages[at]
    }

    // --- what tests do again and again

    pub fn call(&mut self, body: Option<Body>) -> (DialogId, ClientId) {
        let hop = Hop::Target(self.target(B));
        let invite = invite(hop, body);
        let now = self.now;
        let ids = self.ends[A].endpoint.invite(invite, now);
        let target = self.target(B);
        self.ends[A].endpoint.set_target(ids.0, target);
        self.drain(A);
        ids
    }

    /// B's side of a new call: what came, and its dialog.
    pub fn called(&mut self) -> (sip::ServerId, DialogId, Message) {
        match self.take(B) {
            Some(Event::Request { server, dialog: Some(dialog), request, .. }) => {
                let target = self.target(A);
                self.ends[B].endpoint.set_target(dialog, target);
                (server, dialog, request)
            }
            other => panic!("expected an INVITE, got {other:?}"),
        }
    }

    pub fn respond(&mut self, at: usize, server: sip::ServerId, status: u16, body: Option<Body>) {
        let now = self.now;
        self.ends[at].endpoint.respond(server, Status(status), allow(), body, now);
        self.drain(at);
    }

    /// A answered call with its ACK: dialogs of A and B.
    pub fn established(&mut self) -> (DialogId, DialogId) {
        let (a, _) = self.call(Some(Body::sdp("offer")));
        self.settle();
        let (server, b, _) = self.called();
        self.respond(B, server, 200, Some(Body::sdp("answer")));
        self.settle();
        assert!(matches!(self.take(A), Some(Event::Accepted { .. })));
        let now = self.now;
        self.ends[A].endpoint.ack(a, Headers::new(), None, now);
        self.settle();
        assert!(matches!(self.take(B), Some(Event::Acked { .. })));
        (a, b)
    }

    pub fn bye(&mut self, at: usize, dialog: DialogId) {
        let now = self.now;
        self.ends[at].endpoint.end(dialog, Headers::new(), now);
        self.settle();
        match self.take(1 - at) {
            Some(Event::InDialog { server, request, .. }) if request.method() == Method::Bye => {
                self.respond(1 - at, server, 200, None);
            }
            other => panic!("expected BYE, got {other:?}"),
        }
    }
}

pub fn allow() -> Headers {
    vec![(sip::Name::Allow, "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE".into())]
}

pub fn invite(hop: Hop, body: Option<Body>) -> Invite {
    Invite {
        hop,
        request_uri: Uri::parse("sip:bob@192.0.2.2").unwrap(),
        from: NameAddr::parse("Alice <sip:alice@192.0.2.1>").unwrap(),
        to: NameAddr::parse("<sip:bob@192.0.2.2>").unwrap(),
        contact_user: Some("alice".into()),
        headers: allow(),
        body,
        max_forwards: 70,
    }
}
