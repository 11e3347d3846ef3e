//! What every message must have (RFC 3261 §8.1.1, §8.2, §16.3), checked once at the door and in place.

use super::name_addr::NameAddrView;
use super::via::ViaView;
use super::{Message, Method, Name, ParseError, cseq, lex};
use crate::uri::view::UriView;

pub(super) fn check(message: &Message, method: Option<&Method>) -> Result<(), ParseError> {
    if let Some(uri) = message.request_uri_text() {
        let view = UriView::scan(uri).map_err(|error| error.inside("Request-URI"))?;
        if !view.headers.is_empty() {
            return Err(ParseError::new("Request-URI: embedded header fields may not stand here", 0));
        }
    }
    via(message)?;
    for name in [Name::From, Name::To] {
        NameAddrView::scan(required(message, &name)?).map_err(|error| error.inside(name.as_str()))?;
    }
    if required(message, &Name::CallId)?.bytes().any(lex::is_space) {
        return Err(ParseError::new("Call-ID: expected one word", 0));
    }
    let (_, of_cseq) = cseq::split(required(message, &Name::CSeq)?).map_err(|error| error.inside("CSeq"))?;
    if !lex::is_token(of_cseq) {
        return Err(ParseError::new("CSeq: expected a method after the number", 0));
    }
    match method {
        Some(method) if method.as_str() != of_cseq => {
            let error = ParseError::new("CSeq: another method than in the request line", 0);
            // RFC 4475 §3.1.2.18: for a method that nobody knows, 501 says more than 400.
            return Err(if matches!(method, Method::Other(_)) { error.answered(501) } else { error });
        }
        _ => {}
    }
    let out_of_range = |text| lex::delta_seconds(text).is_none_or(|hops| hops > 255);
    if message.header(&Name::MaxForwards).is_some_and(out_of_range) {
        return Err(ParseError::new("Max-Forwards: expected a number up to 255", 0));
    }
    addresses(message)
}

fn required<'a>(message: &'a Message, name: &Name) -> Result<&'a str, ParseError> {
    message
        .header(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| ParseError::new(format!("expected {name}, which every message must have"), 0))
}

/// Only the topmost: the others are for those who wrote them.
fn via(message: &Message) -> Result<(), ParseError> {
    required(message, &Name::Via)?;
    let top = message.values(&Name::Via).next().unwrap_or("");
    ViaView::scan(top).map(drop).map_err(|error| error.inside("Via"))
}

/// Where later requests of a dialog would go.
fn addresses(message: &Message) -> Result<(), ParseError> {
    for name in [Name::Contact, Name::Route, Name::RecordRoute] {
        for value in message.values(&name) {
            if value != "*" || name != Name::Contact {
                NameAddrView::scan(value).map_err(|error| error.inside(name.as_str()))?;
            }
        }
    }
    Ok(())
}
