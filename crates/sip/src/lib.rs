//! SIP (RFC 3261 and its family): messages, transactions, dialogs and the endpoint that ties them together.
//!
//! Pure: no sockets, no clocks, no threads. Time is a monotonic [`Duration`](std::time::Duration) since an
//! origin that the caller chose; bytes come in framed, bytes go out framed.

pub mod auth;
mod dialog;
pub mod endpoint;
pub mod event;
pub mod frame;
pub mod locate;
pub mod message;
mod overload;
mod session_timer;
pub mod stun;
mod transaction;
pub mod transport;
pub mod uri;
pub mod websocket;

pub use endpoint::{ClientId, Config, DialogId, Endpoint, Event, Failure, Invite, Output, Outside, ServerId};
pub use message::{Body, Headers, Message, Method, Name, NameAddr, Request, Response, Status};
pub use overload::Rate;
pub use transport::{Flow, FlowId, Hop, Target, Transport};
pub use uri::Uri;
