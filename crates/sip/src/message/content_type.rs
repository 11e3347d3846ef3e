//! Content-Type (RFC 3261 §20.15).

use std::borrow::Cow;
use std::fmt;

use super::params::{self, Params};
use super::{Name, ParseError, Typed, lex};

/// `main/sub;params`, types in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    pub main: String,
    pub sub: String,
    /// In order, names in lower case, values as written.
    pub params: Vec<(String, Option<String>)>,
}

impl ContentType {
    /// Whether it is this media type (`application/sdp`), parameters aside.
    pub fn is(&self, media_type: &str) -> bool {
        media_type
            .split_once('/')
            .is_some_and(|(main, sub)| self.main.eq_ignore_ascii_case(main) && self.sub.eq_ignore_ascii_case(sub))
    }

    /// The value of a parameter without its quotes.
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        params::get(&self.params, name)
    }
}

impl Typed for ContentType {
    const NAME: Name = Name::ContentType;

    fn read(text: &str) -> Result<ContentType, ParseError> {
        let (media, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let (main, sub) = media.split_once('/').unwrap_or((media, ""));
        let (main, sub) = (lex::trim(main), lex::trim(sub));
        if !lex::is_token(main) || !lex::is_token(sub) {
            return Err(ParseError::new("expected a media type such as `application/sdp`", 0));
        }
        Params::check(rest).map_err(|error| error.moved(media.len()))?;
        Ok(ContentType { main: main.to_ascii_lowercase(), sub: sub.to_ascii_lowercase(), params: params::owned(rest)? })
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.main, self.sub)?;
        params::write(f, &self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let read = ContentType::read("Multipart / Mixed ; Boundary=\"a;b\"").unwrap();
        assert!(read.is("multipart/mixed") && !read.is("multipart/alternative"));
        assert_eq!(read.param("boundary").unwrap(), "a;b");
        assert_eq!(read.to_string(), "multipart/mixed;boundary=\"a;b\"");
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in ["", "application", "application/", "/sdp", "a/b/c", "a/b;;"] {
            assert!(ContentType::read(text).is_err(), "{text}");
        }
    }
}
