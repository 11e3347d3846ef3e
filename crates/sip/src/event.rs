//! Event notification (RFC 6665) and publication (RFC 3903) without messages: machines that know only states and times.
//!
//! [`Notifier`] is one subscription at the side that notifies, [`Subscriber`] one at the side that asked, [`Compositor`] the
//! published states of many. Their user carries what they want in dialogs of [`crate::Endpoint`]
//! ([`crate::Endpoint::subscribe`], [`crate::Endpoint::admit_subscription`]) and tells them what came. [`Package`] is what
//! differs between kinds of events.

mod compositor;
mod message_summary;
mod notifier;
mod package;
mod subscriber;

pub use compositor::{Compositor, Etag, Published};
pub use message_summary::{Count, MessageSummary};
pub use notifier::{Notice, Notifier};
pub use package::{Package, Refused, Terms};
pub use subscriber::{Subscriber, Wish};
