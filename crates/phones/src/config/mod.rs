//! What a phone is configured with: `SEP<MAC>.cnf.xml` and the files that it names.
//!
//! Plain text comes out; [`crate::sign_file`] and [`crate::encrypt`] make the signed and encrypted forms of it.

mod device;
mod files;
mod read;
#[cfg(test)]
mod tests;
mod xml;

pub use device::{CallManager, Capf, Device, Line, SecurityMode, SpeedDial, Transport, VendorConfig};
pub use files::{
    DialRule, FeaturePolicy, RingTone, SoftKeySet, default_device, dial_template, feature_policy, ring_list, soft_keys,
};

pub use read::{Told, ToldLine};
pub(crate) use xml::Xml;

/// A phone's device name, `SEP` and twelve upper-case hex digits, from a MAC address in any usual spelling.
pub fn device_name(mac: &str) -> Option<String> {
    let digits: String = mac.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect::<String>().to_ascii_uppercase();
    (digits.len() == 12 && digits.bytes().all(|c| c.is_ascii_hexdigit())).then(|| format!("SEP{digits}"))
}

/// Which file a phone asks for by this name; `None` for those that are not made from its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `CTLSEP<MAC>.tlv`, `CTLFile.tlv`.
    Ctl,
    /// `ITLSEP<MAC>.tlv`, `ext_ITLSEP<MAC>.tlv`, `ITLFile.tlv`.
    Itl,
    /// `SEP<MAC>.cnf.xml`, in one of its forms.
    Device { device: String, form: Form },
}

/// In which form a configuration is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Plain,
    Signed,
    EncryptedSigned,
    Encrypted,
}

impl Asked {
    /// From a file's name, without a folder.
    pub fn of(name: &str) -> Option<Asked> {
        let list = |prefix: &str| {
            let rest = name.strip_prefix(prefix)?.strip_suffix(".tlv")?;
            (rest == "File" || is_device(rest)).then_some(())
        };
        if list("CTL").is_some() {
            return Some(Asked::Ctl);
        }
        if list("ITL").is_some() || list("ext_ITL").is_some() {
            return Some(Asked::Itl);
        }
        let (device, suffix) = name.split_once('.')?;
        let form = match suffix {
            "cnf.xml" => Form::Plain,
            "cnf.xml.sgn" => Form::Signed,
            "cnf.xml.enc.sgn" => Form::EncryptedSigned,
            "cnf.xml.enc" => Form::Encrypted,
            _ => return None,
        };
        // The file of no phone and of every phone.
        (is_device(device) && device != "XMLDefault").then(|| Asked::Device { device: device.to_owned(), form })
    }
}

/// Whose list a file's name asks for: `CTLSEP<MAC>.tlv` is one phone's; `CTLFile.tlv` is every phone's, and so nobody's.
pub fn whose_list(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("ext_").unwrap_or(name);
    let device = rest.strip_prefix("CTL").or_else(|| rest.strip_prefix("ITL"))?.strip_suffix(".tlv")?;
    (device != "File" && is_device(device)).then_some(device)
}

/// Any name that a site gives a phone: a file's name must not be a path.
fn is_device(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
}
