//! A leg's transcoders. Inside, the engine speaks G.711: what is recorded, mixed, listened to and played. A stream of another
//! codec has a way in and one out; and between two streams that speak otherwise, one lies on the bridge. Each is made
//! with its first packet, and made anew when what it connects changes: a coder remembers what went before.

use sdp::Codec;

use super::stream::Heard;
use crate::transcode::{self, Transcoder};
use crate::{g711, rtp};

#[derive(Default)]
pub(super) struct Doors {
    /// What the peer says, to G.711.
    ear: Option<Box<Transcoder>>,
    /// What is relayed to the peer, to G.711: for recordings.
    echo: Option<Box<Transcoder>>,
    /// What we say ourselves, from G.711.
    mouth: Option<Box<Transcoder>>,
    bridge: Option<Box<Bridge>>,
}

/// What one source says, for the peer.
struct Bridge {
    transcoder: Transcoder,
    ssrc: u32,
    /// The highest that was taken.
    sequence: u16,
}

impl Doors {
    /// The payload of a packet that came, for [`Doors::heard`]. Once a packet.
    pub(super) fn hear(&mut self, codec: Codec, payload: &[u8]) {
        if !g711::is(codec) {
            between(&mut self.ear, codec, Codec::Pcmu).take(payload);
        }
    }

    /// The same payload as G.711.
    pub(super) fn heard<'a>(&'a self, codec: Codec, payload: &'a [u8]) -> (Codec, &'a [u8]) {
        match (&self.ear, g711::is(codec)) {
            (_, true) => (codec, payload),
            (Some(ear), false) => (Codec::Pcmu, ear.taken()),
            (None, false) => (Codec::Pcmu, &[]),
        }
    }

    /// The payload of a packet that is relayed to the peer in its codec, as G.711.
    pub(super) fn said<'a>(&'a mut self, codec: Codec, payload: &'a [u8]) -> (Codec, &'a [u8]) {
        match g711::is(codec) {
            true => (codec, payload),
            false => (Codec::Pcmu, between(&mut self.echo, codec, Codec::Pcmu).take(payload)),
        }
    }

    /// Turns a packet of another leg into one in this codec, in place; its length. None: it comes behind one that was
    /// transcoded already, where a coder cannot go back to, or there is no room.
    pub(super) fn relay(&mut self, heard: &Heard, to: Codec, packet: &mut [u8]) -> Option<usize> {
        let (from, header) = (heard.codec, &heard.header);
        if transcode::is_plain(from, to) {
            g711::translate(from, to, packet.get_mut(rtp::HEADER..heard.len)?);
            return Some(heard.len);
        }
        let goes_on = |bridge: &Bridge| {
            bridge.ssrc == header.ssrc && (bridge.transcoder.from(), bridge.transcoder.to()) == (from, to)
        };
        let bridge = match self.bridge.take().filter(|bridge| goes_on(bridge)) {
            Some(mut bridge) => {
                let ahead = header.sequence.wrapping_sub(bridge.sequence) as i16;
                // Far behind is no straggler but a source that began anew.
                if (-100..=0).contains(&ahead) {
                    self.bridge = Some(bridge);
                    return None;
                }
                bridge.sequence = header.sequence;
                bridge
            }
            None => {
                let transcoder = Transcoder::new(from, to);
                Box::new(Bridge { transcoder, ssrc: header.ssrc, sequence: header.sequence })
            }
        };
        let bridge = self.bridge.insert(bridge);
        let out = bridge.transcoder.take(packet.get(rtp::HEADER..heard.len)?);
        put(out, packet)
    }

    /// Turns a packet of ours, in G.711, into one in the peer's codec, in place; its length.
    pub(super) fn speak(&mut self, codec: Codec, packet: &mut [u8], len: usize) -> Option<usize> {
        if g711::is(codec) {
            return Some(len);
        }
        let out = between(&mut self.mouth, Codec::Pcmu, codec).take(packet.get(rtp::HEADER..len)?);
        put(out, packet)
    }
}

fn between(place: &mut Option<Box<Transcoder>>, from: Codec, to: Codec) -> &mut Transcoder {
    if place.as_ref().is_none_or(|it| (it.from(), it.to()) != (from, to)) {
        *place = None;
    }
    place.get_or_insert_with(|| Box::new(Transcoder::new(from, to)))
}

fn put(payload: &[u8], packet: &mut [u8]) -> Option<usize> {
    let len = rtp::HEADER + payload.len();
    packet.get_mut(rtp::HEADER..len)?.copy_from_slice(payload);
    Some(len)
}
