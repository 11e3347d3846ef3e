//! Ringfence against programs that others wrote. Needs root; see `interop::requirements`.

mod bots;
mod console;
mod crowd;
mod desk;
mod desk_calls;
mod desk_xmpp;
mod directory;
mod flow;
mod harness;
mod harness_media;
mod harness_strangers;
mod kills;
mod ocsp;
mod openssl;
mod recognition;
mod refusals;
mod scene;
mod speech;
mod strangers;
