//! The load tool: calls and registrations at an offered rate over real connections, and what became of each.
//!
//! Open loop: the next call is placed when it is due, whether or not the last was answered. One thread plays the caller
//! and, if asked to, the called side, so that a server under test has only this process to talk to. Messages are made from
//! prepared text and read by a glance, since the tool must cost far less than what it measures; transactions, the
//! retransmissions of RFC 3261 §17 and TLS are real.

mod callee;
mod caller;
mod engine;
mod figures;
mod glance;
mod io;
mod registrant;
#[cfg(test)]
mod tests;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sip::Transport;

pub use figures::{Report, Spread};

/// What is to be done. Times are real time.
#[derive(Debug)]
pub struct Load {
    pub work: Work,
    /// Address that connections are made from.
    pub from: IpAddr,
    /// Calls or registrations a second, offered evenly.
    pub rate: f64,
    /// How long they are offered; then those under way are brought to their end.
    pub length: Duration,
    /// Most calls that may be up at once: one that is due beyond it is not placed, and is reported so.
    pub most: usize,
    /// What has no final answer after this long is lost.
    pub patience: Duration,
}

/// Who is played.
#[derive(Debug)]
pub enum Work {
    Calls {
        server: Server,
        /// User part of the Request-URI.
        number: String,
        /// From the ACK to our BYE.
        hold: Duration,
        /// Play the called side as well.
        answer: Option<Answer>,
    },
    Registrations {
        server: Server,
        /// Host of the address-of-record and the Request-URI; what the server calls its domain.
        domain: String,
        /// User parts: so many numbers from this one on, again and again.
        first_line: u64,
        lines: u64,
        secret: String,
        /// After the last, connections stay open and idle for this long.
        linger: Duration,
    },
    /// Only the called side, for [`Load::length`].
    Answer(Answer),
}

/// The server under test.
#[derive(Debug)]
pub struct Server {
    pub addr: SocketAddr,
    pub transport: Transport,
    /// For TLS only.
    pub tls: Option<ClientTls>,
    pub connections: Connections,
}

/// How connections to the server are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// So many, opened before the first call and kept.
    Kept(usize),
    /// A new one for each call or registration.
    Each,
}

#[derive(Debug)]
pub struct ClientTls {
    /// `None`: no certificate is shown.
    pub identity: Option<trust::Identity>,
    pub roots_pem: Vec<String>,
    /// Name in the server's certificate.
    pub server_name: String,
    /// Take up earlier TLS sessions; otherwise every handshake is a whole one.
    pub resume: bool,
}

/// The called side: 180 at once, 200 after `ring`.
#[derive(Debug)]
pub struct Answer {
    pub listen: SocketAddr,
    pub transport: Transport,
    /// For TLS only: our identity, and the roots that a caller's certificate must lead to.
    pub tls: Option<(trust::Identity, Vec<String>)>,
    pub ring: Duration,
}

impl Load {
    /// Runs it to its end, on this thread.
    ///
    /// # Errors
    /// What it needs is not there: an address, an identity, a server that takes connections.
    pub fn run(self) -> anyhow::Result<Report> {
        engine::Engine::new(self)?.run()
    }
}
