//! What a call manager serves its phones beside calls: trust lists, configuration, certificates (CAPF), trust (TVS).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::PhoneSecurityProfile;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneServices {
    /// The mode that the cluster starts in: 1 mixed (default), 0 non-secure. `utils ctl set-cluster` changes it.
    #[serde(default = "mixed")]
    pub cluster_security_mode: u8,
    #[serde(default = "tftp")]
    pub tftp_port: u16,
    #[serde(default = "http")]
    pub http_port: u16,
    #[serde(default = "https")]
    pub https_port: u16,
    /// HTTPS where a phone may show its certificate, and then gets what is its alone.
    #[serde(default = "https_client")]
    pub https_client_port: u16,
    #[serde(default = "capf")]
    pub capf_port: u16,
    #[serde(default = "tvs")]
    pub tvs_port: u16,
    /// Service Activation of the Certificate Authority Proxy Function: off, no phone is given a certificate; those that have
    /// one keep it.
    #[serde(default = "crate::yes")]
    pub activate_capf: bool,
    /// Folder with firmware, locales and ring tones; absent = none.
    #[serde(default)]
    pub files: Option<String>,
    /// Signs lists and files with SHA-1, for phones that know nothing else.
    #[serde(default)]
    pub dangerous_sha1_signatures: bool,
    #[serde(rename = "device", default)]
    pub devices: Vec<PhoneDevice>,
}

/// The CAPF information and the file settings of a phone.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneDevice {
    /// Name of a phone of this call manager.
    pub phone: String,
    /// Its configuration leaves here encrypted to its certificate or not at all. This and what is below about keys: what
    /// is left out is as the phone's security profile has it.
    #[serde(default)]
    pub tftp_encrypted_config: Option<bool>,
    /// `install_upgrade`, `delete`, `troubleshoot`; absent = none. It runs once; change the date to have it run again.
    #[serde(default)]
    pub certificate_operation: Option<String>,
    /// `2026-12-31`: to the end of that day, UTC.
    #[serde(default)]
    pub operation_completes_by: Option<String>,
    #[serde(default)]
    pub authentication_mode: Option<String>,
    /// 4 to 16 digits, for `authentication_string`.
    #[serde(default)]
    pub authentication_secret: Option<String>,
    #[serde(default)]
    pub key_order: Option<String>,
    #[serde(default)]
    pub rsa_key_size: Option<u16>,
    #[serde(default)]
    pub ec_key_size: Option<u16>,
}

impl PhoneDevice {
    /// The phone's profile with what this row says instead.
    pub fn over(&self, profile: PhoneSecurityProfile) -> PhoneSecurityProfile {
        PhoneSecurityProfile {
            tftp_encrypted_config: self.tftp_encrypted_config.unwrap_or(profile.tftp_encrypted_config),
            authentication_mode: self.authentication_mode.clone().unwrap_or(profile.authentication_mode),
            key_order: self.key_order.clone().unwrap_or(profile.key_order),
            rsa_key_size: self.rsa_key_size.unwrap_or(profile.rsa_key_size),
            ec_key_size: self.ec_key_size.unwrap_or(profile.ec_key_size),
            ..profile
        }
    }

    /// The end of `operation_completes_by`, in seconds since 1970; `None` when there is none or it is no date.
    pub fn completes_by(&self) -> Option<u64> {
        end_of_day(self.operation_completes_by.as_deref()?)
    }
}

/// Without the secret.
impl fmt::Debug for PhoneDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhoneDevice")
            .field("phone", &self.phone)
            .field("certificate_operation", &self.certificate_operation)
            .field("authentication_mode", &self.authentication_mode)
            .finish_non_exhaustive()
    }
}

/// Seconds since 1970 at the end of a day written `YYYY-MM-DD`.
fn end_of_day(date: &str) -> Option<u64> {
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let (year, month, day): (i64, u32, u32) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    if year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let (first, next) = (acd::days(year, month, 1), acd::days(next_year, next_month, 1));
    let end = first + i64::from(day);
    if day == 0 || end > next { None } else { u64::try_from(end * 86_400).ok() }
}

fn mixed() -> u8 {
    1
}

fn tftp() -> u16 {
    69
}

fn http() -> u16 {
    6970
}

fn https() -> u16 {
    6971
}

fn https_client() -> u16 {
    6972
}

fn capf() -> u16 {
    3804
}

fn tvs() -> u16 {
    2445
}

#[cfg(test)]
mod tests {
    use super::{PhoneDevice, end_of_day};
    use crate::PhoneSecurityProfile;

    #[test]
    fn a_devices_row_goes_over_its_phones_profile() {
        let row: PhoneDevice = toml::from_str("phone = \"SEP1\"\nrsa_key_size = 4096").unwrap();
        let profile = PhoneSecurityProfile {
            authentication_mode: "existing_lsc".into(),
            rsa_key_size: 3072,
            tftp_encrypted_config: false,
            ..PhoneSecurityProfile::default()
        };
        let terms = row.over(profile.clone());
        assert_eq!(terms, PhoneSecurityProfile { rsa_key_size: 4096, ..profile });
    }

    #[test]
    fn days_end_when_they_end() {
        assert_eq!(end_of_day("1970-01-01"), Some(86_400));
        assert_eq!(end_of_day("2000-02-29"), Some(951_868_800));
        assert_eq!(end_of_day("2026-12-31"), Some(1_798_761_600));
        for date in ["2026-02-29", "2026-13-01", "26-1-1", "2026-00-10", "2026-01-32", "tomorrow", "2026-01-01-01"] {
            assert_eq!(end_of_day(date), None, "{date}");
        }
    }
}
