//! For elements that pass descriptions on without ending media: what does this one say, and may it pass?

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::dtls::handshake_of;
use crate::negotiate::{media_names, no_audio, offered_key, protected_as_required};
use crate::reject::Reject;
use crate::session::{Media, Session};
use crate::{Direction, Policy, Protection, Suite};

/// What a passing description says of its audio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspected {
    /// As written, e.g. `RTP/SAVP`.
    pub profile: String,
    /// Suites that we know, in the description's order. In an answer there is one.
    pub suites: Vec<Suite>,
    /// Where its author receives RTP; none when the stream is declined or on hold by `c=0.0.0.0`.
    pub addr: Option<SocketAddr>,
    /// Encoding names in order, without telephone-event.
    pub codecs: Vec<String>,
    /// As its author sees it.
    pub direction: Direction,
}

/// For elements that pass SDP through without ending media (call server, call manager): is this description's audio
/// protected, by what? Gives profile, suites and address for the record, and refuses what `policy` forbids: audio that
/// is not as required and, where SRTP is required, any other stream (video, say) that would travel in clear beside it.
pub fn inspect(policy: &Policy, sdp: &[u8]) -> Result<Inspected, Reject> {
    let session = Session::parse(sdp).map_err(|error| Reject::malformed(&error))?;
    for media in session.media.iter().filter(|media| media.port != 0) {
        if media.is_audio() {
            if policy.protection == Protection::Secure && media.is_dtls() {
                // The keys never come here, whatever the ends may be keyed by; that they are checked is in the fingerprint.
                handshake_of(&session, media)?;
                continue;
            }
            protected_as_required(policy, media)?;
            if policy.protection == Protection::Secure {
                offered_key(policy, media)?;
            }
        } else if media.is_avp() && policy.protection == Protection::Secure {
            let rule = "a stream in clear beside secure audio; switch it off or secure it at the peer";
            return Err(Reject::new(rule, format!("m={} {}", media.media, media.proto), "RTP/SAVP, or port 0"));
        }
    }
    let mut audio = session.media.iter().filter(|media| media.is_audio());
    let first = audio.clone().next();
    let media = audio.find(|media| media.port != 0).or(first).ok_or_else(|| no_audio(&media_names(&session)))?;
    Ok(Inspected {
        profile: media.proto.clone(),
        suites: suites(media),
        addr: session.address(media).filter(|addr| addr.port() != 0 && !addr.ip().is_unspecified()),
        codecs: codecs(media),
        direction: if media.port == 0 { Direction::Inactive } else { session.direction(media) },
    })
}

fn suites(media: &Media) -> Vec<Suite> {
    let usable = |crypto: crate::Crypto| crypto.usable(&Suite::ALL).ok().map(|(suite, _)| suite);
    media.crypto().into_iter().filter_map(Result::ok).filter_map(usable).collect()
}

fn codecs(media: &Media) -> Vec<String> {
    let encodings = media.payload_types().into_iter().map(|map| map.encoding);
    encodings.filter(|encoding| !encoding.eq_ignore_ascii_case("telephone-event")).collect()
}
