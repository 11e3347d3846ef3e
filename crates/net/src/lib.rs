//! The shell around the pure machines: sockets, threads, clocks, questions to the slow world. The only crate with sockets
//! and, in its socket module, the only one with `unsafe`.
//!
//! [`Process`] starts nodes: one OS thread each with its connections (ADR 0001), media threads beside them (ADR 0002), a
//! signer and a store thread. [`NodeHandle`] is a running node as administration sees it.

pub mod acme;
mod asks;
mod clock;
mod credentials;
mod directory;
mod dns;
mod errands;
mod fetch;
mod handle;
mod keep;
mod key_sets;
pub mod load;
mod mailbox;
mod media_threads;
mod node;
mod ocsp;
mod open_id;
pub mod pages;
mod panics;
mod phone_services;
mod process;
mod program;
mod recognition;
mod secure_phone;
mod shown;
mod socket;
mod sounds;
mod speech_server;
mod streams;
mod tokens;
mod web;
mod websocket;
mod wire;

pub use credentials::LiveTls;
pub use directory::LdapDirectory;
pub use errands::{Errand, Part, Work};
pub use handle::NodeHandle;
pub use media_threads::{Counts as MediaCounts, MediaAlone};
pub use open_id::{Begun, NotProven, OpenId, Person as ProvenPerson};
pub use phone_services::{
    Asker, Enrolled, NoFile, PhoneServices, RecoveryRenewed, Rehearsed, RollOrder, Rolls, Serving, Station, ask_tvs,
    enrol,
};
pub use process::{PhoneStart, Process};
pub use secure_phone::{Provisioned, SecurePhone};
pub use shown::{Connection, Connections, HandshakeEvent, Handshakes, SslDebug, TraceEntry};
