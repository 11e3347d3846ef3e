//! Provisioning of other makers' phones: each file says what all of them are told, in that maker's words. SIP over TLS,
//! SRTP or nothing, the server's certificate checked against the site's root.

mod files;
#[cfg(test)]
mod tests;

use crate::config::Xml;

/// Whose phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Make {
    Yealink,
    Grandstream,
    Snom,
    Poly,
    Baresip,
    Linphone,
}

impl Make {
    pub const ALL: [Make; 6] =
        [Make::Yealink, Make::Grandstream, Make::Snom, Make::Poly, Make::Baresip, Make::Linphone];

    /// As a site file and a URL write it.
    pub fn word(self) -> &'static str {
        match self {
            Make::Yealink => "yealink",
            Make::Grandstream => "grandstream",
            Make::Snom => "snom",
            Make::Poly => "poly",
            Make::Baresip => "baresip",
            Make::Linphone => "linphone",
        }
    }

    pub fn of_word(word: &str) -> Option<Make> {
        Make::ALL.into_iter().find(|make| make.word() == word)
    }
}

/// A phone of any make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handset {
    /// Twelve hex digits, lower case.
    pub mac: String,
    /// Directory number and SIP user.
    pub number: String,
    pub display_name: String,
    pub auth_user: String,
    pub secret: String,
    /// Host name of the call manager, as its certificate has it.
    pub server: String,
    pub port: u16,
    /// Where the phone gets the site's root certificate.
    pub root_url: String,
    /// Seconds.
    pub register_expires_s: u32,
}

/// A file that a phone asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct ProvisioningFile {
    pub name: String,
    pub text: String,
}

/// What this phone asks for, under the names it asks by.
///
/// # Errors
/// A value has a line break or another control character in it, which could say something else in a file of lines.
pub fn files(make: Make, handset: &Handset) -> Result<Vec<ProvisioningFile>, String> {
    let values = [
        ("mac", &handset.mac),
        ("number", &handset.number),
        ("display name", &handset.display_name),
        ("authentication user", &handset.auth_user),
        ("secret", &handset.secret),
        ("server", &handset.server),
        ("root URL", &handset.root_url),
    ];
    for (what, value) in values {
        if value.chars().any(|c| c.is_control() || matches!(c, '"' | '<' | '>' | ';') && what != "display name") {
            return Err(format!("the {what} has a character that means something else in a phone's file: take it out"));
        }
    }
    let mac = handset.mac.to_ascii_lowercase();
    let file = |name: String, text: String| ProvisioningFile { name, text };
    Ok(match make {
        Make::Yealink => vec![file(format!("{mac}.cfg"), files::yealink(handset))],
        Make::Grandstream => vec![file(format!("cfg{mac}.xml"), files::grandstream(handset))],
        Make::Snom => vec![file(format!("snom-{}.htm", mac.to_ascii_uppercase()), files::snom(handset))],
        Make::Poly => vec![
            file(format!("{mac}.cfg"), files::poly_master(&mac)),
            file(format!("{mac}-phone.cfg"), files::poly(handset)),
        ],
        Make::Baresip => vec![
            file("accounts".into(), files::baresip_account(handset)),
            file("config".into(), files::baresip_config(handset)),
        ],
        Make::Linphone => vec![file(format!("{mac}.xml"), files::linphone(handset))],
    })
}
