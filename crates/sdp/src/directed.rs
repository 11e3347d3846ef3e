//! For elements that pass descriptions on and keep one side on hold meanwhile (RFC 3264 §8.4): the same description with
//! another direction, all other lines as they were.

use crate::Direction;
use crate::reject::Reject;
use crate::session::{Line, Media, Session};

/// This description with its audio in this direction, as its author sees it. Declined streams and those that are no audio
/// stay as they are. Unchanged to the octet where it says so already.
///
/// # Errors
/// It is no description.
pub fn directed(sdp: &[u8], direction: Direction) -> Result<Vec<u8>, Reject> {
    let mut session = Session::parse(sdp).map_err(|error| Reject::malformed(&error))?;
    let differs = |media: &Media| media.is_audio() && media.port != 0 && session.direction(media) != direction;
    let changed: Vec<bool> = session.media.iter().map(differs).collect();
    if !changed.contains(&true) {
        return Ok(sdp.to_vec());
    }
    for (media, _) in session.media.iter_mut().zip(changed).filter(|(_, changed)| *changed) {
        media.lines.retain(|line| !is_direction(line));
        media.lines.push(Line::new('a', direction.name()));
    }
    Ok(session.to_string().into_bytes())
}

fn is_direction(line: &Line) -> bool {
    line.attribute().is_some_and(|(name, _)| {
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
            .iter()
            .any(|direction| direction.name() == name.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=sendonly\r\n\
        m=audio 4000 RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendonly\r\na=x-odd:1\r\nm=video 0 RTP/SAVP 96\r\na=sendonly\r\n";

    #[test]
    fn the_direction_of_live_audio_changes_and_nothing_else() {
        let text = String::from_utf8(directed(OFFER.as_bytes(), Direction::Inactive).unwrap()).unwrap();
        let audio = text.split("m=audio").nth(1).unwrap().split("m=video").next().unwrap();
        assert!(audio.contains("a=inactive") && !audio.contains("a=sendonly") && audio.contains("a=x-odd:1"), "{text}");
        assert!(text.split("m=video").nth(1).unwrap().contains("a=sendonly"), "{text}");
        let back = directed(text.as_bytes(), Direction::SendOnly).unwrap();
        assert_eq!(back.len(), OFFER.len());
        assert_eq!(directed(OFFER.as_bytes(), Direction::SendOnly).unwrap(), OFFER.as_bytes(), "said already");
        assert!(directed(b"no description", Direction::Inactive).is_err());
    }

    #[test]
    fn where_the_session_says_it_for_all_the_stream_says_it_for_itself() {
        let of_all = OFFER.replace("PCMU/8000\r\na=sendonly\r\n", "PCMU/8000\r\n");
        let text = String::from_utf8(directed(of_all.as_bytes(), Direction::SendRecv).unwrap()).unwrap();
        let session = Session::parse(text.as_bytes()).unwrap();
        assert_eq!(session.direction(&session.media[0]), Direction::SendRecv);
    }
}
