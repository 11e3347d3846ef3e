//! The endpoint as its user sees it, over a virtual link (RFC 3261, RFC 4028, RFC 6026).

#![allow(unreachable_pub, reason = "one binary; its modules share a rig")]

mod calls;
mod cancels;
mod chaos;
mod desk;
mod glare;
mod overload;
mod pair;
mod peers;
mod pracks;
mod refusals;
mod sessions;
mod subscriptions;
mod takeovers;
