//! What a caller hears and says: G.711 and keys (RFC 4733), under SRTP.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use media::dtmf::{self, Step};
use media::rtp::{HEADER, Header, is_rtcp};
use media::srtp::{Inbound, Outbound};
use media::{TAG_ROOM, g711};
use sdp::{Codec, Keying, Negotiated};
use tokio::net::UdpSocket;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Samples of a packet.
const FRAME: usize = 160;

pub(super) struct Incoming {
    socket: Arc<UdpSocket>,
    inbound: Inbound,
    from: std::net::SocketAddr,
    codec: Codec,
    payload_type: u8,
    buffer: Vec<u8>,
    /// The next packet's timestamp, if none is missing.
    due: Option<u32>,
    pub(super) packets: u64,
    /// From the far end, and not under its key.
    pub(super) strange: u64,
}

impl Incoming {
    pub(super) fn new(socket: Arc<UdpSocket>, agreed: &Negotiated) -> Incoming {
        let Keying::Sdes { suite, remote, .. } = &agreed.keying else { panic!("no keys: {:?}", agreed.keying) };
        Incoming {
            socket,
            inbound: Inbound::new(*suite, remote).unwrap(),
            from: agreed.remote,
            codec: agreed.codec,
            payload_type: agreed.payload_type,
            buffer: vec![0; 2048],
            due: None,
            packets: 0,
            strange: 0,
        }
    }

    /// The samples of the next packet, behind a silence where one is missing. May be given up at any moment.
    pub(super) async fn next(&mut self) -> Vec<i16> {
        loop {
            let (len, from) = self.socket.recv_from(&mut self.buffer).await.unwrap();
            // A neighbour's reports may come to the port above its own.
            if from != self.from || is_rtcp(&self.buffer[..len]) {
                continue;
            }
            let Ok(len) = self.inbound.open(&mut self.buffer, len) else {
                self.strange += 1;
                continue;
            };
            self.packets += 1;
            let header = Header::parse(&self.buffer[..len]).unwrap();
            if header.payload_type != self.payload_type {
                continue;
            }
            let payload = header.payload(&self.buffer[..len]).unwrap();
            let due = self.due.replace(header.timestamp.wrapping_add(payload.len() as u32));
            let missing = due.is_some_and(|due| due != header.timestamp);
            let mut samples = vec![0; if missing { FRAME } else { 0 }];
            samples.extend(payload.iter().map(|code| g711::decode(self.codec, *code)));
            return samples;
        }
    }
}

pub(super) struct Outgoing {
    socket: Arc<UdpSocket>,
    agreed: Negotiated,
    outbound: Outbound,
    pace: Interval,
    keys: VecDeque<Step>,
    pub(super) words: VecDeque<i16>,
    sequence: u16,
    timestamp: u32,
    /// When the key began that is pressed.
    pressed: u32,
}

impl Outgoing {
    pub(super) fn new(socket: Arc<UdpSocket>, agreed: Negotiated) -> Outgoing {
        let Keying::Sdes { suite, local, .. } = &agreed.keying else { panic!("no keys: {:?}", agreed.keying) };
        let outbound = Outbound::new(*suite, local, 0x00ca_11e6).unwrap();
        let mut pace = interval(Duration::from_millis(20));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (keys, words) = (VecDeque::new(), VecDeque::new());
        Outgoing { socket, agreed, outbound, pace, keys, words, sequence: 1, timestamp: 1, pressed: 1 }
    }

    pub(super) fn press(&mut self, keys: &str) {
        let steps = |key| (0..dtmf::STEPS).map(move |step| dtmf::step(dtmf::event(key).unwrap(), step));
        self.keys.extend(keys.chars().flat_map(steps));
    }

    /// Waits for its time and sends one packet: of keys, or else of words, or else of silence. Given up while it waits,
    /// nothing is lost.
    pub(super) async fn next(&mut self) {
        self.pace.tick().await;
        let (codec, voice) = (self.agreed.codec, self.agreed.payload_type);
        let (payload_type, marker, timestamp, payload) = match self.keys.pop_front() {
            Some(Step::Event { first, payload }) => {
                if first {
                    self.pressed = self.timestamp;
                }
                let kind = self.agreed.telephone_event.expect("keys by RFC 4733");
                (kind, first, self.pressed, payload.octets().to_vec())
            }
            Some(Step::Pause) => (voice, false, self.timestamp, vec![g711::silence(codec); FRAME]),
            None => {
                let words = (0..FRAME).map(|_| g711::encode(codec, self.words.pop_front().unwrap_or(0)));
                (voice, false, self.timestamp, words.collect())
            }
        };
        let (sequence, ssrc) = (self.sequence, self.outbound.ssrc());
        let header = Header { marker, payload_type, sequence, timestamp, ssrc, padding: false, len: HEADER };
        let len = HEADER + payload.len();
        let mut packet = vec![0; len + TAG_ROOM];
        header.write(&mut packet).unwrap();
        packet[HEADER..len].copy_from_slice(&payload);
        let len = self.outbound.seal(&mut packet, len).unwrap();
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        // What does not get through is lost, as voice is.
        let _ = self.socket.try_send_to(&packet[..len], self.agreed.remote);
    }
}
