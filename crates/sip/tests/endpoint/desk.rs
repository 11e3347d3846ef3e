//! A stranger who writes by hand, and the endpoint that it writes to.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sip::{Config, Endpoint, Event, Flow, FlowId, Headers, Hop, Message, Name, Output, Status, Transport};

/// One endpoint and what it says to a stranger who writes by hand.
pub struct Desk {
    pub endpoint: Endpoint,
    pub now: Duration,
    pub flow: Flow,
}

impl Desk {
    pub fn new(transport: Transport) -> Desk {
        Desk::with(transport, |_| {})
    }

    pub fn with(transport: Transport, change: impl Fn(&mut Config)) -> Desk {
        let local: SocketAddr = "192.0.2.2:5060".parse().unwrap();
        let mut config = Config { local: vec![(transport, local)], ..Config::default() };
        change(&mut config);
        let flow = Flow { id: FlowId(7), transport, local, remote: "192.0.2.1:5060".parse().unwrap() };
        Desk { endpoint: Endpoint::new([3; 32], config, Duration::ZERO), now: Duration::ZERO, flow }
    }

    /// Events and what was sent, with its hop.
    pub fn drain(&mut self) -> (Vec<Event>, Vec<(Hop, Message)>) {
        let (mut events, mut sent) = (Vec::new(), Vec::new());
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Event(event) => events.push(event),
                Output::Send { hop, bytes } => sent.push((hop, Message::parse(bytes).unwrap())),
            }
        }
        (events, sent)
    }

    pub fn tell(&mut self, text: &str) -> (Vec<Event>, Vec<(Hop, Message)>) {
        let text = text.trim_start().lines().map(|line| format!("{}\r\n", line.trim())).collect::<String>();
        let message = Message::parse(Bytes::from(format!("{text}\r\n"))).expect("the test's message parses");
        self.endpoint.receive(self.flow, message, self.now);
        self.drain()
    }

    /// The status of the only answer.
    pub fn status(&mut self, text: &str) -> u16 {
        let (_, sent) = self.tell(text);
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent[0].1.status().unwrap().0
    }

    pub fn respond(&mut self, events: &[Event], status: u16) -> Vec<(Hop, Message)> {
        let server = match events {
            [Event::Request { server, .. } | Event::InDialog { server, .. }] => *server,
            other => panic!("expected one request, got {other:?}"),
        };
        self.endpoint.respond(server, Status(status), Headers::new(), None, self.now);
        self.drain().1
    }

    pub fn run(&mut self, seconds: u64) -> (Vec<Event>, Vec<(Hop, Message)>) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.endpoint.deadline().filter(|at| *at <= until) {
            self.now = at;
            self.endpoint.tick(at);
        }
        self.now = until;
        self.drain()
    }
}

pub fn request(method: &str, via: &str, more: &str) -> String {
    let (method, cseq) = method.split_once('/').unwrap_or((method, "1"));
    format!(
        "{method} sip:bob@192.0.2.2 SIP/2.0
         Via: {via}
         Max-Forwards: 70
         From: <sip:alice@192.0.2.1>;tag=a1
         Call-ID: c1@192.0.2.1
         CSeq: {cseq} {method}
         Contact: <sip:alice@192.0.2.1>
         {more}"
    )
}

pub const VIA: &str = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1";
pub const TO: &str = "To: <sip:bob@192.0.2.2>";

pub fn to_tagged(answer: &Message) -> String {
    format!("To: {}", answer.header(&Name::To).unwrap())
}
