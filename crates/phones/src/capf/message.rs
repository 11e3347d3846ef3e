//! CAPF on the wire: `0x55`, command, session, length, elements. Each message leaves in one write: phones stall on parts.

use crate::framer::Framed;
use crate::tlv::{Reader, Tlv, put, put_text};
use crate::{Digest, Malformed};

const MARK: u8 = 0x55;
const HEADER: usize = 8;
/// Longest message taken: a certificate or two and a signature are far below.
const LONGEST: usize = 16 * 1024;

/// What a message asks or tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    AuthReq,
    AuthRes,
    KeyGenReq,
    KeyGenRes,
    StoreCertReq,
    StoreCertRes,
    FetchCertReq,
    FetchCertRes,
    DeleteCertReq,
    DeleteCertRes,
    EndSession,
    RetryLater,
    RequestInProgress,
    StatusReq,
    StatusRes,
    /// Known by number only.
    Other(u8),
}

const COMMANDS: [(u8, Command); 15] = [
    (1, Command::AuthReq),
    (2, Command::AuthRes),
    (3, Command::KeyGenReq),
    (4, Command::KeyGenRes),
    (9, Command::StoreCertReq),
    (10, Command::StoreCertRes),
    (11, Command::FetchCertReq),
    (12, Command::FetchCertRes),
    (13, Command::DeleteCertReq),
    (14, Command::DeleteCertRes),
    (15, Command::EndSession),
    (16, Command::RetryLater),
    (17, Command::RequestInProgress),
    (18, Command::StatusReq),
    (19, Command::StatusRes),
];

impl Command {
    fn of_code(code: u8) -> Command {
        COMMANDS.iter().find(|(known, _)| *known == code).map_or(Command::Other(code), |(_, command)| *command)
    }

    fn code(self) -> u8 {
        match self {
            Command::Other(code) => code,
            known => COMMANDS.iter().find(|(_, command)| *command == known).map_or(0, |(code, _)| *code),
        }
    }
}

/// REASON (tag 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    NoAction,
    Success,
    Refused,
    UnknownDevice,
    Other(u8),
}

impl Reason {
    fn of_code(code: u8) -> Reason {
        match code {
            0 => Reason::NoAction,
            1 => Reason::Success,
            7 => Reason::Refused,
            9 => Reason::UnknownDevice,
            other => Reason::Other(other),
        }
    }

    fn code(self) -> u8 {
        match self {
            Reason::NoAction => 0,
            Reason::Success => 1,
            Reason::Refused => 7,
            Reason::UnknownDevice => 9,
            Reason::Other(code) => code,
        }
    }
}

/// KEY_TYPE (tag 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Rsa,
    Ec,
}

/// An element of a message.
#[derive(Clone, PartialEq, Eq)]
pub enum Element {
    Reason(Reason),
    ReasonInfo(String),
    /// 1 LSC, 2 MIC.
    CertType(u8),
    /// The type (1 LSC, 2 MIC) and the DER.
    Certificate(u8, Vec<u8>),
    /// Proof by certificate over SHA-1.
    SignedData(Vec<u8>),
    /// 3 desk phones, 2 soft phones.
    Version(u8),
    /// 0 none, 1 password, 2 no password, 3 LSC, 4 MIC.
    AuthType(u8),
    /// DER SubjectPublicKeyInfo.
    PublicKey(Vec<u8>),
    /// Bits.
    KeySize(u16),
    Password(String),
    /// Seconds.
    RetryDelay(u16),
    DeviceName(String),
    /// Proof by secure unique device identifier: certificate, signature over SHA-1, signature over SHA-512.
    Sudi {
        certificate: Vec<u8>,
        sha1: Vec<u8>,
        sha512: Vec<u8>,
    },
    KeyType(KeyKind),
    /// 0 P-256, 1 P-384, 2 P-521.
    Curve(u8),
    DigestType(Digest),
    /// Proof by certificate over SHA-512.
    Sha2SignedData(Digest, Vec<u8>),
    Unknown(u8, Vec<u8>),
}

/// Without the password.
impl std::fmt::Debug for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let length = |octets: &[u8]| format!("{} octets", octets.len());
        match self {
            Element::Reason(reason) => write!(f, "Reason({reason:?})"),
            Element::ReasonInfo(text) => write!(f, "ReasonInfo({text:?})"),
            Element::CertType(kind) => write!(f, "CertType({kind})"),
            Element::Certificate(kind, der) => write!(f, "Certificate({kind}, {})", length(der)),
            Element::SignedData(data) => write!(f, "SignedData({})", length(data)),
            Element::Version(version) => write!(f, "Version({version})"),
            Element::AuthType(kind) => write!(f, "AuthType({kind})"),
            Element::PublicKey(key) => write!(f, "PublicKey({})", length(key)),
            Element::KeySize(bits) => write!(f, "KeySize({bits})"),
            Element::Password(_) => f.write_str("Password(…)"),
            Element::RetryDelay(delay) => write!(f, "RetryDelay({delay})"),
            Element::DeviceName(name) => write!(f, "DeviceName({name:?})"),
            Element::Sudi { certificate, .. } => write!(f, "Sudi({})", length(certificate)),
            Element::KeyType(kind) => write!(f, "KeyType({kind:?})"),
            Element::Curve(curve) => write!(f, "Curve({curve})"),
            Element::DigestType(digest) => write!(f, "DigestType({digest:?})"),
            Element::Sha2SignedData(digest, data) => write!(f, "Sha2SignedData({digest:?}, {})", length(data)),
            Element::Unknown(tag, data) => write!(f, "Unknown({tag}, {})", length(data)),
        }
    }
}

impl Element {
    fn read(element: &Tlv<'_>) -> Result<Element, Malformed> {
        let wrong = |expected: &str, found: String| Malformed::new(element.at, "an element", expected, found);
        Ok(match element.tag {
            1 => Element::Reason(Reason::of_code(element.u8("REASON")?)),
            2 => Element::ReasonInfo(element.text("REASON_INFO")?),
            3 => Element::CertType(element.u8("CERT_TYPE")?),
            4 => read_certificate(element)?,
            6 => Element::SignedData(element.value.to_vec()),
            7 => Element::Version(element.u8("VERSION")?),
            8 => Element::AuthType(element.u8("AUTH_TYPE")?),
            9 => Element::PublicKey(element.value.to_vec()),
            10 => Element::KeySize(element.u16("KEY_SIZE")?),
            11 => Element::Password(element.text("PASSWORD")?),
            12 => Element::RetryDelay(element.u16("RETRY_DELAY")?),
            13 => Element::DeviceName(element.text("DEVICE_NAME")?),
            16 => read_sudi(element)?,
            17 => match element.u8("KEY_TYPE")? {
                0 => Element::KeyType(KeyKind::Rsa),
                1 => Element::KeyType(KeyKind::Ec),
                other => return Err(wrong("KEY_TYPE 0 or 1", other.to_string())),
            },
            18 => Element::Curve(element.u8("CURVE")?),
            19 => Element::DigestType(read_digest(element.u8("DIGEST_TYPE")?, element.at)?),
            20 => {
                let mut inside = element.inside();
                let digest = read_digest(inside.u8("SHA2_SIGNED_DATA")?, element.at)?;
                let length = inside.u16("SHA2_SIGNED_DATA")?;
                let data = inside.take(length.into(), "SHA2_SIGNED_DATA")?.to_vec();
                if !inside.is_empty() {
                    return Err(wrong("SHA2_SIGNED_DATA's end", "more".into()));
                }
                Element::Sha2SignedData(digest, data)
            }
            tag => Element::Unknown(tag, element.value.to_vec()),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Element::Reason(reason) => put(out, 1, &[reason.code()]),
            Element::ReasonInfo(text) => put_text(out, 2, text),
            Element::CertType(kind) => put(out, 3, &[*kind]),
            Element::Certificate(kind, der) => {
                let mut value = vec![1];
                value.extend(((der.len() + 2) as u16).to_be_bytes());
                value.extend([0, *kind]);
                value.extend(der);
                put(out, 4, &value);
            }
            Element::SignedData(data) => put(out, 6, data),
            Element::Version(version) => put(out, 7, &[*version]),
            Element::AuthType(kind) => put(out, 8, &[*kind]),
            Element::PublicKey(key) => put(out, 9, key),
            Element::KeySize(bits) => put(out, 10, &bits.to_be_bytes()),
            Element::Password(password) => put_text(out, 11, password),
            Element::RetryDelay(seconds) => put(out, 12, &seconds.to_be_bytes()),
            Element::DeviceName(name) => put_text(out, 13, name),
            Element::Sudi { certificate, sha1, sha512 } => {
                let mut value = Vec::new();
                put(&mut value, 0, certificate);
                put(&mut value, 1, sha1);
                put(&mut value, 3, sha512);
                put(out, 16, &value);
            }
            Element::KeyType(kind) => put(out, 17, &[u8::from(*kind == KeyKind::Ec)]),
            Element::Curve(curve) => put(out, 18, &[*curve]),
            Element::DigestType(digest) => put(out, 19, &[digest.code()]),
            Element::Sha2SignedData(digest, data) => {
                let mut value = vec![digest.code()];
                value.extend((data.len() as u16).to_be_bytes());
                value.extend(data);
                put(out, 20, &value);
            }
            Element::Unknown(tag, data) => put(out, *tag, data),
        }
    }
}

fn read_digest(code: u8, at: usize) -> Result<Digest, Malformed> {
    Digest::of_code(code).ok_or_else(|| Malformed::new(at, "a digest", "1, 2 or 3", code.to_string()))
}

fn read_certificate(element: &Tlv<'_>) -> Result<Element, Malformed> {
    let mut inside = element.inside();
    let mark = inside.u8("CERTIFICATE")?;
    let length = usize::from(inside.u16("CERTIFICATE")?);
    let zero = inside.u8("CERTIFICATE")?;
    let kind = inside.u8("CERTIFICATE")?;
    let left = element.value.len() - 5;
    if mark != 1 || zero != 0 || length != left + 2 {
        let found = format!("{mark}, {length}, {zero} and {left}");
        return Err(Malformed::new(element.at, "CERTIFICATE", "1, length, 0, type, DER of that length", found));
    }
    Ok(Element::Certificate(kind, inside.take(left, "CERTIFICATE")?.to_vec()))
}

fn read_sudi(element: &Tlv<'_>) -> Result<Element, Malformed> {
    let mut inside = element.inside();
    let mut part = |tag| crate::header::expect(&mut inside, tag, "SUDI_DATA").map(|part| part.value.to_vec());
    let sudi = Element::Sudi { certificate: part(0)?, sha1: part(1)?, sha512: part(3)? };
    crate::header::nothing_more(&inside, "SUDI_DATA")?;
    Ok(sudi)
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub command: Command,
    pub session: u32,
    /// In the order they came; each at most once.
    pub elements: Vec<Element>,
}

impl Message {
    pub fn new(command: Command, session: u32, elements: impl Into<Vec<Element>>) -> Message {
        Message { command, session, elements: elements.into() }
    }

    /// Reads octets that are one whole message.
    pub fn parse(octets: &[u8]) -> Result<Message, Malformed> {
        let mut reader = Reader::new(octets, 0);
        let mark = reader.u8("the header")?;
        if mark != MARK {
            return Err(Malformed::new(0, "the header", "0x55, which begins CAPF", format!("{mark:#04x}")));
        }
        let command = Command::of_code(reader.u8("the command")?);
        let session = reader.u32("the session")?;
        let length = usize::from(reader.u16("the length")?);
        if octets.len() != HEADER + length {
            let found = format!("{} octets", octets.len().saturating_sub(HEADER));
            return Err(Malformed::new(6, "the length", format!("{length} octets of elements"), found));
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
            elements.push(Element::read(&element)?);
        }
        Ok(Message { command, session, elements })
    }

    pub fn octets(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for element in &self.elements {
            element.write(&mut body);
        }
        let mut out = vec![MARK, self.command.code()];
        out.extend(self.session.to_be_bytes());
        out.extend((body.len() as u16).to_be_bytes());
        out.extend(body);
        out
    }

    pub fn reason(&self) -> Option<Reason> {
        self.find(|element| match element {
            Element::Reason(reason) => Some(*reason),
            _ => None,
        })
    }

    pub(super) fn find<'a, T>(&'a self, pick: impl FnMut(&'a Element) -> Option<T>) -> Option<T> {
        self.elements.iter().find_map(pick)
    }
}

/// Cuts a stream into messages.
pub type Framer = crate::framer::Framer<Message>;

impl Framed for Message {
    const PROTOCOL: &'static str = "CAPF";
    const MARK: u8 = MARK;
    const HEADER: usize = HEADER;
    const LENGTH_AT: usize = 6;
    const LONGEST: usize = LONGEST;

    fn parse(octets: &[u8]) -> Result<Message, Malformed> {
        Message::parse(octets)
    }
}
