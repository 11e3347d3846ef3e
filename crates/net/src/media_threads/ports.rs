//! Port pairs of one media thread: RTP on an even port, RTCP on the one above (RFC 3550 §11), bound before they are lent.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::socket;

/// One open pair. Its slot number is its place in [`Ports::pairs`].
#[derive(Debug)]
pub(crate) struct Pair {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
}

/// A node's media ports: the lowest and the highest.
pub(crate) type Range = (u16, u16);

/// The standard range of the field, where a site names none.
pub(crate) const RANGE: Range = (16384, 32767);

/// All pairs of a thread, and where to look for the next free ones.
#[derive(Debug)]
pub(crate) struct Ports {
    pub pairs: Vec<Pair>,
    thread: u16,
    threads: u16,
    next: BTreeMap<(IpAddr, Range), u32>,
}

impl Ports {
    /// `thread` of `threads`: they take turns in a range, so that they never ask for the same port.
    pub(crate) fn new(thread: u16, threads: u16) -> Ports {
        Ports { pairs: Vec::new(), thread, threads, next: BTreeMap::new() }
    }

    /// Opens one more pair on `local` within `range`: its slot and RTP address. `None` when the range is exhausted;
    /// ports that others hold are passed over.
    pub(crate) fn open(&mut self, local: IpAddr, range: Range) -> io::Result<Option<(u16, SocketAddr)>> {
        let Ok(slot) = u16::try_from(self.pairs.len()) else {
            return Ok(None);
        };
        let (low, high) = range;
        let first = u32::from(low) + u32::from(low % 2) + 2 * u32::from(self.thread);
        let next = self.next.entry((local, range)).or_insert(first);
        while let (Ok(rtp), Ok(rtcp)) = (u16::try_from(*next), u16::try_from(*next + 1)) {
            if rtcp > high {
                break;
            }
            *next += 2 * u32::from(self.threads);
            match (socket::voice(SocketAddr::new(local, rtp)), socket::voice(SocketAddr::new(local, rtcp))) {
                (Ok(rtp), Ok(rtcp)) => {
                    let addr = rtp.local_addr()?;
                    self.pairs.push(Pair { rtp, rtcp });
                    return Ok(Some((slot, addr)));
                }
                (Err(error), _) | (_, Err(error)) if error.kind() == io::ErrorKind::AddrInUse => {}
                (Err(error), _) | (_, Err(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Datagrams that the kernel dropped at all these sockets.
    pub(crate) fn kernel_drops(&self) -> u64 {
        self.pairs.iter().map(|pair| socket::dropped(&pair.rtp) + socket::dropped(&pair.rtcp)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_even_and_odd_and_taken_ports_are_passed_over() {
        let (local, range): (IpAddr, Range) = ("127.77.1.1".parse().unwrap(), (20001, 20007));
        let taken = socket::datagram(SocketAddr::new(local, 20003)).unwrap();
        let mut ports = Ports::new(0, 1);
        assert_eq!(ports.open(local, range).unwrap(), Some((0, SocketAddr::new(local, 20004))));
        assert_eq!(ports.pairs[0].rtcp.local_addr().unwrap().port(), 20005);
        assert_eq!(ports.open(local, range).unwrap(), Some((1, SocketAddr::new(local, 20006))));
        assert_eq!(ports.open(local, range).unwrap(), None, "the range is exhausted");
        assert_eq!(ports.open(local, (20008, 20009)).unwrap(), Some((2, SocketAddr::new(local, 20008))), "another's");
        drop(taken);
    }

    #[test]
    fn two_threads_never_ask_for_the_same_port() {
        let local: IpAddr = "127.77.1.2".parse().unwrap();
        let mut both = [Ports::new(0, 2), Ports::new(1, 2)];
        let mut seen = Vec::new();
        for _ in 0..3 {
            for ports in &mut both {
                seen.push(ports.open(local, (21000, 21020)).unwrap().unwrap().1.port());
            }
        }
        assert_eq!(seen, [21000, 21002, 21004, 21006, 21008, 21010]);
    }
}
