//! A session border controller (CUBE) and its dial-peers.

use serde::{Deserialize, Serialize};

/// A session border controller (CUBE).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sbc {
    #[serde(rename = "dial_peer", default)]
    pub dial_peers: Vec<DialPeer>,
}

/// `dial-peer voice <tag> voip`. Inbound when it has `incoming_called_number`, outbound when `destination_pattern`;
/// may be both. Selection: longest explicit match, then lowest tag (as IOS does).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialPeer {
    pub tag: u32,
    #[serde(default)]
    pub description: String,
    /// IOS patterns: digits, `.` one digit, `T` any number of digits, `[1-5]`; see [`crate::Pattern`].
    #[serde(default)]
    pub incoming_called_number: Option<String>,
    #[serde(default)]
    pub destination_pattern: Option<String>,
    /// `ipv4:198.18.133.13:5061`, `ipv6:[::1]:5061`, `dns:carrier.example`; read it with [`crate::Target::parse`].
    pub session_target: String,
    /// `tcp tls` (default), `tcp`, `udp`.
    #[serde(default = "tls_transport")]
    pub session_transport: String,
    /// SRTP required (default). `false` only with `dangerous_plain_rtp = true`.
    #[serde(default = "crate::yes")]
    pub srtp: bool,
    #[serde(default)]
    pub dangerous_plain_rtp: bool,
    /// SRTP where the peer has it, else RTP in clear: keys are offered under RTP/AVP (`X-cisco-srtp-fallback`).
    #[serde(default)]
    pub dangerous_srtp_fallback: bool,
    /// SRTP suites that are offered and taken, in order of preference (IOS `voice class srtp-crypto`), by their names in
    /// `a=crypto`; empty = the usual ones are offered, and all that are sound today taken.
    #[serde(default)]
    pub srtp_crypto: Vec<String>,
    /// How SRTP is keyed, in order of preference: `sdes` (in the descriptions), `dtls` (DTLS-SRTP, RFC 5763, with ICE-lite, as
    /// browsers want it). The first is offered, each is taken; absent = `sdes`.
    #[serde(default)]
    pub srtp_keying: Vec<String>,
    /// What is spoken with this peer, in order of preference (IOS `voice class codec`): `g711ulaw`, `g711alaw`, `g722-64`,
    /// `opus`. Where either side of a call names its own, one codec is transcoded into the other if need be; absent = G.711 as
    /// the other side speaks it, and nothing is transcoded.
    #[serde(default)]
    pub codec: Vec<String>,
    /// Calls that come in or go out by it are recorded whole: both directions, each on a track of its own, sealed at rest.
    #[serde(default)]
    pub media_recording: bool,
    /// Subjects (CN or SAN) accepted at the other end; required for `tcp tls`, but for `dns:` the domain is meant (RFC 5922).
    #[serde(default)]
    pub secure_certificate_subject: Vec<String>,
    /// The authority that issues them: `carrier` is roots/carrier.pem in the data directory; absent = the site's own CA.
    #[serde(default)]
    pub authority: Option<String>,
    /// Whether callers' identities (P-Asserted-Identity and what is private) are believed from this peer and told to it, as
    /// within a trust domain of RFC 3325; absent = over TLS. Others hear `Anonymous` of who wants privacy.
    #[serde(default)]
    pub trusted: Option<bool>,
    /// Seconds between OPTIONS towards the target (IOS `voice-class sip options-keepalive`); absent = none.
    #[serde(default)]
    pub options_keepalive_s: Option<u32>,
    /// Media from another address than the SDP's is taken once it authenticates (NAT in front of the peer).
    #[serde(default)]
    pub latch: bool,
}

impl DialPeer {
    /// Whether its signalling is TLS.
    pub fn is_tls(&self) -> bool {
        self.session_transport == TLS
    }
}

pub(crate) const TLS: &str = "tcp tls";

fn tls_transport() -> String {
    TLS.into()
}
