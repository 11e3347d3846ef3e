//! The generator's media: a socket a call, 20 ms of G.711 each way under SRTP, a key now and then as telephone-event
//! (RFC 4733); what comes back is opened, and the moment of the first packet of each call kept.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::TAG_ROOM;
use media::rtp::{HEADER, Header};
use media::srtp::{Inbound, Outbound};
use rustix::event::epoll;
use sdp::{MasterKey, Suite};

use crate::estate::wrong;

pub(crate) const SUITE: Suite = Suite::AesCm128HmacSha1_80;
/// Seconds between two keys of a call.
pub(crate) const TURN: u32 = 5;
const FRAME: Duration = Duration::from_millis(20);
const FRAMES_A_TURN: u32 = TURN * 50;
/// Of a key press: five packets while it lasts, three of its end.
const PRESS: u32 = 8;
const EVENT: u8 = 101;
/// First port of the generator: RTP on even ones, RTCP above.
const FIRST: u16 = 40_000;

/// Where the generator's end of a call is.
pub(crate) fn address(call: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + (call * 2) as u16))
}

/// Keys of a measurement, which both processes can make. Nobody else's media is under them.
pub(crate) fn key(call: usize, way: u8) -> MasterKey {
    let (key, salt) = SUITE.key_salt_len();
    let seed = [(call >> 8) as u8, call as u8, way, way];
    MasterKey::new((0..key + salt).map(|n| seed[n % 4] ^ (n as u8).wrapping_mul(31)).collect())
}

pub(crate) struct Keys {
    pub(crate) seal: MasterKey,
    pub(crate) open: MasterKey,
}

struct Call {
    to: SocketAddr,
    seal: Outbound,
    open: Inbound,
    answered: Instant,
    first: Option<Duration>,
    /// Frames so far.
    frame: u32,
}

struct Shared {
    sockets: Vec<UdpSocket>,
    /// Only there so that reports do not bounce.
    _reports: Vec<UdpSocket>,
    calls: Vec<Mutex<Option<Call>>>,
    received: AtomicU64,
    done: AtomicBool,
}

impl Shared {
    fn call(&self, n: usize) -> MutexGuard<'_, Option<Call>> {
        self.calls[n].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Calls(Arc<Shared>);

/// The generator at work, until this is dropped.
pub(crate) struct Running(Arc<Shared>, Vec<JoinHandle<io::Result<()>>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::Relaxed);
        for thread in self.1.drain(..) {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => eprintln!("the generator: {error}"),
                Err(_) => eprintln!("the generator panicked"),
            }
        }
    }
}

impl Calls {
    pub(crate) fn bind(count: usize) -> io::Result<Calls> {
        let (mut sockets, mut reports) = (Vec::new(), Vec::new());
        for call in 0..count {
            let at = address(call);
            let socket = UdpSocket::bind(at)?;
            socket.set_nonblocking(true)?;
            sockets.push(socket);
            reports.push(UdpSocket::bind(SocketAddr::new(at.ip(), at.port() + 1))?);
        }
        Ok(Calls(Arc::new(Shared {
            sockets,
            _reports: reports,
            calls: (0..count).map(|_| Mutex::new(None)).collect(),
            received: AtomicU64::new(0),
            done: AtomicBool::new(false),
        })))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.calls.len()
    }

    /// From now on this call sends there.
    pub(crate) fn connect(&self, n: usize, to: SocketAddr, keys: Keys) -> io::Result<()> {
        let call = Call {
            to,
            seal: Outbound::new(SUITE, &keys.seal, n as u32 + 1).map_err(|error| wrong(format!("{error:?}")))?,
            open: Inbound::new(SUITE, &keys.open).map_err(|error| wrong(format!("{error:?}")))?,
            answered: Instant::now(),
            first: None,
            // Keys of all calls are spread over the turn.
            frame: (n as u32).wrapping_mul(37) % FRAMES_A_TURN,
        };
        *self.0.call(n) = Some(call);
        Ok(())
    }

    pub(crate) fn run(&self) -> Running {
        let (mouth, ears) = (self.0.clone(), self.0.clone());
        let threads = vec![std::thread::spawn(move || speak(&mouth)), std::thread::spawn(move || listen(&ears))];
        Running(self.0.clone(), threads)
    }

    pub(crate) fn received(&self) -> u64 {
        self.0.received.load(Ordering::Relaxed)
    }

    /// Milliseconds from each call's answer to its first packet.
    pub(crate) fn first_packets(&self) -> Vec<f64> {
        let first = (0..self.len()).filter_map(|n| self.0.call(n).as_ref()?.first);
        first.map(|first| first.as_secs_f64() * 1e3).collect()
    }
}

/// Every stream has its own moment in the 20 ms.
fn speak(shared: &Shared) -> io::Result<()> {
    let (begun, streams) = (Instant::now(), shared.sockets.len() as u32);
    let mut packet = [0; HEADER + 160 + TAG_ROOM];
    for turn in 0u32.. {
        for (n, socket) in shared.sockets.iter().enumerate() {
            let due = begun + FRAME * turn + FRAME * n as u32 / streams;
            let now = Instant::now();
            if due > now + Duration::from_micros(200) {
                std::thread::sleep(due - now);
            }
            if shared.done.load(Ordering::Relaxed) {
                return Ok(());
            }
            let mut call = shared.call(n);
            let Some(call) = call.as_mut() else { continue };
            call.frame += 1;
            let len =
                frame(call, turn, &mut packet).ok_or_else(|| io::Error::other("a packet that could not be made"))?;
            let len = call.seal.seal(&mut packet, len).map_err(|error| wrong(format!("{error:?}")))?;
            // What the system refuses is lost, as on a wire.
            let _ = socket.send_to(&packet[..len], call.to);
        }
    }
    Ok(())
}

/// The next 20 ms: audio, or a part of a key. Its length.
fn frame(call: &Call, turn: u32, packet: &mut [u8]) -> Option<usize> {
    let in_turn = call.frame % FRAMES_A_TURN;
    let pressing = in_turn < PRESS && call.frame >= FRAMES_A_TURN;
    // All packets of one key have the time of its beginning.
    let timestamp = if pressing { turn - in_turn } else { turn }.wrapping_mul(160);
    let header = Header {
        marker: pressing && in_turn == 0,
        payload_type: if pressing { EVENT } else { 0 },
        sequence: turn as u16,
        timestamp,
        ssrc: call.seal.ssrc(),
        padding: false,
        len: HEADER,
    };
    header.write(packet)?;
    let payload = packet.get_mut(HEADER..)?;
    if !pressing {
        payload.get_mut(..160)?.fill(0x55);
        return Some(HEADER + 160);
    }
    let ended = in_turn >= PRESS - 3;
    let duration = ((in_turn + 1).min(PRESS - 3) * 160) as u16;
    let key = 1 + (call.frame / FRAMES_A_TURN % 3) as u8;
    let [high, low] = duration.to_be_bytes();
    payload.get_mut(..4)?.copy_from_slice(&[key, if ended { 0x8a } else { 0x0a }, high, low]);
    Some(HEADER + 4)
}

/// How late a packet may be noticed.
const LATE: Duration = Duration::from_micros(500);

/// It sleeps while nobody's packet can wake it: on one machine, who sends pays for the waking of who waits, in a network
/// nobody does.
fn listen(shared: &Shared) -> io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (n, socket) in shared.sockets.iter().enumerate() {
        epoll::add(&epoll, socket, epoll::EventData::new_u64(n as u64), epoll::EventFlags::IN)?;
    }
    let mut ready: Vec<epoll::Event> = Vec::with_capacity(512);
    let mut packet = [0; 2048];
    let at_once = Duration::ZERO.try_into().ok();
    while !shared.done.load(Ordering::Relaxed) {
        std::thread::sleep(LATE);
        ready.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut ready), at_once.as_ref())?;
        for event in &ready {
            let n = event.data.u64() as usize;
            while let Ok(len) = shared.sockets[n].recv(&mut packet) {
                let mut call = shared.call(n);
                let Some(call) = call.as_mut() else { continue };
                if call.open.open(&mut packet, len).is_ok() {
                    call.first.get_or_insert_with(|| call.answered.elapsed());
                    shared.received.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
    Ok(())
}
