//! From a change at the call server to those who listen at the desk: a node with its desk in this process, listeners in
//! another, TLS between them. `cargo xtask bench acd`.
//!
//! An agent's state changes twenty times a second; every listener is sent each change. One listener alone is the floor
//! of the same run. Memory is what the process's resident set grows by.

#![allow(clippy::disallowed_methods)] // a stopwatch reads the clock

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use desk::server::{Addresses, serve};
use net::{NodeHandle, Process};
use roles::{Control, Reply};
use rustls_pki_types::ServerName;
use store::accounts::{Account, Accounts, Origin, Role};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use trust::tls::Versions;

const AGENTS: u32 = 500;
const BETWEEN: Duration = Duration::from_millis(50);
const PASSWORD: &str = "correct horse battery";
const HOST: &str = "cvp1.lab.example";

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--listen", address, roots, listeners, changes] => {
            runtime.block_on(listen(address.parse()?, roots, listeners.parse()?, changes.parse()?))
        }
        _ => runtime.block_on(measure()),
    }
}

async fn measure() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("ringfence-event-latency-{}", std::process::id()));
    let mut text = include_str!("../../../examples/lab.toml").replace("127.18.133.", "127.41.60.");
    let more: String = (0..AGENTS)
        .map(|n| {
            format!(
                "[[node.role.call_server.agent]]\nid = \"{0}\"\nextension = \"{0}\"\nqueues = [\"sales\"]\n\n",
                20_000 + n
            )
        })
        .collect();
    let first = "[[node.role.call_server.agent]]";
    text = text.replacen(first, &format!("{more}{first}"), 1);
    let phone = |n| {
        format!(
            "[[node.role.call_manager.phone]]\nname = \"SEP{n:012}\"\nline = \"{n}\"\ndigest_secret = \"lab-{n}\"\n\n"
        )
    };
    let phones: String = (0..AGENTS).map(|n| phone(20_000 + n)).collect();
    let first = "[[node.role.call_manager.phone]]";
    text = text.replacen(first, &format!("{phones}{first}"), 1);
    let (data, _) = store::DataDir::init(&folder, &text, SystemTime::now())?;
    let account =
        Account { name: "root".into(), role: Role::Administrator, agent: None, made_ms: 0, origin: Origin::Store };
    data.store()?.add_account(&account, PASSWORD)?;
    let site = data.site()?;
    let process = Process::start(&site, &folder, &["cvp1".to_owned()])?;
    let planned = site.node("cvp1").context("the example has one")?;
    let site::Role::CallServer(server) = &planned.role else { anyhow::bail!("cvp1 is a call server") };
    let book = desk::Book::new(server.clone(), site.host_name(planned));
    let node = process.node("cvp1").context("it runs")?;
    let addresses = Addresses { rest: SocketAddr::new(planned.address, 0), web: None, xmpp: None };
    let accounts = std::sync::Arc::new(Accounts::new(data.store()?)?);
    let desk = serve(node.clone(), addresses, book, accounts).await?;
    let roots = folder.join("ca/root.pem");
    let roots = roots.to_str().context("the path is not text")?;

    let empty = resident()?;
    for agent in 0..AGENTS {
        done(&node, Control::AgentLogin { agent: (20_000 + agent).to_string() }).await?;
    }
    let logged_in = resident()?;
    println!("memory, {AGENTS} agents logged in: {:.1} KiB each", (logged_in - empty) / f64::from(AGENTS));
    println!("listeners  changes  p50 ms   p99 ms   worst ms  KiB a listener");
    done(&node, Control::AgentLogin { agent: "1001".into() }).await?;
    for (listeners, changes, between) in [
        (1, 200, BETWEEN),
        (500, 200, BETWEEN),
        (1, 200, BETWEEN),
        (500, 200, BETWEEN),
        (10_000, 10, Duration::from_secs(3)),
    ] {
        round(&node, desk.addresses.rest, roots, listeners, changes, between).await?;
    }
    process.stop();
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

async fn round(
    node: &NodeHandle,
    address: SocketAddr,
    roots: &str,
    listeners: usize,
    changes: usize,
    between: Duration,
) -> Result<()> {
    let before = resident()?;
    let arguments = ["--listen", &address.to_string(), roots, &listeners.to_string(), &changes.to_string()];
    let mut child = tokio::task::spawn_blocking({
        let arguments = arguments.map(str::to_owned);
        move || {
            let program = std::env::current_exe()?;
            std::process::Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
        }
    })
    .await??;
    let (stdout, mut stdin) = (child.stdout.take().context("piped")?, child.stdin.take().context("piped")?);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
    let (line, mut lines) = tokio::task::spawn_blocking(move || (lines.next(), lines)).await?;
    ensure!(line.transpose()?.as_deref() == Some("ready"), "the listeners ended before all of them listened");
    let memory = (resident()? - before) / listeners as f64;
    let mut sent = String::new();
    for change in 0..changes {
        let agent = "1001".to_owned();
        let control = match change % 2 {
            0 => Control::AgentReady { agent },
            _ => Control::AgentNotReady { agent, reason: String::new() },
        };
        sent.push_str(&format!("{} ", now_ns()));
        done(node, control).await?;
        tokio::time::sleep(between).await;
    }
    std::io::Write::write_all(&mut stdin, format!("{sent}\n").as_bytes())?;
    let line = tokio::task::spawn_blocking(move || lines.next()).await?.context("no figures")??;
    let status = tokio::task::spawn_blocking(move || child.wait()).await??;
    ensure!(status.success(), "listeners: {status}");
    println!("{listeners:<10} {changes:<8} {line} {memory:.1}");
    Ok(())
}

async fn done(node: &NodeHandle, control: Control) -> Result<()> {
    match node.control(control).await {
        Reply::Done => Ok(()),
        other => anyhow::bail!("the call server: {other:?}"),
    }
}

/// Listens until everybody has heard every change, then says how long each took: the moments of the changes come on
/// standard input.
async fn listen(address: SocketAddr, roots: &str, listeners: usize, changes: usize) -> Result<()> {
    let roots = [std::fs::read_to_string(roots)?];
    let both = Versions { tls12: true, tls13: true };
    let tls = TlsConnector::from(trust::tls::client_without_certificate(&roots, both, &[HOST.to_owned()])?);
    // A desk takes sixteen handshakes of one address at once.
    let turns = Arc::new(Semaphore::new(12));
    let (ready, mut all) = tokio::sync::mpsc::channel::<()>(1);
    let mut tasks = Vec::new();
    for _ in 0..listeners {
        let (tls, turns, ready) = (tls.clone(), turns.clone(), ready.clone());
        tasks.push(tokio::spawn(async move { one(address, tls, turns, ready, changes).await }));
    }
    drop(ready);
    // Nothing is sent: it ends when the last of them listens.
    all.recv().await;
    println!("ready");
    let mut heard = Vec::new();
    for task in tasks {
        heard.push(task.await??);
    }
    let sent = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    })
    .await??;
    let sent: Vec<u64> = sent.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let mut took: Vec<f64> = Vec::new();
    for heard in heard {
        ensure!(heard.len() == sent.len(), "{} changes were heard of {}", heard.len(), sent.len());
        took.extend(heard.iter().zip(&sent).map(|(heard, sent)| heard.saturating_sub(*sent) as f64 / 1e6));
    }
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took.get(((took.len() - 1) as f64 * share) as usize).copied().unwrap_or_default();
    println!("{:<8.2} {:<8.2} {:<9.2}", at(0.5), at(0.99), at(1.0));
    Ok(())
}

async fn one(
    address: SocketAddr,
    tls: TlsConnector,
    turns: Arc<Semaphore>,
    ready: tokio::sync::mpsc::Sender<()>,
    changes: usize,
) -> Result<Vec<u64>> {
    let turn = turns.acquire().await?;
    let stream = tls.connect(ServerName::try_from(HOST)?, TcpStream::connect(address).await?).await?;
    let mut stream = BufReader::with_capacity(2048, stream);
    let login = base64::engine::general_purpose::STANDARD.encode(format!("root:{PASSWORD}"));
    let request = format!(
        "GET /api/v1/events?node=/finesse/api/User/1001 HTTP/1.1\r\nhost: desk\r\nauthorization: Basic {login}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    while line.trim_end() != ":" {
        line.clear();
        ensure!(stream.read_line(&mut line).await? > 0, "a listener was turned away");
    }
    drop((turn, ready));
    let mut heard = Vec::with_capacity(changes);
    while heard.len() < changes {
        line.clear();
        ensure!(stream.read_line(&mut line).await? > 0, "a stream ended");
        if line.starts_with("data: ") {
            heard.push(now_ns());
        }
    }
    Ok(heard)
}

/// KiB.
fn resident() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

fn now_ns() -> u64 {
    // A clock before 1970 shows as 0 rather than as a panic.
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
