//! The end of a connection: counted, told to the role, and, when somebody was refused, said in words.

use roles::RefusalRecord;
use sip::FlowId;
use trust::Refusal;

use super::broken::{self, Broken};
use super::conn::{Conn, Stage};
use super::{ACCEPT_LIMIT, Heard, Wire};

impl Wire {
    pub(super) fn end(&mut self, flow: FlowId, broken: Broken) {
        let Some(mut conn) = self.conns.remove(&flow) else {
            return;
        };
        self.early.remove(&flow);
        self.by_target.retain(|_, other| *other != flow);
        if conn.outbound.is_none() {
            self.inbound_over(conn.remote.ip());
        }
        let _ = self.registry.deregister(&mut conn.tcp);
        conn.shut();
        match conn.stage {
            Stage::Connect | Stage::Handshake => self.never_opened(*conn, &broken),
            Stage::Open(_) | Stage::Finish(_) => self.was_open(&mut conn, &broken),
        }
    }

    fn never_opened(&mut self, mut conn: Conn, broken: &Broken) {
        let tls = conn.transport.is_secure() && matches!(conn.stage, Stage::Handshake);
        match (&conn.outbound, tls) {
            (None, _) => {
                self.stats.tls_server_handshake_failures += 1;
                self.handshake_over(conn.remote.ip());
            }
            (Some(_), true) => self.stats.tls_client_handshake_failures += 1,
            (Some(_), false) => self.stats.connect_failures += 1,
        }
        let refusal = if tls { refusal(&conn, broken) } else { None };
        let mut why = broken.words(conn.remote);
        if let Some((refusal, answered)) = refusal {
            why = format!("{why}: {refusal}");
            self.refuse(&conn, refusal, answered);
        } else {
            tracing::info!(node = %self.node, remote = %conn.remote, "{why}");
        }
        if tls {
            self.handshake_failed(&mut conn, broken, &why);
        }
        if let Some((target, _)) = conn.outbound {
            self.heard.push_back(Heard::Unreachable { target, why });
        }
    }

    fn was_open(&mut self, conn: &mut Conn, broken: &Broken) {
        match broken {
            Broken::Closed | Broken::Io(_) | Broken::Tls(_) => self.stats.remote_closures += 1,
            Broken::Idle(_) => self.stats.idle_ageouts += 1,
            Broken::Stuck { .. } => self.stats.send_failures += 1,
            Broken::Connect(_) | Broken::WebSocket(_) | Broken::Malformed(_) | Broken::Late(_) => {}
            Broken::Ours | Broken::Withdrawn(_) => {}
        }
        let why = broken.words(conn.remote);
        match broken {
            Broken::Closed | Broken::Ours | Broken::Idle(_) => {
                tracing::debug!(node = %self.node, "{why}")
            }
            // TLS 1.3: the client's side is done before the server has looked at its certificate (RFC 8446 §2).
            Broken::Tls(error @ rustls::Error::AlertReceived(_)) if conn.outbound.is_some() && !conn.heard_sip() => {
                self.stats.tls_client_handshake_failures += 1;
                let refusal = trust::tls::refusal(error, names(conn), None);
                let why = format!("{why}: {refusal}");
                self.refuse(conn, refusal, broken::answered(error));
                self.handshake_failed(conn, broken, &why);
                if let Some((target, _)) = &conn.outbound {
                    self.heard.push_back(Heard::Unreachable { target: target.clone(), why });
                }
            }
            Broken::Withdrawn(refusal) => self.refuse(conn, (**refusal).clone(), "connection closed".into()),
            _ => tracing::warn!(node = %self.node, "{why}"),
        }
        let target = conn.outbound.as_ref().map(|(target, _)| target.clone());
        self.heard.push_back(Heard::Closed { flow: conn.flow, target });
    }

    fn refuse(&mut self, conn: &Conn, refusal: Refusal, answered: String) {
        let Refusal { cause, rule, expected, presented, remedy } = &refusal;
        tracing::warn!(node = %self.node, remote = %conn.remote, cause, rule, expected, presented, remedy, answered, "refused");
        self.heard.push_back(Heard::Refused(RefusalRecord {
            at_ms: crate::clock::millis(self.clock.now().wall),
            node: self.node.clone(),
            remote: Some(conn.remote),
            transport: Some(conn.transport),
            answered,
            refusal,
        }));
    }
}

fn names(conn: &Conn) -> &[String] {
    conn.outbound.as_ref().map_or(&[], |(_, whom)| &whom.names)
}

/// A handshake that failed, in words, and what the other side was told. `None` for one who only knocked.
fn refusal(conn: &Conn, broken: &Broken) -> Option<(Refusal, String)> {
    match broken {
        Broken::Tls(error) if conn.spoke_in_clear() => {
            Some((broken::plain_on_tls(conn.local), broken::answered(error)))
        }
        Broken::Tls(error) => {
            let presented = conn.tls().and_then(|tls| tls.peer_certificates()).and_then(|chain| chain.first());
            let refusal = trust::tls::refusal(error, names(conn), presented.map(|der| der.as_ref()));
            Some((refusal, broken::answered(error)))
        }
        Broken::Late(_) if conn.outbound.is_none() => {
            Some((broken::late(conn.local, ACCEPT_LIMIT), "connection closed".into()))
        }
        _ => None,
    }
}
