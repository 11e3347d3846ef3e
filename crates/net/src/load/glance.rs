//! What the load tool reads of a message: the lines it answers by, as they stand (RFC 3261 §7). Not a parser: a peer under
//! test is trusted to write SIP.

use std::fmt::Write;

use super::words::{FIRST_TAG, SUITE};

/// Slices of one message.
#[derive(Debug, Default)]
pub(super) struct Glance<'a> {
    /// Of a response; 0 in a request.
    pub status: u16,
    pub reason: &'a str,
    /// Of a request the first line's, of a response CSeq's.
    pub method: &'a str,
    pub vias: Lines<'a>,
    pub record_routes: Lines<'a>,
    pub from: &'a str,
    pub to: &'a str,
    pub call_id: &'a str,
    pub cseq: &'a str,
    pub contact: &'a str,
    pub challenges: Lines<'a>,
    /// With the empty line before it.
    body: &'a [u8],
}

/// A header's values in the order of their lines.
pub(super) type Lines<'a> = Vec<&'a str>;

impl<'a> Glance<'a> {
    /// `None`: this is no SIP message of the kind that the tool's peers send.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Glance<'a>> {
        let head = memchr::memmem::find(bytes, b"\r\n\r\n")?;
        let text = std::str::from_utf8(bytes.get(..head)?).ok()?;
        let mut lines = text.split("\r\n");
        let first = lines.next()?;
        let mut glance = Glance { body: bytes.get(head..)?, ..Glance::default() };
        if let Some(rest) = first.strip_prefix("SIP/2.0 ") {
            let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
            (glance.status, glance.reason) = (code.parse().ok()?, reason);
        }
        for line in lines {
            let (name, value) = line.split_once(':')?;
            let value = value.trim();
            match name.len() {
                1 => match name.as_bytes() {
                    b"v" => glance.vias.push(value),
                    b"f" => glance.from = value,
                    b"t" => glance.to = value,
                    b"i" => glance.call_id = value,
                    b"m" => glance.contact = value,
                    _ => {}
                },
                2 if name.eq_ignore_ascii_case("To") => glance.to = value,
                3 if name.eq_ignore_ascii_case("Via") => glance.vias.push(value),
                4 if name.eq_ignore_ascii_case("From") => glance.from = value,
                4 if name.eq_ignore_ascii_case("CSeq") => glance.cseq = value,
                7 if name.eq_ignore_ascii_case("Call-ID") => glance.call_id = value,
                7 if name.eq_ignore_ascii_case("Contact") => glance.contact = value,
                12 if name.eq_ignore_ascii_case("Record-Route") => glance.record_routes.push(value),
                16 if name.eq_ignore_ascii_case("WWW-Authenticate") => glance.challenges.push(value),
                18 if name.eq_ignore_ascii_case("Proxy-Authenticate") => glance.challenges.push(value),
                _ => {}
            }
        }
        let of_cseq = glance.cseq.rsplit(' ').next()?;
        glance.method = if glance.status == 0 { first.split(' ').next()? } else { of_cseq };
        (!glance.call_id.is_empty() && !glance.vias.is_empty()).then_some(glance)
    }

    /// The URI of Contact: what later requests of the dialog are addressed to.
    pub(super) fn contact_uri(&self) -> Option<&'a str> {
        let inside = self.contact.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
        inside.map(|(uri, _)| uri).or_else(|| self.contact.split(';').next()).filter(|uri| !uri.is_empty())
    }

    /// Route lines for the side that called: Record-Route from its last line to its first (RFC 3261 §12.1.2).
    pub(super) fn routes_of_caller(&self) -> String {
        let mut routes = String::new();
        for line in self.record_routes.iter().rev() {
            // Values on one line are turned round too.
            for value in line.split(',').rev() {
                let _ = write!(routes, "Route: {}\r\n", value.trim()); // a String takes everything
            }
        }
        routes
    }

    /// Of the offered crypto line that the tool takes (RFC 4568 §5.1.1: an answer repeats its tag).
    pub(super) fn crypto_tag(&self) -> &'a str {
        let body = std::str::from_utf8(self.body).unwrap_or_default();
        let mut offered = body.split("\r\n").filter_map(|line| line.strip_prefix("a=crypto:")?.split_once(' '));
        offered.find(|(_, rest)| rest.starts_with(SUITE)).map_or(FIRST_TAG, |(tag, _)| tag)
    }

    /// What every response to this request repeats (RFC 3261 §8.2.6.2), To with our tag.
    pub(super) fn echo(&self, tag: &str) -> String {
        let mut text = String::with_capacity(512);
        for via in &self.vias {
            let _ = write!(text, "Via: {via}\r\n");
        }
        for route in &self.record_routes {
            let _ = write!(text, "Record-Route: {route}\r\n");
        }
        let _ = write!(text, "From: {}\r\nTo: {}", self.from, self.to);
        if !self.to.contains(";tag=") {
            let _ = write!(text, ";tag={tag}");
        }
        let _ = write!(text, "\r\nCall-ID: {}\r\nCSeq: {}\r\n", self.call_id, self.cseq);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_and_its_echo() {
        let text = "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/TLS a\r\nv: SIP/2.0/TLS b\r\nRecord-Route: <sip:p;lr>\r\nf: <sip:a>;tag=1\r\n\
                    To: <sip:b>\r\ni: x@y\r\nCSeq: 7 INVITE\r\nm: <sip:a@c:5061;transport=tls>;x=y\r\nl: 2\r\n\r\nv=";
        let glance = Glance::of(text.as_bytes()).unwrap();
        assert_eq!((glance.method, glance.status, glance.crypto_tag()), ("INVITE", 0, FIRST_TAG));
        assert_eq!(glance.contact_uri(), Some("sip:a@c:5061;transport=tls"));
        let echo = glance.echo("2");
        assert_eq!(
            echo,
            "Via: SIP/2.0/TLS a\r\nVia: SIP/2.0/TLS b\r\nRecord-Route: <sip:p;lr>\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\n\
             Call-ID: x@y\r\nCSeq: 7 INVITE\r\n"
        );
    }

    #[test]
    fn a_response_and_its_routes() {
        let text = "SIP/2.0 200 Fine\r\nVia: a\r\nRecord-Route: <sip:1;lr>,<sip:2;lr>\r\nRecord-Route: <sip:3;lr>\r\nCall-ID: c\r\n\
                    CSeq: 1 INVITE\r\nContact: sip:b@c;x=y\r\n\r\n";
        let glance = Glance::of(text.as_bytes()).unwrap();
        assert_eq!((glance.method, glance.status, glance.reason), ("INVITE", 200, "Fine"));
        assert_eq!(glance.routes_of_caller(), "Route: <sip:3;lr>\r\nRoute: <sip:2;lr>\r\nRoute: <sip:1;lr>\r\n");
        assert_eq!(glance.contact_uri(), Some("sip:b@c"));
    }

    #[test]
    fn the_crypto_line_that_the_tool_can_take_is_found_behind_others() {
        let body = "v=0\r\na=crypto:1 AEAD_AES_256_GCM inline:a\r\na=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:b\r\n";
        let text = format!("INVITE sip:b@h SIP/2.0\r\nVia: a\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n{body}");
        assert_eq!(Glance::of(text.as_bytes()).unwrap().crypto_tag(), "7");
    }

    #[test]
    fn what_is_no_message_is_none() {
        for text in
            ["", "\r\n\r\n", "SIP/2.0 abc\r\nVia: a\r\nCall-ID: b\r\n\r\n", "INVITE x SIP/2.0\r\nCall-ID: c\r\n\r\n"]
        {
            assert!(Glance::of(text.as_bytes()).is_none(), "{text}");
        }
    }
}
