//! The power is back: every phone starts at the same moment. Each reads its lists and its configuration by TFTP, asks CAPF
//! whether there is something to do, decrypts, and registers over TLS with its certificate. Who fails tries again after a
//! second, as phones do.
//!
//! Phones have processors of their own, and these share two with their call manager, each with some tens of milliseconds of
//! private operations: so that they don't time out for want of a processor, so many at most are on their way at once, and
//! the next begins when one is there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use net::SecurePhone;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::estate::{ADDRESS, Estate, FROM, Group, Server, TFTP};
use super::light::{Door, LightPhone};

const AGAIN: Duration = Duration::from_secs(1);
const ON_THEIR_WAY: usize = 128;

pub(crate) async fn run(estate: &Arc<Estate>, server: &Server) -> Result<()> {
    let count = estate.count(Group::Rsa);
    let ((_, idle), cpu, began) = (server.memory()?, server.cpu()?, Instant::now());
    let (again, room) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(ON_THEIR_WAY)));
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let (estate, again, room) = (estate.clone(), again.clone(), room.clone());
        tasks.spawn(async move {
            loop {
                // It is never closed.
                let way = room.acquire().await;
                match start(&estate, &Group::Rsa.device(number)).await {
                    // It keeps its connection, so it is not let go of before all are there.
                    Ok(phone) => return (began.elapsed(), phone),
                    Err(_) => again.fetch_add(1, Ordering::Relaxed),
                };
                drop(way);
                tokio::time::sleep(AGAIN).await;
            }
        });
    }
    let mut done = tasks.join_all().await;
    done.sort_by_key(|(after, _)| *after);
    let at =
        |share: usize| done.get((done.len() * share / 100).min(done.len() - 1)).map_or(0.0, |(t, _)| t.as_secs_f64());
    let (peak, after) = server.memory()?;
    let used = server.cpu()? - cpu;
    println!("\nboot storm of {count} phones, {ON_THEIR_WAY} on their way at once");
    println!("  registered, seconds: half {:.1}, 95 of 100 {:.1}, the last {:.1}", at(50), at(95), at(100));
    println!("  tries that failed and were made again: {}", again.load(Ordering::Relaxed));
    println!("  the call manager: {used:.1} s of CPU, {:.1} ms a phone", used * 1000.0 / count as f64);
    println!("  its memory, MiB: {idle:.0} before, {peak:.0} at most, {after:.0} with all registered");
    Ok(())
}

async fn start(estate: &Estate, device: &str) -> Result<LightPhone> {
    let tftp = SocketAddr::new(ADDRESS, TFTP);
    let papers = SecurePhone::open(device, FROM, tftp, &estate.kept(device), "")?.start().await?;
    LightPhone::register(&Door::of(&papers)?, FROM).await
}
