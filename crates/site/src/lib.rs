//! The site: the only configuration. Typed resources with the field names that engineers know, read from `site.toml`,
//! validated as a whole: every problem at once, each with its place and what to write instead.
//!
//! Pure: the text comes in, the site or the problems come out. `read` gives every value its shape and place, `check`
//! asks whether the whole makes sense.

mod authority;
mod ca;
mod call_manager;
mod call_server;
mod check;
mod copy;
mod directory;
mod ldap_filter;
mod media_resource;
mod node;
mod number;
mod oauth;
mod ocsp;
mod open_id;
mod phone_services;
mod problem;
mod read;
mod recognition;
mod remote;
mod routing;
mod sbc;
mod schema;
mod security_profile;
mod speech;
mod target;
mod templates;
mod voice_browser;

use serde::{Deserialize, Serialize};

pub use authority::{AuthorityRow, Revocation};
pub use ca::{CertificateAuthority, Pkcs11};
pub use call_manager::{CallManager, Phone, SipTrunk};
pub use call_server::{CallServer, Desk, DialledNumber, Member, OutgoingNumber, SipServerGroup};
pub use copy::copy_profile;
pub use directory::{Directory, LdapServer, is_same_dn};
pub use ldap_filter::Filter;
pub use media_resource::{Announcement, ConferenceBridge, MediaResource};
pub use node::{Console, Node, Role, SourceRate};
pub use number::Pattern;
pub use oauth::{IdentityProvider, KeySource, OAuth};
pub use ocsp::Ocsp;
pub use open_id::{OpenId, discovery_of};
pub use phone_services::{PhoneDevice, PhoneServices};
pub use problem::{Problem, Severity};
pub use recognition::{Recognition, RecognitionEngine};
pub use remote::{Acme, Challenge, CryptoSignaling, RemoteAddr, Trustpoint};
pub use routing::{
    Agent, Announce, Calendar, CallType, Do, End, Join, Open, Queue, ReasonCode, Routing, RoutingFlaw, Script,
    ScriptStep, Staffed, Team, When, Who, WrapUpReason,
};
pub use sbc::{DialPeer, Sbc};
pub use security_profile::{
    ApplicationUser, PhoneSecurityProfile, Proof, SdpFilter, SecurityMode, SipTrunkSecurityProfile, TransportType,
};
pub use speech::{NoVoice, Speech, SpeechEngine, SpeechVoice};
pub use target::Target;
pub use templates::{copy_template, templates};
pub use voice_browser::{Application, Choice, VoiceBrowser};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Name of the site: the CA is called after it.
    pub name: String,
    /// DNS domain of the nodes: a node's certificate is for `<node>.<domain>`.
    pub domain: String,
    /// No real calls are made here: what nobody may do to a contact centre may be done to this one.
    #[serde(default)]
    pub laboratory: bool,
    #[serde(default)]
    pub tls: Tls,
    /// Where its CA's key is.
    #[serde(default)]
    pub ca: CertificateAuthority,
    /// Who is asked where domains are (IOS `ip name-server`), in this order; read them with [`Site::name_servers`]. None:
    /// those of the machine.
    #[serde(default)]
    pub name_server: Vec<String>,
    /// Who may log in besides the accounts of the store.
    #[serde(default)]
    pub directory: Option<Directory>,
    /// And by whose tokens.
    #[serde(default)]
    pub open_id: Option<OpenId>,
    /// Who speaks to callers of voice browsers.
    #[serde(default)]
    pub speech: Option<Speech>,
    /// Who recognises what callers say.
    #[serde(default)]
    pub recognition: Option<Recognition>,
    /// Who answers whether certificates of the site's own CA are revoked.
    #[serde(default)]
    pub ocsp: Option<Ocsp>,
    /// How partners' authorities say what they have revoked.
    #[serde(rename = "authority", default)]
    pub authority_rows: Vec<AuthorityRow>,
    #[serde(rename = "node", default)]
    pub nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// `["1.2", "1.3"]`
    pub versions: Vec<String>,
    /// Writes session keys to `SSLKEYLOGFILE`; every start and `show` says so. Labs only.
    #[serde(default)]
    pub dangerous_tls_keylog: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Tls { versions: vec!["1.2".into(), "1.3".into()], dangerous_tls_keylog: false }
    }
}

impl Tls {
    /// Whether version `1.2` or `1.3` is on.
    pub fn has(&self, version: &str) -> bool {
        self.versions.iter().any(|have| have == version)
    }
}

/// What reading a site file gave.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The site, if it can be run.
    pub site: Option<Site>,
    /// Errors and warnings in the order of the file.
    pub problems: Vec<Problem>,
}

impl Checked {
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    pub fn warnings(&self) -> usize {
        self.problems.len() - self.errors()
    }
}

impl Site {
    /// Reads and validates; all errors at once. Warnings are left out: [`Site::check`] has them too.
    pub fn parse(toml: &str) -> Result<Site, Vec<Problem>> {
        let checked = Site::check(toml);
        match checked.site {
            Some(site) => Ok(site),
            None => Err(checked.problems.into_iter().filter(|problem| problem.severity == Severity::Error).collect()),
        }
    }

    /// Reads and validates; all errors and warnings at once.
    pub fn check(toml: &str) -> Checked {
        let (table, mut places) = read::read(toml);
        let site = match Site::deserialize(table) {
            Ok(site) => {
                check::site(&site, &mut places);
                Some(site)
            }
            // `read` mends every shape, so serde has nothing left to refuse; if it does, say what it says.
            Err(error) => {
                places.report(Severity::Error, "", error.to_string(), "see the site's reference".into());
                None
            }
        };
        let mut problems = places.problems;
        problems.sort_by_key(|problem| (problem.line, problem.column, problem.severity));
        let sound = problems.iter().all(|problem| problem.severity != Severity::Error);
        Checked { site: site.filter(|_| sound), problems }
    }

    pub fn name_servers(&self) -> Vec<std::net::SocketAddr> {
        self.name_server.iter().filter_map(|text| target::name_server(text).ok()).collect()
    }

    /// How an authority of roots/ says what it has revoked, if the site says anything of it.
    pub fn authority_row(&self, name: &str) -> Option<&AuthorityRow> {
        self.authority_rows.iter().find(|row| row.name == name)
    }

    /// The authorities other than our own that peers name, and which peer does.
    pub fn authorities(&self) -> Vec<(String, &str)> {
        let mut all: Vec<(String, Option<&str>)> = Vec::new();
        if let Some(directory) = &self.directory {
            all.push(("directory".into(), directory.authority.as_deref()));
        }
        if let Some(provider) = &self.open_id {
            all.push(("open_id".into(), provider.authority.as_deref()));
        }
        if let Some(speech) = &self.speech {
            all.push(("speech".into(), speech.authority.as_deref()));
        }
        if let Some(recognition) = &self.recognition {
            all.push(("recognition".into(), recognition.authority.as_deref()));
        }
        for node in &self.nodes {
            for point in &node.trustpoints {
                all.push((format!("trustpoint {} of {}", point.name, node.name), point.authority.as_deref()));
                let acme = point.acme.as_ref().and_then(|acme| acme.authority.as_deref());
                all.push((format!("acme of trustpoint {} of {}", point.name, node.name), acme));
            }
            match &node.role {
                Role::Sbc(sbc) => {
                    for peer in &sbc.dial_peers {
                        all.push((format!("dial-peer {} of {}", peer.tag, node.name), peer.authority.as_deref()));
                    }
                }
                Role::CallServer(server) => {
                    for member in server.sip_server_groups.iter().flat_map(|group| &group.members) {
                        all.push((format!("member {} of {}", member.host, node.name), member.authority.as_deref()));
                    }
                }
                Role::VoiceBrowser(browser) => {
                    all.push((format!("voice browser {}", node.name), browser.authority.as_deref()));
                    for application in &browser.applications {
                        let whose = format!("application {} of {}", application.number, node.name);
                        all.push((whose, application.page_authority.as_deref()));
                    }
                }
                Role::MediaResource(resource) => {
                    all.push((format!("media resource {}", node.name), resource.authority.as_deref()));
                }
                Role::CallManager(manager) => {
                    for row in manager.oauth.iter().flat_map(|oauth| &oauth.identity_providers) {
                        all.push((
                            format!("identity provider {} of {}", row.issuer, node.name),
                            row.authority.as_deref(),
                        ));
                    }
                    for profile in &manager.sip_trunk_security_profiles {
                        all.push((format!("profile {} of {}", profile.name, node.name), profile.authority.as_deref()));
                    }
                }
            }
        }
        all.into_iter().filter_map(|(whose, authority)| Some((whose, authority?))).collect()
    }

    /// Whether this node speaks TLS `1.2` or `1.3`.
    pub fn speaks(&self, node: &Node, version: &str) -> bool {
        match node.tls_versions.as_slice() {
            [] => self.tls.has(version),
            versions => versions.iter().any(|have| have == version),
        }
    }

    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// Certificate name of a node: `<name>.<domain>`.
    pub fn host_name(&self, node: &Node) -> String {
        format!("{}.{}", node.name, self.domain)
    }
}

fn yes() -> bool {
    true
}
