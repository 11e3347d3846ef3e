//! What is asked for: method, resource, query, body.

use crate::error::Problem;
use crate::routes;

/// Where the API's resources begin.
pub(crate) const ROOT: &str = "/finesse/api";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Put,
    Post,
    Delete,
}

impl Method {
    pub fn word(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Delete => "DELETE",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: Method,
    pub path: &'a str,
    /// After the `?`; empty if there is none.
    pub query: &'a str,
    pub body: &'a str,
}

impl Request<'_> {
    /// The first value of this name.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        values(self.query, name).into_iter().next()
    }
}

/// All values of this name in a query.
pub(crate) fn values(query: &str, name: &str) -> Vec<String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(|(key, _)| *key == name).filter_map(|(_, value)| decode(&value.replace('+', " "))).collect()
}

/// What a path names. Ids of users are agents' ids; those of queues and teams are their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    SystemInfo,
    Users,
    User(String),
    Dialogs(String),
    Queues(String),
    UserReasonCodes(String),
    UserWrapUpReasons(String),
    Dialog(String),
    Queue(String),
    Team(String),
    ReasonCodes,
    ReasonCode(String),
    WrapUpReasons,
    WrapUpReason(String),
}

impl Resource {
    /// # Errors
    /// 404: there is nothing of this path.
    pub fn of(path: &str) -> Result<Resource, Problem> {
        let nothing = || Problem::not_found("resource", path);
        let below = path.strip_prefix(ROOT).and_then(|path| path.strip_prefix('/')).ok_or_else(nothing)?;
        let words: Vec<String> =
            below.trim_end_matches('/').split('/').map(decode).collect::<Option<_>>().ok_or_else(nothing)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        routes::of(&words).ok_or_else(nothing)
    }

    /// What an administrator may change elsewhere.
    pub(crate) fn is_configuration(&self) -> bool {
        matches!(
            self,
            Resource::ReasonCodes | Resource::ReasonCode(_) | Resource::WrapUpReasons | Resource::WrapUpReason(_)
        )
    }
}

/// `None`: what is escaped is no UTF-8 (RFC 3986 §2.1).
fn decode(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        match octet {
            b'%' => {
                let digit = |octet: Option<u8>| char::from(octet?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                // Two hexadecimal digits are at most 255.
                octets.push((high * 16 + low) as u8);
            }
            octet => octets.push(octet),
        }
    }
    String::from_utf8(octets).ok()
}

/// A name as a path's segment.
pub(crate) fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for octet in name.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(octet)),
            octet => encoded.push_str(&format!("%{octet:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_resources() {
        for (path, resource) in [
            ("/finesse/api/User/1001", Resource::User("1001".into())),
            ("/finesse/api/User/1001/", Resource::User("1001".into())),
            ("/finesse/api/User/a%20b/Dialogs", Resource::Dialogs("a b".into())),
            ("/finesse/api/User/1/ReasonCode/5", Resource::ReasonCode("5".into())),
            ("/finesse/api/Team/caf%C3%A9", Resource::Team("café".into())),
            ("/finesse/api/SystemInfo", Resource::SystemInfo),
        ] {
            assert_eq!(Resource::of(path), Ok(resource), "{path}");
        }
        for path in [
            "",
            "/",
            "/finesse/api",
            "/finesse/api/",
            "/finesse/api/User",
            "/finesse/apiUser/1",
            "/finesse/api/User/%ff",
            "/finesse/api/User/%4",
            "/finesse/api/user/1",
            "/finesse/api/User/1/2/3/4",
        ] {
            assert_eq!(Resource::of(path).unwrap_err().status, 404, "{path}");
        }
        assert_eq!(Resource::of(&format!("{ROOT}/Team/{}", encode("a/é b"))), Ok(Resource::Team("a/é b".into())));
    }

    #[test]
    fn queries_have_values() {
        assert_eq!(values("a=1&node=%2Fx+y&node=z&b", "node"), ["/x y", "z"]);
        assert_eq!(values("a=1", "b"), Vec::<String>::new());
    }
}
