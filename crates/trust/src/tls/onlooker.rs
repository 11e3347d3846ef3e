//! A TLS handshake as it looks from beside it: the records of both ways, read without a key.
//!
//! Shown is what passes in clear. With TLS 1.2 that is everything up to the first Finished; with TLS 1.3 the two hellos
//! (RFC 8446 §2), and after them only that something passed. Randoms, tickets, key shares and signatures are never shown.

mod alerts;
mod hello;

use std::collections::VecDeque;

pub use alerts::alert;
use hello::Bytes;
pub use hello::certificate;

/// Longest payload of a record (RFC 5246 §6.2.3) and longest handshake message that is read, octets.
const RECORD: usize = (1 << 14) + 2048;
const MESSAGE: usize = 32 * 1024;
/// What is told of one handshake; nobody needs more for one.
const SAYINGS: usize = 128;

/// Something that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saw {
    /// A message, or a record that cannot be read.
    Message(String),
    /// Where the handshake is, or an alert.
    State(String),
}

/// Beside one connection, until its handshake ends. Holds at most 100 kB.
pub struct Onlooker {
    side: &'static str,
    tls13: bool,
    received: Way,
    sent: Way,
    saw: VecDeque<Saw>,
    said: usize,
    alert: bool,
}

#[derive(Default)]
struct Way {
    record: Vec<u8>,
    messages: Vec<u8>,
    /// From here on nothing can be read (ChangeCipherSpec of TLS 1.2, the first protected record of TLS 1.3).
    sealed: bool,
    /// What passes is no TLS, or too large to be read.
    blind: bool,
}

/// `SSL_connect` for who dials, `SSL_accept` for who listens: the words that operators know.
pub fn side(dials: bool) -> &'static str {
    if dials { "SSL_connect" } else { "SSL_accept" }
}

impl Onlooker {
    pub fn new(dials: bool) -> Onlooker {
        Onlooker {
            side: side(dials),
            tls13: false,
            received: Way::default(),
            sent: Way::default(),
            saw: VecDeque::new(),
            said: 0,
            alert: false,
        }
    }

    /// Octets that the peer sent.
    pub fn received(&mut self, bytes: &[u8]) {
        self.passed(bytes, false);
    }

    /// Octets that the peer was sent.
    pub fn sent(&mut self, bytes: &[u8]) {
        self.passed(bytes, true);
    }

    /// The next thing that was seen, in order.
    pub fn poll(&mut self) -> Option<Saw> {
        self.saw.pop_front()
    }

    /// An alert passed in clear, and was told.
    pub fn saw_alert(&self) -> bool {
        self.alert
    }

    fn passed(&mut self, mut bytes: &[u8], ours: bool) {
        while !bytes.is_empty() {
            let way = self.way(ours);
            if way.blind {
                return;
            }
            let whole = match way.record.get(3..5) {
                Some(len) => 5 + len.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
                None => 5,
            };
            let share = (whole - way.record.len()).min(bytes.len());
            let (taken, rest) = bytes.split_at(share);
            way.record.extend_from_slice(taken);
            bytes = rest;
            if way.record.len() < 5 {
                continue;
            }
            let header = Bytes(&way.record).header();
            let Some((kind, len)) = header.filter(|(kind, len)| (20..=23).contains(kind) && *len <= RECORD) else {
                way.blind = true;
                way.record = Vec::new();
                return self.message(ours, "octets that are no TLS record");
            };
            if way.record.len() == 5 + len {
                let record = std::mem::take(&mut way.record);
                self.record(kind, record.get(5..).unwrap_or_default(), ours);
            }
        }
    }

    fn record(&mut self, kind: u8, payload: &[u8], ours: bool) {
        let sealed = self.way(ours).sealed;
        match kind {
            20 => {
                self.message(ours, "ChangeCipherSpec");
                // With TLS 1.3 it means nothing (RFC 8446 §5).
                if !self.tls13 {
                    self.way(ours).sealed = true;
                }
            }
            21 if !sealed => self.alerted(payload, ours),
            22 if !sealed => self.handshake(payload, ours),
            _ => {
                self.message(ours, &format!("protected record, {} octets", payload.len()));
                if self.tls13 && !std::mem::replace(&mut self.way(ours).sealed, true) {
                    self.state(&format!("{} protected messages", verb(ours)));
                } else if kind == 22 {
                    self.state(&format!("{} Finished (protected)", verb(ours)));
                }
            }
        }
    }

    fn alerted(&mut self, payload: &[u8], ours: bool) {
        let [level, code] = payload else { return };
        self.alert = true;
        let level = if *level == 1 { "warning" } else { "fatal" };
        let words = alert(ours, level, *code);
        self.message(ours, &format!("Alert, {level}, code {code}"));
        self.say(Saw::State(words));
    }

    fn handshake(&mut self, payload: &[u8], ours: bool) {
        self.way(ours).messages.extend_from_slice(payload);
        loop {
            let way = self.way(ours);
            let Some((kind, len)) = Bytes(&way.messages).message() else { return };
            if len > MESSAGE {
                way.blind = true;
                way.messages = Vec::new();
                return self.message(ours, &format!("a handshake message of {len} octets, too long to be read here"));
            }
            if way.messages.len() < 4 + len {
                return;
            }
            let rest = way.messages.split_off(4 + len);
            let message = std::mem::replace(&mut way.messages, rest);
            self.told(kind, message.get(4..).unwrap_or_default(), ours);
        }
    }

    fn told(&mut self, kind: u8, body: &[u8], ours: bool) {
        let mut name = hello::name(kind);
        let facts = match kind {
            1 => hello::client(body),
            2 => hello::server(body).map(|(retry, tls13, facts)| {
                self.tls13 |= tls13;
                if retry {
                    name = "HelloRetryRequest";
                }
                facts
            }),
            // TLS 1.3 protects it, and what is read here is 1.2's.
            11 => hello::certificates(body),
            12 => hello::key_exchange(body),
            _ => None,
        };
        let facts = facts.map(|facts| format!(": {facts}")).unwrap_or_default();
        self.message(ours, &format!("{name}, {} octets{facts}", body.len()));
        self.state(&format!("{} {name}", verb(ours)));
    }

    fn way(&mut self, ours: bool) -> &mut Way {
        if ours { &mut self.sent } else { &mut self.received }
    }

    fn message(&mut self, ours: bool, words: &str) {
        let arrow = if ours { ">>>" } else { "<<<" };
        self.say(Saw::Message(format!("{arrow} {words}")));
    }

    fn state(&mut self, words: &str) {
        let side = self.side;
        self.say(Saw::State(format!("{side}: {words}")));
    }

    fn say(&mut self, saw: Saw) {
        self.said += 1;
        match self.said {
            ..SAYINGS => self.saw.push_back(saw),
            SAYINGS => self.saw.push_back(Saw::Message("the rest of this handshake is not shown: too much".into())),
            _ => {}
        }
    }
}

fn verb(ours: bool) -> &'static str {
    if ours { "write" } else { "read" }
}

#[cfg(test)]
mod tests;
