//! One who calls over TLS and SRTP, hears what is said as it comes, and answers by keys and in words.

use std::net::{IpAddr, SocketAddr};

use rustls_pki_types::ServerName;
use sdp::{Direction, Local, MasterKey, Policy, Protection, Suite};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsConnector;

use super::audio::{Incoming, Outgoing};
use super::link::{Link, seed};
use super::tones::Ears;
use crate::PATIENCE;

/// Where callers come from, and whom they call.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) from: IpAddr,
    pub(super) border: SocketAddr,
    pub(super) name: ServerName<'static>,
    pub(super) tls: TlsConnector,
}

pub(super) struct Caller {
    link: Link,
    incoming: Incoming,
    outgoing: Outgoing,
    pub(super) ears: Ears,
}

impl Caller {
    /// Calls this number, and is answered.
    pub(super) async fn call(way: &Way, number: &str) -> Caller {
        let mut link = Link::open(way).await;
        let socket = UdpSocket::bind((way.from, 0)).await.unwrap();
        let mut ours = Local::new(socket.local_addr().unwrap(), 1);
        let policy = Policy::new(Protection::Secure);
        let mut random = |suite: Suite| {
            let (key, salt) = suite.key_salt_len();
            MasterKey::new([seed(), seed()].concat().into_iter().take(key + salt).collect())
        };
        let (offer, offered) = sdp::offer(&policy, &mut ours, Direction::SendRecv, &mut random);
        let answer = link.invite(way, number, offer).await;
        let agreed = sdp::accept(&offered, &policy, &answer).unwrap();
        let socket = std::sync::Arc::new(socket);
        Caller {
            link,
            incoming: Incoming::new(socket.clone(), &agreed),
            outgoing: Outgoing::new(socket, agreed),
            ears: Ears::default(),
        }
    }

    /// Goes on hearing and sending until this is so; `false`: it was not, for long.
    pub(super) async fn until(&mut self, mut done: impl FnMut(&Caller) -> bool) -> bool {
        let patience = Instant::now() + PATIENCE;
        while !done(self) {
            let due = self.link.due().map_or(patience, |due| due.min(patience));
            tokio::select! {
                () = self.link.next() => {}
                samples = self.incoming.next() => self.ears.hear(&samples),
                () = self.outgoing.next() => {}
                () = sleep_until(due) => {
                    if Instant::now() >= patience {
                        return false;
                    }
                    self.link.tick();
                }
            }
        }
        true
    }

    /// The far end has hung up, or has heard that we did.
    pub(super) fn is_over(&self) -> bool {
        self.link.over
    }

    pub(super) fn press(&mut self, keys: &str) {
        self.outgoing.press(keys);
    }

    pub(super) fn say(&mut self, samples: &[i16]) {
        self.outgoing.words.extend(samples);
    }

    pub(super) fn hang_up(&mut self) {
        self.link.hang_up();
    }

    /// Packets that came under SRTP, and those of the far end that did not.
    pub(super) async fn end(mut self) -> (u64, u64) {
        self.link.flush().await;
        (self.incoming.packets, self.incoming.strange)
    }
}
