//! The LDAP directory in which people are looked up who have no account in the store: where it is, who vouches for it, how
//! somebody is found there, and which of its groups may do what.

use serde::{Deserialize, Serialize};

use crate::ldap_filter::Filter;

/// What a filter says in the place of the name that somebody typed.
const NAME: &str = "{name}";
/// And of the entry that was found by it.
const DN: &str = "{dn}";

/// `[directory]`: absent, nobody but the accounts of the store may log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// `ldaps://HOST[:PORT]`, or `ldap://HOST[:PORT]` for StartTLS; several are asked in this order until one answers.
    pub url: Vec<String>,
    /// Who vouches for its certificate: `corp` for roots/corp.pem; absent: the site's own CA.
    #[serde(default)]
    pub authority: Option<String>,
    /// Says names and passwords in the clear.
    #[serde(default)]
    pub dangerous_plain_ldap: bool,
    /// As whom people are looked up; absent: as nobody (anonymously).
    #[serde(default)]
    pub bind_dn: Option<String>,
    /// A file in the data directory whose first line is the password of that.
    #[serde(default)]
    pub bind_password_file: Option<String>,
    /// Below which people are.
    pub base: String,
    /// RFC 4515; `{name}` is what somebody typed.
    #[serde(default = "user_filter")]
    pub user_filter: String,
    /// Where an entry has the id of the agent that somebody is; absent: it is their name.
    #[serde(default)]
    pub agent_attribute: Option<String>,
    /// Where an entry has the names of its groups.
    #[serde(default = "group_attribute")]
    pub group_attribute: String,
    /// Below which groups are, if they are to be searched instead: those that `group_filter` fits.
    #[serde(default)]
    pub group_base: Option<String>,
    /// RFC 4515; `{dn}` is the entry of who was found, `{name}` what they typed.
    #[serde(default = "group_filter")]
    pub group_filter: String,
    /// Names (DN) of groups; who is in several has the most that one of them gives.
    #[serde(default)]
    pub agent_groups: Vec<String>,
    #[serde(default)]
    pub supervisor_groups: Vec<String>,
    #[serde(default)]
    pub administrator_groups: Vec<String>,
}

/// One of its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapServer {
    /// A name or an address, as its certificate has it.
    pub host: String,
    pub port: u16,
    /// From the first octet; otherwise by StartTLS, or not at all.
    pub tls: bool,
}

impl Directory {
    /// # Errors
    /// What is wrong with a URL.
    pub fn servers(&self) -> Result<Vec<LdapServer>, String> {
        self.url.iter().map(|url| LdapServer::read(url)).collect()
    }

    /// Who may have this name.
    ///
    /// # Errors
    /// What is wrong with the filter.
    pub fn user_filter(&self, name: &str) -> Result<Filter, String> {
        filled(&self.user_filter, &[(NAME, name)])
    }

    /// What groups the entry of this name, whose DN is `dn`, is in.
    ///
    /// # Errors
    /// What is wrong with the filter.
    pub fn group_filter(&self, name: &str, dn: &str) -> Result<Filter, String> {
        filled(&self.group_filter, &[(NAME, name), (DN, dn)])
    }

    /// Whether the filter makes a difference between people.
    pub(crate) fn asks_for_the_name(&self) -> bool {
        self.user_filter.contains(NAME)
    }

    pub(crate) fn asks_for_who_was_found(&self) -> bool {
        self.group_filter.contains(NAME) || self.group_filter.contains(DN)
    }
}

/// In one pass, so that what somebody typed is never looked through for more.
fn filled(template: &str, values: &[(&str, &str)]) -> Result<Filter, String> {
    let (mut text, mut rest) = (String::new(), template);
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        rest = match values.iter().find_map(|(name, value)| Some((from.strip_prefix(name)?, value))) {
            Some((after, value)) => {
                text.push_str(&crate::ldap_filter::escaped(value));
                after
            }
            None => {
                text.push('{');
                from.get(1..).unwrap_or_default()
            }
        };
    }
    text.push_str(rest);
    Filter::read(&text)
}

impl LdapServer {
    /// # Errors
    /// What is wrong with it.
    pub fn read(url: &str) -> Result<LdapServer, String> {
        let expected = || {
            format!(
                "`{url}` is no server of a directory: expected ldaps://HOST, ldaps://HOST:PORT, or the same with ldap://"
            )
        };
        let (tls, rest) = match (url.strip_prefix("ldaps://"), url.strip_prefix("ldap://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(expected()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let usual = if tls { 636 } else { 389 };
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, after)) => (host, after.strip_prefix(':').or_else(|| after.is_empty().then_some(""))),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, Some("")),
            },
        };
        let port = match port.ok_or_else(expected)? {
            "" => usual,
            port => port.parse().ok().filter(|port| *port != 0).ok_or_else(expected)?,
        };
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
        if host.is_empty() || !host.bytes().all(letter) {
            return Err(expected());
        }
        Ok(LdapServer { host: host.to_owned(), port, tls })
    }
}

impl std::fmt::Display for LdapServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "ldaps" } else { "ldap" };
        let LdapServer { host, port, .. } = self;
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}"),
            false => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

/// Whether two names of entries (RFC 4514) are one's: letters' case and spaces around `,`, `+` and `=` make no difference.
/// Escapes are compared as they are written.
pub fn is_same_dn(one: &str, other: &str) -> bool {
    let plain = |dn: &str| {
        let mut out = String::new();
        let mut escaped = false;
        for c in dn.chars() {
            let parts = matches!(c, ',' | '+' | '=') && !escaped;
            if parts {
                out.truncate(out.trim_end().len());
            }
            let after = out.ends_with([',', '+', '=']) && !out.ends_with("\\,") && !out.ends_with("\\+");
            if !(c == ' ' && (out.is_empty() || after)) {
                out.extend(c.to_lowercase());
            }
            escaped = c == '\\' && !escaped;
        }
        out.truncate(out.trim_end().len());
        out
    };
    plain(one) == plain(other)
}

fn user_filter() -> String {
    "(uid={name})".into()
}

fn group_attribute() -> String {
    "memberOf".into()
}

fn group_filter() -> String {
    "(member={dn})".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_and_what_is_none_is_said() {
        for (url, read) in [
            ("ldaps://ldap.lab.example", "ldaps://ldap.lab.example:636"),
            ("ldap://10.0.0.5/", "ldap://10.0.0.5:389"),
            ("ldaps://ldap:1636", "ldaps://ldap:1636"),
            ("ldaps://[2001:db8::1]:1636", "ldaps://[2001:db8::1]:1636"),
            ("ldaps://[2001:db8::1]", "ldaps://[2001:db8::1]:636"),
        ] {
            assert_eq!(LdapServer::read(url).unwrap().to_string(), read);
        }
        for url in [
            "",
            "ldap.lab.example",
            "http://x",
            "ldaps://",
            "ldaps://x:0",
            "ldaps://x:99999",
            "ldaps://[::1]x",
            "ldaps://a/dc=b",
            "ldapi://%2fvar",
            "ldaps://a b",
        ] {
            assert!(LdapServer::read(url).unwrap_err().contains("expected ldaps://HOST"), "{url}");
        }
    }

    #[test]
    fn names_of_groups_are_compared_as_directories_do() {
        for (one, other) in [
            ("CN=Agents,OU=Groups,DC=lab,DC=example", "cn=agents, ou=groups , dc=lab,dc = example"),
            ("cn=a b,dc=x", "CN=A B,DC=X "),
        ] {
            assert!(is_same_dn(one, other), "{one} | {other}");
        }
        for (one, other) in
            [("cn=a,dc=x", "cn=ab,dc=x"), ("cn=a\\, b,dc=x", "cn=a,b,dc=x"), ("cn=ab,dc=x", "cn=a b,dc=x")]
        {
            assert!(!is_same_dn(one, other), "{one} | {other}");
        }
    }

    #[test]
    fn what_somebody_typed_stays_a_value() {
        let fields = r#"url = ["ldaps://x"]
base = "dc=x"
user_filter = "(&(objectClass=person)(uid={name}))"
"#;
        let directory: Directory = toml::from_str(fields).unwrap();
        let is = |attribute: &str, value: &str| Filter::Is(attribute.into(), value.as_bytes().to_vec());
        for name in ["ada", "*", "a)(uid=*", "a\\2a", "{dn}", "\u{e9}\0"] {
            let expected = Filter::And(vec![is("objectClass", "person"), is("uid", name)]);
            assert_eq!(directory.user_filter(name).unwrap(), expected);
        }
        let group = directory.group_filter("{dn}", "cn=A (B)*,dc=x").unwrap();
        assert_eq!(group, is("member", "cn=A (B)*,dc=x"));
    }
}
