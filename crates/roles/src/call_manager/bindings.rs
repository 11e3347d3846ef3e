//! Where lines are (RFC 3261 §10): found by line, by the connection that a phone registered over, and by their end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::{FlowId, NameAddr, Transport, Uri};
use site::Proof;
use trust::{Authority, CertificateFacts, Peer};

use super::tokens::Held;
use crate::shell::Sight;

/// Where a line is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Binding {
    pub(super) device: String,
    /// The phone's Contact URI: Request-URI of what is sent to it.
    pub(super) contact: Uri,
    pub(super) flow: FlowId,
    pub(super) remote: SocketAddr,
    pub(super) transport: Transport,
    pub(super) until: Duration,
    pub(super) certificate: Option<String>,
    /// Which secret was proved, as the registrar tells one from another; what else the phone showed. Judged again with
    /// each new plan.
    pub(super) secret: String,
    pub(super) shown: Shown,
    pub(super) by: Proof,
    /// What its token said, of one that registered by a token.
    pub(super) token: Option<Held>,
    pub(super) instance: Option<Instance>,
    /// What lies between (RFC 3327): Route of what is sent to it, the nearest to us first.
    pub(super) path: Vec<NameAddr>,
}

/// What a connection showed of a phone, for its security profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) tls: bool,
    pub(super) transport: Transport,
    pub(super) certificate: Option<CertificateFacts>,
    /// Whether that comes from the site's own authority, which alone names phones; and from which it comes.
    pub(super) vouched: bool,
    /// It is one that CAPF issued to a phone (LSC).
    pub(super) locally_significant: bool,
    pub(super) authorities: String,
}

impl Shown {
    pub(super) fn of(sight: &Sight) -> Shown {
        let verified = match &*sight.peer {
            Peer::Verified(verified) => Some(verified),
            Peer::Anonymous(_) | Peer::Plain => None,
        };
        Shown {
            tls: sight.is_tls(),
            transport: sight.flow.transport,
            certificate: verified.map(|verified| verified.certificate().clone()),
            vouched: verified.is_some_and(|verified| verified.is_vouched_by(&Authority::Own)),
            locally_significant: verified.is_some_and(|verified| verified.is_vouched_by(&Authority::Phones)),
            authorities: verified.map(trust::VerifiedPeer::authorities).unwrap_or_default(),
        }
    }
}

/// The device behind a binding, where it says which it is (`+sip.instance`, RFC 5626 §4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Instance {
    /// A URN, without angle brackets.
    pub(super) id: String,
    /// Which of its flows this is; `None`: it knows nothing of several.
    pub(super) flow: Option<u32>,
}

/// Flows of one device at a time; of more the oldest goes.
const MOST_FLOWS: usize = 4;
/// Temporary names of a line that lead to it; of more the oldest goes.
const MOST_NAMES: usize = 16;

/// Bindings of lines: one a line, or, of a device that asks for it, several flows (RFC 5626); several lines may share a
/// connection.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Bindings {
    /// The latest registered first; never empty.
    lines: BTreeMap<String, Vec<Binding>>,
    flows: BTreeSet<(FlowId, String)>,
    ends: BTreeSet<(Duration, String, FlowId)>,
    /// What temporary GRUUs (RFC 5627 §3.1.2) stand for, while the line is registered.
    names: BTreeMap<String, String>,
    /// The names of each line, the oldest first.
    names_of: BTreeMap<String, Vec<String>>,
}

impl Bindings {
    /// The way to a line: its flow that was registered last.
    pub(super) fn get(&self, line: &str) -> Option<&Binding> {
        self.of(line).first()
    }

    /// All flows of a line.
    pub(super) fn of(&self, line: &str) -> &[Binding] {
        self.lines.get(line).map_or(&[], Vec::as_slice)
    }

    /// A line that is registered over this connection.
    pub(super) fn on(&self, flow: FlowId) -> Option<&Binding> {
        let (found, line) = self.flows.range((flow, String::new())..).next()?;
        self.of(line).iter().find(|binding| *found == flow && binding.flow == flow)
    }

    /// True when the line had none before. Other flows of the same device stay; anything else that the line had goes.
    pub(super) fn put(&mut self, line: &str, binding: Binding) -> bool {
        let stays = |other: &Binding| match (&other.instance, &binding.instance) {
            (Some(other), Some(new)) => other.id == new.id && new.flow.is_some() && other.flow != new.flow,
            _ => false,
        };
        let before = self.lines.remove(line).unwrap_or_default();
        for gone in &before {
            self.unfile(line, gone);
        }
        let device = |binding: &Binding| binding.instance.as_ref().map(|instance| instance.id.clone());
        if before.first().is_some_and(|before| device(before) != device(&binding)) {
            self.forget_names(line);
        }
        let new = before.is_empty();
        let rest = before.into_iter().filter(|other| stays(other) && other.flow != binding.flow).take(MOST_FLOWS - 1);
        let flows: Vec<Binding> = std::iter::once(binding.clone()).chain(rest).collect();
        for binding in &flows {
            self.flows.insert((binding.flow, line.to_owned()));
            self.ends.insert((binding.until, line.to_owned(), binding.flow));
        }
        self.lines.insert(line.to_owned(), flows);
        new
    }

    /// All flows of a line.
    pub(super) fn take(&mut self, line: &str) -> Vec<Binding> {
        let flows = self.lines.remove(line).unwrap_or_default();
        for gone in &flows {
            self.unfile(line, gone);
        }
        self.forget_names(line);
        flows
    }

    /// One flow of a line. The line is gone with its last: see [`Bindings::get`].
    pub(super) fn take_flow(&mut self, line: &str, flow: FlowId) -> Option<Binding> {
        let flows = self.lines.get_mut(line)?;
        let at = flows.iter().position(|binding| binding.flow == flow)?;
        let binding = flows.remove(at);
        let last = flows.is_empty();
        self.unfile(line, &binding);
        if last {
            self.lines.remove(line);
            self.forget_names(line);
        }
        Some(binding)
    }

    fn unfile(&mut self, line: &str, gone: &Binding) {
        self.flows.remove(&(gone.flow, line.to_owned()));
        self.ends.remove(&(gone.until, line.to_owned(), gone.flow));
    }

    /// From now on this name leads to the line too, until its device is gone.
    pub(super) fn name(&mut self, line: &str, name: String) {
        let names = self.names_of.entry(line.to_owned()).or_default();
        if names.len() >= MOST_NAMES {
            self.names.remove(&names.remove(0));
        }
        names.push(name.clone());
        self.names.insert(name, line.to_owned());
    }

    fn forget_names(&mut self, line: &str) {
        for name in self.names_of.remove(line).unwrap_or_default() {
            self.names.remove(&name);
        }
    }

    /// The line that a temporary name stands for.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(String::as_str)
    }

    pub(super) fn lines_on(&self, flow: FlowId) -> Vec<String> {
        let from = self.flows.range((flow, String::new())..);
        from.take_while(|(found, _)| *found == flow).map(|(_, line)| line.clone()).collect()
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.ends.first().map(|(at, ..)| *at)
    }

    /// A flow of a line whose registration has run out.
    pub(super) fn due(&self, now: Duration) -> Option<(String, FlowId)> {
        self.ends.first().filter(|(at, ..)| *at <= now).map(|(_, line, flow)| (line.clone(), *flow))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Binding)> {
        self.lines.iter().flat_map(|(line, flows)| flows.iter().map(move |binding| (line, binding)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(flow: u64, until: u64) -> Binding {
        Binding {
            device: format!("SEP{flow}"),
            contact: Uri::sip(Some("1001"), "192.0.2.1", None),
            flow: FlowId(flow),
            remote: SocketAddr::from(([192, 0, 2, 1], 5061)),
            transport: Transport::Tls,
            until: Duration::from_secs(until),
            certificate: None,
            secret: String::new(),
            by: Proof::Digest,
            token: None,
            instance: None,
            path: Vec::new(),
            shown: Shown {
                tls: true,
                transport: Transport::Tls,
                certificate: None,
                vouched: false,
                locally_significant: false,
                authorities: String::new(),
            },
        }
    }

    #[test]
    fn a_binding_is_found_by_line_flow_and_end_and_leaves_no_trace() {
        let mut bindings = Bindings::default();
        assert!(bindings.put("1001", binding(7, 30)));
        assert!(bindings.put("1002", binding(7, 20)));
        assert!(!bindings.put("1001", binding(8, 40)), "registered again over another connection");
        assert_eq!(bindings.lines_on(FlowId(7)), ["1002"]);
        assert_eq!(bindings.on(FlowId(8)).map(|found| found.device.as_str()), Some("SEP8"));
        assert_eq!(bindings.on(FlowId(6)), None);
        assert_eq!(bindings.due(Duration::from_secs(20)), Some(("1002".to_owned(), FlowId(7))));
        bindings.take("1002");
        bindings.take("1001");
        assert_eq!((bindings.deadline(), bindings.on(FlowId(8)), bindings.iter().count()), (None, None, 0));
    }

    fn of_device(id: &str, number: u32, flow: u64) -> Binding {
        Binding { instance: Some(Instance { id: id.into(), flow: Some(number) }), ..binding(flow, 30 + flow) }
    }

    #[test]
    fn a_device_has_several_flows_and_another_device_takes_them_all() {
        let mut bindings = Bindings::default();
        bindings.put("1001", of_device("urn:uuid:a", 1, 7));
        assert!(!bindings.put("1001", of_device("urn:uuid:a", 2, 8)));
        bindings.name("1001", "tgruu.x".into());
        let flows = |bindings: &Bindings| bindings.of("1001").iter().map(|one| one.flow.0).collect::<Vec<_>>();
        assert_eq!(flows(&bindings), [8, 7]);
        bindings.put("1001", of_device("urn:uuid:a", 1, 9));
        assert_eq!(flows(&bindings), [9, 8], "registered anew over another connection");
        assert_eq!(bindings.lines_on(FlowId(7)), [""; 0]);
        bindings.take_flow("1001", FlowId(9));
        assert_eq!((flows(&bindings), bindings.named("tgruu.x")), (vec![8], Some("1001")));
        bindings.put("1001", of_device("urn:uuid:b", 1, 10));
        assert_eq!((flows(&bindings), bindings.named("tgruu.x")), (vec![10], None));
        bindings.take_flow("1001", FlowId(10));
        assert_eq!((bindings.deadline(), bindings.get("1001"), bindings.iter().count()), (None, None, 0));
    }

    #[test]
    fn flows_and_names_are_bounded() {
        let mut bindings = Bindings::default();
        for number in 0..100 {
            bindings.put("1001", of_device("urn:uuid:a", number, number.into()));
            bindings.name("1001", format!("tgruu.{number}"));
        }
        assert_eq!((bindings.of("1001").len(), bindings.names.len()), (MOST_FLOWS, MOST_NAMES));
        assert_eq!(bindings.named("tgruu.99"), Some("1001"));
        assert_eq!(bindings.named("tgruu.0"), None);
    }
}
