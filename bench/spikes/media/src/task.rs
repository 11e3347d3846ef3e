//! One tokio task a port.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{Arc, OnceLock},
};

use crate::rekey::Keys;

pub fn run(ports: Vec<UdpSocket>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async move {
        let keys = Arc::new(Keys::new(ports.len()));
        let ports: Arc<Vec<_>> = Arc::new(
            ports
                .into_iter()
                .map(|p| tokio::net::UdpSocket::from_std(p).unwrap())
                .collect(),
        );
        let peers: Arc<Vec<OnceLock<SocketAddr>>> = Arc::new((0..ports.len()).map(|_| OnceLock::new()).collect());
        for leg in 0..ports.len() {
            let (keys, ports, peers) = (keys.clone(), ports.clone(), peers.clone());
            tokio::spawn(async move {
                let mut buf = [0; 1500];
                loop {
                    let (len, from) = ports[leg].recv_from(&mut buf).await.unwrap();
                    peers[leg].get_or_init(|| from);
                    if let (true, Some(to)) = (keys.relay(leg, &mut buf[..len]), peers[leg ^ 1].get()) {
                        let _ = ports[leg ^ 1].send_to(&buf[..len], *to).await;
                    }
                }
            });
        }
        std::future::pending::<()>().await;
    });
}
