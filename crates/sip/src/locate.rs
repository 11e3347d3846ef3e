//! From a URI to the addresses to try, in order (RFC 3263 §4, RFC 2782, RFC 7118 §5.2.2): NAPTR chooses the transport, SRV the
//! hosts by priority and weight, A and AAAA their addresses. Sans IO: the machine asks, somebody answers.
//!
//! A certificate is checked against the domain that was asked for, never against what the DNS made of it (RFC 5922 §4,
//! §7.3): that is [`Candidate::domain`].

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::transport::Transport;
use crate::uri::{Scheme, Uri};

/// What the DNS is to be asked. Names are fully qualified without their last dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Question {
    Naptr(String),
    Srv(String),
    /// A and AAAA.
    Addresses(String),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::Naptr(name) => write!(f, "NAPTR {name}"),
            Question::Srv(name) => write!(f, "SRV {name}"),
            Question::Addresses(name) => write!(f, "A and AAAA {name}"),
        }
    }
}

/// A NAPTR record (RFC 3403), as far as RFC 3263 §4.1 uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Naptr {
    pub order: u16,
    pub preference: u16,
    pub flags: String,
    pub service: String,
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Srv {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    pub target: String,
}

/// What the DNS said; an error and an empty answer are the same here: the next rule of RFC 3263 applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Records {
    Naptr(Vec<Naptr>),
    Srv(Vec<Srv>),
    Addresses(Vec<IpAddr>),
    Nothing,
}

/// One place to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub transport: Transport,
    pub addr: SocketAddr,
    /// Whom its certificate must name: the host of the URI.
    pub domain: String,
}

/// Why there is no place to try, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{0}")]
pub struct Nowhere(pub String);

/// Records of one answer that are used; more are somebody's mistake or attack.
const MOST_RECORDS: usize = 32;
/// Places that are tried at most.
const MOST_CANDIDATES: usize = 64;

/// A host whose addresses are wanted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Wanted {
    transport: Transport,
    host: String,
    port: u16,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Step {
    Naptr,
    /// SRV names to ask, in order of preference; `hosts` collects what they gave.
    Srv {
        names: VecDeque<(Transport, String)>,
        hosts: Vec<Wanted>,
        all: bool,
    },
    Addresses {
        hosts: VecDeque<Wanted>,
    },
    Done,
}

/// The search for one URI.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Locate {
    /// Whom the certificate must name, and who is asked for: not the same under `maddr`.
    domain: String,
    host: String,
    /// Where neither NAPTR nor SRV chooses.
    usual: Transport,
    /// Transports that we speak, best first.
    speaks: Vec<Transport>,
    step: Step,
    found: Vec<Candidate>,
    dice: ChaCha12Rng,
}

impl Locate {
    /// `speaks` are our transports, best first; `seed` decides among equals by their weights.
    pub fn new(uri: &Uri, speaks: &[Transport], seed: [u8; 32]) -> Result<Locate, Nowhere> {
        let secure = match uri.scheme {
            Scheme::Sip => false,
            Scheme::Sips => true,
            _ => return Err(Nowhere("only sip and sips URIs name a place to send to".into())),
        };
        let speaks: Vec<Transport> =
            speaks.iter().copied().filter(|transport| transport.is_secure() || !secure).collect();
        let maddr = uri.param("maddr").flatten().filter(|maddr| !maddr.is_empty());
        let host = maddr.unwrap_or(&uri.host).trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let named = match uri.param("transport").flatten() {
            Some(name) => {
                Some(transport(name, secure).ok_or_else(|| Nowhere(format!("nobody here speaks transport={name}")))?)
            }
            None => None,
        };
        if let Some(named) = named.filter(|named| !speaks.contains(named)) {
            return Err(Nowhere(format!("{} is not spoken here, and the URI names it", named.as_str())));
        }
        let usual = named.unwrap_or(if secure { Transport::Tls } else { Transport::Udp });
        let usual = if speaks.contains(&usual) { usual } else { *speaks.first().ok_or_else(nobody)? };
        let mut locate = Locate {
            domain: uri.host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase(),
            host: host.clone(),
            usual,
            speaks,
            step: Step::Done,
            found: Vec::new(),
            dice: ChaCha12Rng::from_seed(seed),
        };
        let port = uri.port.unwrap_or(usual.default_port());
        locate.step = match (host.parse::<IpAddr>(), named, uri.port) {
            (Ok(ip), ..) => {
                locate.add(usual, SocketAddr::new(ip, port));
                Step::Done
            }
            // A port means that address and no other (§4.2).
            (Err(_), _, Some(_)) => {
                Step::Addresses { hosts: VecDeque::from([Wanted { transport: usual, host, port }]) }
            }
            (Err(_), Some(named), None) => Locate::services(&[named], &host, false),
            (Err(_), None, None) => Step::Naptr,
        };
        Ok(locate)
    }

    /// What to ask next; `None` when [`Locate::found`] has all.
    pub fn question(&self) -> Option<Question> {
        match &self.step {
            Step::Naptr => Some(Question::Naptr(self.host.clone())),
            Step::Srv { names, .. } => names.front().map(|(_, name)| Question::Srv(name.clone())),
            Step::Addresses { hosts } => hosts.front().map(|wanted| Question::Addresses(wanted.host.clone())),
            Step::Done => None,
        }
    }

    /// The answer to [`Locate::question`].
    pub fn told(&mut self, records: Records) {
        let step = std::mem::replace(&mut self.step, Step::Done);
        self.step = match (step, records) {
            (Step::Naptr, Records::Naptr(records)) => self.chosen(records),
            (Step::Naptr, _) => self.chosen(Vec::new()),
            (Step::Srv { mut names, mut hosts, all }, records) => {
                if let (Some((transport, _)), Records::Srv(records)) = (names.pop_front(), records) {
                    hosts.extend(self.by_weight(transport, records));
                }
                match names.is_empty() || (!all && !hosts.is_empty()) {
                    true => self.hosts(hosts),
                    false => Step::Srv { names, hosts, all },
                }
            }
            (Step::Addresses { mut hosts }, records) => {
                if let (Some(wanted), Records::Addresses(addresses)) = (hosts.pop_front(), records) {
                    for ip in addresses.into_iter().take(MOST_RECORDS) {
                        self.add(wanted.transport, SocketAddr::new(ip, wanted.port));
                    }
                }
                if hosts.is_empty() { Step::Done } else { Step::Addresses { hosts } }
            }
            (Step::Done, _) => Step::Done,
        };
    }

    /// The places in the order in which they are to be tried (§4.3), once there is no further question.
    pub fn found(self) -> Result<Vec<Candidate>, Nowhere> {
        match self.found.is_empty() {
            true => Err(Nowhere(format!("the DNS has no address for {}", self.domain))),
            false => Ok(self.found),
        }
    }

    /// NAPTR records in their order, those that we speak; without any, SRV for each transport that we speak (§4.1).
    fn chosen(&mut self, mut records: Vec<Naptr>) -> Step {
        records.truncate(MOST_RECORDS);
        records.sort_by_key(|record| (record.order, record.preference));
        let names: VecDeque<(Transport, String)> = records
            .iter()
            .filter(|record| record.flags.eq_ignore_ascii_case("s"))
            .filter_map(|record| Some((service(&record.service)?, name(&record.replacement)?)))
            .filter(|(transport, _)| self.speaks.contains(transport))
            .collect();
        match names.is_empty() {
            true => Locate::services(&self.speaks, &self.host, false),
            false => Step::Srv { names, hosts: Vec::new(), all: true },
        }
    }

    fn services(transports: &[Transport], host: &str, all: bool) -> Step {
        let name = |transport: &Transport| {
            let prefix = match transport {
                Transport::Udp => "_sip._udp",
                Transport::Tcp => "_sip._tcp",
                Transport::Tls => "_sips._tcp",
                Transport::Ws => "_sip._ws",
                Transport::Wss => "_sips._ws",
            };
            (*transport, format!("{prefix}.{host}"))
        };
        Step::Srv { names: transports.iter().map(name).collect(), hosts: Vec::new(), all }
    }

    /// The hosts of SRV records, or the domain itself where there are none (§4.2).
    fn hosts(&self, hosts: Vec<Wanted>) -> Step {
        let transport = self.usual;
        let mut hosts: VecDeque<Wanted> = hosts.into();
        if hosts.is_empty() {
            let (host, port) = (self.host.clone(), transport.default_port());
            hosts.push_back(Wanted { transport, host, port });
        }
        Step::Addresses { hosts }
    }

    /// RFC 2782: by priority; among equals one after another, each with a chance by its weight.
    fn by_weight(&mut self, transport: Transport, mut records: Vec<Srv>) -> Vec<Wanted> {
        records.truncate(MOST_RECORDS);
        // Those of weight 0 first, so that they have their small chance.
        records.sort_by_key(|record| (record.priority, record.weight != 0));
        let mut hosts = Vec::new();
        while let Some(first) = records.first() {
            let priority = first.priority;
            let equals = records.iter().take_while(|record| record.priority == priority);
            let sum: u64 = equals.clone().map(|record| u64::from(record.weight)).sum();
            let drawn = self.dice.next_u64() % (sum + 1);
            let mut passed = 0;
            let at = equals.clone().position(|record| {
                passed += u64::from(record.weight);
                passed >= drawn
            });
            let record = records.remove(at.unwrap_or(0));
            // A target of "." says that there is no such service.
            if let Some(host) = name(&record.target) {
                hosts.push(Wanted { transport, host, port: record.port });
            }
        }
        hosts
    }

    fn add(&mut self, transport: Transport, addr: SocketAddr) {
        let candidate = Candidate { transport, addr, domain: self.domain.clone() };
        if self.found.len() < MOST_CANDIDATES && !self.found.contains(&candidate) {
            self.found.push(candidate);
        }
    }
}

fn nobody() -> Nowhere {
    Nowhere("no transport that is spoken here is good enough for this URI: sips needs TLS".into())
}

/// A `transport` parameter. With sips every stream is over TLS (RFC 3261 §26.2.2).
fn transport(name: &str, secure: bool) -> Option<Transport> {
    match (name.to_ascii_lowercase().as_str(), secure) {
        ("udp", false) => Some(Transport::Udp),
        ("tcp", false) => Some(Transport::Tcp),
        ("tcp", true) | ("tls", _) => Some(Transport::Tls),
        ("ws", false) => Some(Transport::Ws),
        ("ws", true) | ("wss", _) => Some(Transport::Wss),
        _ => None,
    }
}

/// The service of a NAPTR record (RFC 3263 §4.1, RFC 7118 §5.2.2).
fn service(text: &str) -> Option<Transport> {
    match text.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Some(Transport::Udp),
        "SIP+D2T" => Some(Transport::Tcp),
        "SIPS+D2T" => Some(Transport::Tls),
        "SIP+D2W" => Some(Transport::Ws),
        "SIPS+D2W" => Some(Transport::Wss),
        _ => None,
    }
}

fn name(text: &str) -> Option<String> {
    let name = text.trim_end_matches('.');
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
