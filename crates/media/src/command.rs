//! What a node tells its media thread, and what it hears back: two closed enums.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sdp::Negotiated;
use serde::{Deserialize, Serialize};

use crate::conference::Part;
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
    /// SHA-256 of the certificate that its streams show in a DTLS handshake; none: no handshake is had on this thread.
    pub fingerprint: Option<[u8; 32]>,
}

/// Something to hear, by name from the node's prompt catalogue (built-in prompts ship with the binary).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Play {
    /// Comes back in [`Event::Played`].
    pub id: u64,
    /// e.g. `welcome`, `moh`, `ringback`, or an absolute path of a WAV, which whoever runs
    /// the engine has added to the catalogue under that name.
    pub prompt: String,
    pub repeat: bool,
}

/// A recording to be kept, and when it ends by itself. It also ends with its stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Unlike any other of the site: random.
    pub id: u64,
    pub node: String,
    /// The caller's Session-ID UUID.
    pub caller: String,
    /// What is said as well as what is heard.
    pub both: bool,
    pub longest: Option<Duration>,
    /// Silence after speech that ends it.
    pub final_silence: Option<Duration>,
    /// Silence at the beginning that ends it, with nothing kept.
    pub patience: Option<Duration>,
    /// Once ended it can be played on this lease, as the prompt [`Keep::prompt`] names, until the stream closes.
    pub playable: bool,
}

impl Keep {
    /// What [`Command::Play`] calls a recording of the same lease.
    pub fn prompt(id: u64) -> String {
        format!("recording:{id:016x}")
    }
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeptEnd {
    /// By [`Command::EndKeep`].
    Told,
    Longest,
    Silence,
    /// Nobody spoke; nothing is kept.
    Nothing,
    /// With its stream.
    Closed,
    /// It could not be written, or not to its end.
    Failed,
}

/// 20 ms of what a caller says, from the jitter buffer: 8 kHz, 16 bit, linear; silence where nothing came. Its Debug shows
/// no sample.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Of the first frame 0; one that is missing was not there in time, or its listener was too slow.
    pub number: u64,
    /// [`Frame::SAMPLES`] of them, shared by all who listen.
    pub samples: Arc<[i16]>,
}

impl Frame {
    pub const SAMPLES: usize = crate::conference::FRAME;
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("number", &self.number).finish_non_exhaustive()
    }
}

/// What whoever listens by a [`Command::Tap`] says to the caller in return. Its Debug shows no sample.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spoken {
    /// To be heard behind what was said before: µ-law, 8 kHz.
    Codes(Arc<[u8]>),
    /// [`Event::Marked`] once all that was said before it was heard.
    Mark(u64),
    /// What was not heard yet never will be; its marks are told at once.
    Clear,
}

impl fmt::Debug for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spoken::Codes(codes) => write!(f, "Codes({})", codes.len()),
            Spoken::Mark(mark) => write!(f, "Mark({mark})"),
            Spoken::Clear => f.write_str("Clear"),
        }
    }
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
    /// While it is bridged its keys are told as well as passed on, until the bridge ends.
    Overhear {
        lease: LeaseId,
    },
    /// Sits down in a conference of this thread, which begins with its first party and ends with its last; or takes
    /// another part in it. Ends a bridge. What is played goes ahead of the conference. Beyond
    /// [`crate::conference::MOST_PARTIES`] it is ignored.
    Confer {
        lease: LeaseId,
        /// Unlike any other of the process: random.
        conference: u64,
        part: Part<LeaseId>,
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
    /// Keep what is heard (received) and said (sent) as two WAVs at these paths, written when the stream closes: in clear,
    /// so for laboratory phones alone. A node keeps recordings by [`Command::Keep`].
    Record {
        lease: LeaseId,
        heard: String,
        said: String,
    },
    /// Record from now on, sealed ([`crate::sealed`]); one that is under way on this lease ends.
    Keep {
        lease: LeaseId,
        keep: Keep,
    },
    /// End it now; [`Event::Kept`] follows.
    EndKeep {
        lease: LeaseId,
    },
    /// Somebody outside listens to what is heard here: [`Event::Sound`] every 20 ms from now on, once there is a stream,
    /// whether the peer sends or not, until [`Command::Untap`] or the stream's end. Several may listen. Changes nothing
    /// else: prompts, keys, bridges and recordings go on.
    Tap {
        lease: LeaseId,
        /// Unlike any other of the process: random.
        tap: u64,
    },
    /// [`Event::Untapped`] follows.
    Untap {
        lease: LeaseId,
        tap: u64,
    },
    /// Whoever listens by this tap speaks: behind prompts, which go ahead of it, and paced as they are. Two minutes may wait,
    /// what is beyond is thrown away. One tap of a lease speaks at a time: another takes over. It falls silent with its tap.
    Say {
        lease: LeaseId,
        tap: u64,
        said: Spoken,
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
    /// that are not bridged, or are overheard.
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
    /// The next piece of a [`Command::Keep`]: µ-law, track after track, a second at most. For who runs the engine to seal
    /// and append, and for nobody else.
    Chunk {
        lease: LeaseId,
        id: u64,
        codes: Vec<u8>,
        last: bool,
    },
    /// A recording ended. Who runs the engine passes it on once all of it is written.
    Kept {
        lease: LeaseId,
        id: u64,
        end: KeptEnd,
        duration_ms: u64,
    },
    /// What is heard by a [`Command::Tap`]: for whoever listens outside, and not for the node.
    Sound {
        lease: LeaseId,
        tap: u64,
        frame: Frame,
    },
    /// What a [`Command::Say`] said before this [`Spoken::Mark`] was heard, or cleared: for who speaks, and not for the node.
    Marked {
        lease: LeaseId,
        tap: u64,
        mark: u64,
    },
    /// No more [`Event::Sound`] of this one. Before [`Event::Closed`].
    Untapped {
        lease: LeaseId,
        tap: u64,
    },
    /// Said by who runs the engine once both files of a [`Command::Record`] are written; the engine itself never does.
    Recorded {
        lease: LeaseId,
        heard: String,
        said: String,
    },
    /// The handshake that was to key the stream came to nothing: nothing was sent or taken, and nothing will be.
    Unkeyed {
        lease: LeaseId,
        /// In words; no key, no address.
        why: String,
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
