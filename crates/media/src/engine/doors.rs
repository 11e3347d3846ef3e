//! A leg's transcoders. Inside, the engine speaks G.711: what is recorded, mixed, listened to and played. A stream of another
//! codec has a way in and one out; and between two streams that speak otherwise, one lies on the bridge. Each is made
//! with its first packet, and made anew when what it connects changes: a coder remembers what went before.

use sdp::{Codec, OpusTerms};

use super::stream::{Heard, Spoken};
use crate::g711;
use crate::rtp::{self, Header};
use crate::transcode::{self, Taken, Transcoder};

#[derive(Default)]
pub(super) struct Doors {
    /// What the peer says, to G.711.
    ear: Option<Box<Way>>,
    /// What is relayed to the peer, to G.711: for recordings.
    echo: Option<Box<Way>>,
    /// What we say ourselves, from G.711.
    mouth: Option<Box<Transcoder>>,
    /// What one source says, for the peer.
    bridge: Option<Box<Way>>,
}

/// A packet's sound as G.711, and when it begins, on our clock: not always when the packet does ([`Taken::ahead`]).
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside<'a> {
    pub(super) codec: Codec,
    pub(super) codes: &'a [u8],
    pub(super) timestamp: u32,
}

/// The transcoder of one source.
struct Way {
    transcoder: Transcoder,
    ssrc: u32,
    /// The highest that was taken.
    sequence: u16,
}

/// Where a packet stands among those of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Behind so many that did not come.
    Next(u16),
    /// It comes behind one that was taken already, where a coder cannot go back to.
    Straggler,
}

/// Farther behind is no straggler but a source that began anew.
const MOST_BEHIND: i16 = -100;

impl Doors {
    /// The payload of a packet that came, for [`Doors::heard`]. Once a packet.
    pub(super) fn hear(&mut self, heard: &Heard, payload: &[u8]) {
        if !g711::is(heard.codec) {
            let way = way(&mut self.ear, (heard.codec, Codec::Pcmu), &OpusTerms::default(), &heard.header);
            way.take_late(&heard.header, payload);
        }
    }

    /// The same payload as G.711.
    pub(super) fn heard<'a>(&'a self, heard: &Heard, payload: &'a [u8]) -> Inside<'a> {
        let (codec, timestamp) = (heard.codec, heard.header.timestamp);
        match (&self.ear, g711::is(codec)) {
            (_, true) => Inside { codec, codes: payload, timestamp },
            (Some(ear), false) => Inside::of(ear.transcoder.taken(), timestamp),
            (None, false) => Inside { codec: Codec::Pcmu, codes: &[], timestamp },
        }
    }

    /// A packet that is no sound came of the source: its number is none that was lost.
    pub(super) fn heard_other(&mut self, header: &Header) {
        skip(&mut self.ear, header);
    }

    /// The same for a packet that is relayed.
    pub(super) fn relay_other(&mut self, header: &Header) {
        skip(&mut self.bridge, header);
    }

    /// The payload of a packet that is relayed to the peer in its codec, as G.711.
    pub(super) fn said<'a>(&'a mut self, codec: Codec, header: &Header, payload: &'a [u8]) -> Inside<'a> {
        if g711::is(codec) {
            return Inside { codec, codes: payload, timestamp: header.timestamp };
        }
        let way = way(&mut self.echo, (codec, Codec::Pcmu), &OpusTerms::default(), header);
        way.take_late(header, payload);
        Inside::of(way.transcoder.taken(), header.timestamp)
    }

    /// Turns a packet of another leg into one for this peer, in place: its length, and by how much it begins ahead of its
    /// time. None: it is a straggler, or there is no room.
    pub(super) fn relay(&mut self, heard: &Heard, to: &Spoken, packet: &mut [u8]) -> Option<(usize, u32)> {
        let (from, header) = (heard.codec, &heard.header);
        if transcode::is_plain(from, to.codec) {
            g711::translate(from, to.codec, packet.get_mut(rtp::HEADER..heard.len)?);
            return Some((heard.len, 0));
        }
        let way = way(&mut self.bridge, (from, to.codec), &to.opus, header);
        let Order::Next(lost) = way.order(header) else { return None };
        let taken = way.transcoder.take_behind(packet.get(rtp::HEADER..heard.len)?, lost);
        let ahead = taken.ahead;
        way.sequence = header.sequence;
        Some((put(way.transcoder.taken().payload, packet)?, ahead))
    }

    /// Turns a packet of ours, in G.711, into one for the peer, in place; its length.
    pub(super) fn speak(&mut self, to: &Spoken, packet: &mut [u8], len: usize) -> Option<usize> {
        if g711::is(to.codec) {
            return Some(len);
        }
        let ends = (Codec::Pcmu, to.codec);
        if self.mouth.as_ref().is_none_or(|mouth| !mouth.connects(ends, &to.opus)) {
            self.mouth = None;
        }
        let new = || Box::new(Transcoder::for_peer(ends.0, ends.1, &to.opus));
        let out = self.mouth.get_or_insert_with(new).take(packet.get(rtp::HEADER..len)?);
        put(out, packet)
    }
}

impl Inside<'_> {
    fn of(taken: Taken<'_>, timestamp: u32) -> Inside<'_> {
        Inside { codec: Codec::Pcmu, codes: taken.payload, timestamp: timestamp.wrapping_sub(taken.ahead) }
    }
}

impl Way {
    fn order(&self, header: &Header) -> Order {
        let ahead = header.sequence.wrapping_sub(self.sequence) as i16;
        match u16::try_from(ahead) {
            Ok(ahead @ 1..) => Order::Next(ahead - 1),
            Err(_) if ahead < MOST_BEHIND => Order::Next(0),
            _ => Order::Straggler,
        }
    }

    /// For a listener who places packets by their time: a straggler of G.722 is worth more than its absence, in Opus
    /// something was heard in its place already.
    fn take_late(&mut self, header: &Header, payload: &[u8]) {
        match self.order(header) {
            Order::Next(lost) => {
                self.sequence = header.sequence;
                self.transcoder.take_behind(payload, lost);
            }
            Order::Straggler if self.transcoder.from() == Codec::Opus => self.transcoder.pass_over(),
            Order::Straggler => drop(self.transcoder.take_behind(payload, 0)),
        }
    }
}

/// The way of this source between these, or another in its place.
fn way<'a>(
    place: &'a mut Option<Box<Way>>,
    (from, to): (Codec, Codec),
    terms: &OpusTerms,
    header: &Header,
) -> &'a mut Way {
    let goes_on = |way: &Way| way.ssrc == header.ssrc && way.transcoder.connects((from, to), terms);
    if !place.as_deref().is_some_and(goes_on) {
        *place = None;
    }
    place.get_or_insert_with(|| {
        let transcoder = Transcoder::for_peer(from, to, terms);
        Box::new(Way { transcoder, ssrc: header.ssrc, sequence: header.sequence.wrapping_sub(1) })
    })
}

fn skip(place: &mut Option<Box<Way>>, header: &Header) {
    if let Some(way) = place.as_mut().filter(|way| way.ssrc == header.ssrc)
        && matches!(way.order(header), Order::Next(_))
    {
        way.sequence = header.sequence;
    }
}

fn put(payload: &[u8], packet: &mut [u8]) -> Option<usize> {
    let len = rtp::HEADER + payload.len();
    packet.get_mut(rtp::HEADER..len)?.copy_from_slice(payload);
    Some(len)
}
