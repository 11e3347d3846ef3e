//! What a node tells its media thread, and what it hears back: two closed enums.

use std::net::{IpAddr, SocketAddr};

use sdp::Negotiated;
use serde::{Deserialize, Serialize};

use crate::facts::Facts;

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
    /// e.g. `welcome`, `moh`, `ringback`, or an absolute path of a WAV (mono, 8 or 16 kHz, 16 bit), which whoever runs
    /// the engine has added to the catalogue under that name.
    pub prompt: String,
    pub repeat: bool,
}

/// What a node tells its media thread. `lease` must be one of its own.
///
/// A lease takes every command from the moment it is lent: what needs a stream waits for [`Command::Set`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// More leases, please, on this local address.
    Lend {
        local: IpAddr,
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
    /// Ends what either is being played; a later [`Command::Play`] goes ahead of the relay until it ends.
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
    /// Send RFC 4733 digits one after another: 100 ms each, 100 ms apart. As tones where the peer takes no events.
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
    /// The first authentic packet's source becomes the remote address, once for each `Set` that moves it.
    FirstAuthentic,
}

/// What a media thread tells a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Event {
    Leased(Vec<Lease>),
    /// One whole key press: telephone-event (RFC 4733), or heard in the audio of a peer that sends none. Only of streams
    /// that are not bridged.
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
    /// Nothing authentic received for this long on a stream that should carry audio: at 5 s and every 5 s after.
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

/// One datagram to send from a slot's RTP or RTCP socket. The bytes are in the buffer given to the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    pub slot: u16,
    pub rtcp: bool,
    pub to: SocketAddr,
    pub len: usize,
}
