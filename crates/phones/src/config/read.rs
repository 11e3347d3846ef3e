//! A configuration as a phone reads it: what it needs of `SEP<MAC>.cnf.xml` to be reached and to be secure.

use std::fmt;

use roxmltree::{Document, Node};

use super::{SecurityMode, Transport};
use crate::capf::AuthMode;

/// What a phone was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// All of it; else only where CAPF is, and to which certificate the rest is encrypted.
    pub full: bool,
    pub security_mode: SecurityMode,
    pub transport: Transport,
    /// Where the phone takes SIP.
    pub sip_port: u16,
    /// Host and secure port of each, in order of priority.
    pub call_managers: Vec<(String, u16)>,
    pub tvs: Vec<(String, u16)>,
    pub capf: Option<super::Capf>,
    pub line: Option<ToldLine>,
    /// Hash of the certificate that the whole is encrypted to.
    pub encrypted_to: Option<String>,
}

/// The first line.
#[derive(Clone, PartialEq, Eq)]
pub struct ToldLine {
    pub number: String,
    /// Digest user and secret.
    pub digest: Option<(String, String)>,
}

/// Without the secret.
impl fmt::Debug for ToldLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToldLine").finish_non_exhaustive()
    }
}

impl Told {
    /// # Errors
    /// Words: it is no XML, or a number in it is none.
    pub fn read(text: &str) -> Result<Told, String> {
        let document = Document::parse(text).map_err(|error| format!("the configuration is no XML: {error}"))?;
        let root = document.root_element();
        let number = |node: Node<'_, '_>, name: &str, default: u16| match text_of(node, name) {
            Some(text) => text.parse().map_err(|_| format!("`{name}` is a number, not `{text}`")),
            None => Ok(default),
        };
        let mut call_managers = Vec::new();
        for manager in all(root, "callManager") {
            let host = text_of(manager, "processNodeName").unwrap_or_default();
            call_managers.push((host.to_owned(), number(manager, "securedSipPort", 5061)?));
        }
        let mut tvs = Vec::new();
        if let Some(list) = all(root, "TVS").next() {
            for member in all(list, "member") {
                let host = text_of(member, "address").unwrap_or_default();
                tvs.push((host.to_owned(), number(member, "port", 2445)?));
            }
        }
        let capf = match all(root, "capf").next() {
            Some(capf) => Some(super::Capf {
                mode: mode(number(root, "capfAuthMode", 2)?)?,
                host: text_of(capf, "processNodeName").unwrap_or_default().to_owned(),
                port: number(capf, "phonePort", 3804)?,
            }),
            None => None,
        };
        let line = all(root, "line").find(|line| text_of(*line, "featureID") == Some("9")).map(|line| ToldLine {
            number: text_of(line, "name").unwrap_or_default().to_owned(),
            digest: text_of(line, "authName")
                .zip(text_of(line, "authPassword"))
                .map(|(user, secret)| (user.to_owned(), secret.to_owned())),
        });
        Ok(Told {
            full: text_of(root, "fullConfig") == Some("true"),
            security_mode: match number(root, "deviceSecurityMode", 1)? {
                3 => SecurityMode::Encrypted,
                2 => SecurityMode::Authenticated,
                _ => SecurityMode::NonSecure,
            },
            transport: match number(root, "transportLayerProtocol", 2)? {
                3 => Transport::Tls,
                1 => Transport::Tcp,
                _ => Transport::Udp,
            },
            sip_port: number(root, "voipControlPort", 5060)?,
            call_managers,
            tvs,
            capf,
            line,
            encrypted_to: text_of(root, "certHash").filter(|hash| !hash.is_empty()).map(str::to_owned),
        })
    }
}

fn mode(code: u16) -> Result<AuthMode, String> {
    let all = [AuthMode::AuthenticationString, AuthMode::NullString, AuthMode::ExistingLsc, AuthMode::ExistingMic];
    let found = all.into_iter().find(|mode| u16::from(mode.code()) == code);
    found.ok_or_else(|| format!("`capfAuthMode` is 1 to 4, not {code}"))
}

/// Elements of this name, at any depth.
fn all<'a, 'i: 'a>(root: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    root.descendants().filter(move |node| node.has_tag_name(name))
}

fn text_of<'a>(root: Node<'a, '_>, name: &str) -> Option<&'a str> {
    root.descendants().find(|node| node.has_tag_name(name)).and_then(|node| node.text()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::device;

    #[test]
    fn a_phone_reads_what_was_written_for_it() {
        let device = device();
        let told = Told::read(&device.full()).expect("ours");
        assert!(told.full && told.encrypted_to.is_none());
        assert_eq!(
            (told.security_mode, told.transport, told.sip_port),
            (SecurityMode::Encrypted, Transport::Tls, 5061)
        );
        assert_eq!(told.call_managers, [("cucm1.lab.example".to_owned(), 5061)]);
        assert_eq!(told.tvs, [("cucm1.lab.example".to_owned(), 2445)]);
        assert_eq!(told.capf, device.capf);
        let line = told.line.expect("a line");
        assert_eq!((line.number.as_str(), &line.digest), ("1001", &device.lines[0].digest));
        assert!(!format!("{line:?}").contains("secret"));
        let short = Told::read(&device.short("c72b")).expect("ours");
        assert!(!short.full && short.line.is_none());
        assert_eq!((short.encrypted_to.as_deref(), short.capf), (Some("c72b"), device.capf));
    }

    #[test]
    fn what_is_no_configuration_is_said_to_be_none() {
        for (text, words) in [
            ("", "no XML"),
            ("<device>", "no XML"),
            ("<device><deviceSecurityMode>x</deviceSecurityMode></device>", "a number, not `x`"),
            ("<device><capfAuthMode>9</capfAuthMode><capf/></device>", "1 to 4, not 9"),
        ] {
            assert!(Told::read(text).expect_err(text).contains(words), "{text}");
        }
    }
}
