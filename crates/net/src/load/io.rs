//! The load tool's sockets and alarms: the same connections as a node's ([`Conn`]), without its limits and records.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token};
use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;
use sip::frame::Frame;
use sip::{FlowId, Target, Transport};
use trust::tls::{ClientCertificate, Versions};

use super::{Answer, ClientTls, Server};
use crate::socket;
use crate::wire::conn::{Birth, Conn, Progress, Stage};
use crate::wire::tls::{Secured, Whom};

const VERSIONS: Versions = Versions { tls12: true, tls13: true };
const LISTENER: Token = Token(0);
/// UDP sockets by their side.
const UDP: [Token; 2] = [Token(1), Token(2)];
const FIRST_LINK: u64 = 16;

/// Which of its two parts the tool plays on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Caller = 0,
    Called = 1,
}

/// Where a message came from and its answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Stream(u64),
    Datagram(Side, SocketAddr),
}

impl Way {
    /// Nothing is resent over it.
    pub(super) fn is_reliable(self) -> bool {
        matches!(self, Way::Stream(_))
    }
}

/// What the sockets had to tell.
pub(super) enum Heard {
    Message {
        side: Side,
        way: Way,
        bytes: Bytes,
    },
    /// A connection of ours speaks SIP from now on.
    Open(u64),
    /// It ended, and why.
    Ended {
        side: Side,
        link: u64,
        why: String,
    },
}

/// Something to be done later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    Resend { side: Side, number: u64, next_ms: u32 },
    Patience { number: u64 },
    HangUp { number: u64 },
    Answer { number: u64 },
    Forget { side: Side, number: u64 },
}

struct Link {
    conn: Conn,
    side: Side,
}

pub(super) struct Io {
    poll: Poll,
    origin: Instant,
    from: IpAddr,
    server: Option<(SocketAddr, Transport)>,
    client: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    listener: Option<TcpListener>,
    accepting: Option<Arc<ServerConfig>>,
    udp: [Option<UdpSocket>; 2],
    links: HashMap<u64, Link>,
    next_link: u64,
    dirty: HashSet<u64>,
    alarms: BinaryHeap<Reverse<(Duration, Alarm)>>,
    pub heard: Vec<Heard>,
    scratch: Vec<u8>,
}

impl Io {
    pub(super) fn new(from: IpAddr, server: Option<&Server>, answer: Option<&Answer>) -> anyhow::Result<Io> {
        let mut io = Io {
            poll: Poll::new()?,
            origin: Instant::now(),
            from,
            server: server.map(|server| (server.addr, server.transport)),
            client: server.and_then(|server| server.tls.as_ref()).map(client).transpose()?,
            listener: None,
            accepting: None,
            udp: [None, None],
            links: HashMap::new(),
            next_link: FIRST_LINK,
            dirty: HashSet::new(),
            alarms: BinaryHeap::new(),
            heard: Vec::new(),
            scratch: vec![0; 65536],
        };
        if server.is_some_and(|server| server.transport == Transport::Udp) {
            io.bind(Side::Caller, SocketAddr::new(from, 0))?;
        }
        if let Some(answer) = answer {
            io.listen(answer).with_context(|| format!("cannot answer calls on {}", answer.listen))?;
        }
        Ok(io)
    }

    fn listen(&mut self, answer: &Answer) -> anyhow::Result<()> {
        if answer.transport == Transport::Udp {
            return self.bind(Side::Called, answer.listen);
        }
        if let Some((identity, roots)) = &answer.tls {
            let mut config =
                ServerConfig::clone(&*trust::tls::server(identity, roots, VERSIONS, ClientCertificate::Required)?);
            config.send_tls13_tickets = 0; // who resumes measures something else
            self.accepting = Some(Arc::new(config));
        }
        let mut listener = TcpListener::from_std(socket::listen(answer.listen)?);
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        self.listener = Some(listener);
        Ok(())
    }

    fn bind(&mut self, side: Side, addr: SocketAddr) -> anyhow::Result<()> {
        let socket = socket::datagram(addr).with_context(|| format!("cannot open a UDP socket at {addr}"))?;
        socket::roomy(&socket)?;
        let mut socket = UdpSocket::from_std(socket);
        self.poll.registry().register(&mut socket, UDP[side as usize], Interest::READABLE)?;
        self.udp[side as usize] = Some(socket);
        Ok(())
    }

    /// Since the tool began.
    pub(super) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Address that our side of the server's conversation says it is at. A stream's port is nobody's: answers come back on
    /// the connection (RFC 3261 §18.2.2).
    pub(super) fn local(&self) -> SocketAddr {
        let socket = self.udp[Side::Caller as usize].as_ref().and_then(|socket| socket.local_addr().ok());
        socket.unwrap_or_else(|| SocketAddr::new(self.from, 5061))
    }

    /// Opens a connection to the server; it is told by [`Heard::Open`] or [`Heard::Ended`]. UDP has none to open.
    pub(super) fn dial(&mut self) -> anyhow::Result<Way> {
        let (addr, transport) = self.server.context("there is no server to connect to")?;
        if transport == Transport::Udp {
            return Ok(Way::Datagram(Side::Caller, addr));
        }
        let tls = match &self.client {
            Some((config, name)) => Some(ClientConnection::new(config.clone(), name.clone())?),
            None => None,
        };
        let tcp = socket::dial(self.from, addr).with_context(|| format!("cannot connect to {addr}"))?;
        let target = Target { transport, addr, peer: "server".into() };
        let tls = tls.map(|tls| Secured::unrecorded(tls.into()));
        Ok(Way::Stream(self.add(Side::Caller, TcpStream::from_std(tcp), addr, Some(target), transport, tls)?))
    }

    fn add(
        &mut self,
        side: Side,
        mut tcp: TcpStream,
        remote: SocketAddr,
        target: Option<Target>,
        transport: Transport,
        tls: Option<Secured>,
    ) -> anyhow::Result<u64> {
        let link = self.next_link;
        self.next_link += 1;
        let token = Token(usize::try_from(link)?);
        self.poll.registry().register(&mut tcp, token, Interest::READABLE | Interest::WRITABLE)?;
        let outbound = target.map(|target| (target, Whom::default()));
        let now = roles::Now { mono: self.now(), wall: std::time::SystemTime::now() };
        let local = SocketAddr::new(self.from, 0);
        let birth = Birth { flow: FlowId(link), transport, local, remote, outbound, now };
        self.links.insert(link, Link { conn: Conn::new(birth, tcp, tls), side });
        Ok(link)
    }

    /// Queues a message. What cannot go is told by [`Heard::Ended`].
    pub(super) fn send(&mut self, way: Way, bytes: &[u8]) {
        match way {
            Way::Stream(link) => {
                let Some(open) = self.links.get_mut(&link) else { return };
                match open.conn.push(bytes) {
                    Ok(()) => drop(self.dirty.insert(link)),
                    Err(broken) => {
                        let why = broken.words(open.conn.remote);
                        self.end(link, why);
                    }
                }
            }
            // A datagram that the system does not take is lost like any other: the transaction sends it again.
            Way::Datagram(side, to) => {
                let socket = self.udp[side as usize].as_ref();
                let _ = socket.map(|socket| socket.send_to(bytes, to));
            }
        }
    }

    /// Closes a connection once what was queued is out; nobody is told.
    pub(super) fn close(&mut self, way: Way) {
        let Way::Stream(link) = way else { return };
        let now = self.now();
        if let Some(mut open) = self.links.remove(&link) {
            let _ = open.conn.flush(now);
            open.conn.shut();
        }
    }

    pub(super) fn later(&mut self, after: Duration, alarm: Alarm) {
        let due = self.now() + after;
        self.alarms.push(Reverse((due, alarm)));
    }

    /// The next alarm that is due.
    pub(super) fn ring(&mut self, now: Duration) -> Option<Alarm> {
        let Reverse((due, _)) = self.alarms.peek()?;
        if *due > now {
            return None;
        }
        self.alarms.pop().map(|Reverse((_, alarm))| alarm)
    }

    pub(super) fn next_alarm(&self) -> Option<Duration> {
        self.alarms.peek().map(|Reverse((due, _))| *due)
    }

    /// Writes what is queued, waits for the sockets until `until` at the latest, reads them into [`Io::heard`].
    pub(super) fn turn(&mut self, events: &mut Events, until: Option<Duration>) -> anyhow::Result<()> {
        self.flush();
        let wait = match self.heard.is_empty() {
            true => until.map(|until| until.saturating_sub(self.now())),
            false => Some(Duration::ZERO),
        };
        match self.poll.poll(events, wait) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in events.iter() {
            match event.token() {
                LISTENER => self.accept()?,
                token if token == UDP[0] => self.receive(Side::Caller),
                token if token == UDP[1] => self.receive(Side::Called),
                Token(link) => self.read(link as u64),
            }
        }
        Ok(())
    }

    fn flush(&mut self) {
        let now = self.now();
        for link in std::mem::take(&mut self.dirty) {
            let Some(open) = self.links.get_mut(&link) else { continue };
            if let Err(broken) = open.conn.flush(now) {
                let why = broken.words(open.conn.remote);
                self.end(link, why);
            }
        }
    }

    fn accept(&mut self) -> anyhow::Result<()> {
        while let Some(Ok((tcp, remote))) = self.listener.as_ref().map(|listener| listener.accept()) {
            socket::settle(&tcp)?;
            let tls = match &self.accepting {
                Some(config) => Some(Secured::unrecorded(ServerConnection::new(config.clone())?.into())),
                None => None,
            };
            let transport = if tls.is_some() { Transport::Tls } else { Transport::Tcp };
            self.add(Side::Called, tcp, remote, None, transport, tls)?;
        }
        Ok(())
    }

    fn read(&mut self, link: u64) {
        let now = self.now();
        let Some(open) = self.links.get_mut(&link) else { return };
        let was_open = matches!(open.conn.stage, Stage::Open(_));
        let mut frames = Vec::new();
        let mut work = || {
            open.conn.connected()?;
            while let Progress::More = open.conn.read(&mut self.scratch, now, &mut frames)? {}
            open.conn.flush(now).map(|_| ())
        };
        let outcome = work().map_err(|broken| broken.words(open.conn.remote));
        let side = open.side;
        if !was_open && matches!(open.conn.stage, Stage::Open(_)) && side == Side::Caller {
            self.heard.push(Heard::Open(link));
        }
        for frame in frames {
            match frame {
                Frame::Message(bytes) => self.heard.push(Heard::Message { side, way: Way::Stream(link), bytes }),
                Frame::Ping => self.send(Way::Stream(link), b"\r\n"),
                Frame::Pong => {}
            }
        }
        if let Err(why) = outcome {
            self.end(link, why);
        }
    }

    fn receive(&mut self, side: Side) {
        let Some(socket) = &self.udp[side as usize] else { return };
        // Ends by WouldBlock; an ICMP error that is reported here is of something that will be sent again.
        loop {
            match socket.recv_from(&mut self.scratch) {
                Ok((len, from)) => {
                    let bytes = Bytes::copy_from_slice(self.scratch.get(..len).unwrap_or_default());
                    self.heard.push(Heard::Message { side, way: Way::Datagram(side, from), bytes });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {}
            }
        }
    }

    fn end(&mut self, link: u64, why: String) {
        if let Some(mut open) = self.links.remove(&link) {
            open.conn.shut();
            self.heard.push(Heard::Ended { side: open.side, link, why });
        }
    }
}

fn client(tls: &ClientTls) -> anyhow::Result<(Arc<ClientConfig>, ServerName<'static>)> {
    let names = [tls.server_name.clone()];
    let mut config = ClientConfig::clone(&*match &tls.identity {
        Some(identity) => trust::tls::client(identity, &tls.roots_pem, VERSIONS, &names)?,
        None => trust::tls::client_without_certificate(&tls.roots_pem, VERSIONS, &names)?,
    });
    if !tls.resume {
        config.resumption = Resumption::disabled();
    }
    let name = ServerName::try_from(tls.server_name.clone())
        .with_context(|| format!("--server-name {}: expected a DNS name", tls.server_name))?;
    Ok((Arc::new(config), name))
}
