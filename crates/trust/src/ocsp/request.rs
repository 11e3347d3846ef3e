//! The question (RFC 6960 §4.1), for one certificate, unsigned and without a nonce (RFC 5019 §2.1); and the path that
//! carries it in a GET (RFC 5019 §5, RFC 6960 §A.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use yasna::{ASN1Result, BERReader, Tag};

use super::CertificateId;
use super::der::{invalid, optional_critical};

/// Longer than any question about one certificate, nonce and signature of a client included.
const LONGEST: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub id: CertificateId,
}

impl Request {
    pub fn der(&self) -> Vec<u8> {
        yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_sequence(|writer| {
                    writer.next().write_sequence(|writer| {
                        writer.next().write_sequence(|writer| self.id.write(writer.next()));
                    });
                });
            });
        })
    }

    /// `None`: it is no question about exactly one certificate that can be understood whole.
    pub fn read(der: &[u8]) -> Option<Request> {
        if der.len() > LONGEST {
            return None;
        }
        yasna::parse_der(der, request).ok()
    }
}

fn request(reader: BERReader<'_, '_>) -> ASN1Result<Request> {
    reader.read_sequence(|reader| {
        let ids = reader.next().read_sequence(|reader| {
            reader.read_optional(|reader| reader.read_tagged(Tag::context(0), |reader| reader.read_u8()))?;
            reader.read_optional(|reader| reader.read_tagged(Tag::context(1), |reader| reader.read_der()))?;
            let ids = reader.next().collect_sequence_of(|reader| {
                reader.read_sequence(|reader| {
                    let id = CertificateId::read(reader.next())?;
                    if optional_critical(reader, 0)? { invalid() } else { Ok(id) }
                })
            })?;
            if optional_critical(reader, 2)? { invalid() } else { Ok(ids) }
        })?;
        // A signature of who asks: anybody may.
        reader.read_optional(|reader| reader.read_tagged(Tag::context(0), |reader| reader.read_der()))?;
        match <[CertificateId; 1]>::try_from(ids) {
            Ok([id]) => Ok(Request { id }),
            Err(_) => invalid(),
        }
    })
}

/// What follows the responder's address in a GET: base64, and what of that means something in an address escaped.
pub fn path_of(request: &[u8]) -> String {
    STANDARD.encode(request).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// The request of such a path, without the slash before it. Some clients escape nothing.
pub fn from_path(path: &str) -> Option<Vec<u8>> {
    if path.len() > 2 * LONGEST {
        return None;
    }
    let (mut text, mut octets) = (String::new(), path.bytes());
    while let Some(octet) = octets.next() {
        if octet != b'%' {
            text.push(char::from(octet));
            continue;
        }
        let mut digit = || char::from(octets.next()?).to_digit(16);
        // Two hex digits are at most 255.
        text.push(char::from((digit()? * 16 + digit()?) as u8));
    }
    STANDARD.decode(text).ok()
}
