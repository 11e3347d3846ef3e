//! The control link's client: what the command line and other nodes call a node with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use trust::tls::Versions;

use crate::api::Problem;

/// Longest wait for a connection; answers may take longer (a drain ends with the last call).
const CONNECT: Duration = Duration::from_secs(5);

/// Why a node could not be asked, or said no.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{node} does not answer at {address}: {why}. Is it running? Start it with `ringfence run`.")]
    Unreachable { node: String, address: SocketAddr, why: String },
    #[error("{node}: {words}")]
    Refused { node: String, status: u16, words: String },
    #[error("{node} answered what we do not understand: {why}. Are both of the same version?")]
    Garbled { node: String, why: String },
}

/// One node's control link, with the caller's identity.
#[derive(Clone)]
pub struct Client {
    node: String,
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
}

impl Client {
    /// `host_name` is the name in the node's certificate.
    ///
    /// # Errors
    /// The identity makes no TLS configuration.
    pub fn new(
        node: &str,
        host_name: &str,
        address: SocketAddr,
        identity: &trust::Identity,
        roots: &[String],
    ) -> Result<Client, trust::Error> {
        let versions = Versions { tls12: false, tls13: true };
        let tls = trust::tls::client(identity, roots, versions, &[host_name.to_owned()])?;
        Ok(Client { node: node.to_owned(), address, tls })
    }

    pub fn node(&self) -> &str {
        &self.node
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let bytes = self.send(Method::GET, path, Bytes::new()).await?;
        serde_json::from_slice(&bytes).map_err(|e| self.garbled(e))
    }

    /// POST whose answer has no body.
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Result<(), Error> {
        let body = serde_json::to_vec(body).map_err(|e| self.garbled(e))?;
        self.send(Method::POST, path, body.into()).await.map(drop)
    }

    /// POST whose answer has one.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn ask<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        let body = serde_json::to_vec(body).map_err(|e| self.garbled(e))?;
        let bytes = self.send(Method::POST, path, body.into()).await?;
        serde_json::from_slice(&bytes).map_err(|e| self.garbled(e))
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Error> {
        let mut sender = tokio::time::timeout(CONNECT, self.connect())
            .await
            .map_err(|_| self.unreachable("no connection within 5 s"))??;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|e| self.garbled(e))?;
        let response = sender.send_request(request).await.map_err(|e| self.unreachable(e))?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(|e| self.unreachable(e))?.to_bytes();
        if status.is_success() { Ok(bytes) } else { Err(self.refused(status, &bytes)) }
    }

    async fn connect(&self) -> Result<hyper::client::conn::http1::SendRequest<Full<Bytes>>, Error> {
        let stream = TcpStream::connect(self.address).await.map_err(|e| self.unreachable(e))?;
        let name = rustls::pki_types::ServerName::IpAddress(self.address.ip().into());
        let stream =
            TlsConnector::from(self.tls.clone()).connect(name, stream).await.map_err(|e| self.unreachable(e))?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| self.unreachable(e))?;
        tokio::spawn(async move {
            // The request that needs the connection sees its end; nobody else cares.
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Error {
        let words = serde_json::from_slice::<Problem>(body)
            .map_or_else(|_| String::from_utf8_lossy(body).into_owned(), |problem| problem.error);
        Error::Refused { node: self.node.clone(), status: status.as_u16(), words }
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> Error {
        Error::Unreachable { node: self.node.clone(), address: self.address, why: why.to_string() }
    }

    fn garbled(&self, why: impl std::fmt::Display) -> Error {
        Error::Garbled { node: self.node.clone(), why: why.to_string() }
    }
}
