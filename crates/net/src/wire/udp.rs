//! A node's UDP sockets and the remotes seen on them: a flow each, as long as it is used (RFC 3261 §18).

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::UdpSocket;
use sip::FlowId;

/// Remotes that are remembered; beyond it those silent for [`QUIET`] are forgotten.
const REMOTES: usize = 65_536;
/// Longer than any transaction lives (64·T1 is 32 s).
const QUIET: Duration = Duration::from_secs(120);
/// Looking for the quiet ones goes through all of them: not for every datagram of a flood.
const SWEEP: Duration = Duration::from_secs(1);

pub(crate) struct Udp {
    pub socket: UdpSocket,
    pub local: SocketAddr,
}

/// Who is behind a UDP flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    pub socket: usize,
    pub addr: SocketAddr,
}

#[derive(Default)]
pub(crate) struct Remotes {
    by_id: HashMap<FlowId, Remote>,
    by_remote: HashMap<(usize, SocketAddr), (FlowId, Duration)>,
    next_sweep: Duration,
}

impl Remotes {
    pub(crate) fn get(&self, flow: FlowId) -> Option<Remote> {
        self.by_id.get(&flow).copied()
    }

    /// The flow of a remote, made by `fresh` when it is new. `None`: too many remotes at once. Whoever is `expected` finds
    /// room all the same: sources of datagrams can be made up, and strangers' must not keep the carrier out.
    pub(crate) fn flow(
        &mut self,
        remote: Remote,
        expected: bool,
        now: Duration,
        fresh: impl FnOnce() -> FlowId,
    ) -> Option<FlowId> {
        let key = (remote.socket, remote.addr);
        if let Some((flow, last)) = self.by_remote.get_mut(&key) {
            *last = now;
            return Some(*flow);
        }
        if self.by_remote.len() >= REMOTES {
            if now >= self.next_sweep {
                self.next_sweep = now + SWEEP;
                self.forget_quiet(now);
            }
            if self.by_remote.len() >= REMOTES && !expected {
                return None;
            }
        }
        let flow = fresh();
        self.by_remote.insert(key, (flow, now));
        self.by_id.insert(flow, remote);
        Some(flow)
    }

    fn forget_quiet(&mut self, now: Duration) {
        let by_id = &mut self.by_id;
        self.by_remote.retain(|_, (flow, last)| {
            let keep = now.saturating_sub(*last) < QUIET;
            if !keep {
                by_id.remove(flow);
            }
            keep
        });
    }
}

impl Udp {
    pub(crate) fn bind(addr: SocketAddr) -> io::Result<Udp> {
        let socket = UdpSocket::from_std(crate::socket::datagram(addr)?);
        let local = socket.local_addr()?;
        Ok(Udp { socket, local })
    }

    pub(crate) fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let sent = match self.socket.send_to(bytes, to) {
            // An ICMP answer to something sent earlier is reported once, at the next send: this one has not gone.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => self.socket.send_to(bytes, to),
            sent => sent,
        };
        sent.map(|_| ())
    }
}

/// A keepalive that carries no SIP: line ends or zeros only (RFC 5626 §3.5.1 and common phones).
pub(crate) fn is_keepalive(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_are_bounded_and_the_quiet_make_room() {
        let mut remotes = Remotes::default();
        let mut next = 0;
        let mut flow = |remotes: &mut Remotes, n: u32, expected: bool, now: u64| {
            let remote = Remote { socket: 0, addr: SocketAddr::new(std::net::Ipv4Addr::from(n).into(), 5060) };
            remotes.flow(remote, expected, Duration::from_secs(now), || {
                next += 1;
                FlowId(next)
            })
        };
        for n in 0..REMOTES as u32 {
            assert_eq!(flow(&mut remotes, n, false, 0), Some(FlowId(u64::from(n) + 1)));
        }
        assert_eq!(flow(&mut remotes, 7, false, 100), Some(FlowId(8)), "a known one keeps its flow");
        assert_eq!(flow(&mut remotes, u32::MAX, false, 100), None, "no room");
        assert!(flow(&mut remotes, u32::MAX - 1, true, 100).is_some(), "but for the carrier");
        assert!(flow(&mut remotes, u32::MAX, false, 130).is_some(), "the quiet made room");
        assert_eq!(remotes.get(FlowId(1)), None);
        assert!(remotes.get(FlowId(8)).is_some());
    }
}
