//! A node's loop over real sockets: a puppet in the role's place says what it is told and shows what it hears.

mod handshakes;
mod puppet;
mod strangers;
mod streams;
mod udp;
mod websockets;

use puppet::{Lab, NodeOptions, Puppet, options_to, request, response};
