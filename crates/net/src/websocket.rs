//! A WebSocket of ours to a service: over TLS, whose certificate has the name that the address names; in the clear only where
//! an administrator says so loudly. The bytes of `sip::websocket` (RFC 6455), moved.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::Uri;
use rustls_pki_types::ServerName;
use sip::websocket::{Said, WebSocket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use trust::Authority;

use crate::web::Trust;

/// Octets that wait in the system for a service to read them: what is said is said now, or late.
const UNSENT: usize = 32 << 10;
/// A service that does not take what is said to it for so long is gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is taken of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Octets of one message.
    pub(crate) most: usize,
    /// `ws:` is dialled too.
    pub(crate) dangerous_plain: bool,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One that is open.
pub(crate) struct Link {
    stream: Box<dyn Stream>,
    socket: WebSocket,
    /// What was read last, and what is still to be written.
    room: BytesMut,
    out: BytesMut,
}

impl Link {
    /// Dials an address. Whoever waits gives it a time.
    ///
    /// # Errors
    /// It cannot be reached, is not who it should be, or speaks no WebSocket there: in words.
    pub(crate) async fn open(trust: &Trust, authority: &Authority, url: &str, terms: Terms) -> Result<Link, String> {
        let uri: Uri = url.parse().map_err(|error| format!("no address of a service: {error}"))?;
        let host = uri.host().map(|host| host.trim_matches(['[', ']'])).ok_or("its address names no server")?;
        let (tls, standard) = match uri.scheme_str() {
            Some("wss") => (Some(trust.connector(authority, host)?), 443),
            Some("ws") if terms.dangerous_plain => (None, 80),
            _ => return Err("only wss addresses are dialled".into()),
        };
        let port = uri.port_u16().unwrap_or(standard);
        let failed = |error: &dyn std::fmt::Display| format!("{host}:{port}: {error}");
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(&error))?;
        let stream = TcpStream::connect((host, port)).await.map_err(|error| failed(&error))?;
        let _ = stream.set_nodelay(true);
        let _ = socket2::SockRef::from(&stream).set_send_buffer_size(UNSENT);
        let stream: Box<dyn Stream> = match tls {
            Some(tls) => Box::new(tls.connect(name, stream).await.map_err(|error| failed(&error))?),
            None => Box::new(stream),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let host_and_port = uri.authority().map_or(host, |authority| authority.as_str());
        let mut seed = [0; 32];
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.secure_random.fill(&mut seed).map_err(|_| "the operating system gives no randomness")?;
        let socket = WebSocket::dial(host_and_port, path, None, seed, terms.most);
        let mut link = Link { stream, socket, room: BytesMut::with_capacity(4096), out: BytesMut::new() };
        link.flush().await?;
        match link.heard().await? {
            Some(Said::Open) => Ok(link),
            Some(Said::Message(_) | Said::Closed) | None => Err("it did not open the WebSocket".into()),
        }
    }

    pub(crate) async fn say(&mut self, text: &str) -> Result<(), String> {
        self.socket.send(text.as_bytes());
        self.flush().await
    }

    pub(crate) async fn say_octets(&mut self, octets: &[u8]) -> Result<(), String> {
        self.socket.send_octets(octets);
        self.flush().await
    }

    /// The next message; `None`: it said goodbye. An error: it is gone. Nothing is lost when this is given up and called again.
    pub(crate) async fn hear(&mut self) -> Result<Option<Bytes>, String> {
        match self.heard().await? {
            Some(Said::Message(message)) => Ok(Some(message)),
            Some(Said::Open | Said::Closed) | None => Ok(None),
        }
    }

    /// Says goodbye; who does not take it is left.
    pub(crate) async fn close(mut self) {
        self.socket.close(1000);
        let _ = self.flush().await;
        let _ = tokio::time::timeout(PATIENCE, self.stream.shutdown()).await;
    }

    async fn heard(&mut self) -> Result<Option<Said>, String> {
        loop {
            match self.socket.next() {
                Ok(Some(said)) => return Ok(Some(said)),
                Ok(None) => self.flush().await?,
                Err(broken) => {
                    self.flush().await?;
                    return Err(broken.to_string());
                }
            }
            self.room.clear();
            let read = self.stream.read_buf(&mut self.room).await.map_err(|error| error.to_string())?;
            if read == 0 {
                return Err("it hung up".into());
            }
            self.socket.push(&self.room);
        }
    }

    /// What is not written when this is given up is written the next time.
    async fn flush(&mut self) -> Result<(), String> {
        self.out.unsplit(self.socket.take());
        while !self.out.is_empty() {
            match tokio::time::timeout(PATIENCE, self.stream.write_buf(&mut self.out)).await {
                Ok(Ok(0)) => return Err("it hung up".into()),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error.to_string()),
                Err(_) => return Err("it takes nothing".into()),
            }
        }
        match tokio::time::timeout(PATIENCE, self.stream.flush()).await {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err("it takes nothing".into()),
        }
    }
}
