//! The generator's calls: INVITE over one mutual TLS connection, a call server's place; what the browser answers says where
//! its media is and under which key.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use sdp::{Crypto, Session, SuiteName};

use crate::estate::{BROWSER, BROWSER_NAME, Estate, wrong};
use crate::media_side::{Calls, Keys, SUITE, address, key};

/// From call to call.
const PAUSE: Duration = Duration::from_millis(20);

struct Trunk {
    stream: StreamOwned<ClientConnection, TcpStream>,
    local: SocketAddr,
    /// What came and was not looked at yet.
    buffer: Vec<u8>,
}

/// Places all of them, one after another.
pub(crate) fn place(estate: &Estate, calls: &Calls) -> io::Result<()> {
    let versions = trust::tls::Versions { tls12: true, tls13: true };
    let names = [BROWSER_NAME.to_owned()];
    let config = trust::tls::client(&estate.caller, &estate.roots_pem, versions, &names).map_err(wrong)?;
    let name = ServerName::try_from(BROWSER_NAME).map_err(wrong)?;
    let socket = TcpStream::connect(BROWSER)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let local = socket.local_addr()?;
    let stream = StreamOwned::new(ClientConnection::new(config, name).map_err(wrong)?, socket);
    let mut trunk = Trunk { stream, local, buffer: Vec::new() };
    for n in 0..calls.len() {
        let due = Instant::now() + PAUSE;
        trunk.call(n, calls)?;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    // The connection is the calls': it stays as long as the subject does.
    std::mem::forget(trunk);
    Ok(())
}

impl Trunk {
    fn call(&mut self, n: usize, calls: &Calls) -> io::Result<()> {
        let body = describe(n);
        let head = self.head(n, "INVITE", &format!("sip:6016@{BROWSER}"), "");
        let invite = format!(
            "{head}Contact: <sip:bench@{};transport=tls>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, REFER, NOTIFY\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            self.local,
            body.len()
        );
        self.stream.write_all(invite.as_bytes())?;
        let (to, target, description) = self.answer(n)?;
        let (remote, open) = read(&description)?;
        calls.connect(n, remote, Keys { seal: key(n, 1), open })?;
        let ack = format!("{}Content-Length: 0\r\n\r\n", self.head(n, "ACK", &target, &to));
        self.stream.write_all(ack.as_bytes())
    }

    fn head(&self, n: usize, method: &str, target: &str, to: &str) -> String {
        let to = if to.is_empty() { format!("<sip:6016@{BROWSER}>") } else { to.to_owned() };
        let (local, run) = (self.local, std::process::id());
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/TLS {local};branch=z9hG4bK{run}.{n}.{port}.{method}\r\nMax-Forwards: 70\r\n\
             From: <sip:32270{n:05}@{}>;tag=b{n}\r\nTo: {to}\r\nCall-ID: bench-{run}-{n}-{port}\r\nCSeq: 1 {method}\r\n",
            local.ip(),
            port = local.port()
        )
    }

    /// To, Contact and body of the 200.
    fn answer(&mut self, n: usize) -> io::Result<(String, String, Vec<u8>)> {
        loop {
            let message = self.message()?;
            let end = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(message.len());
            let head = String::from_utf8_lossy(&message[..end]).into_owned();
            let field = |name: &str| {
                let line =
                    head.lines().find(|line| line.split(':').next().is_some_and(|it| it.eq_ignore_ascii_case(name)));
                line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
            };
            let status = head.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).unwrap_or_default();
            match status {
                "100" | "180" | "183" | "" => {}
                "200" => {
                    let contact = field("Contact");
                    let target = contact.split(['<', '>']).nth(1).unwrap_or(&contact).to_owned();
                    return Ok((field("To"), target, message.get(end + 4..).unwrap_or_default().to_vec()));
                }
                _ => return Err(io::Error::other(format!("call {n}: {}", head.lines().next().unwrap_or_default()))),
            }
        }
    }

    /// The next whole message.
    fn message(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
                let whole = end + 4 + length.unwrap_or(0usize);
                if self.buffer.len() >= whole {
                    return Ok(self.buffer.drain(..whole).collect());
                }
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece)? {
                0 => return Err(io::Error::other("the browser closed the connection")),
                len => self.buffer.extend_from_slice(&piece[..len]),
            }
        }
    }
}

fn describe(n: usize) -> String {
    let at = address(n);
    let crypto = Crypto::new(1, SUITE, key(n, 1)).print();
    format!(
        "v=0\r\no=bench 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} RTP/SAVP 0 101\r\na=crypto:{crypto}\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n",
        at.port(),
        ip = at.ip()
    )
}

fn read(description: &[u8]) -> io::Result<(SocketAddr, sdp::MasterKey)> {
    let missing = |what: &str| io::Error::other(format!("the answer has no {what}"));
    let session = Session::parse(description).map_err(|_| missing("readable description"))?;
    let media = session.media.first().ok_or_else(|| missing("stream"))?;
    let remote = session.address(media).ok_or_else(|| missing("address"))?;
    let lines = media.crypto();
    let line = lines.iter().flatten().find(|line| line.suite == SuiteName::Known(SUITE));
    let line = line.ok_or_else(|| missing("key of the suite"))?;
    let key = line.keys.first().map(|key| key.key.clone()).ok_or_else(|| missing("key"))?;
    Ok((remote, key))
}
