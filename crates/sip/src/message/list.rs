//! Comma-separated lists (RFC 3261 §7.3.1): commas inside quotes and angle brackets do not separate.

/// The items of a list, trimmed. An empty item (`a,,b`) comes out empty, so that whoever reads it can refuse it; an
/// altogether empty list has no items.
pub(crate) struct List<'a> {
    rest: Option<&'a str>,
}

impl<'a> List<'a> {
    pub(crate) fn new(text: &'a str) -> List<'a> {
        List { rest: (!super::lex::trim(text).is_empty()).then_some(text) }
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        let end = item_len(text);
        let (item, rest) = text.split_at(end);
        self.rest = rest.strip_prefix(',');
        Some(super::lex::trim(item))
    }
}

/// Length of the first item. Quotes bind tighter than brackets; a quote or bracket that never closes takes the rest.
fn item_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    // The common case has no comma at all.
    if memchr::memchr(b',', bytes).is_none() {
        return bytes.len();
    }
    let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !bracketed => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            b',' if !quoted && !bracketed => return at,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        assert_eq!(List::new(text).collect::<Vec<_>>(), expect, "{text}");
    }

    #[test]
    fn items() {
        check("", &[]);
        check("  ", &[]);
        check("a", &["a"]);
        check(" a ,b,\tc ", &["a", "b", "c"]);
        check("a,,b,", &["a", "", "b", ""]);
        check(
            r#""Bell, A \", B" <sip:a,b@c>;x="1,2", <sip:d>"#,
            &[r#""Bell, A \", B" <sip:a,b@c>;x="1,2""#, "<sip:d>"],
        );
        check(r#""never closed, <sip:a>, b"#, &[r#""never closed, <sip:a>, b"#]);
    }
}
