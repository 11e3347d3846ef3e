//! People of an OpenID provider: bearer tokens judged by its keys (RFC 7519, RFC 7517), and the authorization code flow for
//! browsers (OpenID Connect Core 1.0 §3.1, with PKCE, RFC 7636). Discovery document and keys are fetched, kept, and renewed.

mod claims;
mod provider;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use site::{OpenId as Settings, Site};
use store::DataDir;
use tokio::sync::Mutex as Turn;
use trust::tls::Versions;
use trust::{TokenFault, TokenKey, TokenTerms};

pub use self::claims::Person;
use self::claims::person;
pub(crate) use self::provider::Provider;
use crate::fetch::Sent;

/// Its documents are fetched anew after as long, when somebody asks.
const FRESH: Duration = Duration::from_secs(3600);
/// And believed for as long if they cannot be.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// Neither a key that nobody knows nor a provider that does not answer has it asked more often.
const AGAIN: Duration = Duration::from_secs(30);

/// The provider of a site.
pub struct OpenId {
    settings: Settings,
    at: Provider,
    data: DataDir,
    known: Mutex<Known>,
    /// Who asks the provider, while others wait for the same answer.
    asking: Turn<()>,
}

#[derive(Default)]
struct Known {
    documents: Option<Documents>,
    /// When they were fetched.
    at: Option<Instant>,
    /// When that was tried last, and came to nothing.
    failed: Option<Instant>,
    /// When they were last fetched before their time.
    hurried: Option<Instant>,
    /// What came of it, if nothing.
    why: String,
}

#[derive(Clone)]
struct Documents {
    metadata: Metadata,
    keys: Vec<TokenKey>,
}

/// OpenID Connect Discovery 1.0 §3, RFC 8414: what matters here.
#[derive(Clone, Deserialize)]
struct Metadata {
    jwks_uri: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Known {
    /// As long as they are to be believed.
    fn good(&self) -> Option<Documents> {
        let good = self.at.is_some_and(|at| at.elapsed() < STALE);
        self.documents.clone().filter(|_| good)
    }
}

/// A log-in that began: what comes back must fit it.
#[derive(Clone, Debug)]
pub struct Begun {
    pub state: String,
    pub nonce: String,
    /// RFC 7636 §4.1.
    pub verifier: String,
    /// Where the browser is sent back to.
    pub redirect_uri: String,
}

/// Why somebody does not come in by the provider's word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// What was shown is not to be believed.
    #[error("{0}")]
    Token(TokenFault),
    /// It is, and does not fit here.
    #[error("{0}")]
    Unfit(String),
    /// They are who they say, and have no role here.
    #[error("{0}")]
    NoRole(String),
    /// The provider did not answer, or not as a provider does; for the log.
    #[error("{0}")]
    Unavailable(String),
    /// It does not take the code: it was used, is too old, or was never one.
    #[error("the provider does not take the code: {0}")]
    Code(String),
}

/// Of the token endpoint.
#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
}

impl OpenId {
    /// The site's; `None`: it has none.
    ///
    /// # Errors
    /// The secret of its `client_id`, or the authority that vouches for it, is not in the data directory.
    pub fn of(site: &Site, data: &DataDir) -> anyhow::Result<Option<OpenId>> {
        let Some(settings) = site.open_id.clone() else { return Ok(None) };
        let versions = Versions { tls12: site.tls.has("1.2"), tls13: site.tls.has("1.3") };
        let (known, asking) = (Mutex::default(), Turn::default());
        let (issuer, authority) = (settings.issuer.clone(), settings.authority.clone());
        let at = Provider { issuer, authority, versions, data: data.clone() };
        let provider = OpenId { settings, at, data: data.clone(), known, asking };
        provider.secret().context("open_id")?;
        provider.at.roots().context("open_id")?;
        Ok(Some(provider))
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whose access or ID token this is.
    ///
    /// # Errors
    /// It is not believed, or gives no role here.
    pub async fn bearer(&self, token: &str) -> Result<Person, NotProven> {
        let settings = &self.settings;
        let audiences = [settings.audience(), settings.client_id.as_str()];
        let judge = |documents: &Documents| {
            let fault = self.judge(documents, audiences[0], token);
            match fault {
                Err(TokenFault::WrongAudience) if audiences[1] != audiences[0] => {
                    self.judge(documents, audiences[1], token)
                }
                other => other,
            }
        };
        let whole = self.judged(judge).await?;
        person(settings, &whole)
    }

    /// Where a browser is sent to log in.
    ///
    /// # Errors
    /// The provider did not say where.
    pub async fn begin(&self, begun: &Begun) -> Result<String, NotProven> {
        let metadata = self.documents(false).await.map_err(NotProven::Unavailable)?.metadata;
        if metadata
            .code_challenge_methods_supported
            .is_some_and(|methods| methods.iter().all(|method| method != "S256"))
        {
            return Err(NotProven::Unavailable("the provider takes no PKCE with S256 (RFC 7636)".into()));
        }
        let scope: String = self.settings.scopes.iter().map(|scope| format!(" {scope}")).collect();
        let challenge = claims::challenge(&begun.verifier);
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &begun.redirect_uri),
            ("scope", &format!("openid{scope}")),
            ("state", &begun.state),
            ("nonce", &begun.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let to = metadata.authorization_endpoint;
        let and = if to.contains('?') { '&' } else { '?' };
        Ok(format!("{to}{and}{query}"))
    }

    /// Who came back with this code.
    ///
    /// # Errors
    /// The provider does not take it, or what it says of them does not fit what began.
    pub async fn finish(&self, begun: &Begun, code: &str) -> Result<Person, NotProven> {
        let metadata = self.documents(false).await.map_err(NotProven::Unavailable)?.metadata;
        let secret = self.secret().map_err(|error| NotProven::Unavailable(format!("{error:#}")))?;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &begun.redirect_uri),
            ("code_verifier", &begun.verifier),
        ];
        let id = self.settings.client_id.as_str();
        let methods = metadata.token_endpoint_auth_methods_supported.clone();
        let basic = methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
        let authorization = match &secret {
            Some(secret) if basic => {
                // RFC 6749 §2.3.1: both as forms have them.
                let both = format!("{}:{}", encoded(id), encoded(secret));
                Some(format!("Basic {}", STANDARD.encode(both)))
            }
            Some(secret) => {
                fields.extend([("client_id", id), ("client_secret", secret.as_str())]);
                None
            }
            None => {
                fields.push(("client_id", id));
                None
            }
        };
        let sent = Sent::form(form(&fields), authorization);
        let answer = self.at.ask(&metadata.token_endpoint, Some(sent)).await.map_err(NotProven::Unavailable)?;
        if answer.status.is_client_error() {
            return Err(NotProven::Code(claims::refusal(&answer.body)));
        }
        if !answer.status.is_success() {
            return Err(NotProven::Unavailable(format!("its token endpoint answers {}", answer.status)));
        }
        let tokens: Tokens = serde_json::from_slice(&answer.body)
            .map_err(|_| NotProven::Unavailable("its token endpoint answers no JSON".into()))?;
        let token = tokens.id_token.ok_or_else(|| NotProven::Unavailable("it gives no ID token".into()))?;
        let whole = self.judged(|documents| self.judge(documents, id, &token)).await?;
        claims::is_of(&whole, &begun.nonce, id)?;
        person(&self.settings, &whole)
    }

    fn judge(&self, documents: &Documents, audience: &str, token: &str) -> Result<claims::Whole, TokenFault> {
        let keys = documents.keys.clone();
        let terms = TokenTerms { issuer: self.settings.issuer.clone(), audience: audience.to_owned(), keys };
        terms.verify_whole(token, seconds()).map(|(believed, rest)| claims::Whole { claims: believed.claims, rest })
    }

    /// By the keys that are known; by those of now if that takes another.
    async fn judged(
        &self,
        judge: impl Fn(&Documents) -> Result<claims::Whole, TokenFault>,
    ) -> Result<claims::Whole, NotProven> {
        let documents = self.documents(false).await.map_err(NotProven::Unavailable)?;
        match judge(&documents) {
            Err(TokenFault::UnknownKey(_)) => {
                let documents = self.documents(true).await.map_err(NotProven::Unavailable)?;
                judge(&documents).map_err(NotProven::Token)
            }
            other => other.map_err(NotProven::Token),
        }
    }

    /// What the provider says of itself; `anew`: those that are known have not what is needed.
    async fn documents(&self, anew: bool) -> Result<Documents, String> {
        if let Some(documents) = self.kept(anew) {
            return documents;
        }
        let good = self.known().good().filter(|_| !anew);
        let _turn = match (self.asking.try_lock(), good) {
            (Ok(turn), _) => turn,
            // Somebody asks already: what is known is good until the answer is here.
            (Err(_), Some(documents)) => return Ok(documents),
            (Err(_), None) => self.asking.lock().await,
        };
        // Whoever waited finds what the one before fetched.
        if let Some(documents) = self.kept(anew) {
            return documents;
        }
        let fetched = self.fetch_documents().await;
        let (mut known, now) = (self.known(), Instant::now());
        let hurried = if anew { Some(now) } else { known.hurried };
        match fetched {
            Ok(documents) => {
                let (documents, at) = (Some(documents), Some(now));
                *known = Known { documents, at, failed: None, hurried, why: String::new() };
            }
            Err(why) => {
                tracing::warn!(issuer = self.settings.issuer, why, "open_id: the provider does not answer");
                (known.failed, known.hurried, known.why) = (Some(now), hurried, why);
            }
        }
        known.good().ok_or_else(|| known.why.clone())
    }

    /// What needs no question; `None`: the provider is to be asked.
    fn kept(&self, anew: bool) -> Option<Result<Documents, String>> {
        let known = self.known();
        let lately = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() < AGAIN);
        let good = known.good();
        match good {
            None => lately(known.failed).then(|| Err(known.why.clone())),
            Some(documents) => {
                let fresh = known.at.is_some_and(|at| at.elapsed() < FRESH);
                let waits = lately(known.failed) || if anew { lately(known.hurried) } else { fresh };
                waits.then_some(Ok(documents))
            }
        }
    }

    async fn fetch_documents(&self) -> Result<Documents, String> {
        let metadata: Metadata = self.at.discovered().await?;
        let to = [&metadata.jwks_uri, &metadata.authorization_endpoint, &metadata.token_endpoint];
        self.at.are_https(&to)?;
        let (_, keys) = self.at.key_set(&metadata.jwks_uri).await?;
        Ok(Documents { metadata, keys })
    }

    /// Of `client_id`; `None`: it has none.
    fn secret(&self) -> anyhow::Result<Option<String>> {
        let Some(file) = &self.settings.client_secret_file else { return Ok(None) };
        let path = self.data.path().join(file);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("client_secret_file: cannot read {}", path.display()))?;
        let secret = text.lines().next().unwrap_or_default();
        ensure!(!secret.is_empty(), "client_secret_file: the first line of {} is empty", path.display());
        Ok(Some(secret.to_owned()))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names and values as forms and queries have them.
fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}

fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn seconds() -> i64 {
    // A clock before 1970 is one at which every token is good; nobody's is.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
