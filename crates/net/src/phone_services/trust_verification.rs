//! TVS over TLS: each request is answered from the call manager's certificates.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use phones::tvs::Framer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Shared;

/// A phone that asks nothing for so long is let go.
const IDLE: Duration = Duration::from_secs(60);

pub(super) async fn serve(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    shared: &Shared,
) -> anyhow::Result<()> {
    let directory = shared.station.services().directory();
    let (mut framer, mut room) = (Framer::default(), [0; 4096]);
    loop {
        while let Some(request) = framer.next_message() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let request = request?;
            if let Some(device) = request.device() {
                shared.book.heard(device, phones::Contact::TrustVerification);
            }
            let answer = directory.answer(&request, now as i64)?;
            stream.write_all(&answer.octets()).await?;
            stream.flush().await?;
        }
        let Ok(read) = tokio::time::timeout(IDLE, stream.read(&mut room)).await else { return Ok(()) };
        match read.context("reading a request")? {
            0 => return Ok(()),
            length => framer.push(room.get(..length).unwrap_or_default()),
        }
    }
}
