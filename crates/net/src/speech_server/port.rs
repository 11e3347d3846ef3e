//! The port that audio goes through, and how it is agreed: G.711 under SRTP, keyed in the descriptions, and nothing else.

use std::net::{IpAddr, SocketAddr};

use sdp::{Direction, Local, MasterKey, Negotiated, Offered, Policy, Protection, Suite};
use tokio::net::UdpSocket;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Hears,
    Speaks,
}

/// A port that was offered, with its keys.
pub(super) struct Opened {
    port: Port,
    socket: UdpSocket,
    policy: Policy,
    offered: Offered,
}

/// One that was agreed.
pub(super) struct Agreed {
    pub(super) socket: UdpSocket,
    pub(super) how: Negotiated,
}

impl Port {
    /// A port at this address, and its offer.
    pub(super) async fn open(self, local: IpAddr) -> Result<(Opened, String), String> {
        let failed = |error: std::io::Error| format!("no port for its audio: {error}");
        let socket = UdpSocket::bind(SocketAddr::new(local, 0)).await.map_err(failed)?;
        let policy = Policy { telephone_event: false, ..Policy::new(Protection::Secure) };
        let mut ours = Local::new(socket.local_addr().map_err(failed)?, u64::from(std::process::id()));
        let mut random = |suite: Suite| {
            let (key, salt) = suite.key_salt_len();
            let random = [crate::process::seed(), crate::process::seed()].concat();
            MasterKey::new(random.into_iter().take(key + salt).collect())
        };
        let direction = match self {
            Port::Hears => Direction::RecvOnly,
            Port::Speaks => Direction::SendOnly,
        };
        let (offer, offered) = sdp::offer(&policy, &mut ours, direction, &mut random);
        Ok((Opened { port: self, socket, policy, offered }, offer))
    }
}

impl Opened {
    /// # Errors
    /// The answer is not one to what was offered.
    pub(super) fn agreed(self, answer: &str) -> Result<Agreed, String> {
        let how = sdp::accept(&self.offered, &self.policy, answer.as_bytes()).map_err(|reject| reject.to_string())?;
        match self.port {
            Port::Hears if !how.direction.receives() => {
                Err("it would send no audio: a=sendonly or a=sendrecv was expected of it".into())
            }
            Port::Speaks if !how.direction.sends() => {
                Err("it would take no audio: a=recvonly or a=sendrecv was expected of it".into())
            }
            _ => Ok(Agreed { socket: self.socket, how }),
        }
    }
}
