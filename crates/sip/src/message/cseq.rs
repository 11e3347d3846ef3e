//! CSeq (RFC 3261 §20.16): a number below 2^31 and a method.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Method, Name, ParseError, Typed, lex};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CSeq {
    pub number: u32,
    pub method: Method,
}

impl Typed for CSeq {
    const NAME: Name = Name::CSeq;

    fn read(text: &str) -> Result<CSeq, ParseError> {
        let (number, method) = split(text)?;
        let method = Method::parse(method).ok_or_else(|| ParseError::new("expected a method after the number", 0))?;
        Ok(CSeq { number, method })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// Number and the method's text.
pub(crate) fn split(text: &str) -> Result<(u32, &str), ParseError> {
    let text = lex::trim(text);
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, method) = text.split_at(len);
    let number = match digits.parse::<u32>() {
        Ok(number) if number < 1 << 31 => number,
        _ => return Err(ParseError::new("expected a number below 2147483648", 0)),
    };
    if !method.starts_with([' ', '\t', '\r', '\n']) {
        return Err(ParseError::new("expected white space and a method after the number", len));
    }
    Ok((number, lex::trim(method)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let cseq = CSeq::read("0009\r\n  INVITE").unwrap();
        assert_eq!(cseq, CSeq { number: 9, method: Method::Invite });
        assert_eq!(cseq.to_string(), "9 INVITE");
        assert_eq!(CSeq::read("2147483647 X").unwrap().number, 2147483647);
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in [
            "",
            "1",
            "1 ",
            "INVITE",
            "2147483648 INVITE",
            "36893488147419103232 REGISTER",
            "-1 ACK",
            "1 IN VITE",
            "1INVITE",
        ] {
            assert!(CSeq::read(text).is_err(), "{text}");
        }
    }
}
