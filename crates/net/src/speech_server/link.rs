//! One TLS stream to a speech server, and who must be at its end: the same for its SIP and its control connections.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use bytes::{Buf, BytesMut};
use rustls_pki_types::ServerName;
use sdp::{Fingerprint, Hash};
use sip::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use trust::Authority;

use crate::credentials::Held;

/// Octets read in one go.
const PIECE: usize = 16 << 10;

/// A server as the site names it.
pub(super) struct Server {
    pub(super) uri: Uri,
    name: ServerName<'static>,
    tls: TlsConnector,
    /// The certificate that we show, in DER.
    leaf: Vec<u8>,
}

impl Server {
    /// # Errors
    /// The address names no server, or nobody here can vouch for it.
    pub(super) fn of(held: &Held, address: &str, authority: Option<&str>) -> Result<Server, String> {
        let uri = Uri::parse(address).map_err(|error| format!("no address of a server: {error}"))?;
        let authority = Authority::of(authority);
        let roots: Vec<String> =
            held.settings.roots.iter().filter(|(whose, _)| *whose == authority).map(|(_, pem)| pem.clone()).collect();
        if roots.is_empty() {
            return Err(format!("{authority} is not in roots/, so {} cannot be verified", uri.host));
        }
        let identity = &held.settings.identity;
        let name = ServerName::try_from(uri.host.clone()).map_err(|error| format!("{}: {error}", uri.host))?;
        let config = trust::tls::client(identity, &roots, held.settings.versions, std::slice::from_ref(&uri.host));
        let mut config = Arc::unwrap_or_clone(config.map_err(|error| error.to_string())?);
        // A session that is taken up again would be past its certificate's end, or its list's, and nobody would look.
        config.resumption = rustls::client::Resumption::disabled();
        let leaf = identity.chain_der().into_iter().next().unwrap_or_default();
        Ok(Server { uri, name, tls: TlsConnector::from(Arc::new(config)), leaf })
    }

    pub(super) fn host(&self) -> &str {
        &self.uri.host
    }

    /// Of our certificate, as a description has it.
    pub(super) fn shown(&self) -> Result<Fingerprint, String> {
        let hash = digest(&SHA256, &self.leaf);
        let hash = hash.as_ref().try_into().map_err(|_| "a hash of 32 octets was expected")?;
        Ok(Fingerprint::sha_256(hash))
    }

    pub(super) async fn connect(&self, to: impl ToSocketAddrs) -> Result<Link, String> {
        let stream = TcpStream::connect(to).await.map_err(|error| format!("it was not reached: {error}"))?;
        let _ = stream.set_nodelay(true);
        let stream = self.tls.connect(self.name.clone(), stream).await;
        let stream = stream.map_err(|error| format!("it was not verified: {error}"))?;
        Ok(Link { stream, out: BytesMut::new(), flushed: true, piece: BytesMut::with_capacity(PIECE) })
    }
}

/// The stream. Whatever waits for it may be given up at any moment, and nothing is lost.
pub(super) struct Link {
    stream: TlsStream<TcpStream>,
    out: BytesMut,
    flushed: bool,
    piece: BytesMut,
}

impl Link {
    /// Both ends' addresses.
    pub(super) fn ends(&self) -> Result<(SocketAddr, SocketAddr), String> {
        let stream = self.stream.get_ref().0;
        let ends = stream.local_addr().and_then(|local| Ok((local, stream.peer_addr()?)));
        ends.map_err(|error| error.to_string())
    }

    /// Whether it is this certificate that the server shows.
    pub(super) fn shows(&self, expected: &Fingerprint) -> bool {
        let algorithm = match expected.hash {
            Hash::Sha256 => &SHA256,
            Hash::Sha384 => &SHA384,
            Hash::Sha512 => &SHA512,
        };
        let chain = self.stream.get_ref().1.peer_certificates().unwrap_or_default();
        chain.first().is_some_and(|leaf| digest(algorithm, leaf).as_ref() == expected.digest)
    }

    /// Goes out as soon as somebody waits for what comes in.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.flushed = false;
    }

    /// What came in next.
    ///
    /// # Errors
    /// The stream ended.
    pub(super) async fn next(&mut self) -> Result<BytesMut, String> {
        self.flush().await?;
        self.piece.reserve(PIECE);
        match self.stream.read_buf(&mut self.piece).await {
            Ok(0) => Err("it closed the connection".into()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err("it closed the connection".into()),
            Ok(_) => Ok(self.piece.split()),
            Err(error) => Err(format!("the connection broke: {error}")),
        }
    }

    pub(super) async fn flush(&mut self) -> Result<(), String> {
        let broke = |error: std::io::Error| format!("the connection broke: {error}");
        while !self.out.is_empty() {
            let written = self.stream.write(&self.out).await.map_err(broke)?;
            self.out.advance(written);
        }
        if !self.flushed {
            self.stream.flush().await.map_err(broke)?;
            self.flushed = true;
        }
        Ok(())
    }
}
