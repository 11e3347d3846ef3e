//! Where lines are (RFC 3261 §10): found by line, by the connection that a phone registered over, and by their end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::{FlowId, Transport, Uri};
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

/// One binding a line; several lines may share a connection.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Bindings {
    lines: BTreeMap<String, Binding>,
    flows: BTreeSet<(FlowId, String)>,
    ends: BTreeSet<(Duration, String)>,
}

impl Bindings {
    pub(super) fn get(&self, line: &str) -> Option<&Binding> {
        self.lines.get(line)
    }

    /// A line that is registered over this connection.
    pub(super) fn on(&self, flow: FlowId) -> Option<&Binding> {
        let (found, line) = self.flows.range((flow, String::new())..).next()?;
        self.lines.get(line).filter(|_| *found == flow)
    }

    /// True when the line had none before.
    pub(super) fn put(&mut self, line: &str, binding: Binding) -> bool {
        let new = self.take(line).is_none();
        self.flows.insert((binding.flow, line.to_owned()));
        self.ends.insert((binding.until, line.to_owned()));
        self.lines.insert(line.to_owned(), binding);
        new
    }

    pub(super) fn take(&mut self, line: &str) -> Option<Binding> {
        let binding = self.lines.remove(line)?;
        self.flows.remove(&(binding.flow, line.to_owned()));
        self.ends.remove(&(binding.until, line.to_owned()));
        Some(binding)
    }

    pub(super) fn lines_on(&self, flow: FlowId) -> Vec<String> {
        let from = self.flows.range((flow, String::new())..);
        from.take_while(|(found, _)| *found == flow).map(|(_, line)| line.clone()).collect()
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// A line whose registration has run out.
    pub(super) fn due(&self, now: Duration) -> Option<String> {
        self.ends.first().filter(|(at, _)| *at <= now).map(|(_, line)| line.clone())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Binding)> {
        self.lines.iter()
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
        assert_eq!(bindings.due(Duration::from_secs(20)).as_deref(), Some("1002"));
        bindings.take("1002");
        bindings.take("1001");
        assert_eq!((bindings.deadline(), bindings.on(FlowId(8)), bindings.iter().count()), (None, None, 0));
    }
}
