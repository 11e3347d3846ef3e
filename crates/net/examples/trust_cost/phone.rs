//! A phone's part of one measurement: as little as it can do.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use phones::capf::{Client, ClientOutput, ClientPlan, Framer, Learned};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::estate::ADDRESS;

/// A private key (PEM), and its SubjectPublicKeyInfo (DER).
pub(crate) type Key = (String, Vec<u8>);

async fn connect(port: u16, tls: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(SocketAddr::new(ADDRESS, port)).await?;
    stream.set_nodelay(true)?;
    Ok(TlsConnector::from(tls).connect(ServerName::IpAddress(ADDRESS.into()), stream).await?)
}

/// Goes to CAPF with a key that is there already; gives the certificate (DER).
pub(crate) async fn enrol(tls: Arc<ClientConfig>, device: &str, spki: &[u8]) -> Result<Vec<u8>> {
    let mut stream = connect(3804, tls).await?;
    let plan =
        ClientPlan { device: device.into(), version: 3, password: String::new(), prover: None, certificate: None };
    let (mut client, mut framer, mut issued, mut room) = (Client::new(plan), Framer::default(), None, [0; 4096]);
    loop {
        while let Some(output) = client.poll() {
            match output {
                ClientOutput::Send(message) => stream.write_all(&message.octets()).await?,
                ClientOutput::MakeRsa(_) | ClientOutput::MakeEc(_) => client.made(spki.to_vec()),
                ClientOutput::Store(der) => issued = Some(der),
                ClientOutput::Delete => {}
                ClientOutput::End(learned) => {
                    ensure!(learned == Learned::Done, "{device}: {learned}");
                    return issued.with_context(|| format!("{device} was given no certificate"));
                }
            }
        }
        let length = stream.read(&mut room).await?;
        ensure!(length > 0, "CAPF closed the connection of {device}");
        framer.push(room.get(..length).unwrap_or_default());
        while let Some(message) = framer.next_message() {
            client.handle(&message?);
        }
    }
}

/// A phone's own configuration, in clear text to who proves itself.
pub(crate) async fn configuration(tls: Arc<ClientConfig>, device: &str) -> Result<()> {
    let mut stream = connect(6972, tls).await?;
    let request = format!("GET /{device}.cnf.xml HTTP/1.1\r\nHost: cucm1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // TLS that ends without its alert is how many servers close.
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer);
    ensure!(text.starts_with("HTTP/1.1 200") && text.contains("<fullConfig>true"), "{device}: {:.200}", text);
    Ok(())
}
