//! Media: RTP (RFC 3550), SRTP (RFC 3711, RFC 7714), DTMF (RFC 4733), G.711, prompts, and the engine that relays,
//! plays and records.
//!
//! Pure: an [`Engine`] is the media of one thread; `net` gives it packets, commands and the time, and sends what it
//! says. Skeleton of the public face: helper C owns the crate and splits it: rtp.rs, srtp/{context,aes_cm,gcm,replay},
//! g711.rs, dtmf.rs, wav.rs, prompt.rs (sources), engine/{stream,relay,play,record}.rs, facts.rs.

pub mod rtp;
pub mod srtp;
#[cfg(test)]
mod test_hex;

use std::net::SocketAddr;
use std::time::Duration;

use sdp::Negotiated;
use serde::{Deserialize, Serialize};

/// An open port pair lent to a node: which media thread, which of its slots, and how many times that slot was lent
/// (a late command for an earlier lease is ignored).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeaseId {
    pub thread: u16,
    pub slot: u16,
    pub generation: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub id: LeaseId,
    /// Bound RTP socket (even port); RTCP is the port above it.
    pub addr: SocketAddr,
}

/// Something to hear, by name from the node's prompt catalogue (built-in prompts ship with the binary).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Play {
    /// Comes back in [`Event::Played`].
    pub id: u64,
    /// e.g. `welcome`, `moh`, `ringback`, or an absolute path of a WAV (mono, 8 or 16 kHz, 16 bit).
    pub prompt: String,
    pub repeat: bool,
}

/// What a node tells its media thread. `lease` must be one of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// More leases, please, on this local address.
    Lend {
        local: std::net::IpAddr,
        count: u16,
    },
    /// Media as agreed: starts the stream, or re-keys and redirects it (hold, new party). Packets under the old remote
    /// key are accepted for 2 s after a re-key.
    Set {
        lease: LeaseId,
        negotiated: Box<Negotiated>,
        latch: Latch,
    },
    /// Relay packets between two streams of the same thread, decrypted and encrypted on the way, until either closes.
    Bridge {
        a: LeaseId,
        b: LeaseId,
    },
    Unbridge {
        lease: LeaseId,
    },
    /// Replaces what is being played.
    Play {
        lease: LeaseId,
        play: Play,
    },
    Silence {
        lease: LeaseId,
    },
    /// Send RFC 4733 digits one after another: 100 ms each, 100 ms apart.
    Dial {
        lease: LeaseId,
        digits: String,
    },
    /// Keep what is heard (received) and said (sent) as two WAVs at these paths, written when the stream closes.
    Record {
        lease: LeaseId,
        heard: String,
        said: String,
    },
    /// Ask for facts now.
    Report {
        lease: LeaseId,
    },
    /// End the stream; final facts follow, the port goes into quarantine.
    Close {
        lease: LeaseId,
    },
}

/// Whether packets from another address than the negotiated one are taken (NAT): only where the leg's profile allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Latch {
    Never,
    FirstAuthentic,
}

/// What a media thread tells a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Event {
    Leased(Vec<Lease>),
    /// One whole key press (end seen), RFC 4733.
    Digit {
        lease: LeaseId,
        digit: char,
        duration_ms: u16,
    },
    Played {
        lease: LeaseId,
        id: u64,
    },
    Facts {
        lease: LeaseId,
        facts: Box<Facts>,
    },
    Closed {
        lease: LeaseId,
        facts: Box<Facts>,
    },
    /// Nothing authentic received for this long on a stream that should carry audio.
    Silent {
        lease: LeaseId,
        seconds: u32,
    },
    /// One finished recording as a whole WAV file (mono, 8 kHz, 16 bit), before [`Event::Closed`]: who runs the engine
    /// writes it to `path`.
    Recording {
        lease: LeaseId,
        path: String,
        wav: Vec<u8>,
    },
    /// Said by who runs the engine once both files of a [`Command::Record`] are written; the engine itself never does.
    Recorded {
        lease: LeaseId,
        heard: String,
        said: String,
    },
    /// The prompt of [`Command::Play`] is in no catalogue; nothing is played. No [`Event::Played`] follows.
    Unplayable {
        lease: LeaseId,
        id: u64,
        prompt: String,
    },
}

/// What media itself saw of one stream: the only source of what the security record says of media.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub local: Option<SocketAddr>,
    pub remote: Option<SocketAddr>,
    /// `SDES` or `none`.
    pub keying: String,
    /// Suite name, empty when in clear.
    pub suite: String,
    pub codec: String,
    /// How often keys were set after the first time.
    pub rekeyed: u32,
    pub tx: Counters,
    pub rx: Counters,
    /// Packets that failed authentication, were replays or too old, or came in clear on a secure stream (dropped).
    pub auth_failed: u64,
    pub replayed: u64,
    pub clear_dropped: u64,
    pub foreign_source: u64,
    /// RFC 3550: cumulative lost of the stream received, interarrival jitter in ms, out of order.
    pub lost: u64,
    pub reordered: u64,
    pub jitter_ms: f32,
    /// From RTCP where the peer sends it.
    pub rtt_ms: Option<f32>,
}

/// Packets and payload octets, apart by whether they travelled protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    pub protected: u64,
    pub clear: u64,
    pub octets: u64,
}

/// One datagram to send from a slot's RTP or RTCP socket. The bytes are in the buffer given to the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    pub slot: u16,
    pub rtcp: bool,
    pub to: SocketAddr,
    pub len: usize,
}

/// Room that a packet needs behind it for the largest tag (RFC 7714: 16; AES-CM: 10) plus the SRTCP index.
pub const TAG_ROOM: usize = 32;

/// The media of one thread.
pub struct Engine {/* private */}

impl Engine {
    /// `prompts` is shared by all engines of the process.
    pub fn new(_thread: u16, _seed: [u8; 32], _prompts: std::sync::Arc<Prompts>) -> Engine {
        todo!()
    }
    /// Tells of an open port pair; it is free to be leased.
    pub fn add_slot(&mut self, _slot: u16, _addr: SocketAddr) {
        todo!()
    }
    /// Leases up to `count` free slots on `local` (least recently used first, past their quarantine).
    pub fn lend(&mut self, _local: std::net::IpAddr, _count: u16, _now: Duration) -> Vec<Lease> {
        todo!()
    }
    /// Any command but `Lend`.
    pub fn command(&mut self, _command: Command, _now: Duration) {
        todo!()
    }
    /// A datagram of `len` octets at the front of `buffer` (at least `len + TAG_ROOM` long). When it is to be passed on
    /// it is transformed in place and the answer says where to: no copy, no allocation.
    pub fn receive(
        &mut self,
        _slot: u16,
        _rtcp: bool,
        _from: SocketAddr,
        _buffer: &mut [u8],
        _len: usize,
        _now: Duration,
    ) -> Option<Transmit> {
        todo!()
    }
    /// Paced sending (prompts, DTMF, RTCP): calls `send` for each datagram due. Call it at [`Engine::deadline`].
    pub fn tick(&mut self, _now: Duration, _send: &mut dyn FnMut(Transmit, &[u8])) {
        todo!()
    }
    pub fn deadline(&self) -> Option<Duration> {
        todo!()
    }
    /// Events for nodes.
    pub fn poll(&mut self) -> Option<Event> {
        todo!()
    }
}

/// Prompts in memory, encoded once (G.711), by name.
pub struct Prompts {/* private */}

impl Prompts {
    /// Those that ship with the project: synthesised speech-like and musical audio of its own making.
    pub fn built_in() -> Prompts {
        todo!()
    }
    /// Adds a WAV (mono, 8 or 16 kHz, 16-bit PCM).
    pub fn add_wav(&mut self, _name: &str, _wav: &[u8]) -> Result<(), String> {
        todo!()
    }
}
