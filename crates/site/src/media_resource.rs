//! A media resource (contract 44, 258, 259): conferences, announcements and music on hold, reached by SIP.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaResource {
    #[serde(rename = "conference", default)]
    pub conferences: Vec<ConferenceBridge>,
    #[serde(rename = "announcement", default)]
    pub announcements: Vec<Announcement>,
    /// Subjects (CN or SAN) that may call.
    #[serde(default)]
    pub secure_certificate_subject: Vec<String>,
    /// Subjects (CN or SAN) of call servers: they may seat parties who listen unheard or whisper, in conferences of theirs.
    #[serde(default)]
    pub call_server_subject: Vec<String>,
    /// The authority that issues them: `carrier` is roots/carrier.pem in the data directory; absent = the site's own CA.
    #[serde(default)]
    pub authority: Option<String>,
}

/// A conference that is there for who dials its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConferenceBridge {
    pub number: String,
    /// Parties at most, 3 to 64.
    #[serde(default = "ConferenceBridge::parties")]
    pub parties: u32,
    /// What the first hears until the second is there.
    #[serde(default = "ConferenceBridge::music")]
    pub music: String,
}

impl ConferenceBridge {
    pub const PARTIES: u32 = 16;

    fn parties() -> u32 {
        ConferenceBridge::PARTIES
    }

    /// The music of a conference that says nothing else.
    pub fn music() -> String {
        "moh".into()
    }
}

/// A prompt by its number: an announcement that ends the call, or music on hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announcement {
    pub number: String,
    /// From the prompt catalogue, e.g. `welcome`, `moh`.
    pub prompt: String,
    /// Until the caller hangs up, as music is.
    #[serde(default)]
    pub repeat: bool,
}
