//! What a caller says, sent to a speech server as it comes: G.711 in packets of 20 ms under SRTP, and silence behind it.

use std::collections::VecDeque;
use std::time::Duration;

use media::rtp::{HEADER, Header};
use media::srtp::Outbound;
use media::{TAG_ROOM, g711};
use sdp::{Keying, Negotiated};
use tokio::net::UdpSocket;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::port::Agreed;

/// Samples of a packet.
const FRAME: usize = 160;
/// Their time.
const PACE: Duration = Duration::from_millis(20);

pub(super) struct Said {
    socket: UdpSocket,
    out: Outbound,
    how: Negotiated,
    sequence: u16,
    timestamp: u32,
    pace: Interval,
    waiting: VecDeque<i16>,
    /// No more will come: silence follows.
    ended: bool,
}

impl Said {
    pub(super) fn new(agreed: Agreed) -> Result<Said, String> {
        let Agreed { socket, how } = agreed;
        let Keying::Sdes { suite, local, .. } = &how.keying else {
            return Err("what the caller said would go without keys".into());
        };
        let [a, b, c, d, e, f, g, h, i, j, ..] = crate::process::seed();
        let ssrc = u32::from_be_bytes([a, b, c, d]);
        let out = Outbound::new(*suite, local, ssrc).map_err(|error| error.to_string())?;
        // RFC 3550 §5.1: both begin at random; the upper half of the numbers could wrap before the first report.
        let (sequence, timestamp) = (u16::from_be_bytes([e & 0x7f, f]), u32::from_be_bytes([g, h, i, j]));
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Said { socket, out, how, sequence, timestamp, pace, waiting: VecDeque::new(), ended: false })
    }

    /// Said at 8,000 Hz.
    pub(super) fn push(&mut self, samples: &[i16]) {
        self.waiting.extend(samples);
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Waits for its time and sends one packet, if there is one. Given up while it waits, nothing is lost.
    pub(super) async fn next(&mut self) -> Result<(), String> {
        self.pace.tick().await;
        if self.waiting.len() < FRAME && !self.ended {
            return Ok(());
        }
        let header = Header {
            marker: false,
            payload_type: self.how.payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.out.ssrc(),
            padding: false,
            len: HEADER,
        };
        let mut packet = vec![g711::silence(self.how.codec); HEADER + FRAME + TAG_ROOM];
        header.write(&mut packet);
        let codec = self.how.codec;
        let said = self.waiting.drain(..FRAME.min(self.waiting.len()));
        for (code, sample) in packet.iter_mut().skip(HEADER).zip(said) {
            *code = g711::encode(codec, sample);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        let sealed = self.out.seal(&mut packet, HEADER + FRAME).map_err(|error| error.to_string())?;
        let packet = packet.get(..sealed).unwrap_or_default();
        // What does not get through is lost, as voice is.
        let _ = self.socket.send_to(packet, self.how.remote).await;
        Ok(())
    }
}
