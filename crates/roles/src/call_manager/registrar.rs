//! The registrar (RFC 3261 §10): digest over TLS, the certificate where a phone's profile names one, and a binding that
//! belongs to the connection it came by (RFC 5626 in spirit: that flow is the way to the phone, and ends with it).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::auth::{Algorithm, Credentials, Verdict, ha1};
use sip::{FlowId, Headers, Method, Name, NameAddr, Request, ServerId, Status, Uri};
use site::Proof;
use trust::Refusal;

use super::bindings::{Binding, Bindings, Instance, Shown};
use super::challenges::Challenges;
use super::flows::{self, Way};
use super::guesses::Guesses;
use super::judge::{self, Denied};
use super::plan::{Phone, Plan};
use super::tokens::{Held, OAuth};
use crate::plan::Kind;
use crate::shell::{Shell, in_words, warning};
use crate::{Ask, AskId, Journal, Persist, Registration, Told};

const SHORTEST: u32 = 30;
const LONGEST: u32 = 3600;
/// Minutes that a challenge for a line of no phone is good for, as for phones without a profile.
const NONCE_LIFE: u32 = 600;

/// A provider's keys are here within as long, if they come; a phone tries again then.
const KEYS_COME: Duration = Duration::from_secs(5);
/// Unknown keys have them fetched no more often.
const KEYS_AGAIN: Duration = Duration::from_secs(30);

/// A REGISTER whose effect is being made durable before it is acknowledged.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pending {
    server: ServerId,
    line: String,
    act: Act,
    seconds: u32,
    /// Of the 200, besides the contacts.
    headers: Headers,
    /// The line's own address, for a device that is to be given names that lead to it alone.
    names: Option<NameAddr>,
}

/// What a REGISTER does.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Act {
    Bind(Box<Binding>),
    /// One flow of the line's device ends.
    EndFlow(Instance),
    /// The phone takes itself off.
    End,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Registrar {
    challenges: Challenges,
    bindings: Bindings,
    pending: BTreeMap<AskId, Pending>,
    guesses: Guesses,
    /// Phones that a reload took the registration from while they were in a call: what they say in it is heard until
    /// their connection ends, and nothing else is. So are those whose token ended in a call.
    parting: BTreeMap<FlowId, (String, Proof)>,
    /// When keys of an issuer were asked for last.
    #[serde(default)]
    keys_wanted: BTreeMap<String, Duration>,
    /// Tells one secret from another without keeping either.
    pepper: String,
}

impl Registrar {
    pub(super) fn new(secret: [u8; 32]) -> Registrar {
        Registrar {
            challenges: Challenges::of_phones(),
            bindings: Bindings::default(),
            pending: BTreeMap::new(),
            guesses: Guesses::default(),
            parting: BTreeMap::new(),
            keys_wanted: BTreeMap::new(),
            pepper: ha1(Algorithm::Sha256, "which secret", &trust::hex(&secret), ""),
        }
    }

    pub(super) fn binding(&self, line: &str) -> Option<&Binding> {
        self.bindings.get(line)
    }

    /// The number of a line that is called by a temporary name of its device; else what is called.
    pub(super) fn number<'a>(&'a self, called: &'a str) -> &'a str {
        self.bindings.named(called).unwrap_or(called)
    }

    /// The device whose registration holds this flow, or held it when its call began, and by what it registered.
    pub(super) fn device_on(&self, flow: FlowId) -> Option<(&str, Proof)> {
        let registered = self.bindings.on(flow).map(|binding| (binding.device.as_str(), binding.by));
        registered.or_else(|| self.parting.get(&flow).map(|(device, by)| (device.as_str(), *by)))
    }

    /// The number of who calls over this connection: what the phone says if that is a line of its own, else the line
    /// that it has. `None`: no line is registered over it.
    pub(super) fn number_of(&self, flow: FlowId, says: &str) -> Option<String> {
        let lines = self.bindings.lines_on(flow);
        let own = lines.iter().find(|line| *line == says).or(lines.first());
        own.cloned()
    }

    pub(super) fn register(
        &mut self,
        shell: &mut Shell,
        plan: &Plan,
        server: ServerId,
        request: &Request,
        flow: FlowId,
    ) {
        let now = shell.now().mono;
        let line = request.to().ok().and_then(|to| to.uri.user).unwrap_or_default();
        let phone = plan.phone_of_line(&line);
        if let Some(oauth) = &plan.oauth
            && shell.sight(flow).is_some_and(|sight| oauth.is_door_of(&sight.flow))
        {
            return self.register_by_token(shell, oauth, server, request, (&line, phone), flow);
        }
        match phone.map(|phone| (phone, phone.profile.proof())) {
            // Its certificate is its proof.
            Some((phone, Proof::Certificate)) => {
                return self.bind(shell, server, request, (&line, phone), flow, None);
            }
            Some((phone, Proof::OAuth)) => return refuse(shell, server, flow, elsewhere(plan, phone)),
            Some((_, Proof::Digest)) | None => {}
        }
        let minutes = phone.map_or(NONCE_LIFE, |phone| phone.profile.nonce_validity_time_mins);
        let fields: Vec<Credentials> =
            request.headers(&Name::Authorization).filter_map(|field| Credentials::parse(field).ok()).collect();
        let Some(given) = fields.iter().find(|credentials| credentials.realm == plan.realm) else {
            return self.challenges.send(shell, server, &plan.realm, minutes, false);
        };
        let Some(source) = shell.sight(flow).map(|sight| sight.flow.remote.ip()) else { return };
        if let Some(left) = self.guesses.slowed(source, &line, now) {
            // Nothing is written down: the flood would be.
            let seconds = left.as_secs() + 1;
            return shell.answer_outside(server, Status(503), vec![(Name::RetryAfter, seconds.to_string())]);
        }
        let is = |phone: &&Phone| given.user == phone.device.line || given.user == phone.device.name;
        let phone = phone.filter(is);
        let secret = phone.map(|phone| phone.device.digest_secret.as_str());
        match self.challenges.check(shell, minutes, given, &Method::Register, secret) {
            Verdict::Good if is_of(request, given) => {}
            Verdict::Stale => return self.challenges.send(shell, server, &plan.realm, minutes, true),
            Verdict::Good | Verdict::Bad => {
                let last = self.guesses.wrong(source, &line, now);
                let refusal = Refusal {
                    cause: "digest".into(),
                    rule: "a phone proves its line by digest".into(),
                    expected: "user and secret of a configured line".into(),
                    presented: match last {
                        false => "others".into(),
                        true => {
                            "others, again and again: this source gets 503 until it has been silent for a minute".into()
                        }
                    },
                    remedy: "correct the phone's user, secret or line".into(),
                };
                return refuse(shell, server, flow, refusal);
            }
        }
        self.guesses.right(source, &line);
        // The verdict is good only with a phone's secret.
        let Some(phone) = phone else { return };
        self.bind(shell, server, request, (&line, phone), flow, None);
    }

    /// On the OAuth port (RFC 8898 §2.1): 401 to whoever gives no token that admits this phone.
    fn register_by_token(
        &mut self,
        shell: &mut Shell,
        oauth: &OAuth,
        server: ServerId,
        request: &Request,
        (line, phone): (&str, Option<&Phone>),
        flow: FlowId,
    ) {
        let now = shell.now();
        let Some(source) = shell.sight(flow).map(|sight| sight.flow.remote.ip()) else { return };
        let Some(token) = request.headers(&Name::Authorization).find_map(sip::auth::bearer) else {
            let headers = oauth.challenge(false);
            return deny(shell, server, flow, (Status(401), headers), OAuth::no_token());
        };
        if let Some(left) = self.guesses.slowed(source, line, now.mono) {
            // Nothing is written down: the flood would be.
            let seconds = left.as_secs() + 1;
            return shell.answer_outside(server, Status(503), vec![(Name::RetryAfter, seconds.to_string())]);
        }
        match (oauth.admits(phone, token, seconds(now)), phone) {
            (Ok(held), Some(phone)) => {
                self.guesses.right(source, line);
                self.bind(shell, server, request, (line, phone), flow, Some(held));
            }
            (Err(refusal), _) if self.waits_for_keys(shell, oauth.issuer_to_ask(token, &refusal)) => {
                // Not its fault, perhaps: it comes again when the keys are here, and nothing is written down until then.
                let seconds = KEYS_COME.as_secs().to_string();
                shell.answer_outside(server, Status(503), vec![(Name::RetryAfter, seconds)]);
            }
            (Err(refusal), _) => {
                self.guesses.wrong(source, line, now.mono);
                deny(shell, server, flow, (Status(401), oauth.challenge(true)), refusal);
            }
            // A token admits a phone or nobody.
            (Ok(_), None) => {}
        }
    }

    /// Whether keys of this issuer are on their way; asks for them if it is time.
    fn waits_for_keys(&mut self, shell: &mut Shell, issuer: Option<String>) -> bool {
        let Some(issuer) = issuer else { return false };
        let now = shell.now().mono;
        match self.keys_wanted.get(&issuer).map(|at| now.saturating_sub(*at)) {
            Some(since) if since < KEYS_COME => true,
            Some(since) if since < KEYS_AGAIN => false,
            Some(_) | None => {
                // Issuers of the site, and no others, are in here.
                self.keys_wanted.insert(issuer.clone(), now);
                shell.journal(Journal::KeysWanted { issuer });
                true
            }
        }
    }

    /// Judges what the connection shows by the phone's profile, and makes the binding durable; the 200 waits for that.
    fn bind(
        &mut self,
        shell: &mut Shell,
        server: ServerId,
        request: &Request,
        (line, phone): (&str, &Phone),
        flow: FlowId,
        token: Option<Held>,
    ) {
        let Some(sight) = shell.sight(flow) else { return };
        if let Err(refusal) = judge::phone(phone, &Shown::of(sight), sight.flow.remote) {
            return refuse(shell, server, flow, refusal);
        }
        let off = request.header(&Name::Contact) == Some("*");
        let contact = request.contact().and_then(Result::ok).filter(|_| !off);
        let header = request.header(&Name::Expires).and_then(|text| text.trim().parse().ok());
        let asked = contact.as_ref().and_then(|contact| contact.expires()).or(header).unwrap_or(LONGEST);
        if contact.is_none() && !off {
            // A query (RFC 3261 §10.2.3).
            let headers = self.contacts(shell, line, None);
            return shell.answer_outside(server, Status(200), headers);
        }
        let way = match Way::of(request, contact.as_ref()) {
            Ok(way) => way,
            Err((status, why)) => {
                let headers = vec![warning(&shell.plan().node, why)];
                return shell.answer_outside(server, status, headers);
            }
        };
        if asked != 0 && !off && asked < SHORTEST {
            return shell.answer_outside(server, Status(423), vec![(Name::MinExpires, SHORTEST.to_string())]);
        }
        // Never longer than its token.
        let most = token.as_ref().map_or(LONGEST, |held| {
            u32::try_from(held.until.saturating_sub(seconds(shell.now()))).unwrap_or(0).min(LONGEST)
        });
        let seconds = if off { 0 } else { asked.min(most) };
        let shown = Shown::of(sight);
        let certificate = shown.certificate.as_ref().map(|certificate| certificate.subject.clone());
        let secret = self.which(&phone.device.digest_secret);
        let names = request.to().ok().filter(|_| way.wants_names()).map(NameAddr::without_tag);
        let headers = way.headers();
        let act = match (contact, way.instance) {
            (Some(contact), instance) if seconds > 0 => Act::Bind(Box::new(Binding {
                device: phone.device.name.clone(),
                contact: contact.uri,
                flow,
                remote: sight.flow.remote,
                transport: sight.flow.transport,
                until: shell.now().mono + Duration::from_secs(seconds.into()),
                certificate,
                secret,
                shown,
                by: phone.profile.proof(),
                token,
                instance,
                path: way.path,
            })),
            (Some(_), Some(instance)) if instance.flow.is_some() => Act::EndFlow(instance),
            _ => Act::End,
        };
        let state = match &act {
            Act::Bind(binding) => postcard::to_stdvec(binding).ok(),
            Act::EndFlow(instance) => self.beside(line, instance).and_then(|binding| postcard::to_stdvec(binding).ok()),
            Act::End => None,
        };
        let ask = shell.ask(Ask::Persist(Persist::Registration { line: line.to_owned(), state }));
        let line = line.to_owned();
        self.pending.insert(ask, Pending { server, line, act, seconds, headers, names });
    }

    /// Another flow of the line than this one.
    fn beside(&self, line: &str, ended: &Instance) -> Option<&Binding> {
        self.bindings.of(line).iter().find(|binding| binding.instance.as_ref() != Some(ended))
    }

    /// Where the line is, as a 200 lists it (RFC 3261 §10.3 step 8).
    fn contacts(&self, shell: &Shell, line: &str, names: Option<(&NameAddr, &str)>) -> Headers {
        let flows = self.bindings.of(line).iter();
        flows.map(|binding| flows::contact(binding, binding.left(shell), names)).collect()
    }

    pub(super) fn told(&mut self, shell: &mut Shell, ask: AskId, told: Told) {
        let Some(pending) = self.pending.remove(&ask) else { return };
        if let Told::Failed(why) = told {
            tracing::error!(%why, "a registration was not kept");
            return shell.answer_outside(pending.server, Status(500), Vec::new());
        }
        let mut temporary = None;
        match pending.act {
            Act::Bind(binding) => {
                let mut binding = *binding;
                // The plan may be another than the one that it was asked under.
                let plan = shell.plan().clone();
                if let Kind::CallManager(plan) = &plan.kind
                    && let Err(refusal) = self.judge(plan, &pending.line, &binding, seconds(shell.now()))
                {
                    shell.persist(Persist::Registration { line: pending.line, state: None });
                    return refuse(shell, pending.server, binding.flow, refusal);
                }
                // Counted from the answer.
                binding.until = shell.now().mono + Duration::from_secs(pending.seconds.into());
                let new = self.bindings.put(&pending.line, binding);
                if new {
                    shell.journal(Journal::Registered { line: pending.line.clone(), registered: true });
                }
                temporary = pending.names.is_some().then(|| flows::temporary_name([shell.random(), shell.random()]));
                if let Some(name) = &temporary {
                    self.bindings.name(&pending.line, name.clone());
                }
            }
            Act::EndFlow(instance) => {
                let flows = self.bindings.of(&pending.line).iter();
                let ended = flows.filter(|binding| binding.instance.as_ref() == Some(&instance));
                let ended: Vec<FlowId> = ended.map(|binding| binding.flow).collect();
                for flow in ended {
                    self.drop_flow(shell, &pending.line, flow);
                }
            }
            Act::End => {
                if !self.bindings.take(&pending.line).is_empty() {
                    shell.journal(Journal::Registered { line: pending.line.clone(), registered: false });
                }
            }
        }
        let mut headers = self.contacts(shell, &pending.line, pending.names.as_ref().zip(temporary.as_deref()));
        headers.extend(pending.headers);
        shell.answer_outside(pending.server, Status(200), headers);
    }

    /// A secret's fingerprint in this life of the node.
    fn which(&self, secret: &str) -> String {
        ha1(Algorithm::Sha256, "", &self.pepper, secret)
    }

    /// A new plan judges every registration as if it came now: what no longer fits its profile ends, with the reason among
    /// the refusals. Calls that are up go on.
    pub(super) fn replan(&mut self, shell: &mut Shell, plan: &Plan) {
        let now = seconds(shell.now());
        let judged: Vec<(String, FlowId, Refusal)> = self
            .bindings
            .iter()
            .filter_map(|(line, binding)| {
                Some((line.clone(), binding.flow, self.judge(plan, line, binding, now).err()?))
            })
            .collect();
        for (line, flow, refusal) in judged {
            self.part(shell, &line, flow, refusal);
        }
    }

    /// Ends a registration for a reason. Calls that are up go on; where there is none, a connection that a token opened is
    /// closed.
    fn part(&mut self, shell: &mut Shell, line: &str, flow: FlowId, refusal: Refusal) {
        let Some(binding) = self.drop_flow(shell, line, flow) else { return };
        let in_call = !shell.dialogs_on(binding.flow).is_empty();
        let last = self.bindings.on(binding.flow).is_none();
        if in_call {
            self.parting.insert(binding.flow, (binding.device, binding.by));
        } else if last && binding.by == Proof::OAuth {
            shell.close_flow(binding.flow);
        }
        shell.withdrawn(binding.remote, binding.transport, refusal);
    }

    fn judge(&self, plan: &Plan, line: &str, binding: &Binding, now: i64) -> Result<(), Refusal> {
        let refusal = |rule: &str, expected: &str, presented: &str| Refusal {
            cause: "no_longer_configured".into(),
            rule: rule.into(),
            expected: expected.into(),
            presented: presented.into(),
            remedy: "register again with what the site says now".into(),
        };
        let rule = "a registration lasts while the site has its phone, line and secret";
        match plan.phone_of_line(line).filter(|phone| phone.device.name == binding.device) {
            None => Err(refusal(rule, "a phone of the site", &format!("{}, which is none any more", binding.device))),
            Some(phone) if binding.by == Proof::OAuth => match (&plan.oauth, &binding.token) {
                (Some(oauth), Some(held)) => oauth.still(phone, held, now),
                _ => Err(refusal(rule, "another proof", "a token")),
            },
            Some(phone) if phone.profile.proof() == Proof::OAuth => Err(elsewhere(plan, phone)),
            Some(phone) if self.which(&phone.device.digest_secret) != binding.secret => {
                Err(refusal(rule, "the secret that the site has now", "the one before"))
            }
            Some(phone) => judge::phone(phone, &binding.shown, binding.remote),
        }
    }

    /// What was registered over a connection ends with it.
    pub(super) fn closed(&mut self, shell: &mut Shell, flow: FlowId) {
        self.parting.remove(&flow);
        for line in self.bindings.lines_on(flow) {
            self.drop_flow(shell, &line, flow);
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.bindings.deadline()
    }

    pub(super) fn tick(&mut self, shell: &mut Shell) {
        let plan = shell.plan().clone();
        while let Some((line, flow)) = self.bindings.due(shell.now().mono) {
            // A token that ended is no phone that went away: it is said, and its connection is good for nothing more.
            let now = seconds(shell.now());
            let binding = self.bindings.of(&line).iter().find(|binding| binding.flow == flow);
            let binding = binding.filter(|binding| binding.token.as_ref().is_some_and(|held| held.until <= now));
            let ended = match &plan.kind {
                Kind::CallManager(plan) => binding.and_then(|binding| self.judge(plan, &line, binding, now).err()),
                _ => None,
            };
            match ended {
                Some(refusal) => self.part(shell, &line, flow, refusal),
                None => {
                    self.drop_flow(shell, &line, flow);
                }
            }
        }
    }

    /// One flow of a line is gone, and with the last the line.
    fn drop_flow(&mut self, shell: &mut Shell, line: &str, flow: FlowId) -> Option<Binding> {
        let binding = self.bindings.take_flow(line, flow)?;
        if self.bindings.get(line).is_none() {
            shell.persist(Persist::Registration { line: line.to_owned(), state: None });
            shell.journal(Journal::Registered { line: line.to_owned(), registered: false });
        }
        Some(binding)
    }

    pub(super) fn list(&self, shell: &Shell) -> Vec<Registration> {
        let show = |(line, binding): (&String, &Binding)| Registration {
            line: line.clone(),
            device: binding.device.clone(),
            contact: binding.contact.to_string(),
            remote: binding.remote,
            transport: binding.transport,
            expires_s: binding.left(shell),
            certificate: binding.certificate.clone(),
            admitted_by: binding.by.word().into(),
        };
        self.bindings.iter().map(show).collect()
    }
}

impl Binding {
    /// Seconds until it ends.
    fn left(&self, shell: &Shell) -> u64 {
        self.until.saturating_sub(shell.now().mono).as_secs()
    }
}

/// The credentials are for this request: their digest-uri names its Request-URI.
fn is_of(request: &Request, credentials: &Credentials) -> bool {
    let asked = request.request_uri().and_then(Result::ok);
    let named = Uri::parse(&credentials.uri).ok();
    asked.zip(named).is_some_and(|(asked, named)| asked.host.eq_ignore_ascii_case(&named.host))
}

/// Seconds since 1970, as tokens count.
fn seconds(now: call::Now) -> i64 {
    i64::try_from(call::ms(now) / 1000).unwrap_or(i64::MAX)
}

/// A phone whose profile enables OAuth, anywhere but on the port for it.
fn elsewhere(plan: &Plan, phone: &Phone) -> Refusal {
    let port = plan.oauth.as_ref().map_or(0, |oauth| oauth.door.port());
    Refusal {
        cause: "oauth_port".into(),
        rule: "a phone whose profile enables OAuth registers by a token, and on the port for it".into(),
        expected: format!("{} on port {port}", phone.device.name),
        presented: "a registration on another port".into(),
        remedy: "correct the phone's server port, or give it a profile without OAuth".into(),
    }
}

fn refuse(shell: &mut Shell, server: ServerId, flow: FlowId, refusal: Refusal) {
    let flow = shell.sight(flow).map(|sight| sight.flow);
    judge::refuse(shell, server, flow, Denied { status: Status(403), refusal: Box::new(refusal) });
}

/// With headers of one's own.
fn deny(shell: &mut Shell, server: ServerId, flow: FlowId, (status, mut headers): (Status, Headers), refusal: Refusal) {
    let flow = shell.sight(flow).map(|sight| sight.flow);
    headers.push(warning(&shell.plan().node, &in_words(&refusal)));
    shell.refused_stranger(flow, status, refusal);
    shell.answer_outside(server, status, headers);
}
