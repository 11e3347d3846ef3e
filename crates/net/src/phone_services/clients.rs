//! The phone's side of CAPF and TVS, against any server: for `ringfence capf enrol` and `ringfence tvs query`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use phones::capf::{Client, ClientOutput, ClientPlan, Curve, Learned};
use phones::tvs::{self, Answer};
use phones::{Certificate, capf};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use trust::KeyKind;
use trust::tls::Versions;

/// Longest wait for a server's word.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a session with CAPF came to.
#[derive(Debug)]
pub struct Enrolled {
    pub learned: Learned,
    /// The certificate (DER) and its key (PEM), if one was issued.
    pub issued: Option<(Vec<u8>, String)>,
}

/// Enrols: whatever the server orders is done. It must show one of `pinned` (DER).
///
/// # Errors
/// The server cannot be reached, shows another certificate, or breaks the protocol.
pub async fn enrol(server: SocketAddr, pinned: &[Vec<u8>], plan: ClientPlan) -> anyhow::Result<Enrolled> {
    let mut stream = connect(server, pinned).await?;
    let (mut client, mut framer) = (Client::new(plan), capf::Framer::default());
    let (mut key, mut issued, mut room) = (None, None, [0; 4096]);
    loop {
        while let Some(output) = client.poll() {
            let kind = match output {
                ClientOutput::Send(message) => {
                    stream.write_all(&message.octets()).await?;
                    stream.flush().await?;
                    continue;
                }
                ClientOutput::Store(der) => {
                    issued = key.take().map(|pem: String| (der, pem));
                    continue;
                }
                ClientOutput::Delete => continue,
                ClientOutput::End(learned) => return Ok(Enrolled { learned, issued }),
                ClientOutput::MakeRsa(2048) => KeyKind::Rsa2048,
                ClientOutput::MakeRsa(3072) => KeyKind::Rsa3072,
                ClientOutput::MakeRsa(4096) => KeyKind::Rsa4096,
                ClientOutput::MakeRsa(bits) => {
                    bail!("the server asks for an RSA key of {bits} bits; 2048, 3072 and 4096 are made")
                }
                ClientOutput::MakeEc(Curve::P256) => KeyKind::P256,
                ClientOutput::MakeEc(Curve::P384) => KeyKind::P384,
                ClientOutput::MakeEc(Curve::P521) => KeyKind::P521,
            };
            let (pem, spki) = trust::generate_key(kind)?;
            key = Some(pem.to_string());
            client.made(spki);
        }
        read(&mut stream, &mut room, |octets| framer.push(octets)).await?;
        while let Some(message) = framer.next_message() {
            client.handle(&message?);
        }
    }
}

/// Asks TVS about `certificate`. The server must show one of `pinned` (DER).
///
/// # Errors
/// The server cannot be reached, shows another certificate, or does not answer what was asked.
pub async fn ask_tvs(
    server: SocketAddr,
    pinned: &[Vec<u8>],
    device: &str,
    certificate: &Certificate,
) -> anyhow::Result<Answer> {
    let mut stream = connect(server, pinned).await?;
    let request = tvs::ask_verify(1, device, certificate);
    stream.write_all(&request.octets()).await?;
    stream.flush().await?;
    let (mut framer, mut room) = (tvs::Framer::default(), [0; 4096]);
    loop {
        read(&mut stream, &mut room, |octets| framer.push(octets)).await?;
        if let Some(answer) = framer.next_message() {
            return Ok(Answer::read(&request, &answer?)?);
        }
    }
}

async fn connect(server: SocketAddr, pinned: &[Vec<u8>]) -> anyhow::Result<TlsStream<TcpStream>> {
    let config = trust::tls::client_pinned(None, pinned, Versions { tls12: true, tls13: true })?;
    let connect = async {
        let stream = TcpStream::connect(server).await?;
        TlsConnector::from(config).connect(ServerName::IpAddress(server.ip().into()), stream).await
    };
    let connected =
        tokio::time::timeout(PATIENCE, connect).await.with_context(|| format!("{server} does not answer"))?;
    connected.with_context(|| {
        format!("{server}: no connection, or it shows another certificate than the trust list has for this service")
    })
}

async fn read(stream: &mut TlsStream<TcpStream>, room: &mut [u8], mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
    let length = tokio::time::timeout(PATIENCE, stream.read(room)).await.context("the server fell silent")??;
    if length == 0 {
        bail!("the server closed the connection; its log says why");
    }
    take(room.get(..length).unwrap_or_default());
    Ok(())
}
