//! When two URIs are the same (RFC 3261 §19.1.4, RFC 3966 §4).

use super::{Scheme, Uri};

pub(super) fn matches(a: &Uri, b: &Uri) -> bool {
    if a.scheme != b.scheme {
        return false;
    }
    match a.scheme {
        Scheme::Sip | Scheme::Sips => sip(a, b),
        Scheme::Tel => tel(a, b),
        Scheme::Other(_) => a == b,
    }
}

fn sip(a: &Uri, b: &Uri) -> bool {
    a.user == b.user
        && a.password == b.password
        && same_host(a, b)
        && a.port == b.port
        && a.params.iter().all(|(name, _)| param_agrees(a, b, name))
        && b.params.iter().all(|(name, _)| param_agrees(a, b, name))
        && a.headers.len() == b.headers.len()
        && a.headers.iter().all(|header| b.headers.iter().any(|other| header_agrees(header, other)))
        && b.headers.iter().all(|header| a.headers.iter().any(|other| header_agrees(header, other)))
}

fn same_host(a: &Uri, b: &Uri) -> bool {
    match (a.ip(), b.ip()) {
        (Some(a), Some(b)) => a == b,
        _ => a.host.eq_ignore_ascii_case(&b.host),
    }
}

/// A parameter in one URI only is ignored, save those that change where or how a request goes.
fn param_agrees(a: &Uri, b: &Uri, name: &str) -> bool {
    match (a.param(name), b.param(name)) {
        (Some(a), Some(b)) => a.unwrap_or("").eq_ignore_ascii_case(b.unwrap_or("")),
        (None, None) => true,
        _ => !["user", "ttl", "method", "maddr", "transport"].contains(&name),
    }
}

fn header_agrees(a: &(String, String), b: &(String, String)) -> bool {
    a.0.eq_ignore_ascii_case(&b.0) && a.1 == b.1
}

fn tel(a: &Uri, b: &Uri) -> bool {
    let digits = |uri: &Uri| -> String {
        let number = uri.user.as_deref().unwrap_or("");
        number.chars().filter(|c| !"-.()".contains(*c)).map(|c| c.to_ascii_lowercase()).collect()
    };
    let has_all = |a: &Uri, b: &Uri| {
        a.params.iter().all(|(name, value)| {
            b.param(name).is_some_and(|other| other.unwrap_or("").eq_ignore_ascii_case(value.as_deref().unwrap_or("")))
        })
    };
    digits(a) == digits(b) && has_all(a, b) && has_all(b, a)
}
