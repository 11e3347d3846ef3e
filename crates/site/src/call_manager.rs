//! A call manager (CUCM): trunks, phones, and the profiles that they name.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::node::default_secure_port;
use crate::{ApplicationUser, OAuth, PhoneSecurityProfile, PhoneServices, SecurityMode, SipTrunkSecurityProfile};

/// A call manager (CUCM).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallManager {
    #[serde(rename = "sip_trunk_security_profile", default)]
    pub sip_trunk_security_profiles: Vec<SipTrunkSecurityProfile>,
    #[serde(rename = "phone_security_profile", default)]
    pub phone_security_profiles: Vec<PhoneSecurityProfile>,
    /// Whom trunks with digest authentication are challenged for.
    #[serde(rename = "application_user", default)]
    pub application_users: Vec<ApplicationUser>,
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
    /// Phones whose profile enables it register by a token on a port of its own; absent = none may.
    #[serde(default)]
    pub oauth: Option<OAuth>,
}

impl CallManager {
    pub fn profile(&self, name: &str) -> Option<&SipTrunkSecurityProfile> {
        self.sip_trunk_security_profiles.iter().find(|profile| profile.name == name)
    }

    pub fn phone_profile(&self, name: &str) -> Option<&PhoneSecurityProfile> {
        self.phone_security_profiles.iter().find(|profile| profile.name == name)
    }

    /// The profile that a phone names; or, if it names none, what its own words come to.
    pub fn profile_of(&self, phone: &Phone) -> PhoneSecurityProfile {
        let named = phone.device_security_profile.as_deref().and_then(|name| self.phone_profile(name));
        let own = || PhoneSecurityProfile::of_none(phone.device_security_mode.unwrap_or_default());
        named.cloned().unwrap_or_else(own)
    }
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
    /// May be left out where the profile enables no digest.
    #[serde(default)]
    pub digest_secret: String,
    /// Of a phone that names no profile: `encrypted` is TLS and SRTP or nothing (default).
    #[serde(default)]
    pub device_security_mode: Option<SecurityMode>,
    /// Device Security Profile: name of a `phone_security_profile`.
    #[serde(default)]
    pub device_security_profile: Option<String>,
    /// What kind of phone it is, for profiles that are for one kind.
    #[serde(default)]
    pub product_type: String,
    /// Owner User ID: whose tokens register it (their `sub`), where its profile enables OAuth; default its own name.
    #[serde(default)]
    pub owner: Option<String>,
    /// If given, the phone must show a certificate with this CN or SAN from the site's own CA.
    #[serde(default)]
    pub secure_certificate_subject: Option<String>,
}

impl Phone {
    /// Who must have been given the token that it registers by.
    pub fn owner(&self) -> &str {
        self.owner.as_deref().unwrap_or(&self.name)
    }
}

/// Without the secret: a site is printed in logs and test failures.
impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("name", &self.name)
            .field("line", &self.line)
            .field("device_security_mode", &self.device_security_mode)
            .field("device_security_profile", &self.device_security_profile)
            .field("secure_certificate_subject", &self.secure_certificate_subject)
            .finish_non_exhaustive()
    }
}
