//! The answer (RFC 6960 §4.2), as it is written and read. Whether it may be believed is `judge`'s business.

use std::fmt;

use yasna::{ASN1Result, BERReader, DERWriter, Tag};

use super::CertificateId;
use super::der::{BASIC, invalid, oid, optional_critical, read_time, write_time};

/// What an authority says of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Good,
    /// When (seconds since 1970), and why (RFC 5280 §5.3.1) where it says so.
    Revoked {
        at: i64,
        reason: Option<u8>,
    },
    /// The authority does not know it (RFC 6960 §2.2).
    Unknown,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Good => f.write_str("good"),
            Status::Unknown => f.write_str("unknown"),
            Status::Revoked { at, reason } => {
                write!(f, "revoked on {}", super::judge::date(*at))?;
                match reason.and_then(spoken) {
                    Some(reason) => write!(f, " ({reason})"),
                    None => Ok(()),
                }
            }
        }
    }
}

fn spoken(reason: u8) -> Option<&'static str> {
    Some(match reason {
        0 => "unspecified",
        1 => "key-compromise",
        2 => "ca-compromise",
        3 => "affiliation-changed",
        4 => "superseded",
        5 => "cessation-of-operation",
        6 => "certificate-hold",
        8 => "remove-from-crl",
        9 => "privilege-withdrawn",
        10 => "aa-compromise",
        _ => return None,
    })
}

/// Why there is no answer (RFC 6960 §4.2.1, `OCSPResponseStatus`). These are not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsuccessful {
    MalformedRequest,
    InternalError,
    TryLater,
    SignatureRequired,
    /// It is not asked about certificates that it knows (RFC 5019 §2.2.3).
    Unauthorized,
    /// A number that the RFC does not have.
    Other(u8),
}

impl Unsuccessful {
    const ALL: [(Unsuccessful, u8, &'static str); 5] = [
        (Unsuccessful::MalformedRequest, 1, "malformedRequest"),
        (Unsuccessful::InternalError, 2, "internalError"),
        (Unsuccessful::TryLater, 3, "tryLater"),
        (Unsuccessful::SignatureRequired, 5, "sigRequired"),
        (Unsuccessful::Unauthorized, 6, "unauthorized"),
    ];

    fn of(code: i64) -> Unsuccessful {
        let row = Unsuccessful::ALL.iter().find(|(_, number, _)| i64::from(*number) == code);
        row.map_or(Unsuccessful::Other(u8::try_from(code).unwrap_or(u8::MAX)), |(what, ..)| *what)
    }

    pub fn der(self) -> Vec<u8> {
        let row = Unsuccessful::ALL.iter().find(|(what, ..)| *what == self);
        let code = match self {
            Unsuccessful::Other(code) => code,
            _ => row.map_or(2, |(_, code, _)| *code),
        };
        yasna::construct_der(|writer| writer.write_sequence(|writer| writer.next().write_enum(code.into())))
    }
}

impl fmt::Display for Unsuccessful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = Unsuccessful::ALL.iter().find(|(what, ..)| what == self);
        match (self, row) {
            (Unsuccessful::Other(code), _) => write!(f, "status {code}"),
            (_, row) => f.write_str(row.map_or("", |(.., word)| word)),
        }
    }
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A distinguished name, in DER.
    Name(Vec<u8>),
    /// SHA-1 of the key.
    Key(Vec<u8>),
}

/// About one certificate.
#[derive(Clone, Debug)]
pub(super) struct Single {
    pub(super) id: CertificateId,
    pub(super) status: Status,
    pub(super) made: i64,
    pub(super) next: Option<i64>,
    /// There is something about it that we do not understand and should.
    pub(super) critical: bool,
}

/// A `BasicOCSPResponse`.
#[derive(Clone, Debug)]
pub(super) struct Basic {
    /// What is signed, as it came.
    pub(super) said: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) by: By,
    pub(super) singles: Vec<Single>,
    pub(super) critical: bool,
}

impl Basic {
    /// `Err` of the second kind: the responder said that it has no answer.
    pub(super) fn read(der: &[u8]) -> ASN1Result<Result<Basic, Unsuccessful>> {
        let outer = yasna::parse_der(der, |reader| {
            reader.read_sequence(|reader| {
                let code = reader.next().read_enum()?;
                let basic = reader.read_optional(|reader| {
                    reader.read_tagged(Tag::context(0), |reader| {
                        reader.read_sequence(|reader| {
                            let kind = reader.next().read_oid()?;
                            Ok((kind, reader.next().read_bytes()?))
                        })
                    })
                })?;
                Ok((code, basic))
            })
        })?;
        match outer {
            (0, Some((kind, basic))) if kind == oid(BASIC) => Ok(Ok(Basic::read_basic(&basic)?)),
            (0, _) => invalid(),
            (code, _) => Ok(Err(Unsuccessful::of(code))),
        }
    }

    fn read_basic(der: &[u8]) -> ASN1Result<Basic> {
        let (said, signature, certificates) = yasna::parse_der(der, |reader| {
            reader.read_sequence(|reader| {
                let said = reader.next().read_der()?;
                // Which algorithm it was follows from the signer's key, and only good ones are tried.
                reader.next().read_der()?;
                let (signature, bits) = reader.next().read_bitvec_bytes()?;
                if bits != signature.len() * 8 {
                    return invalid();
                }
                let certificates = reader.read_optional(|reader| {
                    reader.read_tagged(Tag::context(0), |reader| reader.collect_sequence_of(|reader| reader.read_der()))
                })?;
                Ok((said, signature, certificates.unwrap_or_default()))
            })
        })?;
        yasna::parse_der(&said.clone(), |reader| {
            reader.read_sequence(|reader| {
                reader.read_optional(|reader| reader.read_tagged(Tag::context(0), |reader| reader.read_u8()))?;
                let by = reader.next();
                let by = match by.lookahead_tag()? {
                    tag if tag == Tag::context(1) => By::Name(by.read_tagged(tag, |reader| reader.read_der())?),
                    tag if tag == Tag::context(2) => By::Key(by.read_tagged(tag, |reader| reader.read_bytes())?),
                    _ => return invalid(),
                };
                read_time(reader.next())?;
                let singles = reader.next().collect_sequence_of(Single::read)?;
                let critical = optional_critical(reader, 1)?;
                Ok(Basic { said: said.clone(), signature, certificates, by, singles, critical })
            })
        })
    }
}

impl Single {
    fn read(reader: BERReader<'_, '_>) -> ASN1Result<Single> {
        reader.read_sequence(|reader| {
            let id = CertificateId::read(reader.next())?;
            let status = read_status(reader.next())?;
            let made = read_time(reader.next())?;
            let next = reader.read_optional(|reader| reader.read_tagged(Tag::context(0), read_time))?;
            let critical = optional_critical(reader, 1)?;
            Ok(Single { id, status, made, next, critical })
        })
    }
}

fn read_status(reader: BERReader<'_, '_>) -> ASN1Result<Status> {
    let tag = reader.lookahead_tag()?;
    match tag.tag_number {
        _ if tag.tag_class != yasna::TagClass::ContextSpecific => invalid(),
        0 => reader.read_tagged_implicit(tag, |reader| reader.read_null()).map(|()| Status::Good),
        2 => reader.read_tagged_implicit(tag, |reader| reader.read_null()).map(|()| Status::Unknown),
        1 => reader.read_tagged_implicit(tag, |reader| {
            reader.read_sequence(|reader| {
                let at = read_time(reader.next())?;
                let reason =
                    reader.read_optional(|reader| reader.read_tagged(Tag::context(0), |reader| reader.read_enum()))?;
                Ok(Status::Revoked { at, reason: reason.and_then(|reason| u8::try_from(reason).ok()) })
            })
        }),
        _ => invalid(),
    }
}

/// `ResponseData`, for a signature: about one certificate, by the key with this SHA-1 hash.
pub(super) fn to_be_signed(key: &[u8], id: &CertificateId, status: &Status, made: i64, next: i64) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_tagged(Tag::context(2), |writer| writer.write_bytes(key));
            write_time(writer.next(), made);
            writer.next().write_sequence(|writer| {
                writer.next().write_sequence(|writer| {
                    id.write(writer.next());
                    write_status(writer.next(), status);
                    write_time(writer.next(), made);
                    writer.next().write_tagged(Tag::context(0), |writer| write_time(writer, next));
                });
            });
        });
    })
}

fn write_status(writer: DERWriter<'_>, status: &Status) {
    match status {
        Status::Good => writer.write_tagged_implicit(Tag::context(0), |writer| writer.write_null()),
        Status::Unknown => writer.write_tagged_implicit(Tag::context(2), |writer| writer.write_null()),
        Status::Revoked { at, reason } => writer.write_tagged_implicit(Tag::context(1), |writer| {
            writer.write_sequence(|writer| {
                write_time(writer.next(), *at);
                if let Some(reason) = reason {
                    writer.next().write_tagged(Tag::context(0), |writer| writer.write_enum((*reason).into()));
                }
            });
        }),
    }
}

/// The whole answer, once it is signed with ECDSA and SHA-256 by the key of `certificate` (DER).
pub(super) fn signed(said: &[u8], signature: &[u8], certificate: &[u8]) -> Vec<u8> {
    let basic = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_der(said);
            writer.next().write_sequence(|writer| writer.next().write_oid(&oid(&[1, 2, 840, 10045, 4, 3, 2])));
            writer.next().write_bitvec_bytes(signature, signature.len() * 8);
            writer.next().write_tagged(Tag::context(0), |writer| {
                writer.write_sequence(|writer| writer.next().write_der(certificate));
            });
        });
    });
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_enum(0);
            writer.next().write_tagged(Tag::context(0), |writer| {
                writer.write_sequence(|writer| {
                    writer.next().write_oid(&oid(BASIC));
                    writer.next().write_bytes(&basic);
                });
            });
        });
    })
}
