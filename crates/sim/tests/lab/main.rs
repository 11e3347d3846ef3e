//! The simulated lab: whole calls over bad networks, in virtual time.

mod call_control;
mod chaos;
mod codecs;
mod conference;
mod contact_centre;
mod domains;
mod flow;
mod handshake;
mod ivr;
mod outside;
mod passport;
mod restart;
mod send_on;
mod shift;
mod speech;
mod steps;
mod store;
mod storm;
mod transfer;
mod voice;
mod vxml;

/// The one of the binary: storms are made of small pieces, and a million of them of very many.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
