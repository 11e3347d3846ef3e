//! Parameters of header fields: `;name`, `;name=value`, `;name="quoted"` (generic-param of RFC 3261 §25.1).

use std::borrow::Cow;
use std::fmt;

use super::ParseError;
use super::lex;

/// Owned parameters in order: names in lower case, values as written (a quoted string keeps its quotes).
pub(crate) type Owned = Vec<(String, Option<String>)>;

/// Reads parameters one after another without copying. Stops for good at the first error.
#[derive(Clone, Debug)]
pub(crate) struct Params<'a> {
    whole: &'a str,
    at: usize,
}

impl<'a> Params<'a> {
    /// `text` is empty or starts (after white space) with `;`.
    pub(crate) fn new(text: &'a str) -> Params<'a> {
        Params { whole: text, at: 0 }
    }

    /// First parameter of that name, its value as written. Errors further on are not looked for.
    pub(crate) fn find(text: &'a str, name: &str) -> Option<Option<&'a str>> {
        Params::new(text).map_while(Result::ok).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn check(text: &'a str) -> Result<(), ParseError> {
        Params::new(text).try_for_each(|param| param.map(drop))
    }

    fn skip_space(&mut self) {
        self.at += self.rest().bytes().take_while(|b| lex::is_space(*b)).count();
    }

    fn rest(&self) -> &'a str {
        self.whole.get(self.at..).unwrap_or("")
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest().as_bytes().first() == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn take(&mut self, len: usize) -> &'a str {
        let taken = self.rest().get(..len).unwrap_or("");
        self.at += taken.len();
        taken
    }

    fn fail(&mut self, what: &str) -> ParseError {
        let at = self.at;
        self.at = self.whole.len();
        ParseError::new(what, at)
    }

    fn param(&mut self) -> Result<(&'a str, Option<&'a str>), ParseError> {
        if !self.eat(b';') {
            return Err(self.fail("expected `;` before a parameter"));
        }
        self.skip_space();
        let name = self.take(self.rest().bytes().take_while(|b| lex::is_token_byte(*b)).count());
        if name.is_empty() {
            return Err(self.fail("expected the name of a parameter"));
        }
        self.skip_space();
        if !self.eat(b'=') {
            return Ok((name, None));
        }
        self.skip_space();
        let value = match self.rest().starts_with('"') {
            true => match lex::quoted_len(self.rest()) {
                Some(len) => self.take(len),
                None => return Err(self.fail("expected a closing quote")),
            },
            // Wider than token / host: what peers send here is passed on, and nothing in it can end the value early.
            false => self.take(self.rest().bytes().take_while(|b| is_value_byte(*b)).count()),
        };
        self.skip_space();
        Ok((name, Some(value)))
    }
}

fn is_value_byte(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !matches!(byte, b';' | b',' | b'"' | b'<' | b'>')
}

impl<'a> Iterator for Params<'a> {
    type Item = Result<(&'a str, Option<&'a str>), ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_space();
        if self.rest().is_empty() {
            return None;
        }
        Some(self.param())
    }
}

pub(crate) fn owned(text: &str) -> Result<Owned, ParseError> {
    Params::new(text).map(|param| param.map(|(n, v)| (n.to_ascii_lowercase(), v.map(str::to_owned)))).collect()
}

/// The value of an owned parameter, without its quotes: `None` when absent, `Some("")` when it has no value.
pub(crate) fn get<'a>(params: &'a [(String, Option<String>)], name: &str) -> Option<Cow<'a, str>> {
    let (_, value) = params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
    Some(lex::unquote(value.as_deref().unwrap_or("")))
}

pub(crate) fn write(f: &mut fmt::Formatter<'_>, params: &[(String, Option<String>)]) -> fmt::Result {
    for (name, value) in params {
        match value {
            None => write!(f, ";{name}")?,
            Some(value) => write!(f, ";{name}={value}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_quotes() {
        let read: Vec<_> = Params::new(" ; a ; b = c ;d=\"x;y\\\"\" ; E=[::1]").map(Result::unwrap).collect();
        assert_eq!(read, [("a", None), ("b", Some("c")), ("d", Some("\"x;y\\\"\"")), ("E", Some("[::1]"))]);
    }

    #[test]
    fn holes_are_errors_and_end_the_reading() {
        for text in [";;", ";a;;b", "a", ";a b", ";=1", ";a=\"open", ";a,b"] {
            assert!(Params::check(text).is_err(), "{text}");
            assert!(Params::new(text).count() < 4, "{text}");
        }
    }

    #[test]
    fn find_is_blind_to_case() {
        assert_eq!(Params::find(";TAG=x", "tag"), Some(Some("x")));
        assert_eq!(Params::find(";lr;tag=x", "lr"), Some(None));
        assert_eq!(Params::find(";lr", "tag"), None);
    }
}
