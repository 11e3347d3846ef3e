//! Quick looks at header values that are only compared or repeated, without decoding them.

use crate::message::name_addr::NameAddrView;
use crate::message::params::Params;

/// The URI of a name-addr or addr-spec as written; empty when there is none.
pub(crate) fn uri(value: &str) -> &str {
    NameAddrView::split(value).map_or("", |view| view.uri)
}

/// A header parameter (not one of the URI), e.g. `tag` of From. Empty when it has no value.
pub(crate) fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let view = NameAddrView::split(value).ok()?;
    Params::find(view.params, name).map(Option::unwrap_or_default)
}

pub(crate) fn tag(value: &str) -> Option<&str> {
    param(value, "tag").filter(|tag| !tag.is_empty())
}

/// The user part of a URI, as written.
pub(crate) fn user(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once(':')?;
    let (user, _) = rest.split_once('@')?;
    Some(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_and_tags() {
        let value = r#""A <\" B;tag=no" <sip:a@b;transport=tls>;TAG=x1;q=1"#;
        assert_eq!(uri(value), "sip:a@b;transport=tls");
        assert_eq!(tag(value), Some("x1"));
        assert_eq!(uri("sip:a@b;tag=7"), "sip:a@b");
        assert_eq!(tag("sip:a@b;tag=7"), Some("7"));
        assert_eq!(tag("<sip:a@b;tag=7>"), None);
        assert_eq!(user("sip:a;x@b"), Some("a;x"));
        assert_eq!(user("sip:b"), None);
    }
}
