//! Our relay as its own process: `relay MODE CALLS` bridges the generator's ends, prints the address of each leg, and
//! ends with its standard input.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use media::{Command, Latch};
use sdp::{Codec, Direction, Keying, Negotiated};

use crate::{Mode, keys, load};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const PORTS: (u16, u16) = (16384, 24000);

pub(crate) fn run(words: &[&str]) -> io::Result<()> {
    let usage = || io::Error::other("relay MODE CALLS");
    let [mode, calls] = words else { return Err(usage()) };
    let mode = Mode::ALL.into_iter().find(|known| known.name() == *mode).ok_or_else(usage)?;
    let calls: usize = calls.parse().map_err(|_| usage())?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(2) as u16;
    let media = net::MediaAlone::start(threads, LOCAL, PORTS, [7; 32])?;
    // Both leases of one call are of one thread.
    for call in 0..calls {
        let thread = call as u16 % threads;
        let leases = media.lend(thread, 2);
        let [a, b] = leases.as_slice() else { return Err(io::Error::other("the ports run out")) };
        for (side, lease) in [(0, a), (1, b)] {
            let remote = load::address(call, side);
            let negotiated = Box::new(agreed(mode, call, side, remote));
            media.tell(thread, Command::Set { lease: lease.id, negotiated, latch: Latch::Never });
            println!("{}", lease.addr);
        }
        media.tell(thread, Command::Bridge { a: a.id, b: b.id });
    }
    println!("ready");
    io::stdin().read_to_end(&mut Vec::new())?;
    eprintln!("{:?}", media.counts());
    media.stop();
    Ok(())
}

fn agreed(mode: Mode, call: usize, side: usize, remote: SocketAddr) -> Negotiated {
    Negotiated {
        remote,
        remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: Some(101),
        direction: Direction::SendRecv,
        ptime_ms: 20,
        opus: sdp::OpusTerms::default(),
        keying: keys::suite(mode, side).map_or(Keying::Clear, |suite| Keying::Sdes {
            suite,
            tag: 1,
            local: keys::relays(call, side, suite),
            remote: keys::ours(call, side, suite),
        }),
    }
}
