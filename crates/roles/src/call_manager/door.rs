//! The door of trunks: what begins something over one is judged by its security profile before anything is opened for it,
//! so that neither a challenge nor a refusal leaves a leg or a record behind.

use serde::{Deserialize, Serialize};
use sip::auth::{Credentials, Verdict};
use sip::endpoint::Takeover;
use sip::{Flow, Method, Name, Request, ServerId, Status};
use site::ApplicationUser;
use trust::Refusal;

use super::challenges::Challenges;
use super::guesses::Guesses;
use super::judge::{self, Denied};
use super::plan::{Plan, Trunk};
use crate::shell::Shell;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Door {
    challenges: Challenges,
    guesses: Guesses,
}

/// A request that begins something, and where it came from.
pub(super) struct Asked<'a> {
    pub(super) trunk: &'a Trunk,
    /// Name in the node's plan: which of the trunk's ways it came.
    pub(super) peer: &'a str,
    pub(super) request: &'a Request,
    pub(super) flow: Flow,
}

/// What a request is told instead of being let in.
enum Told {
    Challenge { stale: bool },
    Slowed { seconds: u64 },
    Denied(Denied),
}

impl From<Denied> for Told {
    fn from(denied: Denied) -> Told {
        Told::Denied(denied)
    }
}

impl Door {
    pub(super) fn new() -> Door {
        Door { challenges: Challenges::of_trunks(), guesses: Guesses::default() }
    }

    /// False: the request has its answer.
    pub(super) fn lets_in(&mut self, shell: &mut Shell, plan: &Plan, server: ServerId, asked: &Asked<'_>) -> bool {
        let profile = &asked.trunk.profile;
        match self.judge(shell, plan, asked) {
            Ok(()) => return true,
            Err(Told::Challenge { stale }) => {
                self.challenges.send(shell, server, &plan.realm, profile.nonce_validity_time_mins, stale);
            }
            Err(Told::Slowed { seconds }) => {
                shell.answer_outside(server, Status(503), vec![(Name::RetryAfter, seconds.to_string())]);
            }
            Err(Told::Denied(denied)) => judge::refuse(shell, server, Some(asked.flow), denied),
        }
        false
    }

    fn judge(&mut self, shell: &mut Shell, plan: &Plan, asked: &Asked<'_>) -> Result<(), Told> {
        let Asked { trunk, peer, request, flow } = asked;
        judge::way(trunk, peer, flow, &shell.plan().local)?;
        // OPTIONS asks whether we are there, and begins nothing.
        if request.method() == Method::Options {
            return Ok(());
        }
        let user = match trunk.profile.enable_digest_authentication {
            true => Some(self.user(shell, plan, asked)?),
            false => None,
        };
        judge::accepts(&trunk.profile, user, request)?;
        if request.method() != Method::Invite {
            return Ok(());
        }
        match shell.sip.takeover(request) {
            Ok(None) => Ok(()),
            Err(status) => Err(not_here(status, "a dialog that is here").into()),
            Ok(Some(Takeover::Replace(_) | Takeover::ReplaceEarly(_) | Takeover::Join(_))) => {
                Err(not_here(Status(501), "no Replaces: this release does not carry it out").into())
            }
        }
    }

    /// The application user that the request proves.
    fn user<'a>(&mut self, shell: &mut Shell, plan: &'a Plan, asked: &Asked<'_>) -> Result<&'a ApplicationUser, Told> {
        let Asked { trunk, request, flow, .. } = asked;
        let mut fields = request.headers(&Name::Authorization).filter_map(|field| Credentials::parse(field).ok());
        let Some(given) = fields.find(|credentials| credentials.realm == plan.realm) else {
            return Err(Told::Challenge { stale: false });
        };
        let (source, now) = (flow.remote.ip(), shell.now().mono);
        if let Some(left) = self.guesses.slowed(source, &given.user, now) {
            return Err(Told::Slowed { seconds: left.as_secs() + 1 });
        }
        let user = plan.users.iter().find(|user| user.name == given.user);
        let secret = user.map(|user| user.digest_secret.as_str());
        let minutes = trunk.profile.nonce_validity_time_mins;
        match (self.challenges.check(shell, minutes, &given, &request.method(), secret), user) {
            (Verdict::Good, Some(user)) => {
                self.guesses.right(source, &given.user);
                Ok(user)
            }
            (Verdict::Stale, _) => Err(Told::Challenge { stale: true }),
            (Verdict::Good | Verdict::Bad, _) => {
                self.guesses.wrong(source, &given.user, now);
                let refusal = Box::new(Refusal {
                    cause: "digest".into(),
                    rule: format!(
                        "enable_digest_authentication of sip_trunk_security_profile `{}`",
                        trunk.profile.name
                    ),
                    expected: "name and secret of an application_user".into(),
                    presented: "others".into(),
                    remedy: "correct the peer's user or secret, or add the application_user".into(),
                });
                Err(Denied { status: Status(403), refusal }.into())
            }
        }
    }
}

fn not_here(status: Status, expected: &str) -> Denied {
    Denied {
        status,
        refusal: Box::new(Refusal {
            cause: "replaces".into(),
            rule: "an INVITE replaces or joins a dialog of this call manager (RFC 3891, RFC 3911)".into(),
            expected: expected.into(),
            presented: "another".into(),
            remedy: "call anew".into(),
        }),
    }
}
