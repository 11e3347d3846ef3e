//! A phone of a few kilobytes, so that a test or a bench has thousands: it starts as a secure phone does ([`net::SecurePhone`]),
//! registers over TLS with its certificate, calls and is called, and keeps its connection. It has no media: its descriptions
//! are of SRTP, and nobody sends any.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use net::Provisioned;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use trust::tls::Versions;

/// Where a phone registers, and by what it is let in.
pub(crate) struct Door {
    pub(crate) line: String,
    pub(crate) server: SocketAddr,
    pub(crate) server_name: String,
    /// With its certificate, if it has one.
    pub(crate) tls: Arc<ClientConfig>,
    /// Lines of a REGISTER's head beside the usual ones: `Authorization` for a phone with a token.
    pub(crate) more: String,
}

impl Door {
    /// As a secure phone was told: its certificate is its proof.
    pub(crate) fn of(papers: &Provisioned) -> anyhow::Result<Door> {
        let versions = Versions { tls12: true, tls13: true };
        let tls = trust::tls::client_pinned(papers.identity.as_ref(), &papers.pinned, versions)?;
        let (line, server, server_name) = (papers.line.clone(), papers.server, papers.server_name.clone());
        Ok(Door { line, server, server_name, tls, more: String::new() })
    }
}

/// One that is registered.
pub(crate) struct LightPhone {
    line: String,
    server: SocketAddr,
    more: String,
    local: SocketAddr,
    writer: Writer,
    heard: mpsc::UnboundedReceiver<Heard>,
    /// What the call manager showed (DER).
    pub(crate) shown: Vec<u8>,
    requests: u32,
    call: Option<Call>,
}

type Writer = Arc<Mutex<WriteHalf<TlsStream<TcpStream>>>>;

/// What it may be waiting for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Final answer to a request of ours: its method, status, `To` and `Contact`.
    Answered { method: String, status: u16, to: String, contact: String },
    /// A call came in and was answered.
    Called,
    /// The other side hung up.
    HungUp,
    /// The connection ended.
    Ended(String),
}

/// A call that this phone placed.
struct Call {
    id: String,
    to: String,
    target: String,
}

impl LightPhone {
    /// Connects and registers. `Err`: whatever came instead of a 200.
    pub(crate) async fn register(door: &Door, from: IpAddr) -> anyhow::Result<LightPhone> {
        let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(from, 0))?;
        let stream = socket.connect(door.server).await.context("no connection")?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let name = ServerName::try_from(door.server_name.clone())?;
        let stream = TlsConnector::from(door.tls.clone()).connect(name, stream).await.context("no TLS")?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).context("no certificate")?.to_vec();
        let (reader, writer) = tokio::io::split(stream);
        let (tell, heard) = mpsc::unbounded_channel();
        let writer: Writer = Arc::new(Mutex::new(writer));
        tokio::spawn(read(reader, writer.clone(), local, tell));
        let (line, server, more) = (door.line.clone(), door.server, door.more.clone());
        let mut phone = LightPhone { line, server, more, local, writer, heard, shown, requests: 0, call: None };
        phone.again().await?;
        Ok(phone)
    }

    /// Registers once more over the same connection.
    pub(crate) async fn again(&mut self) -> anyhow::Result<()> {
        let (line, server) = (self.line.clone(), self.server);
        let own = format!("sip:{line}@{server}");
        let contact = format!("Contact: <sip:{line}@{};transport=tls>;expires=3600\r\n{}", self.local, self.more);
        let id = format!("register.{line}.{}", self.local.port());
        self.ask("REGISTER", &format!("sip:{server}"), &format!("<{own}>"), &id, &contact, "").await?;
        let (status, ..) = self.answer("REGISTER").await?;
        ensure!(status == 200, "REGISTER of {line}: {status}");
        Ok(())
    }

    /// Calls another line, and returns when it has answered.
    pub(crate) async fn call(&mut self, other: &str) -> anyhow::Result<()> {
        let target = format!("sip:{other}@{};transport=tls", self.server);
        let id = format!("call.{}.{}", self.line, self.local.port());
        let more = format!("{}Content-Type: application/sdp\r\n", self.contact());
        self.ask("INVITE", &target, &format!("<{target}>"), &id, &more, &sdp(self.local.ip(), "1")).await?;
        let (status, to, contact) = self.answer("INVITE").await?;
        ensure!(status == 200, "{} to {other}: {status}", self.line);
        let target = uri_of(&contact).context("an answer without Contact")?.to_owned();
        // The ACK has the INVITE's number, and no answer.
        self.requests -= 1;
        self.ask("ACK", &target, &to, &id, "", "").await?;
        self.call = Some(Call { id, to, target });
        Ok(())
    }

    /// Ends the call that it placed: the other side knew it, if the answer is 200.
    pub(crate) async fn hang_up(&mut self) -> anyhow::Result<u16> {
        let Call { id, to, target } = self.call.take().context("there is no call")?;
        self.ask("BYE", &target, &to, &id, "", "").await?;
        Ok(self.answer("BYE").await?.0)
    }

    /// Waits until this happens; what else happens meanwhile but answers is a fault.
    pub(crate) async fn hear(&mut self, wanted: &Heard) -> anyhow::Result<()> {
        match self.heard.recv().await.context("the phone is gone")? {
            heard if heard == *wanted => Ok(()),
            other => bail!("{} expected {wanted:?} and heard {other:?}", self.line),
        }
    }

    /// Closes its connection.
    pub(crate) async fn leave(self) {
        // One that is closed already is as good.
        let _ = self.writer.lock().await.shutdown().await;
    }

    /// Whether anything has happened that nobody waited for.
    pub(crate) fn surprise(&mut self) -> Option<Heard> {
        self.heard.try_recv().ok()
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@{};transport=tls>\r\n", self.line, self.local)
    }

    async fn answer(&mut self, asked: &str) -> anyhow::Result<(u16, String, String)> {
        match self.heard.recv().await.context("the phone is gone")? {
            Heard::Answered { method, status, to, contact } if method == asked => Ok((status, to, contact)),
            other => bail!("{} waited for the answer to {asked} and heard {other:?}", self.line),
        }
    }

    async fn ask(
        &mut self,
        method: &str,
        target: &str,
        to: &str,
        id: &str,
        more: &str,
        body: &str,
    ) -> anyhow::Result<()> {
        self.requests += 1;
        let (line, local, server, number) = (&self.line, self.local, self.server, self.requests);
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/TLS {local};branch=z9hG4bK.{id}.{method}.{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{line}@{server}>;tag={line}\r\nTo: {to}\r\nCall-ID: {id}\r\n\
             CSeq: {number} {method}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.writer.lock().await.write_all(text.as_bytes()).await.context("the connection is gone")
    }
}

/// Reads until the connection ends; answers what the call manager asks.
async fn read(
    mut reader: ReadHalf<TlsStream<TcpStream>>,
    writer: Writer,
    local: SocketAddr,
    tell: mpsc::UnboundedSender<Heard>,
) {
    let (mut kept, mut room) = (Vec::new(), vec![0; 8192]);
    let why = loop {
        match reader.read(&mut room).await {
            Ok(0) => break "closed".to_owned(),
            Err(error) => break error.to_string(),
            Ok(length) => kept.extend_from_slice(room.get(..length).unwrap_or_default()),
        }
        while let Some(message) = next(&mut kept) {
            let (answer, heard) = take(&message, local);
            if let Some(answer) = answer
                && writer.lock().await.write_all(answer.as_bytes()).await.is_err()
            {
                break;
            }
            if let Some(heard) = heard {
                // Who does not listen any more has no need of it.
                let _ = tell.send(heard);
            }
        }
    };
    let _ = tell.send(Heard::Ended(why));
}

/// A whole message off the front: head and body by Content-Length (RFC 3261 §18.3).
fn next(kept: &mut Vec<u8>) -> Option<String> {
    let head = kept.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(kept.get(..head)?).into_owned();
    let length: usize = header(&text, "Content-Length").and_then(|value| value.parse().ok()).unwrap_or(0);
    if kept.len() < head + length {
        return None;
    }
    let message: Vec<u8> = kept.drain(..head + length).collect();
    Some(String::from_utf8_lossy(&message).into_owned())
}

fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let lines = message.split("\r\n").skip(1).take_while(|line| !line.is_empty());
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn uri_of(contact: &str) -> Option<&str> {
    contact.split_once('<')?.1.split_once('>').map(|(uri, _)| uri)
}

/// What is said to a message, and what it means to the phone.
fn take(message: &str, local: SocketAddr) -> (Option<String>, Option<Heard>) {
    let (first, rest) = message.split_once(' ').unwrap_or((message, ""));
    if first == "SIP/2.0" {
        let status = rest.get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        if status < 200 {
            return (None, None);
        }
        let text = |name: &str| header(message, name).unwrap_or_default().to_owned();
        let method = text("CSeq").split(' ').next_back().unwrap_or_default().to_owned();
        return (None, Some(Heard::Answered { method, status, to: text("To"), contact: text("Contact") }));
    }
    let inside = header(message, "To").is_some_and(|to| to.contains(";tag="));
    match first {
        "ACK" => (None, None),
        "INVITE" => {
            let tag = message.split_once("a=crypto:").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or("1");
            (Some(response(message, local, &sdp(local.ip(), tag))), (!inside).then_some(Heard::Called))
        }
        "BYE" => (Some(response(message, local, "")), Some(Heard::HungUp)),
        _ => (Some(response(message, local, "")), None),
    }
}

fn response(request: &str, local: SocketAddr, body: &str) -> String {
    let mut out = "SIP/2.0 200 OK\r\n".to_owned();
    for line in request.split("\r\n").skip(1).take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.as_str() {
            "to" if !line.contains(";tag=") => out.push_str(&format!("{line};tag=light\r\n")),
            "via" | "from" | "to" | "call-id" | "cseq" | "record-route" => out.push_str(&format!("{line}\r\n")),
            _ => {}
        }
    }
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    out + &format!("Contact: <sip:{local};transport=tls>\r\n{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// SRTP by a key of no secret: no packet will ever be protected by it. `tag`: of the crypto line.
fn sdp(address: IpAddr, tag: &str) -> String {
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=light 1 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n\
         m=audio 20000 RTP/SAVP 0\r\na=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:bGlnaHQtcGhvbmUtb2Ytbm8tc2VjcmV0ISEhISEh\r\n\
         a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
    )
}
