//! A service over a WebSocket, of whatever authority.

use bytes::Bytes;
use sip::websocket::{Said, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::*;

/// One who has dialled.
pub(super) struct Served {
    /// What it asked for.
    pub(super) path: String,
    stream: TlsStream<TcpStream>,
    socket: WebSocket,
}

/// Talks with one after another at this address, until the test's process ends.
pub(super) fn serve_websocket<F>(identity: &trust::Identity, address: SocketAddr, talk: F)
where
    F: AsyncFn(Served) + Send + 'static,
{
    let versions = trust::tls::Versions { tls12: true, tls13: true };
    let tls = tokio_rustls::TlsAcceptor::from(trust::tls::server_anonymous(identity, versions).unwrap());
    // It listens before anybody is told of it.
    let listener = std::net::TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = tls.accept(stream).await {
                    talk(Served::accept(stream).await).await;
                }
            }
        });
    });
}

impl Served {
    async fn accept(mut stream: TlsStream<TcpStream>) -> Served {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = sip::websocket::accept(key);
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        Served { path, stream, socket: WebSocket::upgraded(1 << 20) }
    }

    /// The next message; `None`: they are gone.
    pub(super) async fn hear(&mut self) -> Option<Bytes> {
        let mut room = [0; 4096];
        loop {
            match self.socket.next() {
                Ok(Some(Said::Message(message))) => return Some(message),
                Ok(Some(Said::Closed)) | Err(_) => return None,
                Ok(Some(Said::Open) | None) => {}
            }
            self.flush().await;
            match self.stream.read(&mut room).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.socket.push(&room[..read]),
            }
        }
    }

    pub(super) async fn say(&mut self, message: &str) {
        self.socket.send(message.as_bytes());
        self.flush().await;
    }

    /// Says goodbye.
    pub(super) async fn leave(mut self) {
        self.socket.close(1000);
        self.flush().await;
        let _ = self.stream.shutdown().await;
    }

    async fn flush(&mut self) {
        // Who is gone hears nothing.
        let _ = self.stream.write_all(&self.socket.take()).await;
    }
}
