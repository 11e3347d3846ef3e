//! A call manager (CUCM): security profiles, trunks, phones.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::PhoneServices;
use crate::node::default_secure_port;

/// A call manager (CUCM).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallManager {
    #[serde(rename = "sip_trunk_security_profile", default)]
    pub sip_trunk_security_profiles: Vec<SipTrunkSecurityProfile>,
    #[serde(rename = "sip_trunk", default)]
    pub sip_trunks: Vec<SipTrunk>,
    #[serde(rename = "phone", default)]
    pub phones: Vec<Phone>,
    /// Digest realm; default the site's domain.
    #[serde(default)]
    pub realm: Option<String>,
    /// Trust lists, configuration, CAPF and TVS for its phones; absent = none of them.
    #[serde(default)]
    pub phone_services: Option<PhoneServices>,
}

impl CallManager {
    pub fn profile(&self, name: &str) -> Option<&SipTrunkSecurityProfile> {
        self.sip_trunk_security_profiles.iter().find(|profile| profile.name == name)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SipTrunkSecurityProfile {
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// `encrypted` (default), `non_secure` only with `dangerous_plain_sip`.
    #[serde(default = "encrypted")]
    pub device_security_mode: String,
    /// Secure Certificate Subject or Subject Alternate Name.
    #[serde(default)]
    pub secure_certificate_subject: Vec<String>,
    /// The authority that issues them: `carrier` is roots/carrier.pem in the data directory; absent = the site's own CA.
    #[serde(default)]
    pub authority: Option<String>,
    #[serde(default = "default_secure_port")]
    pub incoming_port: u16,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SipTrunk {
    pub name: String,
    pub destination_address: IpAddr,
    #[serde(default = "default_secure_port")]
    pub destination_port: u16,
    pub sip_trunk_security_profile: String,
    /// SRTP required (default). `false` only with `dangerous_plain_rtp = true`.
    #[serde(default = "crate::yes")]
    pub srtp_allowed: bool,
    #[serde(default)]
    pub dangerous_plain_rtp: bool,
    /// Seconds between OPTIONS; absent = none.
    #[serde(default)]
    pub options_ping_s: Option<u32>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phone {
    /// `SEP001122334455` or any name.
    pub name: String,
    /// Directory number of its line: also its digest user.
    pub line: String,
    pub digest_secret: String,
    /// `encrypted`: TLS and SRTP or nothing (default).
    #[serde(default = "encrypted")]
    pub device_security_mode: String,
    /// If given, the phone must show a certificate with this CN or SAN as well as digest.
    #[serde(default)]
    pub secure_certificate_subject: Option<String>,
}

/// Without the secret: a site is printed in logs and test failures.
impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("name", &self.name)
            .field("line", &self.line)
            .field("device_security_mode", &self.device_security_mode)
            .field("secure_certificate_subject", &self.secure_certificate_subject)
            .finish_non_exhaustive()
    }
}

pub(crate) const ENCRYPTED: &str = "encrypted";

fn encrypted() -> String {
    ENCRYPTED.into()
}
