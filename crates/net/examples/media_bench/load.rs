//! The generator: two sockets a call, 20 ms of G.711 each way, protected and opened for real; loss and latency where the
//! packets arrive.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use media::TAG_ROOM;
use media::rtp::{HEADER, Header};
use media::srtp::{Inbound, Outbound};
use rustix::event::epoll;
use sdp::{MasterKey, Suite};

const PACKET: usize = HEADER + 160;
const FRAME: Duration = Duration::from_millis(20);
/// First port of the generator: RTP on even ones, RTCP above.
const FIRST: u16 = 40_000;

/// Where an end sends to, what it protects that with, and what it opens.
pub(crate) struct Leg {
    pub(crate) to: SocketAddr,
    pub(crate) seal: Option<(Suite, MasterKey)>,
    pub(crate) open: Option<(Suite, MasterKey)>,
}

pub(crate) struct Seen {
    pub(crate) sent: u64,
    /// In nanoseconds, sorted; one a packet that arrived and could be opened.
    pub(crate) latencies: Vec<u32>,
    /// Of the subject, in the time measured.
    pub(crate) cpu: Duration,
}

/// Where an end of a call is.
pub(crate) fn address(call: usize, side: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + (call * 4 + side * 2) as u16))
}

/// The ends of so many calls, with their RTCP sockets, which are only there so that reports do not bounce.
pub(crate) fn sockets(calls: usize) -> io::Result<Vec<(UdpSocket, UdpSocket)>> {
    let ends = (0..calls).flat_map(|call| [address(call, 0), address(call, 1)]);
    ends.map(|addr| {
        let reports = SocketAddr::new(addr.ip(), addr.port() + 1);
        let socket = UdpSocket::bind(addr)?;
        socket.set_nonblocking(true)?;
        Ok((socket, UdpSocket::bind(reports)?))
    })
    .collect()
}

/// Sends for `warm` unmeasured, then for `time`.
pub(crate) fn run(
    ends: Vec<(UdpSocket, UdpSocket)>,
    legs: Vec<Leg>,
    warm: Duration,
    time: Duration,
    cpu: &mut dyn FnMut() -> Duration,
) -> io::Result<Seen> {
    let begun = Instant::now();
    let (from, until) = (begun + warm, begun + warm + time);
    let done = AtomicBool::new(false);
    let sockets: Vec<UdpSocket> = ends.iter().map(|(rtp, _)| rtp.try_clone()).collect::<io::Result<_>>()?;
    let wrong = |error| io::Error::other(format!("{error}"));
    let (mut seals, mut opens, mut to) = (Vec::new(), Vec::new(), Vec::new());
    for (n, leg) in (0u32..).zip(legs) {
        to.push(leg.to);
        seals.push(leg.seal.map(|(suite, key)| Outbound::new(suite, &key, n + 1)).transpose().map_err(wrong)?);
        opens.push(leg.open.map(|(suite, key)| Inbound::new(suite, &key)).transpose().map_err(wrong)?);
    }
    std::thread::scope(|scope| {
        let ears = scope.spawn(|| listen(&sockets, opens, begun, (from, until), &done));
        let mouth = scope.spawn(|| speak(&ends, &to, seals, begun, (from, until)));
        std::thread::sleep(from.saturating_duration_since(Instant::now()));
        let before = cpu();
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        let spent = cpu() - before;
        let sent = mouth.join().map_err(|_| io::Error::other("the sender panicked"))??;
        // What is on its way still arrives.
        std::thread::sleep(Duration::from_millis(150));
        done.store(true, Ordering::Relaxed);
        let mut latencies = ears.join().map_err(|_| io::Error::other("the receiver panicked"))??;
        latencies.sort_unstable();
        Ok(Seen { sent, latencies, cpu: spent })
    })
}

/// Every stream has its own moment in the 20 ms. Counts what was sent in the time measured.
fn speak(
    ends: &[(UdpSocket, UdpSocket)],
    to: &[SocketAddr],
    mut seals: Vec<Option<Outbound>>,
    begun: Instant,
    (from, until): (Instant, Instant),
) -> io::Result<u64> {
    let streams = ends.len();
    let mut packet = [0x55; PACKET + TAG_ROOM];
    let mut counted = 0;
    for turn in 0u32.. {
        for (n, ((socket, _), to)) in ends.iter().zip(to).enumerate() {
            let due = begun + FRAME * turn + FRAME * n as u32 / streams as u32;
            let now = Instant::now();
            if due >= until {
                return Ok(counted);
            }
            if due > now + Duration::from_micros(200) {
                std::thread::sleep(due - now);
            }
            let header = Header {
                marker: false,
                payload_type: 0,
                sequence: turn as u16,
                timestamp: turn.wrapping_mul(160),
                ssrc: n as u32 + 1,
                padding: false,
                len: HEADER,
            };
            packet[HEADER..PACKET].fill(0x55);
            let stamp = begun.elapsed();
            packet[HEADER..HEADER + 8].copy_from_slice(&(stamp.as_nanos() as u64).to_be_bytes());
            let len = header.write(&mut packet).and_then(|()| match &mut seals[n] {
                Some(seal) => seal.seal(&mut packet, PACKET).ok(),
                None => Some(PACKET),
            });
            let len = len.ok_or_else(|| io::Error::other("a packet that could not be protected"))?;
            // What the system refuses is lost, as on a wire.
            let _ = socket.send_to(&packet[..len], to);
            counted += u64::from(begun + stamp >= from);
        }
    }
    Ok(counted)
}

fn listen(
    sockets: &[UdpSocket],
    mut opens: Vec<Option<Inbound>>,
    begun: Instant,
    (from, _): (Instant, Instant),
    done: &AtomicBool,
) -> io::Result<Vec<u32>> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (n, socket) in sockets.iter().enumerate() {
        epoll::add(&epoll, socket, epoll::EventData::new_u64(n as u64), epoll::EventFlags::IN)?;
    }
    let mut latencies = Vec::with_capacity(1 << 20);
    let mut ready: Vec<epoll::Event> = Vec::with_capacity(512);
    let mut packet = [0; 2048];
    let patience = Duration::from_millis(50).try_into().ok();
    while !done.load(Ordering::Relaxed) {
        ready.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut ready), patience.as_ref())?;
        for event in &ready {
            let n = event.data.u64() as usize;
            while let Ok(len) = sockets[n].recv(&mut packet) {
                let arrived = begun.elapsed().as_nanos() as u64;
                let opened = match &mut opens[n] {
                    Some(open) => open.open(&mut packet, len).ok(),
                    None => Some(len),
                };
                if opened != Some(PACKET) {
                    continue;
                }
                let Some(stamp) = packet.get(HEADER..).and_then(<[u8]>::first_chunk::<8>) else { continue };
                let sent = u64::from_be_bytes(*stamp);
                if begun + Duration::from_nanos(sent) >= from {
                    latencies.push(u32::try_from(arrived.saturating_sub(sent)).unwrap_or(u32::MAX));
                }
            }
        }
    }
    Ok(latencies)
}
