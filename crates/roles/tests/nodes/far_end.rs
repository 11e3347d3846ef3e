//! The other end of a node's wire, in virtual time: a [`sip::Endpoint`] of its own, a flow with a peer that was really
//! verified (two rustls connections shake hands in memory), the media threads' answers, and the world that signs and
//! keeps. After every step the node is written out and read back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use call::record::LegRecord;
use call::statement::Statement;
use media::{Command, Facts, Lease, LeaseId};
use roles::{Ask, AskId, Control, ControlId, Input, Journal, Node, Now, Output, Plan, Reply, Told};
use sdp::{Codec, Local, MasterKey, Policy, Protection, Suite};
use sip::{Endpoint, Event, Flow, FlowId, Message, Transport};
use trust::tls::{ClientCertificate, Versions};
use trust::{Authorities, Authority, Ca, Identity, KeyKind, Peer, Request, VerifiedPeer};

pub(crate) const ORIGIN: u64 = 1_795_305_600;

/// A node under test and its one peer.
pub(crate) struct Rig {
    pub(crate) node: Option<Node>,
    pub(crate) sip: Endpoint,
    pub(crate) now: Duration,
    pub(crate) flow: Flow,
    pub(crate) peer: Arc<Peer>,
    identity: Identity,
    next_slot: u16,
    next_control: u64,
    /// What the node told its media threads, leases and reports apart.
    pub(crate) media: Vec<Command>,
    /// What the far end's SIP met.
    pub(crate) events: Vec<Event>,
    pub(crate) journal: Vec<Journal>,
    pub(crate) stated: Vec<Statement>,
    /// Words to be spoken, and addresses of recordings.
    pub(crate) asked: Vec<(AskId, String)>,
    plays: Vec<media::Play>,
    pub(crate) replies: Vec<(ControlId, Reply)>,
    /// The far end says that it takes no UPDATE.
    pub(crate) no_update: bool,
    /// What was agreed for each lease.
    streams: Vec<(LeaseId, Facts)>,
}

fn now(mono: Duration) -> Now {
    Now { mono, wall: UNIX_EPOCH + Duration::from_secs(ORIGIN) + mono }
}

pub(crate) fn identity(ca: &Ca, host: &str, node: Option<&str>) -> Identity {
    let day = Duration::from_secs(86_400);
    let today = UNIX_EPOCH + Duration::from_secs(ORIGIN);
    let request = Request {
        common_name: host.into(),
        dns_names: vec![host.into()],
        ip_addresses: vec![],
        node: node.map(str::to_owned),
        uris: vec![],
        key: KeyKind::P256,
        // rustls looks at the real clock.
        not_before: UNIX_EPOCH + day,
        not_after: today + day * 3650,
    };
    ca.issue(&request).expect("an identity")
}

/// What `node` knows of `far` once they have shaken hands, `far` having opened the connection.
pub(crate) fn verified(ca: &Ca, node: &Identity, far: &Identity) -> Peer {
    let server = shaken(node, far, &[ca.certificate_pem().to_owned()]);
    Peer::Verified(VerifiedPeer::of(&server).expect("a certificate was asked for").under_own().showing(node, true))
}

/// The same for a far end whose certificate comes from this authority, where the node knows two.
pub(crate) fn verified_as(node: &str, far: &str, authority: Authority) -> Peer {
    let ca = |name: &str| Ca::create(name, UNIX_EPOCH + Duration::from_secs(86_400)).expect("a root");
    let (own, capf) = (ca("lab"), ca("capf"));
    let issuer = if authority == Authority::Phones { &capf } else { &own };
    let (node, far) = (identity(&own, node, None), identity(issuer, far, None));
    let roots = [(Authority::Own, own.certificate_pem()), (Authority::Phones, capf.certificate_pem())];
    let roots = roots.map(|(authority, pem)| (authority, pem.to_owned()));
    let authorities = Authorities::new(&roots).expect("roots");
    let server = shaken(&node, &far, &roots.map(|(_, pem)| pem));
    let peer = VerifiedPeer::of(&server).expect("a certificate was asked for");
    let at = rustls::pki_types::UnixTime::now();
    Peer::Verified(peer.under(&authorities, &rustls::Connection::Server(server), at).showing(&node, true))
}

/// The node's end of a handshake that `far` began.
fn shaken(node: &Identity, far: &Identity, roots: &[String]) -> rustls::ServerConnection {
    let versions = Versions { tls12: true, tls13: true };
    let server = trust::tls::server(node, roots, versions, ClientCertificate::Required).expect("a server");
    let names = [node.facts().common_name.clone().expect("a name")];
    let client = trust::tls::client(far, roots, versions, &names).expect("a client");
    let name = rustls::pki_types::ServerName::try_from(names[0].clone()).expect("a name");
    let mut client = rustls::ClientConnection::new(client, name).expect("a connection");
    let mut server = rustls::ServerConnection::new(server).expect("a connection");
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("memory");
        }
        server.read_tls(&mut bytes.as_slice()).expect("memory");
        server.process_new_packets().expect("a good client");
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("memory");
        }
        client.read_tls(&mut bytes.as_slice()).expect("memory");
        client.process_new_packets().expect("a good server");
    }
    server
}

impl Rig {
    /// `far`: the address of the peer, and who it is (`None`: nobody proved anything).
    pub(crate) fn new(plan: Plan, far: SocketAddr, far_host: Option<&str>) -> Rig {
        let root = Ca::create("lab", UNIX_EPOCH + Duration::from_secs(86_400)).expect("a root");
        let own = identity(&root, &format!("{}.lab.example", plan.node), Some(&plan.node));
        let peer = match far_host {
            Some(host) => verified(&root, &own, &identity(&root, host, None)),
            None => Peer::Plain,
        };
        let transport = if far_host.is_some() { Transport::Tls } else { Transport::Udp };
        let local = plan.local.iter().find(|(t, _)| *t == transport).expect("the plan listens there").1;
        let config = sip::Config {
            local: vec![(transport, far)],
            product: "far end".into(),
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            ring: Duration::from_secs(180),
            session_expires: Duration::from_secs(1800),
            min_se: Duration::from_secs(90),
            max_transactions: 100,
            ..sip::Config::default()
        };
        let mut rig = Rig {
            node: Some(Node::new([7; 32], Arc::new(plan), now(Duration::ZERO))),
            sip: Endpoint::new([9; 32], config, Duration::ZERO),
            now: Duration::ZERO,
            flow: Flow { id: FlowId(1), transport, local, remote: far },
            peer: Arc::new(peer),
            identity: own,
            next_slot: 0,
            next_control: 0,
            media: Vec::new(),
            events: Vec::new(),
            journal: Vec::new(),
            stated: Vec::new(),
            asked: Vec::new(),
            plays: Vec::new(),
            replies: Vec::new(),
            no_update: false,
            streams: Vec::new(),
        };
        rig.settle();
        rig
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("it is only away while it is read back")
    }

    pub(crate) fn input(&mut self, input: Input) {
        let at = now(self.now);
        self.node().handle(input, at);
        self.settle();
    }

    /// Carries everything to where it goes until both ends are quiet.
    pub(crate) fn settle(&mut self) {
        let at = now(self.now);
        loop {
            if let Some(output) = self.node().poll() {
                self.output(output, at);
            } else if let Some(output) = self.sip.poll() {
                match output {
                    sip::Output::Send { bytes, .. } => {
                        let bytes = if self.no_update { without_update(&bytes) } else { bytes };
                        let message = Message::parse(bytes).expect("the far end speaks SIP");
                        let (flow, peer) = (Flow { remote: self.flow.remote, ..self.flow }, self.peer.clone());
                        self.node().handle(Input::Message { flow, peer, message }, at);
                    }
                    sip::Output::Event(event) => self.events.push(event),
                }
            } else {
                break;
            }
        }
        let bytes = self.node().snapshot();
        self.node = Some(Node::restore(&bytes).expect("state is data"));
    }

    fn output(&mut self, output: Output, at: Now) {
        match output {
            Output::Send { bytes, .. } => {
                let message = Message::parse(bytes).expect("the node speaks SIP");
                // Seen from the other side.
                let flow = Flow { local: self.flow.remote, remote: self.flow.local, ..self.flow };
                self.sip.receive(flow, message, self.now);
            }
            Output::Media(command) => self.command(command, at),
            Output::Ask(id, Ask::Sign { payload }) => {
                let signature = self.identity.sign(&payload).expect("a signature");
                let told = Told::Signed { signature, chain_der: self.identity.chain_der() };
                self.node().handle(Input::Told(id, told), at);
            }
            Output::Ask(id, Ask::State { payload, .. }) => {
                self.stated.push(Statement::from_bytes(&payload).expect("a statement"));
                self.node().handle(Input::Told(id, Told::Persisted), at);
            }
            Output::Ask(id, Ask::Persist(_)) => {
                self.node().handle(Input::Told(id, Told::Persisted), at);
            }
            // Here is no web, and no DNS.
            Output::Ask(id, Ask::Fetch(_) | Ask::Resolve(_)) => {
                self.node().handle(Input::Told(id, Told::Failed("no server".into())), at);
            }
            // The test is the engine.
            Output::Ask(id, Ask::Speak(speak)) => self.asked.push((id, speak.text)),
            Output::Ask(id, Ask::Recognise(recognise)) => self.asked.push((id, format!("tap {}", recognise.tap))),
            Output::Ask(id, Ask::Stream(stream)) => self.asked.push((id, format!("stream {}", stream.tap))),
            Output::Ask(id, Ask::Sound(fetch)) => self.asked.push((id, fetch.request.url)),
            Output::Reply(id, reply) => self.replies.push((id, reply)),
            Output::Journal(journal) => self.journal.push(journal),
            Output::Close { .. } => {}
        }
    }

    /// What a media thread would say, with a stream that carried 100 packets each way.
    fn command(&mut self, command: Command, at: Now) {
        let event = match &command {
            Command::Lend { local, count } => {
                let lease = |slot| Lease {
                    id: LeaseId { thread: 0, slot, generation: 1 },
                    addr: SocketAddr::new(*local, 16_384 + 2 * slot),
                    fingerprint: None,
                };
                let leases = (self.next_slot..self.next_slot + count).map(lease).collect();
                self.next_slot += count;
                Some(media::Event::Leased(leases))
            }
            Command::Set { lease, negotiated, .. } => {
                let suite = negotiated.keying.suite();
                let counted = media::Counters { protected: 100, clear: 0, octets: 16_000 };
                let in_clear = media::Counters { protected: 0, clear: 100, octets: 16_000 };
                let counters = if suite.is_some() { counted } else { in_clear };
                let facts = Facts {
                    local: Some(SocketAddr::new(self.flow.local.ip(), 16_384 + 2 * lease.slot)),
                    remote: Some(negotiated.remote),
                    keying: if suite.is_some() { "SDES" } else { "none" }.into(),
                    suite: suite.map(|suite| suite.name().to_owned()).unwrap_or_default(),
                    codec: negotiated.codec.name().to_owned(),
                    rekeyed: self.streams.iter().filter(|(id, _)| id == lease).count() as u32,
                    tx: counters,
                    rx: counters,
                    ..Facts::default()
                };
                self.streams.push((*lease, facts));
                None
            }
            Command::Report { lease } => {
                Some(media::Event::Facts { lease: *lease, facts: Box::new(self.facts(*lease)) })
            }
            Command::Close { lease } => {
                Some(media::Event::Closed { lease: *lease, facts: Box::new(self.facts(*lease)) })
            }
            _ => None,
        };
        if let Command::Play { play, .. } = &command {
            self.plays.push(play.clone());
        }
        if !matches!(command, Command::Lend { .. } | Command::Report { .. }) {
            self.media.push(command);
        }
        if let Some(event) = event {
            self.node().handle(Input::Media(event), at);
        }
    }

    fn facts(&self, lease: LeaseId) -> Facts {
        self.streams.iter().rev().find(|(id, _)| *id == lease).map(|(_, facts)| facts.clone()).unwrap_or_default()
    }

    /// Time passes at both ends, timer by timer.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let due = [self.node().deadline(), self.sip.deadline()].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= until) else { break };
            self.now = due.max(self.now);
            let at = now(self.now);
            self.node().tick(at);
            self.sip.tick(self.now);
            self.settle();
        }
        self.now = until;
    }

    pub(crate) fn control(&mut self, control: Control) -> Reply {
        self.next_control += 1;
        let id = ControlId(self.next_control);
        self.input(Input::Control(id, control));
        self.wait(Duration::from_millis(400));
        let at = self.replies.iter().position(|(replied, _)| *replied == id).expect("a reply");
        self.replies.remove(at).1
    }

    /// The last event of the far end's SIP for which `pick` has something.
    pub(crate) fn met<T>(&mut self, pick: impl Fn(&Event) -> Option<T>) -> T {
        let at = self.events.iter().rposition(|event| pick(event).is_some());
        match at {
            Some(at) => pick(&self.events.remove(at)).expect("picked above"),
            None => panic!("not met; events: {:#?}", self.events),
        }
    }

    /// The number by which this was played last.
    pub(crate) fn played_as(&self, prompt: &str) -> u64 {
        self.plays.iter().rev().find(|play| play.prompt == prompt).expect("it was played").id
    }

    pub(crate) fn took(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.media)
    }

    /// Live legs as `show` has them.
    pub(crate) fn legs(&mut self) -> Vec<LegRecord> {
        match self.control(Control::Calls) {
            Reply::Calls(legs) => legs,
            other => panic!("{other:?}"),
        }
    }
}

/// The same message with a poorer Allow.
fn without_update(bytes: &Bytes) -> Bytes {
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    text.replace(", UPDATE", "").replace("UPDATE, ", "").into()
}

/// The far end's own audio.
pub(crate) struct Audio {
    pub(crate) policy: Policy,
    pub(crate) local: Local,
    count: u8,
}

impl Audio {
    pub(crate) fn new(protection: Protection, addr: &str) -> Audio {
        let policy = Policy {
            protection,
            suites: vec![Suite::AeadAes256Gcm],
            codecs: vec![Codec::Pcmu],
            telephone_event: true,
            exchange: Vec::new(),
        };
        let local = Local::new(addr.parse().expect("an address"), 1);
        Audio { policy, local, count: 0 }
    }

    pub(crate) fn offer(&mut self, direction: sdp::Direction) -> (Bytes, sdp::Offered) {
        let count = &mut self.count;
        let (text, offered) = sdp::offer(&self.policy, &mut self.local, direction, &mut |suite| key(suite, count));
        (text.into(), offered)
    }

    pub(crate) fn answer(&mut self, offer: &[u8]) -> Bytes {
        let count = &mut self.count;
        sdp::answer(&self.policy, &mut self.local, offer, &mut |suite| key(suite, count))
            .expect("we want the same")
            .0
            .into()
    }

    pub(crate) fn body(sdp: Bytes) -> sip::Body {
        sip::Body { content_type: "application/sdp".into(), bytes: sdp }
    }
}

fn key(suite: Suite, count: &mut u8) -> MasterKey {
    *count += 1;
    let (key, salt) = suite.key_salt_len();
    MasterKey::new(vec![*count; key + salt])
}
