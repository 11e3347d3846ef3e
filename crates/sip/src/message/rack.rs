//! RSeq and RAck: provisional responses that arrive (RFC 3262 §7.1, §7.2).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CSeq, Name, ParseError, Typed, lex};

/// Number of a reliable provisional response, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RSeq(pub u32);

impl Typed for RSeq {
    const NAME: Name = Name::RSeq;

    fn read(text: &str) -> Result<RSeq, ParseError> {
        number(lex::trim(text)).map(RSeq)
    }
}

impl fmt::Display for RSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which response a PRACK acknowledges: its RSeq, and the CSeq of the request that it answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RAck {
    pub rseq: u32,
    pub cseq: CSeq,
}

impl Typed for RAck {
    const NAME: Name = Name::RAck;

    fn read(text: &str) -> Result<RAck, ParseError> {
        let text = lex::trim(text);
        let (rseq, cseq) = text.split_at(text.find([' ', '\t', '\r', '\n']).unwrap_or(text.len()));
        Ok(RAck { rseq: number(rseq)?, cseq: CSeq::read(cseq)? })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

fn number(text: &str) -> Result<u32, ParseError> {
    match text.parse() {
        Ok(number) if number > 0 && !text.starts_with('+') => Ok(number),
        _ => Err(ParseError::new("expected a number from 1 to 4294967295", 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Method;

    #[test]
    fn reads_and_writes() {
        let read = RAck::read("776656 \t1 INVITE").unwrap();
        assert_eq!(read, RAck { rseq: 776656, cseq: CSeq { number: 1, method: Method::Invite } });
        assert_eq!(read.to_string(), "776656 1 INVITE");
        assert_eq!(RSeq::read(" 988789 ").unwrap().to_string(), "988789");
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in ["", "0", "4294967296", "-1", "+1", "x"] {
            assert!(RSeq::read(text).is_err(), "{text}");
        }
        for text in ["", "1", "1 1", "0 1 INVITE", "1 INVITE"] {
            assert!(RAck::read(text).is_err(), "{text}");
        }
    }
}
