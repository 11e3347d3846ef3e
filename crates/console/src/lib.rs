//! The administrator's console: the command line that operators of such equipment know, over SSH (RFC 4251 to 4254) at each
//! node that the site gives one, and in `ringfence utils`.
//!
//! [`Session`] is the machine: a line in, text out, questions to the world beside it ([`Ask`]); no sockets. [`line`] is what
//! a terminal lacks. [`Hands`] answers the questions within a node's process; [`server`] has the sockets.

mod command;
mod hands;
pub mod keys;
pub mod line;
mod running_config;
pub mod server;
mod service;
mod session;
mod trunks;
pub mod trust;

pub use command::Command;
pub use hands::{Hands, of_files};
pub use running_config::running_config;
pub use service::{Restart, Service, State, interrupts, list, named, of};
pub use session::{Ask, Input, Output, Session, Told, prompt};
