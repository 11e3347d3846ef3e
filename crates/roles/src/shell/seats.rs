//! Seats: how a call server has a media resource seat somebody in a conference of the call server's
//! (`sip:conf=ID@…;seat=NAME;part=…`, after RFC 4240 §5), and gives them another part later (INFO within that dialog). A
//! media resource takes both from call servers alone: whoever could say so might listen unheard.

use media::conference::Part;
use serde::{Deserialize, Serialize};
use sip::{Body, Uri};

const PART: &str = "application/ringfence-part";

/// One party's place: its name in the room, and what it does there. Others are named by their seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) part: Part<String>,
}

impl Seat {
    /// The address that asks for it.
    pub(crate) fn at(&self, room: Uri) -> Uri {
        let (word, to) = written(&self.part);
        let uri = room.with_param("seat", Some(&self.name)).with_param("part", Some(word));
        match to {
            Some(to) => uri.with_param("to", Some(to)),
            None => uri,
        }
    }

    /// What an address asks for; `None`: for no seat of its own.
    pub(crate) fn of(uri: &Uri) -> Option<Result<Seat, &'static str>> {
        let (seat, part) = (uri.param("seat"), uri.param("part"));
        if seat.is_none() && part.is_none() {
            return None;
        }
        let name = seat.flatten().filter(|name| is_name(name));
        let part = part.flatten().and_then(|word| read(word, uri.param("to").flatten()));
        Some(match (name, part) {
            (Some(name), Some(part)) => Ok(Seat { name: name.to_owned(), part }),
            _ => Err("expected seat=NAME and part=talk, listen, or whisper with to=NAME"),
        })
    }
}

/// The body that gives a party another part.
pub(crate) fn body(part: &Part<String>) -> Body {
    let (word, to) = written(part);
    let to = to.map(|to| format!("To={to}\r\n")).unwrap_or_default();
    Body::new(PART, format!("Part={word}\r\n{to}"))
}

/// The part that a body gives; nothing where it gives none that there is.
pub(crate) fn part_in(body: &Body) -> Option<Part<String>> {
    if !body.is(PART) {
        return None;
    }
    let text = std::str::from_utf8(&body.bytes).ok()?;
    let value = |wanted: &str| {
        text.lines().find_map(|line| line.split_once('=').filter(|(name, _)| *name == wanted).map(|(_, value)| value))
    };
    read(value("Part")?, value("To"))
}

/// What it comes to, for the record.
pub(crate) fn words(part: &Part<String>) -> String {
    match part {
        Part::Talks => "talks: hears all and is heard by all".into(),
        Part::Listens => "listens: hears all and is heard by nobody".into(),
        Part::Whispers { to } => format!("whispers: hears all and is heard by the {to} alone"),
    }
}

fn written(part: &Part<String>) -> (&'static str, Option<&str>) {
    match part {
        Part::Talks => ("talk", None),
        Part::Listens => ("listen", None),
        Part::Whispers { to } => ("whisper", Some(to)),
    }
}

fn read(word: &str, to: Option<&str>) -> Option<Part<String>> {
    match (word, to) {
        ("talk", None) => Some(Part::Talks),
        ("listen", None) => Some(Part::Listens),
        ("whisper", Some(to)) if is_name(to) => Some(Part::Whispers { to: to.to_owned() }),
        _ => None,
    }
}

/// It stands in records.
fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_read_as_it_was_written_and_what_is_none_is_none() {
        let room = || Uri::sip(Some("conf=1"), "127.0.0.1", None);
        for part in [Part::Talks, Part::Listens, Part::Whispers { to: "agent".into() }] {
            assert_eq!(part_in(&body(&part)), Some(part.clone()));
            let seat = Seat { name: "supervisor".into(), part };
            let uri = seat.at(room()).to_string();
            assert_eq!(Seat::of(&uri.parse().unwrap()), Some(Ok(seat)), "{uri}");
        }
        assert_eq!(Seat::of(&room()), None);
        for wrong in [
            "seat=a",
            "part=listen",
            "seat=a;part=sing",
            "seat=a;part=whisper",
            "seat=;part=talk",
            "seat=a b;part=talk",
        ] {
            let params = wrong.split(';').filter_map(|param| param.split_once('='));
            let uri = params.fold(room(), |uri, (name, value)| uri.with_param(name, Some(value)));
            assert!(Seat::of(&uri).unwrap().is_err(), "{wrong}");
        }
        for wrong in ["", "Part=", "Part=sing", "Part=whisper", "To=agent", "Part=listen\r\nTo=agent", "Part=\u{e9}"] {
            assert_eq!(part_in(&Body::new(PART, wrong)), None, "{wrong}");
        }
        assert_eq!(part_in(&Body::new("text/plain", "Part=listen")), None);
    }
}
