//! URI references and their resolution (RFC 3986 §5.2).

/// The parts of a URI reference (RFC 3986 appendix B).
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

fn split(reference: &str) -> Parts<'_> {
    let scheme_end = reference.find(':').filter(|end| {
        reference.get(..*end).is_some_and(|scheme| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        })
    });
    let (scheme, rest) = match scheme_end {
        Some(end) => (reference.get(..end), reference.get(end + 1..).unwrap_or_default()),
        None => (None, reference),
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (rest.get(..end), rest.get(end..).unwrap_or_default())
        }
        None => (None, rest),
    };
    Parts { scheme, authority, path, query }
}

/// A reference without its fragment, and the fragment.
pub fn fragment(reference: &str) -> (&str, Option<&str>) {
    match reference.split_once('#') {
        Some((whole, fragment)) => (whole, Some(fragment)),
        None => (reference, None),
    }
}

/// `reference` as seen from `base`; the fragment is dropped.
pub fn resolve(base: &str, reference: &str) -> String {
    let (reference, _) = fragment(reference.trim());
    let (base, _) = fragment(base);
    if reference.is_empty() {
        return base.to_owned();
    }
    let (from, to) = (split(base), split(reference));
    if to.scheme.is_some() {
        return reference.to_owned();
    }
    let mut path = String::new();
    let mut query = to.query;
    if to.authority.is_some() {
        path.push_str(&without_dots(to.path));
    } else if to.path.is_empty() {
        path.push_str(from.path);
        query = query.or(from.query);
    } else if to.path.starts_with('/') {
        path.push_str(&without_dots(to.path));
    } else {
        let folder = from.path.rfind('/').and_then(|end| from.path.get(..=end)).unwrap_or_default();
        let root = if from.authority.is_some() && from.path.is_empty() { "/" } else { folder };
        path.push_str(&without_dots(&format!("{root}{}", to.path)));
    }
    let mut whole = from.scheme.map(|scheme| format!("{scheme}:")).unwrap_or_default();
    if let Some(authority) = to.authority.or(from.authority) {
        whole = format!("{whole}//{authority}");
    }
    whole.push_str(&path);
    if let Some(query) = query {
        whole = format!("{whole}?{query}");
    }
    whole
}

/// RFC 3986 §5.2.4.
fn without_dots(path: &str) -> String {
    let rooted = path.starts_with('/');
    let folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..") || path == "." || path == "..";
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "." | "" => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let body = kept.join("/");
    let end = if folder && !body.is_empty() { "/" } else { "" };
    format!("{}{body}{end}", if rooted { "/" } else { "" })
}

/// `application/x-www-form-urlencoded` (VoiceXML 2.0 §5.3.8).
pub fn form_encoded(pairs: &[(String, String)]) -> String {
    let one = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => char::from(byte).to_string(),
                b' ' => "+".to_owned(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    pairs.iter().map(|(name, value)| format!("{}={}", one(name), one(value))).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3986_5_4_examples() {
        let base = "http://a/b/c/d;p?q";
        for (reference, whole) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
        ] {
            assert_eq!(resolve(base, reference), whole, "{reference}");
        }
    }

    #[test]
    fn local_names_resolve_beside_each_other() {
        assert_eq!(resolve("app:/main.vxml", "menu/second.vxml#here"), "app:/menu/second.vxml");
        assert_eq!(resolve("app:/menu/second.vxml", "../../../etc/passwd"), "app:/etc/passwd");
        assert_eq!(resolve("main.vxml", "second.vxml"), "second.vxml");
    }

    #[test]
    fn a_form_is_encoded_as_html_says() {
        let pairs = [("a".to_owned(), "x y&z".to_owned()), ("b".to_owned(), "é".to_owned())];
        assert_eq!(form_encoded(&pairs), "a=x+y%26z&b=%C3%A9");
    }
}
