//! Shape (a): a tokio task for each connection, a bounded channel to the node's loop and one back.

use std::net::SocketAddr;

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
};

use crate::message::{Node, frame};

pub enum Loop {
    Thread,
    Task,
}

type In = (usize, Vec<u8>);

pub fn run(dir: &str, uas: SocketAddr, conns: usize, shape: Loop) {
    let runtime = match shape {
        Loop::Thread => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build(),
        Loop::Task => tokio::runtime::Builder::new_current_thread().enable_all().build(),
    }
    .unwrap();
    let (server, client) = crate::tls::configs(dir);
    runtime.block_on(async move {
        let (to_node, from_conns) = channel::<In>(1024);
        let mut writers = Vec::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let acceptor = tokio_rustls::TlsAcceptor::from(server);
        for id in 0..conns {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let tls = acceptor.accept(tcp).await.unwrap();
            writers.push(start(id, tls, to_node.clone()));
        }
        let connector = tokio_rustls::TlsConnector::from(client);
        for id in conns..2 * conns {
            let tcp = TcpStream::connect(uas).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let tls = connector.connect(ServerName::try_from("spike").unwrap(), tcp).await.unwrap();
            writers.push(start(id, tls, to_node.clone()));
        }
        println!("ready");
        match shape {
            Loop::Thread => {
                std::thread::spawn(move || blocking(from_conns, writers, conns));
                std::future::pending::<()>().await;
            }
            Loop::Task => beside(from_conns, writers, conns).await,
        }
    });
}

fn start<S>(id: usize, tls: S, to_node: Sender<In>) -> Sender<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (back, mut from_node) = channel::<Vec<u8>>(1024);
    tokio::spawn(async move {
        let (mut reader, mut writer) = tokio::io::split(tls);
        let mut buf = Vec::with_capacity(65536);
        let mut out = Vec::with_capacity(65536);
        loop {
            tokio::select! {
                read = reader.read_buf(&mut buf) => {
                    if read.unwrap_or(0) == 0 {
                        return;
                    }
                    let mut at = 0;
                    while let Some(len) = frame(&buf[at..]) {
                        to_node.send((id, buf[at..at + len].to_vec())).await.unwrap();
                        at += len;
                    }
                    buf.drain(..at);
                }
                Some(bytes) = from_node.recv() => {
                    out.extend_from_slice(&bytes);
                    while let Ok(more) = from_node.try_recv() {
                        out.extend_from_slice(&more);
                    }
                    writer.write_all(&out).await.unwrap();
                    writer.flush().await.unwrap();
                    out.clear();
                }
            }
        }
    });
    back
}

fn blocking(mut from_conns: Receiver<In>, writers: Vec<Sender<Vec<u8>>>, half: usize) {
    let mut node = Node::default();
    while let Some((from, bytes)) = from_conns.blocking_recv() {
        let mut out = Vec::with_capacity(1536);
        let to = node.handle(from, half, &bytes, &mut out);
        // Bounded: a peer that does not read loses the message, as UDP would.
        let _ = writers[to].try_send(out);
    }
}

async fn beside(mut from_conns: Receiver<In>, writers: Vec<Sender<Vec<u8>>>, half: usize) {
    let mut node = Node::default();
    while let Some((from, bytes)) = from_conns.recv().await {
        let mut out = Vec::with_capacity(1536);
        let to = node.handle(from, half, &bytes, &mut out);
        let _ = writers[to].try_send(out);
    }
}
