//! Media: RTP (RFC 3550), SRTP (RFC 3711, RFC 7714), DTMF (RFC 4733), its codecs, prompts, and the engine that relays,
//! plays and records.
//!
//! Pure: an [`Engine`] is the media of one thread; `net` gives it packets, commands and the time, and sends what it
//! says. `rtp` and `srtp` are the packets, `g711`, `g722`, `opus`, `dtmf`, `inband`, `wav`, `ogg` and `audio` what is in them, `transcode`
//! and `resample` turn one into the other, `prompt` what can be played, `sealed` recordings at rest, `dtls` and `stun` what
//! comes ahead of media, `engine` the streams. A stream that must be secure is made with its keys, or waits for them, and
//! has no way around them.

pub mod audio;
mod command;
pub mod conference;
pub mod dtls;
pub mod dtmf;
mod engine;
mod facts;
pub mod g711;
pub mod g722;
pub mod inband;
pub mod ogg;
pub mod opus;
mod prompt;
pub mod resample;
pub mod rtp;
pub mod sealed;
mod speech;
pub mod srtp;
mod stun;
#[cfg(test)]
mod test_hex;
pub mod transcode;
pub mod wav;
pub mod words;

pub use command::{Command, Event, Frame, Keep, KeptEnd, Latch, Lease, LeaseId, Play, Spoken, Transmit};
pub use engine::{Engine, QUARANTINE, TAG_ROOM};
pub use facts::{Counters, Facts};
pub use prompt::{Clip, Prompts};
pub use speech::{Endpointer, Turn};
