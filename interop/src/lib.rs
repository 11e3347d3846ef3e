//! Runs of Ringfence against programs that others wrote, on a network that each run makes for
//! itself out of namespaces and takes away again.
//!
//! [`lab`] is the network, [`program`] a process in it, [`capture`] and [`packets`] what was seen on
//! the wire, [`verdict`] whether that was secure, [`audio`] whether people heard one another. The
//! strangers themselves are in [`carrier`] (sipp), [`phone`] (baresip), [`linphone`], [`stand_in`]
//! (kamailio) and [`probe`] (openssl); [`estate`] is Ringfence itself.

pub mod audio;
pub mod capture;
pub mod carrier;
pub mod estate;
pub mod lab;
pub mod linphone;
pub mod packets;
pub mod papers;
pub mod phone;
pub mod probe;
pub mod program;
pub mod requirements;
pub mod speech;
pub mod stand_in;
pub mod verdict;
