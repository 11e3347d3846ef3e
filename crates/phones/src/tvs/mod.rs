//! TVS: a phone asks whether a certificate that it does not hold may be trusted, and for what. TCP 2445, TLS.
//!
//! One request, one answer, any number of them on a connection. [`Directory`] answers; [`ask_verify`] and [`ask_query`]
//! make requests, [`Answer::read`] reads what comes back.

mod message;
#[cfg(test)]
mod tests;

pub use message::{Element, Framer, Kind, Message};

use crate::{Certificate, Function, Malformed, Names, Serial};

/// Where it listens, as a rule.
pub const PORT: u16 = 2445;

/// Seconds that a phone may keep an answer.
pub const TIME_TO_LIVE: u32 = 86_400;

/// The certificates that are vouched for, each with what it is good for.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    entries: Vec<(Certificate, Vec<Function>)>,
}

impl Directory {
    /// Adds a certificate; said again, it gains functions.
    pub fn add(&mut self, certificate: &Certificate, function: Function) {
        match self.entries.iter_mut().find(|(known, _)| known == certificate) {
            Some((_, functions)) if functions.contains(&function) => {}
            Some((_, functions)) => functions.push(function),
            None => self.entries.push((certificate.clone(), vec![function])),
        }
    }

    /// Whether this very certificate is vouched for, for this, at `now` (seconds since 1970).
    pub fn vouches(&self, certificate: &Certificate, function: Function, now: i64) -> bool {
        let (from, until) = certificate.validity();
        let known =
            |(known, functions): &(Certificate, Vec<Function>)| known == certificate && functions.contains(&function);
        (from..=until).contains(&now) && self.entries.iter().any(known)
    }

    /// The answer to a request at `now` (seconds since 1970). An expired certificate is vouched for by nobody.
    ///
    /// # Errors
    /// It is no request, or lacks what it asks about: close the connection.
    pub fn answer(&self, request: &Message, now: i64) -> Result<Message, Malformed> {
        let missing = |what: &str| Malformed::new(10, "a request", what, "none");
        let (kind, found, with_certificate) = match request.kind {
            Kind::VerifyRequest => {
                let der = request.certificate().ok_or_else(|| missing("a certificate (tag 2)"))?;
                // Issuer and serial find it; the whole of it decides.
                (Kind::VerifyResponse, self.entries.iter().find(|(known, _)| known.der() == der), false)
            }
            Kind::QueryRequest => {
                let issuer = request.issuer().ok_or_else(|| missing("an issuer (tag 4)"))?;
                let serial = request.serial().ok_or_else(|| missing("a serial number (tag 5)"))?;
                (Kind::QueryResponse, self.entries.iter().find(|(known, _)| known.is(serial, issuer)), true)
            }
            Kind::VerifyResponse | Kind::QueryResponse => {
                return Err(Malformed::new(2, "the type", "a request, 1 or 3", format!("{:?}", request.kind)));
            }
        };
        let found = found.filter(|(certificate, _)| {
            let (from, until) = certificate.validity();
            (from..=until).contains(&now)
        });
        let mut elements = vec![Element::Status(u8::from(found.is_none()))];
        if let Some((certificate, functions)) = found {
            if with_certificate {
                elements.push(Element::Certificate(certificate.der().to_vec()));
            }
            // A role is one octet here; those that are wider are none of TVS's.
            let roles = functions.iter().filter_map(|function| u8::try_from(function.code()).ok());
            elements.push(Element::Roles(roles.collect()));
            elements.push(Element::TimeToLive(TIME_TO_LIVE));
        }
        Ok(Message { kind, session: request.session, elements })
    }
}

/// Asks whether this certificate is trusted.
pub fn ask_verify(session: u32, device: &str, certificate: &Certificate) -> Message {
    let elements = vec![Element::Device(device.to_owned()), Element::Certificate(certificate.der().to_vec())];
    Message { kind: Kind::VerifyRequest, session, elements }
}

/// Asks for the certificate of this issuer and serial number.
pub fn ask_query(session: u32, device: &str, subject: &str, issuer: &str, serial: &Serial) -> Message {
    let elements = vec![
        Element::Device(device.to_owned()),
        Element::Subject(subject.to_owned()),
        Element::Issuer(issuer.to_owned()),
        Element::Serial(serial.clone()),
    ];
    Message { kind: Kind::QueryRequest, session, elements }
}

/// As [`ask_query`], for a certificate that is at hand.
pub fn ask_query_of(session: u32, device: &str, certificate: &Certificate) -> Message {
    let style = Names::Equipment;
    ask_query(session, device, certificate.subject(style), certificate.issuer(style), certificate.serial())
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Trusted for this, for so many seconds; with the certificate if it was asked for.
    Trusted {
        functions: Vec<Function>,
        seconds: u32,
        certificate: Option<Certificate>,
    },
    Unknown,
}

impl Answer {
    /// Reads the answer to `request`.
    ///
    /// # Errors
    /// It answers something else, or lacks what such an answer has. Nothing is to be trusted then.
    pub fn read(request: &Message, answer: &Message) -> Result<Answer, Malformed> {
        let wrong = |what: &str, expected: String, found: String| Malformed::new(0, what, expected, found);
        let expected = match request.kind {
            Kind::VerifyRequest => Kind::VerifyResponse,
            _ => Kind::QueryResponse,
        };
        if (answer.kind, answer.session) != (expected, request.session) {
            return Err(wrong(
                "an answer",
                format!("{expected:?} in session {}", request.session),
                format!("{:?} in session {}", answer.kind, answer.session),
            ));
        }
        if answer.status() != Some(0) {
            return Ok(Answer::Unknown);
        }
        let certificate = match answer.certificate().map(Certificate::from_der) {
            Some(Ok(certificate)) => Some(certificate),
            Some(Err(error)) => return Err(wrong("an answer", "a certificate".into(), error.to_string())),
            None if expected == Kind::QueryResponse => {
                return Err(wrong("an answer", "a certificate".into(), "none".into()));
            }
            None => None,
        };
        let asked = match (request.issuer(), request.serial()) {
            (Some(issuer), Some(serial)) => certificate.as_ref().is_none_or(|came| came.is(serial, issuer)),
            _ => true,
        };
        if !asked {
            return Err(wrong("an answer", "the certificate that was asked for".into(), "another".into()));
        }
        Ok(Answer::Trusted {
            functions: answer.roles().iter().map(|role| Function::of_code((*role).into())).collect(),
            seconds: answer.time_to_live().unwrap_or(0),
            certificate,
        })
    }
}
