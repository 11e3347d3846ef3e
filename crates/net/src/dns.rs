//! The DNS as RFC 3263 uses it: questions of nodes, put to the name servers of the site or of the machine. What it said is
//! kept by who asked, for as long as the records allow; nothing is kept here.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use roles::Resolved;
use sip::locate::{Naptr, Question, Records, Srv};

/// An empty answer that does not say how long it lasts.
const EMPTY_LASTS: Duration = Duration::from_secs(60);

pub(crate) struct Resolver(Result<TokioResolver, String>);

impl Resolver {
    /// Asks these servers, or the machine's when there are none. To be called within the runtime that will ask.
    pub(crate) fn new(servers: &[SocketAddr]) -> Resolver {
        let builder = match servers {
            [] => TokioResolver::builder_tokio(),
            servers => {
                let servers = servers.iter().map(name_server).collect();
                let config = ResolverConfig::from_parts(None, Vec::new(), servers);
                Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
            }
        };
        let built = builder.and_then(|mut builder| {
            builder.options_mut().cache_size = 0;
            builder.build()
        });
        Resolver(built.map_err(|error| format!("the machine's name servers cannot be read: {error}")))
    }

    /// # Errors
    /// Nobody answered, or not this; words. That there are no such records is an answer.
    pub(crate) async fn ask(&self, question: &Question) -> Result<Resolved, String> {
        let resolver = self.0.as_ref().map_err(Clone::clone)?;
        match question {
            Question::Naptr(name) => {
                let answer = look_up(resolver, name, RecordType::NAPTR).await?;
                Ok(answer.records(naptr, Records::Naptr))
            }
            Question::Srv(name) => {
                let answer = look_up(resolver, name, RecordType::SRV).await?;
                Ok(answer.records(srv, Records::Srv))
            }
            Question::Addresses(name) => {
                let (v4, v6) =
                    tokio::join!(look_up(resolver, name, RecordType::A), look_up(resolver, name, RecordType::AAAA));
                // A name server that knows nothing of AAAA is no reason to have no address.
                let answer = match (v4, v6) {
                    (Ok(v4), Ok(v6)) => v4.and(v6),
                    (Ok(one), Err(_)) | (Err(_), Ok(one)) if !one.records.is_empty() => one,
                    (Err(why), _) | (_, Err(why)) => return Err(why),
                };
                Ok(answer.records(address, Records::Addresses))
            }
        }
    }
}

fn name_server(server: &SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = server.port();
    }
    NameServerConfig::new(server.ip(), true, connections)
}

/// Records of one kind, none of them too.
struct Answer {
    records: Vec<Record>,
    lasts: Duration,
}

impl Answer {
    fn and(mut self, other: Answer) -> Answer {
        self.lasts = match (self.records.is_empty(), other.records.is_empty()) {
            (true, false) => other.lasts,
            (false, true) => self.lasts,
            _ => self.lasts.min(other.lasts),
        };
        self.records.extend(other.records);
        self
    }

    fn records<T>(self, read: fn(&RData) -> Option<T>, all: fn(Vec<T>) -> Records) -> Resolved {
        let found: Vec<T> = self.records.iter().filter_map(|record| read(&record.data)).collect();
        let records = if found.is_empty() { Records::Nothing } else { all(found) };
        Resolved { records, lasts: self.lasts }
    }
}

async fn look_up(resolver: &TokioResolver, name: &str, kind: RecordType) -> Result<Answer, String> {
    let mut name = Name::from_ascii(name).map_err(|error| format!("{name} is no name: {error}"))?;
    // No search list: whoever writes a target means that name.
    name.set_fqdn(true);
    match resolver.lookup(name, kind).await {
        Ok(lookup) => Ok(Answer { lasts: least(&lookup, kind), records: of(&lookup, kind) }),
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            let lasts = none.negative_ttl.map_or(EMPTY_LASTS, |seconds| Duration::from_secs(seconds.into()));
            Ok(Answer { records: Vec::new(), lasts })
        }
        Err(error) => Err(error.to_string()),
    }
}

fn of(lookup: &Lookup, kind: RecordType) -> Vec<Record> {
    lookup.answers().iter().filter(|record| record.record_type() == kind).cloned().collect()
}

/// An alias on the way may last shorter than what it leads to.
fn least(lookup: &Lookup, kind: RecordType) -> Duration {
    let on_the_way = |record: &&Record| [kind, RecordType::CNAME].contains(&record.record_type());
    let least = lookup.answers().iter().filter(on_the_way).map(|record| record.ttl).min();
    least.map_or(EMPTY_LASTS, |seconds| Duration::from_secs(seconds.into()))
}

fn naptr(data: &RData) -> Option<Naptr> {
    let RData::NAPTR(record) = data else { return None };
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Some(Naptr {
        order: record.order,
        preference: record.preference,
        flags: text(&record.flags),
        service: text(&record.services),
        replacement: plain(&record.replacement),
    })
}

fn srv(data: &RData) -> Option<Srv> {
    let RData::SRV(record) = data else { return None };
    Some(Srv { priority: record.priority, weight: record.weight, port: record.port, target: plain(&record.target) })
}

fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}

/// Without the last dot, but for the root, which says that there is none.
fn plain(name: &Name) -> String {
    let text = name.to_ascii();
    match text.strip_suffix('.') {
        Some("") | None => text,
        Some(name) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
