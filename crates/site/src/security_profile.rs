//! Security profiles of trunks and phones: who may do what over which transport. The fields bear the names that operators
//! know from a call manager's pages, and their defaults, except where a default would be insecure.

use serde::{Deserialize, Serialize};

use crate::node::default_secure_port;

/// Device Security Mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityMode {
    /// TLS and SRTP or nothing.
    #[default]
    Encrypted,
    /// TLS; media in clear, which wants loud words.
    Authenticated,
    /// Plain SIP and plain RTP, which wants loud words.
    NonSecure,
}

impl SecurityMode {
    pub fn word(self) -> &'static str {
        match self {
            SecurityMode::Encrypted => "encrypted",
            SecurityMode::Authenticated => "authenticated",
            SecurityMode::NonSecure => "non_secure",
        }
    }

    /// Signalling is TLS.
    pub fn is_tls(self) -> bool {
        self != SecurityMode::NonSecure
    }

    fn transport(self) -> TransportType {
        if self.is_tls() { TransportType::Tls } else { TransportType::TcpUdp }
    }
}

/// Incoming and Outgoing Transport Type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransportType {
    #[serde(rename = "tls")]
    Tls,
    #[serde(rename = "tcp")]
    Tcp,
    #[serde(rename = "udp")]
    Udp,
    #[serde(rename = "tcp+udp")]
    TcpUdp,
}

impl TransportType {
    pub fn word(self) -> &'static str {
        match self {
            TransportType::Tls => "tls",
            TransportType::Tcp => "tcp",
            TransportType::Udp => "udp",
            TransportType::TcpUdp => "tcp+udp",
        }
    }
}

/// Who may use a trunk, and for what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SipTrunkSecurityProfile {
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// `encrypted` (default), `authenticated`, `non_secure`; the last only with `dangerous_plain_sip`.
    #[serde(default)]
    pub device_security_mode: SecurityMode,
    /// Default: `tls`; of a non-secure profile `tcp+udp`.
    #[serde(default)]
    pub incoming_transport_type: Option<TransportType>,
    /// Default: `tls`; of a non-secure profile `tcp`.
    #[serde(default)]
    pub outgoing_transport_type: Option<TransportType>,
    /// What begins something is challenged for an `application_user`.
    #[serde(default)]
    pub enable_digest_authentication: bool,
    /// Minutes until a challenge is stale.
    #[serde(default = "nonce_validity")]
    pub nonce_validity_time_mins: u32,
    /// Secure Certificate Subject or Subject Alternate Name.
    #[serde(default)]
    pub secure_certificate_subject: Vec<String>,
    /// The authority that issues them: `carrier` is roots/carrier.pem in the data directory; absent = the site's own CA.
    #[serde(default)]
    pub authority: Option<String>,
    #[serde(default = "default_secure_port")]
    pub incoming_port: u16,
    /// What the profile allows, the user that proved itself by digest must be allowed too.
    #[serde(default)]
    pub enable_application_level_authorization: bool,
    #[serde(default)]
    pub accept_presence_subscription: bool,
    #[serde(default)]
    pub accept_out_of_dialog_refer: bool,
    #[serde(default)]
    pub accept_unsolicited_notification: bool,
    #[serde(default)]
    pub accept_replaces_header: bool,
    /// Answers to INVITE say how secure the phone's side is.
    #[serde(default)]
    pub transmit_security_status: bool,
    #[serde(default)]
    pub allow_charging_header: bool,
    #[serde(default)]
    pub sip_v150_outbound_sdp_offer_filtering: SdpFilter,
}

/// SIP V.150 Outbound SDP Offer Filtering. A call manager here makes no offer of its own, and of others' offers takes
/// nothing away: the default filter filters nothing, as the field's own default does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SdpFilter {
    #[default]
    UseDefaultFilter,
    NoFiltering,
}

impl SipTrunkSecurityProfile {
    /// The port that it takes calls on; `None` of a non-secure one that says nothing of it: the node's plain port.
    pub fn port(&self) -> Option<u16> {
        let said = self.device_security_mode.is_tls() || self.incoming_port != default_secure_port();
        said.then_some(self.incoming_port)
    }

    pub fn incoming(&self) -> TransportType {
        self.incoming_transport_type.unwrap_or(self.device_security_mode.transport())
    }

    pub fn outgoing(&self) -> TransportType {
        let by_mode = if self.device_security_mode.is_tls() { TransportType::Tls } else { TransportType::Tcp };
        self.outgoing_transport_type.unwrap_or(by_mode)
    }
}

/// What a phone must be to register, and what it is told to be. Its CAPF fields are those of the phone's
/// CAPF information where that says nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneSecurityProfile {
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// Such as `Cisco Unified Client Services Framework`: which phones may name this profile, by their `product_type`.
    #[serde(default)]
    pub product_type: String,
    /// `SIP` is all there is.
    #[serde(default = "sip")]
    pub device_protocol: String,
    #[serde(default)]
    pub device_security_mode: SecurityMode,
    /// Default: `tls`; of a non-secure profile `tcp+udp`.
    #[serde(default)]
    pub transport_type: Option<TransportType>,
    /// On by default: whoever knows a phone's name is not yet that phone. Off, it must show its certificate.
    #[serde(default = "crate::yes")]
    pub enable_digest_authentication: bool,
    /// Minutes until a challenge is stale.
    #[serde(default = "nonce_validity")]
    pub nonce_validity_time_mins: u32,
    /// Its configuration leaves here encrypted to its certificate or not at all (default).
    #[serde(default = "crate::yes")]
    pub tftp_encrypted_config: bool,
    /// Its phones register by a token on the OAuth port, and by nothing else anywhere: neither digest nor certificate is
    /// asked of them.
    #[serde(default)]
    pub enable_oauth_authentication: bool,
    #[serde(default = "null_string")]
    pub authentication_mode: String,
    #[serde(default = "rsa_only")]
    pub key_order: String,
    #[serde(default = "rsa_bits")]
    pub rsa_key_size: u16,
    #[serde(default = "ec_bits")]
    pub ec_key_size: u16,
    /// Where the phone takes SIP: in its configuration, and over UDP also where it must come from.
    #[serde(default = "default_secure_port")]
    pub sip_phone_port: u16,
    /// Needed for `authenticated`: media in clear.
    #[serde(default)]
    pub dangerous_plain_rtp: bool,
}

impl Default for PhoneSecurityProfile {
    fn default() -> Self {
        PhoneSecurityProfile::of_none(SecurityMode::default())
    }
}

impl PhoneSecurityProfile {
    /// That of a phone which names none: its own mode, digest, and the defaults.
    pub(crate) fn of_none(mode: SecurityMode) -> PhoneSecurityProfile {
        PhoneSecurityProfile {
            name: String::new(),
            description: String::new(),
            product_type: String::new(),
            device_protocol: sip(),
            device_security_mode: mode,
            transport_type: None,
            enable_digest_authentication: true,
            nonce_validity_time_mins: nonce_validity(),
            tftp_encrypted_config: true,
            enable_oauth_authentication: false,
            authentication_mode: null_string(),
            key_order: rsa_only(),
            rsa_key_size: rsa_bits(),
            ec_key_size: ec_bits(),
            sip_phone_port: default_secure_port(),
            dangerous_plain_rtp: false,
        }
    }

    pub fn transport(&self) -> TransportType {
        self.transport_type.unwrap_or(self.device_security_mode.transport())
    }

    /// By what its phones are admitted.
    pub fn proof(&self) -> Proof {
        match (self.enable_oauth_authentication, self.enable_digest_authentication) {
            (true, _) => Proof::OAuth,
            (false, true) => Proof::Digest,
            (false, false) => Proof::Certificate,
        }
    }
}

/// What a phone proves itself by when it registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// A secret; and its certificate, where the site names one.
    Digest,
    /// Its certificate alone.
    Certificate,
    /// A token (RFC 8898).
    OAuth,
}

impl Proof {
    /// As security records have it.
    pub fn word(self) -> &'static str {
        match self {
            Proof::Digest => "digest",
            Proof::Certificate => "device certificate",
            Proof::OAuth => "oauth",
        }
    }
}

/// An application behind a trunk that proves itself by digest, and what it may do where the trunk's profile enables
/// application-level authorization.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationUser {
    pub name: String,
    pub digest_secret: String,
    #[serde(default)]
    pub accept_presence_subscription: bool,
    #[serde(default)]
    pub accept_out_of_dialog_refer: bool,
    #[serde(default)]
    pub accept_unsolicited_notification: bool,
    #[serde(default)]
    pub accept_replaces_header: bool,
}

/// Without the secret.
impl std::fmt::Debug for ApplicationUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApplicationUser").field("name", &self.name).finish_non_exhaustive()
    }
}

fn nonce_validity() -> u32 {
    600
}

fn sip() -> String {
    "SIP".into()
}

fn null_string() -> String {
    "null_string".into()
}

fn rsa_only() -> String {
    "rsa_only".into()
}

fn rsa_bits() -> u16 {
    2048
}

fn ec_bits() -> u16 {
    384
}
