//! SIP OAuth (RFC 8898): the port on which phones register by a token, and why a token is not taken. The token itself is
//! looked at and dropped; what stays is what it said.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sip::auth::BearerChallenge;
use sip::{Flow, Headers, Name, Transport};
use site::Proof;
use trust::{Believed, Refusal, TokenFault, TokenTerms};

use super::plan::Phone;

const UNKNOWN_KEY: &str = "token_unknown_key";

/// Whose tokens are believed, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OAuth {
    /// Listens there; nobody is admitted over it by anything but a token.
    pub door: SocketAddr,
    pub realm: String,
    /// Where phones get a token, as refusals say.
    pub authorization_server: String,
    /// The built-in issuer's, if it is on, then each identity provider's. Their keys are put in by who reads files.
    pub terms: Vec<TokenTerms>,
    /// Those of them whose keys are fetched, and can be fetched anew.
    #[serde(default)]
    pub fetched: BTreeSet<String>,
    /// Tokens that were taken back, by their `jti`.
    pub revoked: BTreeSet<String>,
}

/// What a phone's token said, for as long as its registration lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    id: Option<String>,
    issuer: String,
    owner: String,
    key: String,
    /// Its end, in seconds since 1970.
    pub(super) until: i64,
}

impl OAuth {
    pub(super) fn compile(oauth: &site::OAuth, node: &site::Node, host: &str, realm: &str) -> OAuth {
        let terms = |issuer: String| TokenTerms { issuer, audience: oauth.audience(host), keys: Vec::new() };
        let own = oauth.built_in_issuer.then(|| terms(oauth.issuer(host)));
        let providers = oauth.identity_providers.iter().map(|row| terms(row.issuer.clone()));
        let fetched = oauth.identity_providers.iter().filter(|row| row.is_fetched()).map(|row| row.issuer.clone());
        OAuth {
            door: SocketAddr::new(node.address, oauth.port),
            realm: realm.to_owned(),
            authorization_server: oauth.authorization_server(host),
            terms: own.into_iter().chain(providers).collect(),
            fetched: fetched.collect(),
            revoked: BTreeSet::new(),
        }
    }

    /// The issuer whose keys may have changed since they were fetched: a token says that it is of it, and no key that is
    /// known signed it.
    pub(super) fn issuer_to_ask(&self, token: &str, refusal: &Refusal) -> Option<String> {
        let issuer = trust::claimed_issuer(token).filter(|_| refusal.cause == UNKNOWN_KEY)?;
        self.fetched.contains(&issuer).then_some(issuer)
    }

    /// Whether a flow came in by this port.
    pub(crate) fn is_door_of(&self, flow: &Flow) -> bool {
        let here = self.door.ip().is_unspecified() || self.door.ip() == flow.local.ip();
        flow.transport == Transport::Tls && here && self.door.port() == flow.local.port()
    }

    /// What goes with a 401 (RFC 8898 §2.1); `of_token`: one was given.
    pub(crate) fn challenge(&self, of_token: bool) -> Headers {
        let challenge = BearerChallenge {
            realm: &self.realm,
            authorization_server: &self.authorization_server,
            error: of_token.then_some("invalid_token"),
        };
        vec![(Name::WwwAuthenticate, challenge.to_string())]
    }

    /// Why nothing but a REGISTER with a token is heard.
    pub(crate) fn no_token() -> Refusal {
        Refusal {
            cause: "no_token".into(),
            rule: "on this port a phone registers with a token before anything else (RFC 8898)".into(),
            expected: "REGISTER with `Authorization: Bearer …`".into(),
            presented: "no token".into(),
            remedy:
                "give the phone a token (`ringfence token issue`, or the identity provider's), or have it use the port \
                     for its certificate or digest"
                    .into(),
        }
    }

    /// Whether this token admits this phone at `now` (seconds since 1970), and until when.
    pub(super) fn admits(&self, phone: Option<&Phone>, token: &str, now: i64) -> Result<Held, Refusal> {
        let Believed { claims, key } = self.verify(token, now).map_err(|fault| self.disbelieved(&fault))?;
        let held = Held { id: claims.jti, issuer: claims.iss, owner: claims.sub, key, until: claims.exp };
        let phone = phone.ok_or_else(|| anothers("no phone of the site", &held.owner))?;
        self.still(phone, &held, now).map(|()| held)
    }

    /// Whether what was believed is so today: asked again with each plan.
    pub(super) fn still(&self, phone: &Phone, held: &Held, now: i64) -> Result<(), Refusal> {
        let device = &phone.device;
        let refusal = |cause: &str, rule: &str, expected: String, presented: String, remedy: &str| Refusal {
            cause: cause.into(),
            rule: rule.into(),
            expected,
            presented,
            remedy: remedy.into(),
        };
        if phone.profile.proof() != Proof::OAuth {
            return Err(refusal(
                "oauth_not_enabled",
                "enable_oauth_authentication of the phone's security profile",
                format!("{} to prove itself by {}", device.name, phone.profile.proof().word()),
                "a token".into(),
                "enable OAuth in the phone's profile, or have it use the other port",
            ));
        }
        if held.owner != device.owner() {
            return Err(anothers(&format!("a token of `{}`, who owns {}", device.owner(), device.name), &held.owner));
        }
        if held.id.as_ref().is_some_and(|id| self.revoked.contains(id)) {
            return Err(refusal(
                "token_revoked",
                "a token is good until it ends or is taken back",
                "one that was not taken back".into(),
                format!("token {}, which was", held.id.as_deref().unwrap_or_default()),
                "issue the phone another token, if it is still to register",
            ));
        }
        if held.until <= now {
            return Err(self.disbelieved(&TokenFault::Expired { at: held.until }));
        }
        let known = self.terms.iter().any(|terms| {
            terms.issuer == held.issuer && terms.keys.iter().any(|signer| signer.thumbprint() == held.key)
        });
        if !known {
            return Err(self.disbelieved(&TokenFault::UnknownKey(None)));
        }
        Ok(())
    }

    /// By any of the issuers; of several faults the one of who came nearest to believing it.
    fn verify(&self, token: &str, now: i64) -> Result<Believed, TokenFault> {
        let mut nearest = TokenFault::UnknownKey(None);
        for terms in &self.terms {
            match terms.verify(token, now) {
                Ok(believed) => return Ok(believed),
                Err(fault) if near(&fault) >= near(&nearest) => nearest = fault,
                Err(_) => {}
            }
        }
        Err(nearest)
    }

    fn disbelieved(&self, fault: &TokenFault) -> Refusal {
        let audience = self.terms.first().map_or("", |terms| terms.audience.as_str());
        let issuers: Vec<&str> = self.terms.iter().map(|terms| terms.issuer.as_str()).collect();
        let (cause, expected) = match fault {
            TokenFault::Malformed(_) => ("token_malformed", "a JSON Web Token (RFC 7519)".to_owned()),
            TokenFault::Algorithm(_) => ("token_algorithm", "ES256, ES384 or RS256".into()),
            TokenFault::UnknownKey(_) => (UNKNOWN_KEY, format!("a key of {}", issuers.join(", "))),
            TokenFault::BadSignature => ("token_signature", "what its issuer signed".into()),
            TokenFault::WrongIssuer(_) => ("token_issuer", issuers.join(", ")),
            TokenFault::WrongAudience => ("token_audience", format!("aud `{audience}`")),
            TokenFault::NotYet { .. } => ("token_not_yet", "one that is good already".into()),
            TokenFault::Expired { .. } => ("token_expired", "one that has not ended".into()),
        };
        Refusal {
            cause: cause.into(),
            rule: "a phone registers with a token of an issuer that the site names (RFC 8898)".into(),
            expected,
            presented: fault.to_string(),
            remedy: "have the phone fetch another token; if all are refused, compare `oauth` in the site with what the issuer \
                     writes into them"
                .into(),
        }
    }
}

fn anothers(expected: &str, owner: &str) -> Refusal {
    let owner: String = owner.chars().filter(|c| !c.is_control()).take(80).collect();
    Refusal {
        cause: "token_owner".into(),
        rule: "a token registers the phones of whom it was given to (its `sub`)".into(),
        expected: expected.into(),
        presented: format!("a token of `{owner}`"),
        remedy: "correct the phone's line or `owner`, or sign in there as its owner".into(),
    }
}

/// How far an issuer's terms went with a token before they found fault with it.
fn near(fault: &TokenFault) -> u8 {
    match fault {
        TokenFault::UnknownKey(_) => 0,
        TokenFault::Malformed(_) | TokenFault::Algorithm(_) => 1,
        TokenFault::BadSignature => 2,
        TokenFault::WrongIssuer(_) => 3,
        TokenFault::WrongAudience | TokenFault::NotYet { .. } | TokenFault::Expired { .. } => 4,
    }
}
