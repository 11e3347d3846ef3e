//! `ringfence run [SITE] [--only NODE…]`: start, serve, reload, stop.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use desk::Book;
use desk::server::{Addresses, Desk};
use net::{Errand, LdapDirectory, OpenId, Process, Work};
use roles::Control;
use site::{Role, Site};
use store::accounts::{Accounts, Directory};
use store::{DataDir, Tended};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::{Outcome, check, wait_for};

/// How often certificates are looked after, and how often what nobody can renew is said again.
const TEND: Duration = Duration::from_secs(60);
const SAY_AGAIN: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn run(data: &Path, site: Option<&Path>, only: &[String]) -> Outcome {
    log();
    let data = DataDir::open(data)?;
    let Some(site) = load(&data, site)? else { return Ok(ExitCode::from(super::BAD_SITE)) };
    warn_of_what_is_dangerous(&site);
    let mut process = Process::start(&site, data.path(), only)?;
    wait_for(serve(&mut process, &data, &site))?;
    process.stop();
    Ok(ExitCode::SUCCESS)
}

/// To standard error; `RUST_LOG` says how much, `info` by default.
pub(crate) fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    log.with_ansi(colours()).init();
}

/// Colours are for eyes: a log in a file is plain, and everything is where NO_COLOR is set.
fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What nobody should run by oversight is said at every start, in red where there is colour.
fn warn_of_what_is_dangerous(site: &Site) {
    let (red, plain) = if colours() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    for node in &site.nodes {
        if let Some(number) = &node.dangerous_panic_on_number {
            eprintln!(
                "{red}DANGER: dangerous_panic_on_number is on: every call to {number} makes {} panic. Laboratories only.{plain}",
                node.name
            );
        }
    }
}

/// The site file named, taken into the data directory; or the one that is there. `None` when it has problems (told).
fn load(data: &DataDir, file: Option<&Path>) -> anyhow::Result<Option<Site>> {
    let Some(file) = file else { return data.site().map(Some) };
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read the site file {}", file.display()))?;
    if check::report(file, &text).is_none() {
        return Ok(None);
    }
    data.replace_site(&text)?;
    data.site().map(Some)
}

/// Where people come in.
#[derive(Default)]
struct Doors {
    desks: Vec<(String, Desk)>,
    /// Who lets them in: a desk's own, and those of the consoles together.
    accounts: Vec<Arc<Accounts>>,
}

impl Doors {
    /// For one more door: with the directory that the others ask too.
    fn accounts(&mut self, data: &DataDir, directory: &Option<Arc<dyn Directory>>) -> anyhow::Result<Arc<Accounts>> {
        let accounts = Arc::new(Accounts::new(data.store()?)?);
        accounts.replace_directory(directory.clone());
        self.accounts.push(accounts.clone());
        Ok(accounts)
    }
}

fn directory_of(site: &Site, data: &DataDir) -> anyhow::Result<Option<Arc<dyn Directory>>> {
    Ok(LdapDirectory::of(site, data)?.map(|directory| Arc::new(directory) as Arc<dyn Directory>))
}

/// Control links and desks up, `ready` said, signals obeyed; returns when the process is to end.
async fn serve(process: &mut Process, data: &DataDir, site: &Site) -> anyhow::Result<()> {
    let (mut names, mut doors) = (Vec::new(), Doors::default());
    let here = |name: &str| desk_of(site, name).is_some() || console_of(site, name).is_some();
    // A process without a door needs no password of the directory's.
    let directory = match process.nodes().iter().any(|node| here(node.name())) {
        true => directory_of(site, data)?,
        false => None,
    };
    let provider = match process.nodes().iter().any(|node| desk_of(site, node.name()).is_some()) {
        true => OpenId::of(site, data)?.map(Arc::new),
        false => None,
    };
    let mut administrators: Option<Arc<Accounts>> = None;
    for node in process.nodes() {
        names.push(node.name().to_owned());
        admin::link::serve(node.clone()).await?;
        if let Some((addresses, book)) = desk_of(site, node.name()) {
            let (name, accounts) = (node.name().to_owned(), doors.accounts(data, &directory)?);
            let desk = desk::server::serve(node.clone(), addresses, book, accounts).await?;
            desk.replace_provider(provider.clone());
            doors.desks.push((name, desk));
        }
        if let Some((address, role)) = console_of(site, node.name()) {
            // Those of a process count wrong passwords together.
            let accounts = match &administrators {
                Some(accounts) => accounts.clone(),
                None => doors.accounts(data, &directory)?,
            };
            administrators = Some(accounts.clone());
            console::server::serve(node, role, address, data, accounts).await?;
        }
    }
    println!("ready: {}", names.join(", "));
    // The first tick is at once: what fell due while nothing ran is made anew before anybody comes.
    let (mut tending, mut looked) = (tokio::time::interval(TEND), None);
    tending.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut errands, mut said, mut orders) = (process.errands(), Said::default(), net::acme::Orders::default());
    let (mut hangup, mut terminate, mut interrupt) =
        (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    loop {
        tokio::select! {
            _ = hangup.recv() => drop(reload(process, data, &doors)),
            _ = tending.tick(), if looked.is_none() => looked = Some(look_after(data)),
            Some(tended) = answer(&mut looked) => {
                looked = None;
                tend(process, tended, &mut said);
                // The site in force may name others than the one at the start.
                if let Ok(site) = data.site() {
                    orders.tend(data, &site, |name| process.node(name).is_some());
                }
            }
            Some(errand) = next(&mut errands) => {
                // Who asked may have gone away.
                let _ = errand.answer.send(carry_out(process, data, &doors, errand.work));
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    println!("letting calls end; signal again to stop at once");
    tokio::select! {
        () = drained(process) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Where a node serves desks, and what they know of the site; `None`: it serves none.
fn desk_of(site: &Site, name: &str) -> Option<(Addresses, Book)> {
    let node = site.node(name)?;
    let Role::CallServer(server) = &node.role else { return None };
    let desk = server.desk.as_ref()?;
    let at = |port| SocketAddr::new(desk.address.unwrap_or(node.address), port);
    let may = |port| Some(port).filter(|port| *port != 0).map(at);
    let addresses = Addresses { rest: at(desk.port), web: may(desk.web_port), xmpp: may(desk.xmpp_port) };
    Some((addresses, Book::new(server.clone(), site.host_name(node))))
}

/// Where a node has a console, and the node's role.
fn console_of<'a>(site: &'a Site, name: &str) -> Option<(SocketAddr, &'a str)> {
    let node = site.node(name)?;
    Some((node.console_at()?.into(), node.role.word()))
}

async fn drained(process: &Process) {
    // All nodes stop taking calls at once; then each is waited for.
    let drains: Vec<_> = process
        .nodes()
        .into_iter()
        .map(|node| tokio::spawn(async move { node.control(Control::Drain).await }))
        .collect();
    for drain in drains {
        // A node whose drain cannot be awaited has no calls to wait for.
        let _ = drain.await;
    }
}

async fn next(errands: &mut Option<mpsc::Receiver<Errand>>) -> Option<Errand> {
    errands.as_mut()?.recv().await
}

/// What a command asks for by way of a node's control link.
fn carry_out(process: &mut Process, data: &DataDir, doors: &Doors, work: Work) -> Result<Vec<String>, String> {
    let words = |error: anyhow::Error| format!("{error:#}");
    let (list, site) = match work {
        Work::ReadAgain { list, site } => (list, site),
        Work::Restart { node, part } => return process.restart(&node, part).map_err(words),
    };
    let mut changed = Vec::new();
    if let Some(list) = list
        && data.take_list(&list).map_err(words)?
    {
        changed.push("revocation list taken".to_owned());
    }
    if site {
        changed.extend(reload(process, data, doors).map_err(words)?);
    } else {
        changed.extend(refresh(process).map_err(words)?);
    }
    Ok(changed)
}

fn refresh(process: &mut Process) -> anyhow::Result<Vec<String>> {
    let changed = process.refresh()?;
    for line in &changed {
        tracing::info!("{line}");
    }
    Ok(changed)
}

/// Warnings of the last look, and when they were said: they are said again each day, not each minute.
#[derive(Default)]
struct Said {
    warnings: Vec<String>,
    at: Option<Instant>,
}

/// Makes anew what is due, in a thread of its own: a token that has the CA's key may take its time or never answer, and
/// signals are obeyed meanwhile. The process does not wait for it at its end.
fn look_after(data: &DataDir) -> oneshot::Receiver<Tended> {
    let (tell, told) = oneshot::channel();
    let data = data.clone();
    std::thread::spawn(move || {
        let tended = data.tend(SystemTime::now()).unwrap_or_else(|error| not_looked_after(&format!("{error:#}")));
        // Nobody waits for it any more when the process ends.
        let _ = tell.send(tended);
    });
    told
}

async fn answer(looked: &mut Option<oneshot::Receiver<Tended>>) -> Option<Tended> {
    Some(looked.as_mut()?.await.unwrap_or_else(|_| not_looked_after("it broke off")))
}

fn not_looked_after(why: &str) -> Tended {
    Tended { warnings: vec![format!("certificates could not be looked after: {why}")], ..Tended::default() }
}

/// Reads what anybody made anew, and says what was done and what nobody here can renew.
fn tend(process: &mut Process, tended: Tended, said: &mut Said) {
    for line in &tended.done {
        tracing::info!("{line}");
    }
    if let Err(error) = refresh(process) {
        tracing::warn!(error = %format!("{error:#}"), "certificates were not read again; those in force stay");
    }
    let again = said.at.is_none_or(|at| at.elapsed() >= SAY_AGAIN);
    if !tended.warnings.is_empty() && (again || tended.warnings != said.warnings) {
        for line in &tended.warnings {
            tracing::warn!("{line}");
        }
        said.at = Some(Instant::now());
    }
    said.warnings = tended.warnings;
}

/// A site that does not pass is reported and changes nothing.
fn reload(process: &mut Process, data: &DataDir, doors: &Doors) -> anyhow::Result<Vec<String>> {
    let outcome = data.site().and_then(|site| {
        let directory = if doors.accounts.is_empty() { None } else { directory_of(&site, data)? };
        let provider = if doors.desks.is_empty() { None } else { OpenId::of(&site, data)?.map(Arc::new) };
        process.reload(&site)?;
        for (_, desk) in &doors.desks {
            desk.replace_provider(provider.clone());
        }
        for accounts in &doors.accounts {
            accounts.replace_directory(directory.clone());
        }
        Ok(site)
    });
    for (name, desk) in &doors.desks {
        // A desk that the new site does not have stays as it is until the process ends.
        if let Some((_, book)) = outcome.as_ref().ok().and_then(|site| desk_of(site, name)) {
            desk.replace(book);
        }
    }
    let said =
        "site reloaded, certificates read again: new calls and connections follow them, those that are up keep theirs";
    match &outcome {
        Ok(_) => tracing::info!("{said}"),
        Err(error) => tracing::warn!(error = %format!("{error:#}"), "site not reloaded; the one in force stays"),
    }
    outcome.map(|_| vec![said.to_owned()])
}
