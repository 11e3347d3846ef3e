//! What trust costs a call manager: `cargo xtask bench trust` (docs/performance.md).
//!
//! The server is the shipped binary, a process of its own, whose CPU time and memory the kernel tells. The phones are in this
//! process, with keys that were made before anything is measured.

#![allow(clippy::disallowed_methods)] // a stopwatch reads the clock

mod estate;
// Its calls are for the test that it belongs to.
#[allow(dead_code)]
#[path = "../../tests/lab/light.rs"]
mod light;
mod phone;
mod storm;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use phones::{Kind, Mode};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use trust::KeyKind;

use estate::{Estate, Group, Server};
use light::LightPhone;

/// Requests under way at once, of each row but the storm.
const AT_ONCE: usize = 32;

struct Settings {
    server: String,
    /// In the storm.
    phones: usize,
    /// Of each other row.
    each: usize,
    seconds: f64,
}

fn main() -> Result<()> {
    let settings = settings()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(&settings))
}

fn settings() -> Result<Settings> {
    let mut settings = Settings { server: String::new(), phones: 5_000, each: 1_000, seconds: 3.0 };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for pair in arguments.chunks(2) {
        let number = |text: &String| text.parse::<usize>().with_context(|| format!("`{text}` is no number"));
        match pair {
            [name, value] if name == "--server" => settings.server = value.clone(),
            [name, value] if name == "--phones" => settings.phones = number(value)?,
            [name, value] if name == "--each" => settings.each = number(value)?,
            [name, value] if name == "--seconds" => settings.seconds = value.parse()?,
            other => bail!("{other:?}: expected --phones N, --each N or --seconds S"),
        }
    }
    ensure!(!settings.server.is_empty(), "--server: expected the binary; `cargo xtask bench trust` gives it");
    ensure!(settings.phones > 0 && settings.each > 0, "expected a phone at least");
    Ok(settings)
}

async fn measure(settings: &Settings) -> Result<()> {
    let estate = Arc::new(Estate::make(settings.phones, settings.each)?);
    println!("{:<44}{:>10}{:>12}{:>18}", "", "how many", "a second", "a CPU-second");
    signed_lists(&estate, settings.seconds)?;
    let server = Server::start(&settings.server, &estate)?;
    let elliptic = key(KeyKind::P256)?;
    enrolments(&estate, &server, Group::Elliptic, &elliptic, "LSC enrolments, P-256").await?;
    let rsa = key(KeyKind::Rsa2048)?;
    enrolments(&estate, &server, Group::Rsa, &rsa, "LSC enrolments, RSA-2048").await?;
    configurations(&estate, &server, settings.each.min(settings.phones)).await?;
    registrations(&estate, &server, settings.each).await?;
    // The power cut.
    drop(server);
    estate.give_lists()?;
    let server = Server::start(&settings.server, &estate)?;
    storm::run(&estate, &server).await?;
    drop(server);
    estate.remove()
}

fn key(kind: KeyKind) -> Result<Arc<phone::Key>> {
    let (pem, spki) = trust::generate_key(kind)?;
    Ok(Arc::new((pem.to_string(), spki)))
}

/// One row: how many, in how long, and what they cost the server.
struct Row {
    began: Instant,
    cpu: f64,
}

impl Row {
    fn begin(server: &Server) -> Result<Row> {
        Ok(Row { began: Instant::now(), cpu: server.cpu()? })
    }

    fn end(self, server: &Server, what: &str, count: usize) -> Result<()> {
        let (wall, cpu) = (self.began.elapsed().as_secs_f64(), server.cpu()? - self.cpu);
        row(what, count, wall, Some(cpu));
        Ok(())
    }
}

fn row(what: &str, count: usize, wall: f64, cpu: Option<f64>) {
    let each = |seconds: f64| count as f64 / seconds.max(0.001);
    // Of a process whose clock ticks a hundred times a second, less says nothing.
    let of_cpu = cpu.filter(|cpu| *cpu >= 0.1).map_or("-".to_owned(), |cpu| format!("{:.0}", each(cpu)));
    println!("{what:<44}{count:>10}{:>12.0}{of_cpu:>18}", each(wall));
}

/// By one thread of this process: CTL and ITL by turns, as the services make them.
fn signed_lists(estate: &Estate, seconds: f64) -> Result<()> {
    let station = estate.station()?;
    let mut date = u32::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let (began, before, mut count) = (Instant::now(), estate::cpu_of(std::process::id())?, 0);
    while began.elapsed().as_secs_f64() < seconds {
        for kind in [Kind::Ctl, Kind::Itl] {
            station.services().list(kind, Mode::Mixed, date)?;
        }
        (count, date) = (count + 2, date + 1);
    }
    let wall = began.elapsed().as_secs_f64();
    let cpu = estate::cpu_of(std::process::id())? - before;
    row("lists signed (RSA-2048, SHA-512), one thread", count, wall, Some(cpu));
    Ok(())
}

/// Each phone of a group is given its certificate, over a connection of its own. They share a key: making one is the
/// phone's work.
async fn enrolments(
    estate: &Arc<Estate>,
    server: &Server,
    group: Group,
    key: &Arc<phone::Key>,
    what: &str,
) -> Result<()> {
    let count = estate.count(group);
    let tls = estate.pinned(&estate.dir.phone_keys(estate::NODE)?.capf, None)?;
    let row = Row::begin(server)?;
    let issued = each(count, |number| {
        let (tls, key) = (tls.clone(), key.clone());
        async move { phone::enrol(tls, &group.device(number), &key.1).await }
    })
    .await?;
    row.end(server, what, count)?;
    for (number, der) in issued {
        estate.keep(&group.device(number), &der, &key.0)?;
    }
    Ok(())
}

/// Each phone's own configuration, over a connection of its own by its certificate.
async fn configurations(estate: &Arc<Estate>, server: &Server, count: usize) -> Result<()> {
    let shown = estate.dir.identity(estate::NODE)?;
    let mut doors = Vec::new();
    for number in 0..count {
        doors.push(estate.pinned(&shown, Some(estate.identity(&Group::Rsa.device(number))?))?);
    }
    let doors = Arc::new(doors);
    let row = Row::begin(server)?;
    each(count, |number| {
        let doors = doors.clone();
        async move {
            let tls = doors.get(number).context("one for each")?.clone();
            phone::configuration(tls, &Group::Rsa.device(number)).await
        }
    })
    .await?;
    row.end(server, "configuration files over HTTPS, by certificate", count)
}

/// Each phone registers by its token, over a connection of its own that stays.
async fn registrations(estate: &Arc<Estate>, server: &Server, count: usize) -> Result<()> {
    let mut doors = Vec::new();
    for number in 0..count {
        doors.push(estate.door_by_token(number)?);
    }
    let doors = Arc::new(doors);
    let row = Row::begin(server)?;
    let phones = each(count, |number| {
        let doors = doors.clone();
        async move { LightPhone::register(doors.get(number).context("one for each")?, estate::FROM).await }
    })
    .await?;
    row.end(server, "OAuth registrations over new TLS connections", phones.len())
}

/// So many of something, some at once; whoever fails ends it.
async fn each<T, F>(count: usize, work: impl Fn(usize) -> F) -> Result<Vec<(usize, T)>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let (mut tasks, room) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    for number in 0..count {
        let permit = room.clone().acquire_owned().await?;
        let one = work(number);
        tasks.spawn(async move {
            let done = tokio::time::timeout(Duration::from_secs(600), one).await;
            drop(permit);
            done.context("ten minutes passed")?.map(|done| (number, done))
        });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.push(done??);
    }
    Ok(all)
}
