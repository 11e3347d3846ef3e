//! TVS on the wire: `0x57`, version 1, type, one arbitrary octet, session, length, elements.

use crate::framer::Framed;
use crate::tlv::{Reader, put, put_text};
use crate::{Malformed, Serial};

const MARK: u8 = 0x57;
const HEADER: usize = 10;
/// Longest message taken.
const LONGEST: usize = 16 * 1024;
/// Before a device name.
const NAME_MARK: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    VerifyRequest,
    VerifyResponse,
    QueryRequest,
    QueryResponse,
}

impl Kind {
    fn of_code(code: u8) -> Option<Kind> {
        [Kind::VerifyRequest, Kind::VerifyResponse, Kind::QueryRequest, Kind::QueryResponse]
            .into_iter()
            .find(|kind| kind.code() == code)
    }

    fn code(self) -> u8 {
        match self {
            Kind::VerifyRequest => 1,
            Kind::VerifyResponse => 2,
            Kind::QueryRequest => 3,
            Kind::QueryResponse => 4,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// Such as `CP-8861-SEPB000B4BA0AEE`.
    Device(String),
    Certificate(Vec<u8>),
    Subject(String),
    Issuer(String),
    Serial(Serial),
    /// 0 trusted or found, 1 not.
    Status(u8),
    /// Functions, an octet each.
    Roles(Vec<u8>),
    /// Seconds.
    TimeToLive(u32),
    Unknown(u8, Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: Kind,
    /// The client's choice, echoed.
    pub session: u32,
    pub elements: Vec<Element>,
}

impl Message {
    /// Reads octets that are one whole message.
    pub fn parse(octets: &[u8]) -> Result<Message, Malformed> {
        let mut reader = Reader::new(octets, 0);
        let start = reader.u16("the header")?;
        if start != u16::from_be_bytes([MARK, 1]) {
            return Err(Malformed::new(0, "the header", "0x5701, TVS version 1", format!("{start:#06x}")));
        }
        let code = reader.u8("the type")?;
        let kind = Kind::of_code(code).ok_or_else(|| Malformed::new(2, "the type", "1 to 4", code.to_string()))?;
        // Servers leave something here; nothing is meant by it.
        reader.u8("an octet without meaning")?;
        let session = reader.u32("the session")?;
        let length = usize::from(reader.u16("the length")?);
        if octets.len() != HEADER + length {
            let found = format!("{} octets", octets.len().saturating_sub(HEADER));
            return Err(Malformed::new(8, "the length", format!("{length} octets of elements"), found));
        }
        let (mut elements, mut tags) = (Vec::new(), Vec::new());
        while !reader.is_empty() {
            let element = reader.tlv("an element")?;
            if tags.contains(&element.tag) {
                return Err(Malformed::new(
                    element.at,
                    "an element",
                    "each once",
                    format!("tag {} again", element.tag),
                ));
            }
            tags.push(element.tag);
            elements.push(match element.tag {
                1 => Element::Device(device(element.value, element.at)?),
                2 => Element::Certificate(element.value.to_vec()),
                3 => Element::Subject(element.text("the subject")?),
                4 => Element::Issuer(element.text("the issuer")?),
                5 => Element::Serial(Serial::new(element.value)),
                7 => Element::Status(element.u8("the status")?),
                8 => Element::Roles(element.value.to_vec()),
                9 => Element::TimeToLive(element.u32("the time to live")?),
                tag => Element::Unknown(tag, element.value.to_vec()),
            });
        }
        Ok(Message { kind, session, elements })
    }

    pub fn octets(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for element in &self.elements {
            match element {
                Element::Device(name) => put(&mut body, 1, &[&[NAME_MARK], name.as_bytes()].concat()),
                Element::Certificate(der) => put(&mut body, 2, der),
                Element::Subject(name) => put_text(&mut body, 3, name),
                Element::Issuer(name) => put_text(&mut body, 4, name),
                Element::Serial(serial) => put(&mut body, 5, serial.octets()),
                Element::Status(status) => put(&mut body, 7, &[*status]),
                Element::Roles(roles) => put(&mut body, 8, roles),
                Element::TimeToLive(seconds) => put(&mut body, 9, &seconds.to_be_bytes()),
                Element::Unknown(tag, octets) => put(&mut body, *tag, octets),
            }
        }
        let mut out = vec![MARK, 1, self.kind.code(), 0];
        out.extend(self.session.to_be_bytes());
        out.extend((body.len() as u16).to_be_bytes());
        out.extend(body);
        out
    }

    fn find<'a, T>(&'a self, pick: impl FnMut(&'a Element) -> Option<T>) -> Option<T> {
        self.elements.iter().find_map(pick)
    }

    pub fn device(&self) -> Option<&str> {
        self.find(|element| match element {
            Element::Device(name) => Some(name.as_str()),
            _ => None,
        })
    }

    pub(super) fn certificate(&self) -> Option<&[u8]> {
        self.find(|element| match element {
            Element::Certificate(der) => Some(der.as_slice()),
            _ => None,
        })
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.find(|element| match element {
            Element::Issuer(name) => Some(name.as_str()),
            _ => None,
        })
    }

    pub(super) fn serial(&self) -> Option<&Serial> {
        self.find(|element| match element {
            Element::Serial(serial) => Some(serial),
            _ => None,
        })
    }

    pub(super) fn status(&self) -> Option<u8> {
        self.find(|element| match element {
            Element::Status(status) => Some(*status),
            _ => None,
        })
    }

    pub(super) fn roles(&self) -> &[u8] {
        let found = self.find(|element| match element {
            Element::Roles(roles) => Some(roles.as_slice()),
            _ => None,
        });
        found.unwrap_or_default()
    }

    pub(super) fn time_to_live(&self) -> Option<u32> {
        self.find(|element| match element {
            Element::TimeToLive(seconds) => Some(*seconds),
            _ => None,
        })
    }
}

fn device(value: &[u8], at: usize) -> Result<String, Malformed> {
    let wrong = |found: &str| Malformed::new(at, "the device name", "0x01 and printable text", found);
    let Some((&NAME_MARK, name)) = value.split_first() else { return Err(wrong("no 0x01")) };
    let name = std::str::from_utf8(name).map_err(|_| wrong("octets that are no UTF-8"))?;
    if name.chars().any(char::is_control) { Err(wrong("a control character")) } else { Ok(name.to_owned()) }
}

/// Cuts a stream into messages.
pub type Framer = crate::framer::Framer<Message>;

impl Framed for Message {
    const PROTOCOL: &'static str = "TVS";
    const MARK: u8 = MARK;
    const HEADER: usize = HEADER;
    const LENGTH_AT: usize = 8;
    const LONGEST: usize = LONGEST;

    fn parse(octets: &[u8]) -> Result<Message, Malformed> {
        Message::parse(octets)
    }
}
