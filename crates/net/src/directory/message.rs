//! What is said between us and a directory: the few messages of LDAPv3 (RFC 4511) that a search and a bind need, in BER
//! (§5.1: definite lengths alone).

use asn1_rs::{Any, Class, FromBer};
use site::Filter;

/// StartTLS (RFC 4511 §4.14.1).
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// Octets of a message that is looked at.
pub(super) const LARGEST: usize = 1 << 20;

const APPLICATION: u8 = 0x40;
const CONTEXT: u8 = 0x80;
const CONSTRUCTED: u8 = 0x20;

/// What is asked.
pub(super) enum Ask<'a> {
    Bind { dn: &'a str, password: &'a str },
    Search(Search<'a>),
    StartTls,
    Unbind,
}

/// Of a whole subtree, aliases followed nowhere.
pub(super) struct Search<'a> {
    pub(super) base: &'a str,
    /// Entries that are wanted at most.
    pub(super) most: u32,
    /// The server gives up after as long.
    pub(super) seconds: u32,
    pub(super) filter: &'a Filter,
    pub(super) attributes: &'a [&'a str],
}

/// What a directory says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Entry(Entry),
    /// Elsewhere is more: it is not gone after.
    Reference,
    /// To the last question, whatever it was.
    Result(Outcome),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) dn: String,
    /// Names and values; values that are no text are left out.
    pub(super) attributes: Vec<(String, Vec<String>)>,
}

impl Entry {
    /// Names of attributes are the same however they are capitalised.
    pub(super) fn values(&self, attribute: &str) -> &[String] {
        let found = self.attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute));
        found.map(|(_, values)| values.as_slice()).unwrap_or_default()
    }
}

/// RFC 4511 §4.1.9.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) code: u32,
    pub(super) words: String,
}

impl Outcome {
    pub(super) const SUCCESS: u32 = 0;
    pub(super) const SIZE_LIMIT_EXCEEDED: u32 = 4;
    pub(super) const CONSTRAINT_VIOLATION: u32 = 19;
    pub(super) const NO_SUCH_OBJECT: u32 = 32;
    pub(super) const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
    pub(super) const INVALID_CREDENTIALS: u32 = 49;
    pub(super) const UNWILLING: u32 = 53;
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.code {
            0 => "success",
            1 => "operations error",
            2 => "protocol error",
            3 => "time limit exceeded",
            4 => "size limit exceeded",
            7 => "authentication method not supported",
            8 => "stronger authentication required",
            11 => "administrative limit exceeded",
            13 => "confidentiality required",
            19 => "constraint violation",
            32 => "no such object",
            34 => "invalid DN",
            48 => "inappropriate authentication",
            49 => "invalid credentials",
            50 => "insufficient access rights",
            51 => "busy",
            52 => "unavailable",
            53 => "unwilling to perform",
            _ => "refused",
        };
        write!(f, "{name} ({})", self.code)?;
        let words: String = self.words.chars().filter(|c| !c.is_control()).take(200).collect();
        if words.is_empty() { Ok(()) } else { write!(f, ": {words}") }
    }
}

impl Ask<'_> {
    /// The message of this number.
    pub(super) fn write(&self, number: i32) -> Vec<u8> {
        let operation = match self {
            Ask::Bind { dn, password } => {
                let fields = [integer(3), octets(dn.as_bytes()), tlv(CONTEXT, password.as_bytes())];
                tlv(APPLICATION | CONSTRUCTED, &fields.concat())
            }
            Ask::Unbind => tlv(APPLICATION | 2, &[]),
            Ask::Search(search) => {
                let attributes: Vec<u8> = search.attributes.iter().flat_map(|name| octets(name.as_bytes())).collect();
                let fields = [
                    octets(search.base.as_bytes()),
                    // The whole subtree; aliases are not followed.
                    enumerated(2),
                    enumerated(0),
                    integer(i64::from(search.most)),
                    integer(i64::from(search.seconds)),
                    tlv(0x01, &[0]),
                    filter(search.filter),
                    tlv(0x30, &attributes),
                ];
                tlv(APPLICATION | CONSTRUCTED | 3, &fields.concat())
            }
            Ask::StartTls => tlv(APPLICATION | CONSTRUCTED | 23, &tlv(CONTEXT, START_TLS)),
        };
        tlv(0x30, &[integer(i64::from(number)), operation].concat())
    }
}

fn filter(filter: &Filter) -> Vec<u8> {
    let context = |number: u8, content: &[u8]| tlv(CONTEXT | CONSTRUCTED | number, content);
    let all = |filters: &[Filter]| filters.iter().flat_map(self::filter).collect::<Vec<u8>>();
    let pair = |attribute: &str, value: &[u8]| [octets(attribute.as_bytes()), octets(value)].concat();
    match filter {
        Filter::And(filters) => context(0, &all(filters)),
        Filter::Or(filters) => context(1, &all(filters)),
        Filter::Not(one) => context(2, &self::filter(one)),
        Filter::Is(attribute, value) => context(3, &pair(attribute, value)),
        Filter::Substrings(attribute, first, between, last) => {
            let mut parts: Vec<u8> = first.iter().flat_map(|part| tlv(CONTEXT, part)).collect();
            parts.extend(between.iter().flat_map(|part| tlv(CONTEXT | 1, part)));
            parts.extend(last.iter().flat_map(|part| tlv(CONTEXT | 2, part)));
            context(4, &[octets(attribute.as_bytes()), tlv(0x30, &parts)].concat())
        }
        Filter::AtLeast(attribute, value) => context(5, &pair(attribute, value)),
        Filter::AtMost(attribute, value) => context(6, &pair(attribute, value)),
        Filter::Present(attribute) => tlv(CONTEXT | 7, attribute.as_bytes()),
        Filter::Like(attribute, value) => context(8, &pair(attribute, value)),
        Filter::Extensible { attribute, dn, rule, value } => {
            let text = |number: u8, text: &Option<String>| {
                text.iter().flat_map(|text| tlv(CONTEXT | number, text.as_bytes())).collect::<Vec<u8>>()
            };
            let dn = if *dn { tlv(CONTEXT | 4, &[0xff]) } else { Vec::new() };
            context(9, &[text(1, rule), text(2, attribute), tlv(CONTEXT | 3, value), dn].concat())
        }
    }
}

fn octets(value: &[u8]) -> Vec<u8> {
    tlv(0x04, value)
}

fn integer(value: i64) -> Vec<u8> {
    number(0x02, value)
}

fn enumerated(value: i64) -> Vec<u8> {
    number(0x0a, value)
}

/// In as few octets as hold it with its sign.
fn number(tag: u8, value: i64) -> Vec<u8> {
    let all = value.to_be_bytes();
    let spare = |at: &usize| match (all.get(*at), all.get(*at + 1)) {
        (Some(0), Some(next)) => next & 0x80 == 0,
        (Some(0xff), Some(next)) => next & 0x80 != 0,
        _ => false,
    };
    let from = (0..all.len()).take_while(spare).count();
    tlv(tag, all.get(from..).unwrap_or_default())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short @ ..0x80) => out.push(short),
        _ => {
            let octets = length.to_be_bytes();
            let from = octets.iter().take_while(|octet| **octet == 0).count();
            let octets = octets.get(from..).unwrap_or_default();
            // A length has eight octets at most.
            out.push(0x80 | octets.len() as u8);
            out.extend(octets);
        }
    }
    out.extend(content);
    out
}

/// How many octets the message that begins so has in all; `None`: its length is not there yet.
///
/// # Errors
/// It is no message of LDAP, or too large.
pub(super) fn length(beginning: &[u8]) -> Result<Option<usize>, String> {
    let (tag, first) = match beginning {
        [] => return Ok(None),
        [tag] => (*tag, None),
        [tag, first, ..] => (*tag, Some(*first)),
    };
    if tag != 0x30 {
        return Err("it does not speak LDAP".into());
    }
    let Some(first) = first else { return Ok(None) };
    let more = usize::from(first & 0x7f);
    let whole = match first {
        ..0x80 => 2 + more,
        0x80 => return Err("a message without a length".into()),
        _ => {
            let Some(octets) = beginning.get(2..2 + more) else {
                // Longer lengths are those of messages that are too large anyway.
                return if more > 8 { Err("a message that is too large".into()) } else { Ok(None) };
            };
            let length =
                octets.iter().fold(0usize, |sum, octet| sum.saturating_mul(256).saturating_add((*octet).into()));
            length.saturating_add(2 + more)
        }
    };
    match whole > LARGEST {
        true => Err(format!("a message of more than {LARGEST} octets")),
        false => Ok(Some(whole)),
    }
}

/// The number of a message, and what it says.
///
/// # Errors
/// It is no answer to anything that is asked here.
pub(super) fn read(message: &[u8]) -> Result<(i32, Said), String> {
    parse(message).ok_or_else(|| "a message that is none of LDAP's".to_owned())
}

fn parse(message: &[u8]) -> Option<(i32, Said)> {
    let mut message = Parts(one(message)?.data);
    let number = i32::try_from(message.number()?).ok()?;
    let operation = message.next()?;
    if operation.class() != Class::Application {
        return None;
    }
    let mut parts = Parts(operation.data);
    let said = match operation.tag().0 {
        // Bind, the end of a search, an extended operation.
        1 | 5 | 24 => {
            let code = u32::try_from(parts.number()?).ok()?;
            let (_matched, words) = (parts.next()?, parts.next()?);
            Said::Result(Outcome { code, words: String::from_utf8_lossy(words.data).into_owned() })
        }
        4 => {
            let dn = parts.text()?;
            let (mut list, mut attributes) = (Parts(parts.next()?.data), Vec::new());
            while !list.0.is_empty() {
                let mut attribute = Parts(list.next()?.data);
                let name = attribute.text()?;
                let (mut set, mut values) = (Parts(attribute.next()?.data), Vec::new());
                while !set.0.is_empty() {
                    // A picture is a value too, and no text.
                    values.extend(String::from_utf8(set.next()?.data.to_vec()));
                }
                attributes.push((name, values));
            }
            Said::Entry(Entry { dn, attributes })
        }
        19 => Said::Reference,
        _ => return None,
    };
    Some((number, said))
}

/// One after another.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn next(&mut self) -> Option<Any<'a>> {
        let (rest, any) = Any::from_ber(self.0).ok()?;
        self.0 = rest;
        Some(any)
    }

    fn number(&mut self) -> Option<i64> {
        let data = self.next()?.data;
        let sign = if data.first()? & 0x80 == 0 { 0 } else { -1 };
        (data.len() <= 8).then(|| data.iter().fold(sign, |sum, octet| sum << 8 | i64::from(*octet)))
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.next()?.data.to_vec()).ok()
    }
}

fn one(octets: &[u8]) -> Option<Any<'_>> {
    let (rest, any) = Any::from_ber(octets).ok()?;
    rest.is_empty().then_some(any)
}

#[cfg(test)]
pub(super) mod answers {
    //! A directory's side, for tests.

    use super::{APPLICATION, CONSTRUCTED, enumerated, integer, octets, tlv};

    pub(in crate::directory) fn result(number: i32, operation: u8, code: i64, words: &str) -> Vec<u8> {
        let fields = [enumerated(code), octets(b""), octets(words.as_bytes())].concat();
        message(number, &tlv(APPLICATION | CONSTRUCTED | operation, &fields))
    }

    pub(in crate::directory) fn entry(number: i32, dn: &str, attributes: &[(&str, &[&str])]) -> Vec<u8> {
        let attribute = |(name, values): &(&str, &[&str])| {
            let values: Vec<u8> = values.iter().flat_map(|value| octets(value.as_bytes())).collect();
            tlv(0x30, &[octets(name.as_bytes()), tlv(0x31, &values)].concat())
        };
        let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
        message(number, &tlv(APPLICATION | CONSTRUCTED | 4, &[octets(dn.as_bytes()), tlv(0x30, &attributes)].concat()))
    }

    fn message(number: i32, operation: &[u8]) -> Vec<u8> {
        tlv(0x30, &[integer(number.into()), operation.to_vec()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_written_as_the_rfc_has_them() {
        let bind = Ask::Bind { dn: "cn=a", password: "pw" }.write(1);
        assert_eq!(bind, b"\x30\x12\x02\x01\x01\x60\x0d\x02\x01\x03\x04\x04cn=a\x80\x02pw");
        assert_eq!(Ask::Unbind.write(200), b"\x30\x06\x02\x02\x00\xc8\x42\x00");
        assert_eq!(Ask::StartTls.write(1), b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037");
        let filter = Filter::read("(&(uid=x)(!(sn=*)))").unwrap();
        let search = Search { base: "dc=x", most: 2, seconds: 5, filter: &filter, attributes: &["1.1"] };
        let expected =
            b"\x30\x33\x02\x01\x02\x63\x2e\x04\x04dc=x\x0a\x01\x02\x0a\x01\x00\x02\x01\x02\x02\x01\x05\x01\x01\x00\
            \xa0\x10\xa3\x08\x04\x03uid\x04\x01x\xa2\x04\x87\x02sn\x30\x05\x04\x031.1";
        assert_eq!(Ask::Search(search).write(2), expected);
    }

    #[test]
    fn other_filters_have_their_tags() {
        for (text, expected) in [
            ("(cn=a*b*c)", &b"\xa4\x0f\x04\x02cn\x30\x09\x80\x01a\x81\x01b\x82\x01c"[..]),
            ("(a>=1)", b"\xa5\x06\x04\x01a\x04\x011"),
            ("(a<=1)", b"\xa6\x06\x04\x01a\x04\x011"),
            ("(a~=1)", b"\xa8\x06\x04\x01a\x04\x011"),
            ("(|(a=1))", b"\xa1\x08\xa3\x06\x04\x01a\x04\x011"),
            ("(a:dn:1.2:=v)", b"\xa9\x0e\x81\x031.2\x82\x01a\x83\x01v\x84\x01\xff"),
        ] {
            assert_eq!(filter(&Filter::read(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn answers_are_read_also_with_lengths_longer_than_they_need_be() {
        let entry = answers::entry(7, "cn=a", &[("memberOf", &["g1", "g2"]), ("x", &[])]);
        assert_eq!(length(&entry), Ok(Some(entry.len())));
        let (number, Said::Entry(entry)) = read(&entry).unwrap() else { panic!("an entry") };
        assert_eq!((number, entry.dn.as_str()), (7, "cn=a"));
        assert_eq!(entry.values("MEMBEROF"), ["g1", "g2"]);
        assert!(entry.values("x").is_empty() && entry.values("y").is_empty());
        // As one well-known directory writes each length: in four octets.
        let long = b"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x61\x84\x00\x00\x00\x07\x0a\x01\x31\x04\x00\x04\x00";
        assert_eq!(length(long), Ok(Some(long.len())));
        let (_, Said::Result(outcome)) = read(long).unwrap() else { panic!("a result") };
        assert_eq!(outcome.to_string(), "invalid credentials (49)");
    }

    #[test]
    fn what_is_no_message_is_said_and_nothing_large_is_waited_for() {
        assert_eq!(length(b"\x30"), Ok(None));
        assert_eq!(length(b"\x30\x82\x01"), Ok(None));
        for bad in [&b"HTTP"[..], b"\x30\x80", b"\x30\x84\x7f\x00\x00\x00", b"\x30\xff\x01"] {
            length(bad).unwrap_err();
        }
        let good = answers::result(1, 1, 49, "no");
        for cut in 0..good.len() {
            assert!(read(&good[..cut]).is_err(), "{cut}");
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut other = good.clone();
                other[at] ^= 1 << bit;
                // Whatever it is then, it is no panic.
                let _ = read(&other);
            }
        }
        // A question is no answer.
        assert!(read(&Ask::StartTls.write(1)).is_err());
    }
}
