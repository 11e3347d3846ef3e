//! The two subjects that have no calls: a socket each that sends back what came, and the media threads with a prompt.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use media::{Command, Latch, Play};
use rustix::event::epoll;
use sdp::{Codec, Direction, Keying, Negotiated};

use crate::media_side::{SUITE, address, key};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PORTS: (u16, u16) = (16384, 24000);

/// Receives and sends, and nothing else: what the system itself takes for the packets.
pub(crate) fn null(calls: usize) -> io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut sockets = Vec::new();
    for n in 0..calls {
        let socket = UdpSocket::bind((LOCAL, 0))?;
        socket.set_nonblocking(true)?;
        epoll::add(&epoll, &socket, epoll::EventData::new_u64(n as u64), epoll::EventFlags::IN)?;
        println!("{}", socket.local_addr()?);
        sockets.push(socket);
    }
    println!("ready");
    // It ends when its input does.
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let mut ready: Vec<epoll::Event> = Vec::with_capacity(512);
    let mut packet = [0; 2048];
    loop {
        ready.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut ready), None)?;
        for event in &ready {
            let Some(socket) = sockets.get(event.data.u64() as usize) else { continue };
            while let Ok((len, from)) = socket.recv_from(&mut packet) {
                let _ = socket.send_to(&packet[..len], from);
            }
        }
    }
}

/// The prompt again and again, under SRTP, to whoever speaks under SRTP.
pub(crate) fn floor(calls: usize) -> io::Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(2) as u16;
    let media = net::MediaAlone::start(threads, LOCAL, PORTS, [7; 32])?;
    for call in 0..calls {
        let thread = call as u16 % threads;
        let leases = media.lend(thread, 1);
        let [lease] = leases.as_slice() else { return Err(io::Error::other("the ports run out")) };
        let remote = address(call);
        let negotiated = Box::new(Negotiated {
            remote,
            remote_rtcp: std::net::SocketAddr::new(remote.ip(), remote.port() + 1),
            codec: Codec::Pcmu,
            payload_type: 0,
            telephone_event: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: 20,
            opus: sdp::OpusTerms::default(),
            keying: Keying::Sdes { suite: SUITE, tag: 1, local: key(call, 2), remote: key(call, 1) },
        });
        media.tell(thread, Command::Set { lease: lease.id, negotiated, latch: Latch::Never });
        let play = Play { id: 1, prompt: "moh".into(), repeat: true };
        media.tell(thread, Command::Play { lease: lease.id, play });
        println!("{}", lease.addr);
    }
    println!("ready");
    io::stdin().read_to_end(&mut Vec::new())?;
    media.stop();
    Ok(())
}
