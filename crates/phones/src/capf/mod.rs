//! CAPF: how a phone gets its locally significant certificate (LSC). TCP 3804, TLS; the server speaks first.
//!
//! [`Server`] is one certificate authority proxy with all its sessions; [`Client`] is the phone's side of one session.

mod client;
mod enrolment;
mod message;
mod proof;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Client, ClientOutput, ClientPlan, Learned};
pub use enrolment::{AuthMode, Curve, Enrolment, KeyOrder, Operation, Order, Secret, Status};
pub use message::{Command, Element, Framer, KeyKind, Message, Reason};
pub use proof::{Prover, Roots};
pub use server::{Event, Output, Server, SessionId, Settings};
