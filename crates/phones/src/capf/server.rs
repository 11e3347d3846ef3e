//! The certificate authority proxy: every phone's row, every session, one step at a time.
//!
//! Issuing is slow and needs the CA's key: it is asked for ([`Output::Issue`]) and told ([`Server::issued`]). A row that
//! changed is to be kept ([`Output::Keep`]) before the message after it leaves.

use std::collections::{BTreeMap, VecDeque};

use super::enrolment::{AuthMode, Curve, Enrolment, KeyOrder, Operation};
use super::message::{Command, Element, KeyKind, Message, Reason};
use super::proof::{Roots, check};
use crate::PublicKey;

/// A connection's session: the number in its messages.
pub type SessionId = u32;

/// Wrong authentication strings before a phone's is not looked at for a while.
const TRIES: u32 = 5;
/// Seconds of that while: at most 480 guesses a day, of a million strings or more.
const LOCK: u64 = 15 * 60;
/// Seconds that a phone has for an answer.
const ANSWER: u64 = 60;
/// Seconds that a phone has to make its key pair; old ones need minutes for RSA.
const KEY: u64 = 600;
/// Sessions at once.
const SESSIONS: usize = 10_000;

#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may vouch for phones that prove themselves by certificate.
    pub roots: Roots,
}

/// What the shell is to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Send(SessionId, Message),
    Close(SessionId),
    /// Sign an LSC for this key (DER SubjectPublicKeyInfo), then call [`Server::issued`].
    Issue {
        session: SessionId,
        device: String,
        spki: Vec<u8>,
    },
    /// A row that changed: keep it before going on.
    Keep(Enrolment),
    Event(Event),
}

/// For the log and `show refusals`. Never a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The operation is done.
    Done { device: String, operation: Operation },
    /// Refused or failed; the words say why and what to do.
    Refused { device: String, words: String },
}

/// All phones' rows and all sessions.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    devices: BTreeMap<String, Enrolment>,
    sessions: BTreeMap<SessionId, Session>,
    last: SessionId,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Session {
    state: State,
    /// Seconds since 1970.
    deadline: u64,
}

/// What a session waits for.
#[derive(Debug)]
enum State {
    Authentication,
    Key { device: String, wanted: Wanted },
    Issued { device: String },
    Stored { device: String, der: Vec<u8> },
    Fetched { device: String },
    Deleted { device: String },
}

/// The key that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Rsa(u16),
    Ec(Curve),
}

impl Server {
    /// `first` numbers the first session; later ones count on.
    pub fn new(settings: Settings, devices: impl IntoIterator<Item = Enrolment>, first: SessionId) -> Server {
        Server {
            settings,
            devices: devices.into_iter().map(|row| (row.device.clone(), row)).collect(),
            sessions: BTreeMap::new(),
            last: first.wrapping_sub(1),
            outputs: VecDeque::new(),
        }
    }

    pub fn device(&self, name: &str) -> Option<&Enrolment> {
        self.devices.get(name)
    }

    pub fn devices(&self) -> impl Iterator<Item = &Enrolment> {
        self.devices.values()
    }

    /// Adds a phone or changes what is ordered for it.
    pub fn put(&mut self, row: Enrolment) {
        self.outputs.push_back(Output::Keep(row.clone()));
        self.devices.insert(row.device.clone(), row);
    }

    /// A phone connected: the server speaks first. `None` when too many are connected.
    pub fn connected(&mut self, now: u64) -> Option<SessionId> {
        if self.sessions.len() >= SESSIONS {
            return None;
        }
        self.last = self.last.wrapping_add(1);
        let session = self.last;
        self.sessions.insert(session, Session { state: State::Authentication, deadline: now + ANSWER });
        self.send(session, Command::AuthReq, vec![Element::Version(3), Element::AuthType(0)]);
        Some(session)
    }

    /// The connection is gone. An operation that was under way stays pending: the phone will come again.
    pub fn closed(&mut self, session: SessionId) {
        if let Some(gone) = self.sessions.remove(&session) {
            let (State::Key { device, .. } | State::Issued { device } | State::Stored { device, .. }) = gone.state
            else {
                return;
            };
            self.pending_again(&device);
        }
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next moment at which [`Server::tick`] has something to do, in seconds since 1970.
    pub fn deadline(&self) -> Option<u64> {
        self.sessions.values().map(|session| session.deadline).min()
    }

    /// Sessions that waited too long are closed.
    pub fn tick(&mut self, now: u64) {
        let late: Vec<SessionId> =
            self.sessions.iter().filter(|(_, session)| session.deadline <= now).map(|(id, _)| *id).collect();
        for session in late {
            self.closed(session);
            self.outputs.push_back(Output::Close(session));
        }
    }

    /// A message came.
    pub fn handle(&mut self, session: SessionId, message: Message, now: u64) {
        let Some(open) = self.sessions.remove(&session) else { return };
        if message.session != session {
            return self.broken(session, open.state, "it answered another session's number");
        }
        match (open.state, message.command) {
            (State::Authentication, Command::AuthRes) => self.authenticate(session, &message, now),
            (state @ State::Key { .. }, Command::RequestInProgress) => {
                self.sessions.insert(session, Session { state, deadline: now + KEY });
            }
            (State::Key { device, wanted }, Command::KeyGenRes) => self.key(session, device, wanted, &message, now),
            (State::Stored { device, der }, Command::StoreCertRes) => self.stored(session, device, der, &message),
            (State::Fetched { device }, Command::FetchCertRes) => self.fetched(session, &device, &message),
            (State::Deleted { device }, Command::DeleteCertRes) => self.deleted(session, &device, &message),
            (state, command) => self.broken(session, state, &format!("{command:?} is not what was asked")),
        }
    }

    /// The CA signed (DER), or could not (in words).
    pub fn issued(&mut self, session: SessionId, outcome: Result<Vec<u8>, String>, now: u64) {
        let Some(open) = self.sessions.remove(&session) else { return };
        let State::Issued { device } = open.state else {
            self.sessions.insert(session, open);
            return;
        };
        match outcome {
            Ok(der) => {
                let elements = vec![Element::CertType(1), Element::Certificate(1, der.clone())];
                self.wait(session, State::Stored { device, der }, now + ANSWER);
                self.send(session, Command::StoreCertReq, elements);
            }
            Err(words) => self.fail(session, &device, &format!("the CA did not sign: {words}")),
        }
    }

    fn authenticate(&mut self, session: SessionId, message: &Message, now: u64) {
        let device = message.find(|element| match element {
            Element::DeviceName(name) => Some(name.clone()),
            _ => None,
        });
        let device = device.unwrap_or_default();
        let Some(row) = self.devices.get_mut(&device) else {
            let words = "no such phone: add it to the site, or correct its name".to_owned();
            return self.end_refused(session, &device, words, Reason::UnknownDevice);
        };
        let Some(order) = row.order.clone() else { return self.end(session, Reason::NoAction) };
        if order.completes_by <= now {
            let words = "its operation's date has passed: order it again with a later one".to_owned();
            row.finish(Err(words.clone()));
            self.outputs.push_back(Output::Keep(row.clone()));
            return self.end_refused(session, &device, words, Reason::NoAction);
        }
        let proved = match order.mode {
            AuthMode::NullString => Ok(()),
            AuthMode::AuthenticationString => password(row, &order, message, now),
            AuthMode::ExistingLsc | AuthMode::ExistingMic => {
                check(message, &device, &self.settings.roots, now).map(drop)
            }
        };
        if let Err(words) = proved {
            self.outputs.push_back(Output::Keep(row.clone()));
            return self.end_refused(session, &device, words, Reason::Refused);
        }
        row.status = super::Status::InProgress;
        self.outputs.push_back(Output::Keep(row.clone()));
        match order.operation {
            Operation::InstallUpgrade => {
                let version = message.find(|element| match element {
                    Element::Version(version) => Some(*version),
                    _ => None,
                });
                let (wanted, elements) = key_request(order.key, version.unwrap_or(3));
                self.wait(session, State::Key { device, wanted }, now + KEY);
                self.send(session, Command::KeyGenReq, elements);
            }
            Operation::Troubleshoot => {
                self.wait(session, State::Fetched { device }, now + ANSWER);
                self.send(session, Command::FetchCertReq, vec![]);
            }
            Operation::Delete => {
                self.wait(session, State::Deleted { device }, now + ANSWER);
                self.send(session, Command::DeleteCertReq, vec![]);
            }
            Operation::None => self.end(session, Reason::NoAction),
        }
    }

    fn key(&mut self, session: SessionId, device: String, wanted: Wanted, message: &Message, now: u64) {
        let spki = message.find(|element| match element {
            Element::PublicKey(spki) => Some(spki.clone()),
            _ => None,
        });
        let key = spki.as_deref().and_then(PublicKey::from_spki);
        let (Some(spki), Some(key)) = (spki, key) else {
            return self.fail(session, &device, "what it sent is no public key");
        };
        let fits = match (&key, wanted) {
            (PublicKey::Rsa { bits, .. }, Wanted::Rsa(size)) => *bits == usize::from(size),
            (PublicKey::Ec { bits, .. }, Wanted::Ec(curve)) => *bits == curve.bits(),
            _ => false,
        };
        if !fits {
            return self.fail(session, &device, &format!("it made {}, asked for was {wanted:?}", key.words()));
        }
        self.wait(session, State::Issued { device: device.clone() }, now + ANSWER);
        self.outputs.push_back(Output::Issue { session, device, spki });
    }

    fn stored(&mut self, session: SessionId, device: String, der: Vec<u8>, message: &Message) {
        if message.reason() != Some(Reason::Success) {
            return self.fail(session, &device, "it did not store its certificate");
        }
        if let Some(row) = self.devices.get_mut(&device) {
            row.certificate = Some(der);
        }
        self.done(session, &device, Reason::Success);
    }

    fn fetched(&mut self, session: SessionId, device: &str, message: &Message) {
        let der = message.find(|element| match element {
            Element::Certificate(_, der) => Some(der.clone()),
            _ => None,
        });
        match (message.reason(), der) {
            (Some(Reason::Success), Some(der)) => {
                if let Some(row) = self.devices.get_mut(device) {
                    row.certificate = Some(der);
                }
                self.done(session, device, Reason::NoAction);
            }
            _ => self.fail_with(session, device, "it has no certificate to fetch", Reason::NoAction),
        }
    }

    fn deleted(&mut self, session: SessionId, device: &str, message: &Message) {
        if message.reason() != Some(Reason::Success) {
            return self.fail_with(session, device, "it had no certificate to delete", Reason::Success);
        }
        if let Some(row) = self.devices.get_mut(device) {
            row.certificate = None;
        }
        self.done(session, device, Reason::Success);
    }

    fn done(&mut self, session: SessionId, device: &str, reason: Reason) {
        if let Some(row) = self.devices.get_mut(device) {
            let operation = row.operation();
            row.finish(Ok(()));
            self.outputs.push_back(Output::Keep(row.clone()));
            self.outputs.push_back(Output::Event(Event::Done { device: device.to_owned(), operation }));
        }
        self.end(session, reason);
    }

    fn fail(&mut self, session: SessionId, device: &str, words: &str) {
        self.fail_with(session, device, words, Reason::Refused);
    }

    fn fail_with(&mut self, session: SessionId, device: &str, words: &str, reason: Reason) {
        if let Some(row) = self.devices.get_mut(device) {
            row.finish(Err(words.to_owned()));
            self.outputs.push_back(Output::Keep(row.clone()));
        }
        self.end_refused(session, device, words.to_owned(), reason);
    }

    /// Out of turn: the connection ends, the operation stays for the next.
    fn broken(&mut self, session: SessionId, state: State, words: &str) {
        let device = match state {
            State::Authentication => String::new(),
            State::Key { device, .. }
            | State::Issued { device }
            | State::Stored { device, .. }
            | State::Fetched { device }
            | State::Deleted { device } => device,
        };
        self.pending_again(&device);
        self.end_refused(session, &device, words.to_owned(), Reason::Refused);
    }

    fn pending_again(&mut self, device: &str) {
        if let Some(row) = self.devices.get_mut(device).filter(|row| row.order.is_some()) {
            row.status = super::Status::Pending;
            self.outputs.push_back(Output::Keep(row.clone()));
        }
    }

    fn end_refused(&mut self, session: SessionId, device: &str, words: String, reason: Reason) {
        self.outputs.push_back(Output::Event(Event::Refused { device: device.to_owned(), words }));
        self.end(session, reason);
    }

    fn end(&mut self, session: SessionId, reason: Reason) {
        self.sessions.remove(&session);
        self.send(session, Command::EndSession, vec![Element::Reason(reason)]);
        self.outputs.push_back(Output::Close(session));
    }

    fn wait(&mut self, session: SessionId, state: State, deadline: u64) {
        self.sessions.insert(session, Session { state, deadline });
    }

    fn send(&mut self, session: SessionId, command: Command, elements: Vec<Element>) {
        self.outputs.push_back(Output::Send(session, Message::new(command, session, elements)));
    }
}

/// While a phone is locked its string is not looked at, so that a guesser learns nothing even from the right one.
fn password(row: &mut Enrolment, order: &super::Order, message: &Message, now: u64) -> Result<(), String> {
    if row.locked_until > now {
        return Err(format!(
            "{TRIES} wrong authentication strings: none is looked at for {} s",
            row.locked_until - now
        ));
    }
    let given = message.find(|element| match element {
        Element::Password(digits) => Some(digits.as_str()),
        _ => None,
    });
    let right = match (&order.secret, given) {
        (Some(secret), Some(given)) => secret.is(&row.device, given),
        _ => false,
    };
    if right {
        row.wrong = 0;
        return Ok(());
    }
    row.wrong += 1;
    if row.wrong >= TRIES {
        (row.wrong, row.locked_until) = (0, now + LOCK);
    }
    Err("wrong authentication string: enter the one that was ordered for this phone".to_owned())
}

/// What is asked of a phone of this version. Soft phones (version 2) know RSA only and no KEY_TYPE.
fn key_request(order: KeyOrder, version: u8) -> (Wanted, Vec<Element>) {
    let (wanted, curve) = match order {
        KeyOrder::RsaOnly(bits) => (Wanted::Rsa(bits), None),
        KeyOrder::EcPreferred(_, bits) if version < 3 => (Wanted::Rsa(bits), None),
        KeyOrder::EcOnly(curve) | KeyOrder::EcPreferred(curve, _) => (Wanted::Ec(curve), Some(curve)),
    };
    let elements = match (wanted, curve) {
        (Wanted::Rsa(bits), _) if version < 3 => vec![Element::KeySize(bits)],
        (Wanted::Rsa(bits), _) => vec![Element::KeySize(bits), Element::KeyType(KeyKind::Rsa)],
        (Wanted::Ec(curve), _) => vec![Element::KeyType(KeyKind::Ec), Element::Curve(curve.code())],
    };
    (wanted, elements)
}
