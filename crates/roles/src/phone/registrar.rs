//! Being registered (RFC 3261 §10.2): REGISTER, digest (RFC 7616), refresh in time, and again when the connection that
//! the server reaches us by has ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::auth::{self, Challenge};
use sip::endpoint::Outside;
use sip::{ClientId, Headers, Method, Name, NameAddr, Response, Status, Uri};

use super::plan::{Plan, Registration};
use crate::shell::{Outcome, Shell, why_refused};
use crate::{Journal, PeerPlan};

/// A binding of our line to this phone, wished for or in force.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Registrar {
    /// The same for the life of the phone; CSeq counts (RFC 3261 §10.2).
    call_id: String,
    cseq: u32,
    under_way: Option<ClientId>,
    /// Challenges answered since something last succeeded.
    answered: u32,
    /// Uses of the nonce in force.
    nonce: (String, u32),
    registered: bool,
    failures: u32,
    /// The server wants at least this (423).
    at_least: Option<Duration>,
    next: Option<Duration>,
}

/// Answers to challenges for one REGISTER: the second is for a stale nonce, a third would be a wrong secret.
const CHALLENGES: u32 = 2;
/// Pauses after failures double up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Registrar {
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.next.filter(|_| self.under_way.is_none())
    }

    /// Registers when it is time.
    pub(super) fn tick(&mut self, shell: &mut Shell, plan: &Plan) {
        if self.deadline().is_some_and(|at| at <= shell.now().mono) {
            self.register(shell, plan, Headers::new());
        }
    }

    /// Registers now, or as soon as what is under way has ended.
    pub(super) fn wish(&mut self, shell: &Shell) {
        self.next = Some(shell.now().mono);
    }

    /// A connection ended. Whether it was the server's way to us cannot be known here: register anew, a little later so
    /// that all phones of a restarted server do not come at once.
    pub(super) fn connection_ended(&mut self, shell: &mut Shell) {
        let spread = Duration::from_millis(100 + shell.random() % 900);
        self.next = Some(shell.now().mono + spread);
    }

    fn register(&mut self, shell: &mut Shell, plan: &Plan, more: Headers) {
        let Some((server, registration)) = server_of(shell, plan) else { return };
        if self.call_id.is_empty() {
            self.call_id = format!("{:016x}{:016x}", shell.random(), shell.random());
        }
        self.cseq += 1;
        let expires = self.at_least.unwrap_or_default().max(registration.expires);
        let domain = domain(plan, &server);
        let address = NameAddr::new(Uri::sip(Some(&plan.line), &domain, None)).with_display(&plan.display);
        let mut headers = vec![(Name::Expires, expires.as_secs().to_string())];
        if let Some(token) = registration.secret.bearer() {
            if !server.transport.is_secure() {
                return self.failed(shell, plan, "a token is sent over TLS and nothing else");
            }
            headers.push((Name::Authorization, format!("Bearer {token}")));
        }
        headers.extend(more);
        let client = shell.send_outside(Outside {
            method: Method::Register,
            hop: Shell::hop_to(&server),
            request_uri: Uri::sip(None, &domain, None),
            from: address.clone(),
            to: address,
            contact_user: Some(plan.line.clone()),
            headers,
            body: None,
            call_id: Some((self.call_id.clone(), self.cseq)),
        });
        self.under_way = Some(client);
        self.next = None;
    }

    /// The end of a REGISTER. False: it was none of ours.
    pub(super) fn outcome(&mut self, shell: &mut Shell, plan: &Plan, client: ClientId, outcome: Outcome) -> bool {
        if self.under_way != Some(client) {
            return false;
        }
        self.under_way = None;
        match outcome {
            Outcome::Response(response) => match response.status().unwrap_or(Status(500)) {
                status if status.is_success() => self.granted(shell, plan, &response),
                Status(401 | 407) => self.challenged(shell, plan, &response),
                Status(423) => {
                    let least = response.header(&Name::MinExpires).and_then(|text| text.parse().ok());
                    self.at_least = least.map(Duration::from_secs);
                    self.failed(shell, plan, "the server wants a longer registration");
                }
                status => self.failed(shell, plan, &format!("{} {}", status.0, status.reason())),
            },
            Outcome::Nothing(why) => self.failed(shell, plan, &why),
        }
        true
    }

    fn granted(&mut self, shell: &mut Shell, plan: &Plan, response: &Response) {
        (self.answered, self.failures) = (0, 0);
        let ours = |contact: &NameAddr| contact.uri.user.as_deref() == Some(plan.line.as_str());
        let contacts = match response.contacts() {
            Ok(sip::message::Contacts::Addresses(contacts)) => contacts,
            _ => Vec::new(),
        };
        let granted = contacts.iter().filter(|contact| ours(contact)).filter_map(NameAddr::expires).max();
        let seconds = granted.or(response.expires()).unwrap_or(3600).max(10);
        // Well before the end, with room for two more tries.
        let refresh = Duration::from_secs(seconds.into()).mul_f32(0.75);
        self.next = Some(self.next.unwrap_or(Duration::MAX).min(shell.now().mono + refresh));
        if !std::mem::replace(&mut self.registered, true) {
            tracing::info!(seconds, "registered");
            shell.journal(Journal::Registered { line: plan.line.clone(), registered: true });
        }
    }

    fn challenged(&mut self, shell: &mut Shell, plan: &Plan, response: &Response) {
        let registration = plan.registration.as_ref();
        let Some(secret) = registration.and_then(|registration| registration.secret.digest()) else {
            return self.failed(shell, plan, &format!("the token is not taken: {}", why_refused(response)));
        };
        let proxy = response.status() == Some(Status(407));
        let (asked, answer) = match proxy {
            true => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
            false => (Name::WwwAuthenticate, Name::Authorization),
        };
        let challenges: Vec<&str> = response.values(&asked).collect();
        let Some(challenge) = Challenge::choose(challenges.iter().copied()) else {
            return self.failed(shell, plan, "the server asks for an authentication that is not known here");
        };
        self.answered += 1;
        if self.answered > CHALLENGES || (self.answered == CHALLENGES && !challenge.stale) {
            self.answered = 0;
            return self.failed(shell, plan, "the digest secret is not the one that the server knows");
        }
        let Some((server, registration)) = server_of(shell, plan) else { return };
        if self.nonce.0 != challenge.nonce {
            self.nonce = (challenge.nonce.clone(), 0);
        }
        self.nonce.1 += 1;
        let cnonce = format!("{:016x}", shell.random());
        let uri = Uri::sip(None, domain(plan, &server), None).to_string();
        let user = &registration.user;
        let credentials = auth::answer(&challenge, user, secret, &Method::Register, &uri, &[], &cnonce, self.nonce.1);
        self.register(shell, plan, vec![(answer, credentials.to_string())]);
    }

    fn failed(&mut self, shell: &mut Shell, plan: &Plan, why: &str) {
        let pause = Duration::from_secs(2).saturating_mul(1 << self.failures.min(5)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.answered = 0;
        self.next = Some(shell.now().mono + pause);
        tracing::warn!(%why, again_in_s = pause.as_secs(), "not registered");
        if std::mem::replace(&mut self.registered, false) {
            shell.journal(Journal::Registered { line: plan.line.clone(), registered: false });
        }
    }
}

fn server_of(shell: &Shell, plan: &Plan) -> Option<(PeerPlan, Registration)> {
    let server = shell.plan().peers.iter().find(|peer| peer.name == plan.server)?;
    Some((server.clone(), plan.registration.clone()?))
}

/// Host part of the line's address.
pub(super) fn domain(plan: &Plan, server: &PeerPlan) -> String {
    if plan.domain.is_empty() { server.addr.ip().to_string() } else { plan.domain.clone() }
}
