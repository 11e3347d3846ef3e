//! A whole endpoint against a model of the transaction rules (RFC 3261 §17, RFC 6026, RFC 6665): bytes become a sequence of
//! what peers, users, time and connections do, in any order, and after each step what must hold does.
//!
//! The model: what is sent parses; an answer goes to a request that was asked, never to an ACK, and with one final status
//! for as long as a transaction lives; each request of ours ends once; nothing is told of a dialog after its end; and
//! when everybody has hung up and time has passed, nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sip::endpoint::Outside;
use sip::{
    Body, ClientId, Config, DialogId, Endpoint, Event, Flow, FlowId, Headers, Hop, Invite, Message, Method, Name,
    NameAddr, Output, ServerId, Status, Target, Transport, Uri,
};

const METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "UPDATE",
    "INFO",
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
    "PRACK",
    "MESSAGE",
    "REGISTER",
    "FROB",
];
const STATUSES: [u16; 16] = [100, 180, 183, 199, 200, 202, 302, 401, 408, 422, 481, 486, 487, 491, 503, 603];
/// The shortest life of a server transaction over UDP after its final answer (timer I).
const SHORTEST: Duration = Duration::from_secs(5);

/// Fed with bytes; zeros when they have run out.
struct Tape<'a>(&'a [u8]);

impl Tape<'_> {
    fn next(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    fn pick<'b, T>(&mut self, among: &'b [T]) -> Option<&'b T> {
        let at = self.next();
        among.get(at % among.len().max(1))
    }
}

struct World {
    endpoint: Endpoint,
    now: Duration,
    flow: Flow,
    /// Requests that were received, by branch and method; ACK apart.
    asked: BTreeSet<(String, String)>,
    /// The final answer that each got, and since when.
    finals: BTreeMap<(String, String), (u16, Duration)>,
    /// Requests that we sent.
    sent: Vec<Message>,
    tags: Vec<String>,
    calls: Vec<String>,
    servers: Vec<ServerId>,
    dialogs: Vec<DialogId>,
    ended: BTreeSet<DialogId>,
    open: BTreeMap<ClientId, Option<DialogId>>,
}

/// Runs the whole sequence that the bytes mean.
pub(crate) fn run(input: &[u8]) {
    let mut tape = Tape(input);
    let transport = if tape.next() % 2 == 0 { Transport::Udp } else { Transport::Tcp };
    let mut world = World::new(transport);
    while !tape.0.is_empty() {
        world.step(&mut tape);
        world.hear();
    }
    world.finish();
}

impl World {
    fn new(transport: Transport) -> World {
        let local: SocketAddr = "192.0.2.2:5060".parse().unwrap();
        let config = Config {
            local: vec![(transport, local)],
            max_transactions: 40,
            overload_control: true,
            reliable: true,
            ..Config::default()
        };
        let flow = Flow { id: FlowId(7), transport, local, remote: "192.0.2.1:5060".parse().unwrap() };
        World {
            endpoint: Endpoint::new([7; 32], config, Duration::ZERO),
            now: Duration::ZERO,
            flow,
            asked: BTreeSet::new(),
            finals: BTreeMap::new(),
            sent: Vec::new(),
            tags: Vec::new(),
            calls: vec!["c0".into(), "c1".into()],
            servers: Vec::new(),
            dialogs: Vec::new(),
            ended: BTreeSet::new(),
            open: BTreeMap::new(),
        }
    }

    fn hop(&self) -> Hop {
        Hop::Target(Target { transport: self.flow.transport, addr: self.flow.remote, peer: "peer".into() })
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        let what = tape.next();
        match what % 16 {
            0..4 => self.request(tape),
            4..7 => self.response(tape),
            7 | 8 => self.answer(tape),
            9 => self.call(tape),
            10 => self.inside(tape),
            11 => {
                if let Some(dialog) = tape.pick(&self.dialogs).copied() {
                    self.endpoint.ack(dialog, Headers::new(), None, self.now);
                }
            }
            12 => {
                if let Some(dialog) = tape.pick(&self.dialogs).copied() {
                    self.end(dialog);
                }
            }
            13 => {
                if let Some(dialog) = tape.pick(&self.dialogs).copied() {
                    self.endpoint.cancel(dialog, Headers::new(), self.now);
                }
            }
            14 => self.time(tape),
            _ => {
                let Hop::Target(target) = self.hop() else { return };
                self.endpoint.closed(self.flow.id, Some(&target).filter(|_| what & 16 == 0), self.now);
                self.flow.id = FlowId(self.flow.id.0 + 1);
            }
        }
    }

    fn request(&mut self, tape: &mut Tape<'_>) {
        let method = METHODS[tape.next() % METHODS.len()];
        let (branch, cseq) = (tape.next() % 12, tape.next() % 6);
        let call = tape.pick(&self.calls).cloned().unwrap_or_default();
        let bits = tape.next();
        let to_tag =
            tape.pick(&self.tags).filter(|_| bits & 1 == 1).map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let from_tag = ["a", "b"][(bits >> 1) & 1];
        let more = match (bits >> 2) & 7 {
            0 => "Require: magic\r\n",
            1 => "Session-Expires: 90;refresher=uac\r\nSupported: timer\r\n",
            2 => "Record-Route: <sip:p.example;lr>\r\n",
            3 => "Allow: UPDATE\r\nRAck: 1 1 INVITE\r\n",
            5 => "Require: 100rel\r\n",
            4 => "Subscription-State: active;expires=60\r\nEvent: dialog\r\n",
            _ => "",
        };
        let oc = if bits & 0x20 == 0 { ";oc;oc-algo=\"loss\"" } else { "" };
        let protocol = self.flow.transport.as_str();
        let text = format!(
            "{method} sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/{protocol} 192.0.2.1:5060;branch=z9hG4bKx{branch}{oc}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.1>;tag={from_tag}\r\nTo: <sip:bob@192.0.2.2>{to_tag}\r\n\
             Call-ID: {call}\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@192.0.2.1>\r\n{more}\r\n"
        );
        let message = Message::parse(Bytes::from(text)).unwrap();
        if method != "ACK" {
            self.asked.insert((format!("z9hG4bKx{branch}"), method.to_owned()));
        }
        self.endpoint.receive(self.flow, message, self.now);
    }

    fn response(&mut self, tape: &mut Tape<'_>) {
        let Some(request) = tape.pick(&self.sent).cloned() else { return };
        let status = STATUSES[tape.next() % STATUSES.len()];
        let tag = ["x", "y", "z"][tape.next() % 3];
        let field = |name: &Name| request.header(name).unwrap_or_default();
        let to = field(&Name::To);
        let to = if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag={tag}") };
        let reliably =
            if status == 183 { format!("Require: 100rel\r\nRSeq: {}\r\n", tape.next() % 4) } else { String::new() };
        let via = request.values(&Name::Via).next().unwrap_or_default();
        let via = via.replace(";oc;oc-algo=\"loss\"", if tag == "z" { ";oc=30;oc-validity=900" } else { "" });
        let text = format!(
            "SIP/2.0 {status} X\r\nVia: {via}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <sip:{tag}@192.0.2.1>\r\nAllow: UPDATE\r\nMin-SE: 1900\r\n{reliably}\r\n",
            field(&Name::From),
            request.call_id(),
            field(&Name::CSeq),
        );
        self.endpoint.receive(self.flow, Message::parse(Bytes::from(text)).unwrap(), self.now);
    }

    fn answer(&mut self, tape: &mut Tape<'_>) {
        let Some(server) = tape.pick(&self.servers).copied() else { return };
        let status = STATUSES[tape.next() % STATUSES.len()];
        if status == 202 {
            let dialog = self.endpoint.admit_subscription(server, vec![(Name::Expires, "60".into())], self.now);
            return self.dialogs.extend(dialog);
        }
        let body = (status == 200).then(|| Body::sdp("v=0\r\n"));
        self.endpoint.respond(server, Status(status), Headers::new(), body, self.now);
    }

    fn call(&mut self, tape: &mut Tape<'_>) {
        let (uri, from) = (Uri::parse("sip:carol@192.0.2.1").unwrap(), NameAddr::parse("<sip:us@192.0.2.2>").unwrap());
        let to = NameAddr::parse("<sip:carol@192.0.2.1>").unwrap();
        let (contact_user, headers, hop, now) = (None, Headers::new(), self.hop(), self.now);
        let body = Some(Body::sdp("v=0\r\n"));
        match tape.next() % 4 {
            0 | 1 => {
                let invite = Invite { hop, request_uri: uri, from, to, contact_user, headers, body, max_forwards: 70 };
                let (dialog, client) = self.endpoint.invite(invite, now);
                self.dialogs.push(dialog);
                self.open.insert(client, Some(dialog));
            }
            n => {
                let method = if n == 2 { Method::Subscribe } else { Method::Options };
                let (body, call_id) = (None, None);
                let outside = Outside { method, hop, request_uri: uri, from, to, contact_user, headers, body, call_id };
                if n == 2 {
                    let (dialog, client) = self.endpoint.subscribe(outside, now);
                    self.dialogs.push(dialog);
                    self.open.insert(client, Some(dialog));
                } else {
                    let client = self.endpoint.request(outside, now);
                    self.open.insert(client, None);
                }
            }
        }
    }

    fn inside(&mut self, tape: &mut Tape<'_>) {
        let Some(dialog) = tape.pick(&self.dialogs).copied() else { return };
        let (headers, now) = (Headers::new(), self.now);
        let client = match tape.next() % 6 {
            0 | 1 => self.endpoint.reinvite(dialog, headers, Some(Body::sdp("v=0\r\n")), now),
            2 => self.endpoint.in_dialog(dialog, Method::Info, headers, None, now),
            3 => self.endpoint.in_dialog(dialog, Method::Update, headers, None, now),
            4 => self.endpoint.in_dialog(dialog, Method::Notify, headers, None, now),
            _ => self.endpoint.in_dialog(dialog, Method::Bye, headers, None, now),
        };
        self.open.insert(client, Some(dialog));
    }

    fn time(&mut self, tape: &mut Tape<'_>) {
        let jump = match tape.next() {
            ms @ 0..128 => Duration::from_millis(ms as u64 * 10),
            s @ 128..250 => Duration::from_secs(s as u64 - 120),
            // A clock that stood still for an hour, as after a pause of the machine.
            _ => Duration::from_secs(3600),
        };
        self.now += jump;
        self.endpoint.tick(self.now);
    }

    fn end(&mut self, dialog: DialogId) {
        if self.endpoint.call_id(dialog).is_none() {
            // It has ended already; what was under way in it, a BYE of its user's say, is still told of.
            return self.dialogs.retain(|known| *known != dialog);
        }
        self.endpoint.end(dialog, Headers::new(), self.now);
        self.ended.insert(dialog);
        self.open.retain(|_, of| *of != Some(dialog));
        self.dialogs.retain(|known| *known != dialog);
    }

    fn hear(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Send { bytes, .. } => self.check_sent(&bytes),
                Output::Event(event) => self.check_event(event),
            }
        }
        assert!(self.endpoint.transactions() < 2000, "memory is bounded");
    }

    fn check_sent(&mut self, bytes: &Bytes) {
        let message = Message::parse(bytes.clone()).expect("what is sent parses");
        let tag = if message.is_request() { message.from_tag() } else { message.to_tag() };
        if let Some(tag) = tag.filter(|tag| !self.tags.iter().any(|known| known == tag)) {
            self.tags.push(tag.to_owned());
        }
        if !self.calls.iter().any(|known| known == message.call_id()) {
            self.calls.push(message.call_id().to_owned());
        }
        let Some(status) = message.status() else {
            if !message.is(&Method::Ack) {
                self.sent.push(message);
            }
            return;
        };
        let key = (message.branch().unwrap_or_default().to_owned(), message.method().as_str().to_owned());
        assert!(self.asked.contains(&key), "{status} to a {} that nobody sent", key.1);
        if status.is_final() && self.flow.transport == Transport::Udp {
            let now = self.now;
            let (first, since) = *self.finals.entry(key.clone()).or_insert((status.0, now));
            match now - since >= SHORTEST {
                // By then it may have been another transaction of the same branch.
                true => drop(self.finals.insert(key, (status.0, now))),
                // Another Call-ID or CSeq under a branch that was used before is the sender's fault; the answer that its
                // transaction got stands all the same, unless the first was given without one.
                false => assert!(
                    first == status.0 || is_stateless(first) || is_stateless(status.0),
                    "{first}, then {status}"
                ),
            }
        }
    }

    fn check_event(&mut self, event: Event) {
        let told = format!("{event:?}");
        if let Some(dialog) = dialog_of(&event) {
            assert!(!self.ended.contains(&dialog), "of an ended dialog: {told}");
        }
        match event {
            Event::Request { server, dialog, request, .. } => {
                assert!(!request.is(&Method::Ack) && !request.is(&Method::Cancel), "{told}");
                self.servers.push(server);
                self.dialogs.extend(dialog);
            }
            Event::InDialog { server, request, .. } => {
                assert!(!request.is(&Method::Ack) && !request.is(&Method::Cancel), "{told}");
                self.servers.push(server);
            }
            Event::Accepted { client, .. } | Event::Final { client, .. } | Event::Failed { client, .. } => {
                assert!(self.open.remove(&client).is_some(), "a second end, or of an unknown request: {told}");
            }
            Event::Cancelled { .. }
            | Event::Acked { .. }
            | Event::NotAcked { .. }
            | Event::Provisional { .. }
            | Event::RefreshDue { .. }
            | Event::Expired { .. } => {}
        }
    }

    fn finish(&mut self) {
        for dialog in std::mem::take(&mut self.dialogs) {
            self.end(dialog);
            self.hear();
        }
        let begun = self.now;
        for _ in 0..20_000 {
            let Some(at) = self.endpoint.deadline() else { break };
            self.now = self.now.max(at);
            self.endpoint.tick(self.now);
            self.hear();
        }
        assert_eq!(self.endpoint.deadline(), None, "it never comes to rest");
        assert_eq!((self.endpoint.transactions(), self.endpoint.dialogs()), (0, 0), "left after all has ended");
        assert!(self.open.is_empty(), "no end was told of {:?}", self.open);
        // 300 s for an INVITE that nobody answers, 64·T1 for its refusal's ACK, and the ring of one of ours with its CANCEL.
        assert!(self.now - begun < Duration::from_secs(600), "it took {:?}", self.now - begun);
    }
}

/// Codes that the endpoint gives without a transaction.
fn is_stateless(status: u16) -> bool {
    matches!(status, 400..=499 | 501 | 503) && !matches!(status, 480 | 486 | 487)
}

fn dialog_of(event: &Event) -> Option<DialogId> {
    match event {
        Event::Request { dialog, .. } | Event::Final { dialog, .. } | Event::Failed { dialog, .. } => *dialog,
        Event::InDialog { dialog, .. }
        | Event::Cancelled { dialog, .. }
        | Event::Acked { dialog, .. }
        | Event::NotAcked { dialog }
        | Event::Provisional { dialog, .. }
        | Event::Accepted { dialog, .. }
        | Event::RefreshDue { dialog }
        | Event::Expired { dialog, .. } => Some(*dialog),
    }
}
