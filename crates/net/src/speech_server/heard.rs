//! What a speech server says, under SRTP: received here, put in order, and given as samples.

use media::g711;
use media::rtp::Header;
use media::srtp::Inbound;
use sdp::{Codec, Keying, Negotiated};
use tokio::net::UdpSocket;

use super::port::Agreed;

/// As many as nine minutes have, at 20 ms.
const MOST_PACKETS: usize = 27_000;
/// Samples of six minutes.
const MOST_SAMPLES: usize = 360 * 8_000;
/// A gap in one stream that is longer was none: the sender's clock jumped.
const LONGEST_GAP: u32 = 10 * 8_000;
/// What is fainter is silence.
const FAINT: u16 = 16;

pub(super) struct Heard {
    socket: UdpSocket,
    inbound: Inbound,
    codec: Codec,
    payload_type: u8,
    buffer: Vec<u8>,
    pieces: Vec<Piece>,
}

/// One packet's.
struct Piece {
    ssrc: u32,
    timestamp: u32,
    payload: Vec<u8>,
}

impl Heard {
    pub(super) fn new(agreed: Agreed) -> Result<Heard, String> {
        let Agreed { socket, how: Negotiated { codec, payload_type, keying, .. } } = agreed;
        let Keying::Sdes { suite, remote, .. } = keying else {
            return Err("its audio would come without keys".into());
        };
        let inbound = Inbound::new(suite, &remote).map_err(|error| error.to_string())?;
        Ok(Heard { socket, inbound, codec, payload_type, buffer: vec![0; 2048], pieces: Vec::new() })
    }

    /// Waits for one packet that is the server's, and says whether there is anything to hear in it. May be given up at any
    /// moment.
    pub(super) async fn next(&mut self) -> Result<bool, String> {
        loop {
            let (len, _) = self.socket.recv_from(&mut self.buffer).await.map_err(|error| error.to_string())?;
            // Whatever is not under the server's key is nobody's.
            let Ok(len) = self.inbound.open(&mut self.buffer, len) else { continue };
            let packet = self.buffer.get(..len).unwrap_or_default();
            let Some(header) = Header::parse(packet).filter(|header| header.payload_type == self.payload_type) else {
                continue;
            };
            let payload = header.payload(packet).unwrap_or_default().to_vec();
            if self.pieces.len() == MOST_PACKETS {
                return Err(format!("it sent more than {MOST_PACKETS} packets"));
            }
            let is_loud = payload.iter().any(|code| g711::decode(self.codec, *code).unsigned_abs() >= FAINT);
            self.pieces.push(Piece { ssrc: header.ssrc, timestamp: header.timestamp, payload });
            return Ok(is_loud);
        }
    }

    /// All that was heard: each packet where its timestamp says, silence where one was lost, without the silence before
    /// the first word and behind the last.
    pub(super) fn samples(self) -> Vec<i16> {
        let mut samples = placed(self.pieces, self.codec);
        let loud = |sample: &i16| sample.unsigned_abs() >= FAINT;
        // All of it is silence: so it stays, for whoever looks at it.
        if let (Some(first), Some(last)) = (samples.iter().position(loud), samples.iter().rposition(loud)) {
            samples.truncate(last + 1);
            samples.drain(..first);
        }
        samples
    }
}

/// Streams one after another in the order in which they began, each by its own timestamps.
fn placed(pieces: Vec<Piece>, codec: Codec) -> Vec<i16> {
    let mut out: Vec<i16> = Vec::new();
    let mut streams: Vec<(u32, Vec<Piece>)> = Vec::new();
    for piece in pieces {
        match streams.iter_mut().find(|(ssrc, _)| *ssrc == piece.ssrc) {
            Some((_, pieces)) => pieces.push(piece),
            None => streams.push((piece.ssrc, vec![piece])),
        }
    }
    for (_, mut pieces) in streams {
        let Some(first) = pieces.first().map(|piece| piece.timestamp) else { continue };
        // Timestamps wrap; those a little before the first overtook each other on the way.
        pieces.sort_by_key(|piece| piece.timestamp.wrapping_sub(first) as i32);
        let mut due: Option<u32> = None;
        for piece in pieces {
            let gap = due.map_or(0, |due| piece.timestamp.wrapping_sub(due) as i32);
            let gap = u32::try_from(gap).ok().filter(|gap| *gap <= LONGEST_GAP).unwrap_or(0);
            out.extend(std::iter::repeat_n(0, gap as usize));
            out.extend(piece.payload.iter().map(|code| g711::decode(codec, *code)));
            due = Some(piece.timestamp.wrapping_add(piece.payload.len() as u32));
            if out.len() > MOST_SAMPLES {
                out.truncate(MOST_SAMPLES);
                return out;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(ssrc: u32, timestamp: u32, loud: u8) -> Piece {
        Piece { ssrc, timestamp, payload: vec![loud; 2] }
    }

    #[test]
    fn packets_are_put_where_their_timestamps_say() {
        let [a, b, c] = [1, 2, 3].map(|code| g711::decode(Codec::Pcmu, code));
        let of = |pieces: Vec<Piece>| placed(pieces, Codec::Pcmu);
        let late = vec![piece(1, 1, 2), piece(1, u32::MAX, 1), piece(1, 3, 3)];
        assert_eq!(of(late), [a, a, b, b, c, c], "one overtook another, over the end of the clock");
        assert_eq!(of(vec![piece(1, 0, 1), piece(1, 4, 2)]), [a, a, 0, 0, b, b], "one was lost");
        let jumped = vec![piece(1, 0, 1), piece(1, 1_000_000, 2), piece(9, 5, 3)];
        assert_eq!(of(jumped), [a, a, b, b, c, c], "a clock jumped, and another stream began");
    }
}
