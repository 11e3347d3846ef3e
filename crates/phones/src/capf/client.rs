//! The phone's side of one session: answers what the server asks, in whatever order it asks.

use std::collections::VecDeque;

use super::enrolment::Curve;
use super::message::{Command, Element, KeyKind, Message, Reason};
use super::proof::Prover;

#[derive(Debug)]
pub struct ClientPlan {
    pub device: String,
    /// 3 desk phones, 2 soft phones.
    pub version: u8,
    /// The authentication string; empty for none.
    pub password: String,
    /// Proof by an existing certificate.
    pub prover: Option<Prover>,
    /// The LSC that is there, for the server to fetch or delete.
    pub certificate: Option<Vec<u8>>,
}

/// What the shell is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientOutput {
    Send(Message),
    /// Make an RSA key of so many bits, then call [`Client::made`].
    MakeRsa(u16),
    MakeEc(Curve),
    /// Keep this certificate (DER) with the key that was made.
    Store(Vec<u8>),
    /// Forget the certificate.
    Delete,
    /// The session is over.
    End(Learned),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Learned {
    #[error("the server did what was ordered")]
    Done,
    #[error("the server has nothing to do for this device: order an operation for it")]
    NothingPending,
    #[error(
        "the server refused: the authentication string or proof is wrong, the operation's date has passed, or it did not \
         take what was sent; its log says which"
    )]
    Refused,
    #[error("the server does not know this device: add it there, or correct the name")]
    UnknownDevice,
    #[error("the server asks to try again in {0} s")]
    TryAgain(u16),
    #[error("the server broke the protocol: {0}")]
    Broken(String),
}

/// One session.
#[derive(Debug)]
pub struct Client {
    plan: ClientPlan,
    session: Option<u32>,
    /// The server did something for us.
    busy: bool,
    outputs: VecDeque<ClientOutput>,
}

impl Client {
    pub fn new(plan: ClientPlan) -> Client {
        Client { plan, session: None, busy: false, outputs: VecDeque::new() }
    }

    pub fn poll(&mut self) -> Option<ClientOutput> {
        self.outputs.pop_front()
    }

    pub fn handle(&mut self, message: &Message) {
        if *self.session.get_or_insert(message.session) != message.session {
            return self.end(Learned::Broken("it changed the session's number".into()));
        }
        match message.command {
            Command::AuthReq => self.authenticate(),
            Command::KeyGenReq => self.make(message),
            Command::StoreCertReq => self.store(message),
            Command::FetchCertReq => {
                let elements = match &self.plan.certificate {
                    Some(der) => vec![Element::Reason(Reason::Success), Element::Certificate(1, der.clone())],
                    None => vec![Element::Reason(Reason::Refused)],
                };
                self.busy = true;
                self.send(Command::FetchCertRes, elements);
            }
            Command::DeleteCertReq => {
                let reason = if self.plan.certificate.take().is_some() { Reason::Success } else { Reason::Refused };
                self.busy = true;
                self.outputs.push_back(ClientOutput::Delete);
                self.send(Command::DeleteCertRes, vec![Element::Reason(reason)]);
            }
            Command::EndSession => self.end(match message.reason() {
                Some(Reason::Success) => Learned::Done,
                Some(Reason::NoAction) if self.busy => Learned::Done,
                Some(Reason::NoAction) => Learned::NothingPending,
                Some(Reason::Refused) => Learned::Refused,
                Some(Reason::UnknownDevice) => Learned::UnknownDevice,
                other => Learned::Broken(format!("it ended with {other:?}")),
            }),
            Command::RetryLater => {
                let delay = message.find(|element| match element {
                    Element::RetryDelay(seconds) => Some(*seconds),
                    _ => None,
                });
                self.end(Learned::TryAgain(delay.unwrap_or(60)));
            }
            other => self.end(Learned::Broken(format!("{other:?} is nothing that a server says"))),
        }
    }

    /// The key that was asked for (DER SubjectPublicKeyInfo).
    pub fn made(&mut self, spki: Vec<u8>) {
        self.send(Command::KeyGenRes, vec![Element::PublicKey(spki)]);
    }

    fn authenticate(&mut self) {
        let mut elements = vec![Element::Reason(Reason::Success), Element::Version(self.plan.version)];
        elements.push(Element::Password(std::mem::take(&mut self.plan.password)));
        elements.push(Element::DeviceName(self.plan.device.clone()));
        if let Some(prover) = &self.plan.prover {
            match prover.prove(&self.plan.device) {
                Some(proof) => elements.extend(proof),
                None => return self.end(Learned::Broken("our certificate's key did not sign".into())),
            }
        }
        self.send(Command::AuthRes, elements);
    }

    fn make(&mut self, message: &Message) {
        let size = message.find(|element| match element {
            Element::KeySize(bits) => Some(*bits),
            _ => None,
        });
        let kind = message.find(|element| match element {
            Element::KeyType(kind) => Some(*kind),
            _ => None,
        });
        let curve = message.find(|element| match element {
            Element::Curve(code) => Curve::of_code(*code),
            _ => None,
        });
        let ask = match (kind.unwrap_or(KeyKind::Rsa), size, curve) {
            (KeyKind::Rsa, Some(bits), _) => ClientOutput::MakeRsa(bits),
            (KeyKind::Ec, _, Some(curve)) => ClientOutput::MakeEc(curve),
            _ => return self.end(Learned::Broken("it asked for a key without its size or curve".into())),
        };
        self.busy = true;
        if self.plan.version >= 3 {
            self.send(Command::RequestInProgress, vec![]);
        }
        self.outputs.push_back(ask);
    }

    fn store(&mut self, message: &Message) {
        let der = message.find(|element| match element {
            Element::Certificate(_, der) => Some(der.clone()),
            _ => None,
        });
        let Some(der) = der else {
            return self.send(Command::StoreCertRes, vec![Element::Reason(Reason::Refused)]);
        };
        self.plan.certificate = Some(der.clone());
        self.outputs.push_back(ClientOutput::Store(der));
        self.send(Command::StoreCertRes, vec![Element::Reason(Reason::Success)]);
    }

    fn end(&mut self, learned: Learned) {
        self.outputs.push_back(ClientOutput::End(learned));
    }

    fn send(&mut self, command: Command, elements: Vec<Element>) {
        let session = self.session.unwrap_or_default();
        self.outputs.push_back(ClientOutput::Send(Message::new(command, session, elements)));
    }
}
