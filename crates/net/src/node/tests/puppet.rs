//! The puppet, and a lab to start it in.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use roles::{Control, Input, Now, Output, PeerPlan, Watched};
use sip::message::Builder;
use sip::{Flow, Hop, Message, Method, Name, Status, Target, Transport};
use trust::tls::{ClientCertificate, Versions};
use trust::{Authority, Ca, Identity, KeyKind, Peer};

use crate::asks::AskThreads;
use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::handle::{Facts, NodeHandle};
use crate::keep;
use crate::mailbox::mailbox;
use crate::node::{LETTERS, Letter, Machine, Node, Remains, Surroundings};
use crate::wire::{Setup, tls};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

struct Strings {
    heard: mpsc::Sender<Input>,
    say: mpsc::Receiver<Output>,
    abandoned: mpsc::Sender<()>,
}

impl Machine for Strings {
    fn handle(&mut self, input: Input, _now: Now) {
        match &input {
            Input::Message { message, .. } if message.header(&Name::new("Subject")) == Some("panic") => {
                panic!("as the test asked")
            }
            Input::Control(..) | Input::Told(..) => {}
            _ => drop(self.heard.send(input)),
        }
    }
    fn tick(&mut self, _now: Now) {}
    fn poll(&mut self) -> Option<Output> {
        self.say.try_recv().ok()
    }
    fn deadline(&self) -> Option<Duration> {
        None
    }
    fn abandon(&mut self, _now: Now) {
        let _ = self.abandoned.send(());
    }
    fn watched(&mut self, _by: Watched) {}
}

/// A running node that does what a test says.
pub(crate) struct Puppet {
    pub handle: NodeHandle,
    pub address: IpAddr,
    heard: mpsc::Receiver<Input>,
    say: mpsc::Sender<Output>,
    abandoned: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// A CA and the clock of a test.
pub(crate) struct Lab {
    pub ca: Ca,
    pub asks: AskThreads,
}

#[derive(Clone)]
pub(crate) struct NodeOptions {
    pub listen: Vec<Transport>,
    pub versions: Versions,
    pub clients: ClientCertificate,
    pub key: KeyKind,
    pub identity: Option<Identity>,
    pub roots: Option<Vec<(Authority, String)>>,
    /// Of the peers.
    pub authority: Authority,
    pub tls: bool,
    pub ipv6: bool,
    pub dangerous_keylog: bool,
}

impl Default for NodeOptions {
    fn default() -> Self {
        NodeOptions {
            listen: vec![Transport::Tls, Transport::Tcp, Transport::Udp],
            versions: Versions { tls12: true, tls13: true },
            clients: ClientCertificate::Required,
            key: KeyKind::P256,
            identity: None,
            roots: None,
            authority: Authority::Own,
            tls: true,
            ipv6: false,
            dangerous_keylog: false,
        }
    }
}

impl Lab {
    pub(crate) fn new() -> Lab {
        Lab {
            ca: Ca::create("lab", SystemTime::now()).unwrap(),
            asks: AskThreads::start(keep::Nothing, Vec::new(), Vec::new()).unwrap(),
        }
    }

    pub(crate) fn roots(&self) -> Vec<(Authority, String)> {
        vec![(Authority::Own, self.ca.certificate_pem().to_owned())]
    }

    pub(crate) fn identity(&self, name: &str, key: KeyKind) -> Identity {
        identity(&self.ca, name, key, Duration::from_secs(3600))
    }

    /// A node at 127.0.0.`last`; `peers` are named `(name, puppet, transport, expected certificate name)`.
    pub(crate) fn node(
        &self,
        name: &str,
        last: u8,
        peers: &[(&str, &Puppet, Transport, &str)],
        options: NodeOptions,
    ) -> Puppet {
        let address: IpAddr = match options.ipv6 {
            true => std::net::Ipv6Addr::LOCALHOST.into(),
            false => [127, 0, 0, last].into(),
        };
        let identity = options.identity.clone().unwrap_or_else(|| self.identity(name, options.key));
        let peers = peers.iter().map(|(name, puppet, transport, expected)| PeerPlan {
            authority: options.authority.clone(),
            ..PeerPlan::new(name, *transport, puppet.addr(*transport), vec![(*expected).to_owned()])
        });
        let (letters, inbox) = mailbox(LETTERS).unwrap();
        let (heard_by, heard) = mpsc::channel();
        let (say, said) = mpsc::channel();
        let (abandons, abandoned) = mpsc::channel();
        let roots = options.roots.clone().unwrap_or_else(|| self.roots());
        let settings = tls::Settings {
            ocsp_revocations: 0,
            identity: identity.clone(),
            trustpoints: Vec::new(),
            roots,
            pinned: Vec::new(),
            versions: options.versions,
            clients: options.clients,
            doors: Vec::new(),
            nameless: false,
            dangerous_keylog: options.dangerous_keylog,
        };
        let setup = Setup {
            node: name.into(),
            listen: options.listen.iter().map(|transport| (*transport, SocketAddr::new(address, 0))).collect(),
            source: address,
            peers: peers.collect(),
            tls: options.tls.then(|| settings.clone()),
        };
        let credentials = Credentials::new(settings);
        let around = Surroundings {
            owner: 0,
            clock: Clock::start(),
            remains: Remains::new(inbox),
            media: Vec::new(),
            asks: self.asks.asks(name.into(), Some(credentials.clone()), letters.clone()),
        };
        let strings = Strings { heard: heard_by, say: said, abandoned: abandons };
        let node = Node::new(|_| strings, setup, around).unwrap();
        let facts = Facts {
            name: name.into(),
            control_address: SocketAddr::new(address, 0),
            local: node.wire().local(),
            started_ms: 0.into(),
            credentials: Some(credentials),
            statements: keep::Reader::nothing(),
            errands: crate::errands::errands().0,
            phones: Default::default(),
        };
        let handle = NodeHandle { facts: Arc::new(facts), letters };
        let thread = Some(std::thread::spawn(move || drop(node.run())));
        Puppet { handle, address, heard, say, abandoned, thread }
    }
}

pub(crate) fn identity(ca: &Ca, name: &str, key: KeyKind, life: Duration) -> Identity {
    let now = SystemTime::now();
    let request = trust::Request {
        common_name: format!("{name}.lab.test"),
        dns_names: vec![format!("{name}.lab.test")],
        ip_addresses: Vec::new(),
        node: Some(name.to_owned()),
        uris: Vec::new(),
        key,
        not_before: now - Duration::from_secs(7200),
        not_after: now - Duration::from_secs(3600) + life,
    };
    // `life` counts from an hour ago, so that an expired one can be asked for.
    ca.issue(&trust::Request { not_after: if life.is_zero() { request.not_after } else { now + life }, ..request })
        .unwrap()
}

impl Puppet {
    pub(crate) fn addr(&self, transport: Transport) -> SocketAddr {
        self.handle.local().iter().find(|(t, _)| *t == transport).unwrap().1
    }

    pub(crate) fn target(&self, peer: &str, transport: Transport) -> Target {
        Target { transport, addr: self.addr(transport), peer: peer.into() }
    }

    pub(crate) fn does(&self, output: Output) {
        self.say.send(output).unwrap();
        // Any letter wakes the loop, which then drains what was said.
        let (reply, _) = tokio::sync::oneshot::channel();
        assert!(self.handle.letters.send(Letter::Control(Control::Status, reply)).is_ok());
    }

    pub(crate) fn sends(&self, hop: Hop, message: &Message) {
        self.does(Output::Send { hop, bytes: message.bytes().clone() });
    }

    pub(crate) fn hears(&self) -> Input {
        self.heard.recv_timeout(PATIENCE).expect("something to be heard")
    }

    pub(crate) fn hears_message(&self) -> (Flow, Arc<Peer>, Message) {
        match self.hears() {
            Input::Message { flow, peer, message } => (flow, peer, message),
            other => panic!("expected a message, heard {other:?}"),
        }
    }

    pub(crate) fn hears_unreachable(&self) -> (Target, String) {
        match self.hears() {
            Input::Unreachable { target, why } => (target, why),
            other => panic!("expected Unreachable, heard {other:?}"),
        }
    }

    pub(crate) fn hears_nothing_more(&self) {
        // The loop answers after everything that it had to say before.
        let _ = self.handle.connections();
        assert!(self.heard.try_recv().is_err());
    }

    pub(crate) fn abandons(&self) {
        self.abandoned.recv_timeout(PATIENCE).expect("a call to be abandoned");
    }

    /// The first refusal, once there is one.
    pub(crate) fn refusal(&self) -> roles::RefusalRecord {
        let until = std::time::Instant::now() + PATIENCE;
        let journal = self.handle.watch();
        if let Some(first) = self.handle.refusals().into_iter().next() {
            return first;
        }
        loop {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if let roles::Journal::Refused(record) = journal.recv_timeout(left).expect("a refusal") {
                return record;
            }
        }
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        let _ = self.handle.letters.send(Letter::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) fn request(subject: &str, body: usize) -> Message {
    let body =
        (body > 0).then(|| sip::Body { content_type: "text/plain".into(), bytes: Bytes::from(vec![b'x'; body]) });
    Builder::request(&Method::Options, "sips:node.lab.test")
        .header(&Name::Via, "SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bKtest")
        .header(&Name::MaxForwards, 70)
        .header(&Name::From, "<sips:a@lab.test>;tag=1")
        .header(&Name::To, "<sips:b@lab.test>")
        .header(&Name::CallId, "call-1")
        .header(&Name::CSeq, "1 OPTIONS")
        .header(&Name::new("Subject"), subject)
        .body(body)
        .build()
}

pub(crate) fn response(request: &Message) -> Message {
    Builder::response(request, Status(200), Some("t")).build()
}

/// What a stranger writes into a socket.
pub(crate) fn options_to(addr: SocketAddr) -> Vec<u8> {
    let _ = addr;
    request("stranger", 0).bytes().to_vec()
}
