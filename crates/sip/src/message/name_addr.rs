//! `"Display" <uri>;params` (RFC 3261 §20.10, §25.1): From, To, Contact, Route, Refer-To and their kin.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::params::{self, Params};
use super::{ParseError, lex};
use crate::uri::Uri;
use crate::uri::view::UriView;

/// `"Display" <uri>;params` as in From, To, Contact, Route, Refer-To.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameAddr {
    /// Without quotes and escapes.
    pub display: Option<String>,
    pub uri: Uri,
    /// Header parameters in order, names in lower case (`tag`, `expires`, …), values as written: a quoted string keeps
    /// its quotes ([`NameAddr::param`] takes them off).
    pub params: Vec<(String, Option<String>)>,
}

impl NameAddr {
    pub fn new(uri: Uri) -> NameAddr {
        NameAddr { display: None, uri, params: Vec::new() }
    }

    /// One value: `name-addr` or `addr-spec`, with parameters.
    pub fn parse(text: &str) -> Result<NameAddr, ParseError> {
        let view = NameAddrView::scan(text)?;
        Ok(NameAddr {
            display: (!view.display.is_empty())
                .then(|| lex::unquote(view.display).into_owned())
                .filter(|display| !display.is_empty()),
            uri: Uri::parse(view.uri)?,
            params: params::owned(view.params)?,
        })
    }

    pub fn tag(&self) -> Option<&str> {
        let (_, value) = self.params.iter().find(|(name, _)| name == "tag")?;
        value.as_deref()
    }

    pub fn with_tag(self, tag: &str) -> NameAddr {
        self.with_param("tag", Some(tag))
    }

    pub fn without_tag(mut self) -> NameAddr {
        self.params.retain(|(name, _)| name != "tag");
        self
    }

    pub fn with_display(mut self, display: &str) -> NameAddr {
        self.display = (!display.is_empty()).then(|| display.to_owned());
        self
    }

    /// Adds the parameter, or replaces it where it stands. The value is written as it is given.
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> NameAddr {
        let value = value.map(str::to_owned);
        match self.params.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(param) => param.1 = value,
            None => self.params.push((name.to_ascii_lowercase(), value)),
        }
        self
    }

    /// The value of a header parameter without its quotes: `None` when absent, empty when it has no value.
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        params::get(&self.params, name)
    }

    /// `expires` of a Contact, in seconds; what does not fit is the most that can be said.
    pub fn expires(&self) -> Option<u32> {
        lex::delta_seconds(&self.param("expires")?)
    }

    /// `q` of a Contact in thousandths, 0–1000; 1000 when it is absent or not a number (RFC 3261 §20.10).
    pub fn q(&self) -> u16 {
        let Some(value) = self.param("q") else {
            return 1000;
        };
        let (whole, fraction) = value.split_once('.').unwrap_or((&value, ""));
        let mut digits = fraction.bytes();
        let mut digit = || u16::from(digits.next().filter(u8::is_ascii_digit).unwrap_or(b'0') - b'0');
        match whole {
            "0" | "" => digit() * 100 + digit() * 10 + digit(),
            _ => 1000,
        }
    }
}

impl FromStr for NameAddr {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<NameAddr, ParseError> {
        NameAddr::parse(text)
    }
}

impl fmt::Display for NameAddr {
    /// Always with angle brackets, so that parameters of the URI and of the header field cannot be taken for each other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", lex::quote(display))?;
        }
        write!(f, "<{}>", self.uri)?;
        params::write(f, &self.params)
    }
}

/// The same in place: parts as slices, checked, nothing copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameAddrView<'a> {
    /// As written, with quotes if it had them.
    pub(crate) display: &'a str,
    pub(crate) uri: &'a str,
    /// As written, with the leading `;`.
    pub(crate) params: &'a str,
}

impl<'a> NameAddrView<'a> {
    /// Splits and checks all of it, the URI and the parameters too.
    pub(crate) fn scan(text: &'a str) -> Result<NameAddrView<'a>, ParseError> {
        let view = NameAddrView::split(text)?;
        UriView::scan(view.uri).map_err(|error| error.moved(offset(text, view.uri)))?;
        Params::check(view.params).map_err(|error| error.moved(offset(text, view.params)))?;
        Ok(view)
    }

    /// Splits, without a look at the URI or the parameters.
    pub(crate) fn split(text: &'a str) -> Result<NameAddrView<'a>, ParseError> {
        let whole = lex::trim(text);
        let (display, rest) = match lex::quoted_len(whole) {
            Some(len) => whole.split_at(len),
            None if whole.starts_with('"') => {
                return Err(ParseError::new("display name: expected a closing quote", 0));
            }
            // Without brackets, the first of these is a parameter's or a stray quote.
            None => match whole.find(['<', ';', '"']) {
                Some(at) if whole.as_bytes().get(at) == Some(&b'<') => whole.split_at(at),
                _ => return NameAddrView::bare(whole),
            },
        };
        let display = lex::trim(display);
        // Wider than the grammar's tokens, since names of people have dots and accents; but a quote or comma in it means
        // that something else was meant (RFC 4475 §3.1.2.6, §3.1.2.15).
        let stray = |byte: u8| matches!(byte, b'"' | b',' | b';' | b'>') || byte < b' ' && byte != b'\t';
        if !display.starts_with('"') && display.bytes().any(stray) {
            return Err(ParseError::new("display name: expected it in quotes", offset(text, display)));
        }
        let rest = lex::trim_start(rest);
        let Some((uri, params)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
            return Err(ParseError::new("address: expected a URI between `<` and `>`", offset(text, rest)));
        };
        Ok(NameAddrView { display, uri, params })
    }

    /// An addr-spec without brackets: what follows `;` belongs to the header field, and `,` or `?` would have needed
    /// brackets (RFC 3261 §20).
    fn bare(whole: &'a str) -> Result<NameAddrView<'a>, ParseError> {
        let end = whole.find(|c: char| c == ';' || c.is_ascii_whitespace()).unwrap_or(whole.len());
        let (uri, params) = whole.split_at(end);
        if uri.contains([',', '?']) {
            return Err(ParseError::new("address: a URI with `,` or `?` must stand between `<` and `>`", 0));
        }
        Ok(NameAddrView { display: "", uri, params })
    }

    pub(crate) fn tag(&self) -> Option<&'a str> {
        Params::find(self.params, "tag").flatten()
    }
}

/// Where a slice of `whole` starts in it.
fn offset(whole: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, display: Option<&str>, uri: &str, tag: Option<&str>) {
        let read = NameAddr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read.display.as_deref(), display, "{text}");
        assert_eq!(read.uri.to_string(), uri, "{text}");
        assert_eq!(read.tag(), tag, "{text}");
        assert_eq!(NameAddr::parse(&read.to_string()).unwrap(), read, "{text}");
    }

    #[test]
    fn forms() {
        check("sip:a@b;tag=1", None, "sip:a@b", Some("1"));
        check("<sip:a@b;tag=no>;TAG=1", None, "sip:a@b;tag=no", Some("1"));
        check("caller<sip:a@b>;tag=323", Some("caller"), "sip:a@b", Some("323"));
        check(
            r#""J Rosenberg \\\"" <sip:a@b> ; x="y;tag=2" ; tag = 98 "#,
            Some(r#"J Rosenberg \""#),
            "sip:a@b",
            Some("98"),
        );
        check("A. G. Bell <sip:a@b>", Some("A. G. Bell"), "sip:a@b", None);
        check("\"\" <sip:a@b>", None, "sip:a@b", None);
        check("Zoë <tel:+15551234>", Some("Zoë"), "tel:+15551234", None);
        check("<http://www.example.com>;tag=3", None, "http://www.example.com", Some("3"));
        check("isbn:2983792873", None, "isbn:2983792873", None);
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in [
            "",
            "\"open <sip:a@b>",
            "Bell, Alexander <sip:a@b>",
            "< sip:a@b >",
            "<sip:a@b",
            "sip:a@b?Route=%3Csip:c%3E",
            "sip:a@b,c",
            "<sip:a@b> x",
            "<sip:a@b>;;",
            "\"a\" sip:a@b",
            "a \"b\" <sip:a@b>",
            "a;b <sip:a@b>",
            "<>",
            "*",
        ] {
            assert!(NameAddr::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quoted_values_keep_their_quotes_on_the_way_through() {
        let text = r#"<sip:a@b>;+sip.instance="<urn:uuid:0>";methods="INVITE";q=0.33;expires=280297596632815"#;
        let read = NameAddr::parse(text).unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(read.param("+sip.instance").unwrap(), "<urn:uuid:0>");
        assert_eq!((read.q(), read.expires()), (330, Some(u32::MAX)));
        assert_eq!(NameAddr::parse("<sip:a@b>;q=1.0").unwrap().q(), 1000);
    }

    #[test]
    fn changing() {
        let addr = NameAddr::new(Uri::sip(Some("a"), "b", None)).with_display("A \"x\"").with_tag("1").with_tag("2");
        assert_eq!(addr.to_string(), r#""A \"x\"" <sip:a@b>;tag=2"#);
        assert_eq!(addr.without_tag().tag(), None);
    }
}
