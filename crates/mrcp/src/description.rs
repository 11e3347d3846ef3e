//! The descriptions by which a session and its channels are agreed (RFC 6787 §4.2, §4.4; RFC 4145, RFC 8122).
//!
//! A client offers one control line for each resource, and the audio of all of them; the server answers with a channel for
//! each, and the port where it listens. Control is over TLS: there is no other way to offer it here.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use sdp::{Fingerprint, Line, Media, Session};

use crate::header::ChannelId;
use crate::name::Resource;

/// Port 9, which nobody listens on: the client is the one who dials.
const DISCARD: u16 = 9;
const OVER_TLS: &str = "TCP/TLS/MRCPv2";
/// Ties the control lines to the audio.
const MID: &str = "1";

/// Why an answer is none that can be worked with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("the answer is no description: {0}")]
    NotSdp(#[from] sdp::ParseError),
    #[error("the answer has {found} m= lines where the offer has {offered} (RFC 3264 §6): mend the server")]
    Lines { offered: usize, found: usize },
    #[error("the server has no {0} to give: its control line is declined with port 0")]
    Declined(Resource),
    #[error("the control line of {0} is not {OVER_TLS}: what callers say and are told would pass in clear")]
    NotSecure(Resource),
    #[error("the control line of {resource} was expected to have {expected}")]
    Control { resource: Resource, expected: &'static str },
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// In the order of the offer.
    pub controls: Vec<Control>,
    /// The audio line alone, as the answer to what was offered alone.
    pub audio: String,
}

/// Where one resource is spoken to, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    pub channel: ChannelId,
    pub addr: SocketAddr,
    /// Of the certificate that the server shows there, where it says.
    pub fingerprint: Option<Fingerprint>,
}

/// An offer of these resources, with `audio` (an offer of one line, as `sdp::offer` makes it) tied to all of them.
/// `shown` is the certificate that the client shows on the control connection.
///
/// # Errors
/// `audio` is no description.
pub fn offer(audio: &str, resources: &[Resource], shown: &Fingerprint) -> Result<String, sdp::ParseError> {
    let mut session = Session::parse(audio.as_bytes())?;
    for media in &mut session.media {
        media.lines.push(Line::new('a', format!("mid:{MID}")));
    }
    let control = |resource: &Resource| Media {
        media: "application".into(),
        port: DISCARD,
        ports: None,
        proto: OVER_TLS.into(),
        formats: vec!["1".into()],
        lines: vec![
            Line::new('a', "setup:active"),
            Line::new('a', "connection:new"),
            Line::new('a', format!("fingerprint:{shown}")),
            Line::new('a', format!("resource:{resource}")),
            Line::new('a', format!("cmid:{MID}")),
        ],
    };
    session.media.splice(0..0, resources.iter().map(control));
    Ok(session.to_string())
}

/// Reads the answer to an offer of these resources.
///
/// # Errors
/// A resource was not given, or not so that it can be spoken to.
pub fn answer(resources: &[Resource], answer: &[u8]) -> Result<Answered, Unusable> {
    let session = Session::parse(answer)?;
    let offered = resources.len() + 1;
    if session.media.len() != offered {
        return Err(Unusable::Lines { offered, found: session.media.len() });
    }
    // The lines of an answer stand in the order of its offer.
    let controls = resources.iter().zip(&session.media);
    let controls = controls.map(|(resource, media)| control(&session, resource, media)).collect::<Result<_, _>>()?;
    let audio = session.media.last().cloned().into_iter().collect();
    let audio = Session { lines: session.lines, media: audio }.to_string();
    Ok(Answered { controls, audio })
}

fn control(session: &Session, resource: &Resource, media: &Media) -> Result<Control, Unusable> {
    let without = |expected: &'static str| Unusable::Control { resource: resource.clone(), expected };
    if media.media != "application" {
        return Err(without("the media type application"));
    }
    if media.port == 0 {
        return Err(Unusable::Declined(resource.clone()));
    }
    if !media.proto.eq_ignore_ascii_case(OVER_TLS) {
        return Err(Unusable::NotSecure(resource.clone()));
    }
    let named = |name: &str| attribute(&media.lines, name);
    // Absent is passive: who was offered `active` has no other choice (RFC 4145 §4.1).
    if named("setup").is_some_and(|setup| !setup.eq_ignore_ascii_case("passive")) {
        return Err(without("a=setup:passive, for it is the client who dials"));
    }
    let channel = named("channel").and_then(|value| ChannelId::read(value).ok());
    let channel = channel.ok_or_else(|| without("a=channel:ID@RESOURCE"))?;
    if channel.resource() != resource {
        return Err(without("a channel of the resource that was asked for"));
    }
    let address = |lines: &[Line]| {
        let line = lines.iter().find(|line| line.kind == 'c')?;
        line.value.split_ascii_whitespace().nth(2)?.parse::<IpAddr>().ok()
    };
    let ip = address(&media.lines).or_else(|| address(&session.lines));
    let ip = ip.filter(|ip| !ip.is_unspecified()).ok_or_else(|| without("an IP address, in c="))?;
    let said = named("fingerprint").or_else(|| attribute(&session.lines, "fingerprint"));
    let fingerprint = match said {
        None => None,
        Some(said) => Some(Fingerprint::parse(said).ok_or_else(|| without("a fingerprint by SHA-256, -384 or -512"))?),
    };
    Ok(Control { channel, addr: SocketAddr::new(ip, media.port), fingerprint })
}

fn attribute<'a>(lines: &'a [Line], name: &str) -> Option<&'a str> {
    lines.iter().filter_map(Line::attribute).find(|(known, _)| *known == name).map(|(_, value)| value.trim())
}
