//! rtpengine's control protocol NG: bencoded dictionaries over UDP, behind a cookie. Offer and answer of one call.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use sdp::{Crypto, MasterKey, Session, Suite, SuiteName};

use crate::{Mode, keys, load};

/// Where a leg wants its packets, and what it protects its own with.
pub(crate) struct Side {
    pub(crate) addr: SocketAddr,
    pub(crate) key: Option<MasterKey>,
}

pub(crate) struct Ng {
    socket: UdpSocket,
    asked: u32,
}

impl Ng {
    pub(crate) fn to(control: SocketAddr) -> io::Result<Ng> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(control)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        Ok(Ng { socket, asked: 0 })
    }

    pub(crate) fn ping(&mut self) -> bool {
        self.ask("7:command4:ping").is_ok()
    }

    /// Sets one call up: where each end is to send, and what it hears.
    pub(crate) fn call(&mut self, mode: Mode, call: usize) -> io::Result<[Side; 2]> {
        let id = text(&format!("bench-{}-{call}", std::process::id()));
        let suites = [keys::suite(mode, 0), keys::suite(mode, 1)];
        let common = format!("3:ICE6:remove4:DTLS3:off8:rtcp-muxl5:demuxe7:call-id{id}8:from-tag1:a");
        let towards = text(profile(suites[1]));
        let offer = text(&describe(call, 0, suites[0], 1));
        let at_b = self.ask(&format!("7:command5:offer{common}18:transport-protocol{towards}3:sdp{offer}"))?;
        let (b, tag) = read(&at_b, suites[1])?;
        let answer = text(&describe(call, 1, suites[1], tag));
        let at_a = self.ask(&format!("7:command6:answer{common}6:to-tag1:b3:sdp{answer}"))?;
        Ok([read(&at_a, suites[0])?.0, b])
    }

    fn ask(&mut self, dictionary: &str) -> io::Result<String> {
        self.asked += 1;
        self.socket.send(format!("{} d{dictionary}e", self.asked).as_bytes())?;
        let mut reply = vec![0; 8192];
        let len = self.socket.recv(&mut reply)?;
        Ok(String::from_utf8_lossy(&reply[..len]).into_owned())
    }
}

fn text(value: &str) -> String {
    format!("{}:{value}", value.len())
}

fn profile(suite: Option<Suite>) -> &'static str {
    suite.map_or("RTP/AVP", |_| "RTP/SAVP")
}

fn describe(call: usize, side: usize, suite: Option<Suite>, tag: u32) -> String {
    let addr = load::address(call, side);
    let key = suite.map(|suite| Crypto::new(tag, suite, keys::ours(call, side, suite)).print());
    let key = key.map(|line| format!("a=crypto:{line}\r\n")).unwrap_or_default();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} {} 0\r\na=rtpmap:0 PCMU/8000\r\n{key}",
        addr.port(),
        profile(suite),
        ip = addr.ip()
    )
}

/// Address, and of the suite asked for key and tag, out of the description in a reply.
fn read(reply: &str, suite: Option<Suite>) -> io::Result<(Side, u32)> {
    let wrong = |what: &str| io::Error::other(format!("rtpengine's reply has no {what}: {reply}"));
    let (_, sdp) = reply.split_once("3:sdp").ok_or_else(|| wrong("description"))?;
    let (len, sdp) = sdp.split_once(':').ok_or_else(|| wrong("length"))?;
    let sdp = len.parse().ok().and_then(|len: usize| sdp.get(..len)).ok_or_else(|| wrong("whole description"))?;
    let session = Session::parse(sdp.as_bytes()).map_err(|_| wrong("readable description"))?;
    let media = session.media.first().ok_or_else(|| wrong("stream"))?;
    let addr = session.address(media).ok_or_else(|| wrong("address"))?;
    let Some(suite) = suite else { return Ok((Side { addr, key: None }, 0)) };
    let lines = media.crypto();
    let line = lines.iter().flatten().find(|line| line.suite == SuiteName::Known(suite));
    let line = line.ok_or_else(|| wrong("key of the suite"))?;
    let key = line.keys.first().map(|key| key.key.clone());
    Ok((Side { addr, key }, line.tag))
}
