//! MRCPv2 (RFC 6787): what a speech client and a speech server say to each other, and the client's side of it.
//!
//! Pure: no sockets, no clocks, no threads, and no timers either, since MRCPv2 has none: whoever drives a resource gives
//! the whole its time. `message` reads and writes messages and `frame` cuts a stream into them; `header` types fields
//! when they are asked for and keeps those that nobody knows; `synthesizer` and `recognizer` are what a client knows of
//! its resources; `nlsml` reads results; `description` is how a session is agreed.
//!
//! What goes into an error, a refusal or a `Debug` text is ours or the protocol's: never a body, never the value of a
//! field. They hold what callers said and were told.

pub mod description;
pub mod frame;
pub mod header;
pub mod message;
pub mod name;
pub mod nlsml;
pub mod recognizer;
mod requests;
pub mod status;
pub mod synthesizer;

pub use frame::{Framer, Limits};
pub use header::{ChannelId, Headers, Value};
pub use message::{Content, Message, ParseError, Start};
pub use name::{EventName, Method, Resource};
pub use recognizer::Recognizer;
pub use requests::{Misbehaviour, Misuse, RequestId, Requests};
pub use status::{Cause, RequestState, Status};
pub use synthesizer::Synthesizer;
