//! Reading a file by TFTP (RFC 1350, without options): what phones do before they trust anybody.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::UdpSocket;

/// Pauses between tries, and how many there are.
const PAUSE: Duration = Duration::from_secs(1);
const TRIES: u32 = 5;
/// Octets of a block; a shorter one is the last.
const BLOCK: usize = 512;
/// Longest file taken: lists and configurations are some kilobytes.
const LONGEST: usize = 1024 * 1024;
const NOT_FOUND: u8 = 1;

/// `None`: the server has no such file.
///
/// # Errors
/// The server is silent, refuses, or breaks the protocol.
pub(super) async fn read(from: IpAddr, server: SocketAddr, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let socket = UdpSocket::bind(SocketAddr::new(from, 0)).await?;
    let mut said = [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat();
    // The server answers from a port of its own, which the transfer then keeps (RFC 1350 §4).
    let (mut peer, mut file, mut next, mut room) = (None, Vec::new(), 1_u16, [0; 2 * BLOCK]);
    let mut tries = 0;
    socket.send_to(&said, server).await?;
    loop {
        let Ok(received) = tokio::time::timeout(PAUSE, socket.recv_from(&mut room)).await else {
            tries += 1;
            if tries == TRIES {
                bail!("{server} does not answer by TFTP");
            }
            socket.send_to(&said, peer.unwrap_or(server)).await?;
            continue;
        };
        let (length, remote) = received?;
        if remote.ip() != server.ip() || peer.is_some_and(|peer| peer != remote) {
            continue;
        }
        match room.get(..length).unwrap_or_default() {
            [0, 5, _, NOT_FOUND, ..] => return Ok(None),
            [0, 5, _, code, words @ ..] => {
                let words = String::from_utf8_lossy(words.split(|octet| *octet == 0).next().unwrap_or_default());
                bail!("{server} refuses {name} by TFTP: error {code}, {words}");
            }
            [0, 3, high, low, data @ ..] => {
                peer = Some(remote);
                let block = u16::from_be_bytes([*high, *low]);
                if block == next {
                    file.extend_from_slice(data);
                    (next, tries) = (next.wrapping_add(1), 0);
                }
                said = vec![0, 4, *high, *low];
                socket.send_to(&said, remote).await.context("TFTP")?;
                if block == next.wrapping_sub(1) && data.len() < BLOCK {
                    return Ok(Some(file));
                }
                if file.len() > LONGEST {
                    bail!("{name} is longer than {LONGEST} octets");
                }
            }
            _ => {}
        }
    }
}
