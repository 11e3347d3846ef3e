//! A WebSocket of ours to a service: over TLS, whose certificate has the name that the address names, and no other way. The
//! bytes of `sip::websocket` (RFC 6455), moved.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::Uri;
use rustls_pki_types::ServerName;
use sip::websocket::{Said, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use trust::Authority;

use crate::web::Trust;

/// Octets of one message of a service.
const MOST: usize = 64 << 10;
/// A service that does not take what is said to it for so long is gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// One that is open.
pub(crate) struct Link {
    stream: TlsStream<TcpStream>,
    socket: WebSocket,
    /// What was read last, and what is still to be written.
    room: BytesMut,
    out: BytesMut,
}

impl Link {
    /// Dials a `wss:` address. Whoever waits gives it a time.
    ///
    /// # Errors
    /// It cannot be reached, is not who it should be, or speaks no WebSocket there: in words.
    pub(crate) async fn open(trust: &Trust, authority: &Authority, url: &str) -> Result<Link, String> {
        let uri: Uri = url.parse().map_err(|error| format!("no address of a service: {error}"))?;
        let host = uri.host().map(|host| host.trim_matches(['[', ']'])).ok_or("its address names no server")?;
        if uri.scheme_str() != Some("wss") {
            return Err("only wss addresses are dialled".into());
        }
        let port = uri.port_u16().unwrap_or(443);
        let failed = |error: &dyn std::fmt::Display| format!("{host}:{port}: {error}");
        let tls = trust.connector(authority, host)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(&error))?;
        let stream = TcpStream::connect((host, port)).await.map_err(|error| failed(&error))?;
        let _ = stream.set_nodelay(true);
        let stream = tls.connect(name, stream).await.map_err(|error| failed(&error))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let host_and_port = uri.authority().map_or(host, |authority| authority.as_str());
        let mut seed = [0; 32];
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.secure_random.fill(&mut seed).map_err(|_| "the operating system gives no randomness")?;
        let socket = WebSocket::dial(host_and_port, path, None, seed, MOST);
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

    /// The next message; `None`: it said goodbye. Nothing is lost when this is given up and called again.
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
                return Ok(None);
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
