//! `ringfence utils …`: the console's session on this terminal; `ringfence console show`; what `show` prints from the data
//! directory.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use admin::api::{Reloaded, Restart, Services};
use admin::cli::Question;
use admin::estate::Estate;
use anyhow::bail;
use console::{Ask, Command, Input, Output, Session, Told, of_files};
use site::Role;
use store::{Change, DataDir};

use super::{Outcome, wait_for};

/// A dialogue: the question, `y` or `n`, what came of it.
pub(crate) fn run(data: &Path, words: &[String], node: Option<&str>) -> Outcome {
    let line = format!("utils {}", words.join(" "));
    if let Err(words) = Command::parse(&line) {
        eprint!("ringfence utils: {words}");
        return Ok(ExitCode::from(2));
    }
    let world = World { dir: DataDir::open(data)?, node };
    let (mut session, mut failed) = (Session::default(), false);
    // Its first prompt is the shell's.
    session.poll();
    session.handle(Input::Line(line));
    while let Some(output) = session.poll() {
        match output {
            Output::Text(text) => print!("{text}"),
            Output::Failed => failed = true,
            Output::WriteDown(what) => world.write_down(&what)?,
            Output::Ask(ask) => {
                std::io::stdout().flush()?;
                session.handle(Input::Told(world.perform(&ask)?));
            }
            Output::Listen => {
                std::io::stdout().flush()?;
                let mut answer = String::new();
                std::io::stdin().read_line(&mut answer)?;
                session.handle(Input::Line(answer));
            }
            Output::Prompt | Output::End => break,
        }
    }
    Ok(ExitCode::from(u8::from(failed)))
}

/// `show ctl`, `show itl`, `show phones`, `show trunks`, `show security-mode`, `show running-config`
pub(crate) fn show(data: &Path, question: Question, node: Option<&str>) -> Outcome {
    match of_files(&DataDir::open(data)?, node, &Ask::Show(question)) {
        Told::Text(Ok(text)) => print!("{text}"),
        Told::Text(Err(words)) => {
            println!("{words}");
            return Ok(ExitCode::FAILURE);
        }
        Told::Cluster(_) | Told::Services(_) | Told::Done(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// `ringfence console show`
pub(crate) fn consoles(data: &Path) -> Outcome {
    let dir = DataDir::open(data)?;
    let site = dir.site()?;
    let mut any = false;
    for node in &site.nodes {
        let Some(address) = node.console_at().map(std::net::SocketAddr::from) else { continue };
        any = true;
        // An exported directory has the keys of its own nodes alone.
        if dir.identity(&node.name).is_err() {
            println!("{:<16} {address:<24} its key is in the data directory that it runs from", node.name);
            continue;
        }
        let key = console::keys::host_key(&dir, &node.name)?;
        println!("{:<16} {address:<24} ED25519 {}", node.name, console::keys::fingerprint(key.public_key()));
    }
    if !any {
        println!("No node has a console: add `[node.console]` to one in the site file.");
    }
    Ok(ExitCode::SUCCESS)
}

/// What a session on a terminal asks: the data directory, and the running node by its control link.
struct World<'a> {
    dir: DataDir,
    node: Option<&'a str>,
}

impl World<'_> {
    fn perform(&self, ask: &Ask) -> anyhow::Result<Told> {
        Ok(match ask {
            Ask::Services => {
                let estate = Estate::open(&self.dir)?;
                let client = estate.client(&self.name(&estate)?)?;
                let told = wait_for(async { Ok(client.get::<Services>("/api/v1/services").await) })?;
                Told::Services(told.map_err(|error| error.to_string()))
            }
            Ask::Restart(part) => {
                let estate = Estate::open(&self.dir)?;
                let client = estate.client(&self.name(&estate)?)?;
                let wanted = Restart { part: *part };
                let told = wait_for(async { Ok(client.ask::<Reloaded>("/api/v1/restart", &wanted).await) })?;
                Told::Done(told.map(|done| done.changed).map_err(|error| error.to_string()))
            }
            ask => of_files(&self.dir, self.node, ask),
        })
    }

    fn name(&self, estate: &Estate) -> anyhow::Result<String> {
        let managers = || estate.site.nodes.iter().filter(|node| matches!(node.role, Role::CallManager(_)));
        match (self.node, managers().count()) {
            (Some(name), _) => Ok(name.to_owned()),
            (None, 1) => Ok(managers().map(|node| node.name.clone()).collect()),
            (None, _) => bail!("say which node with --node: the site has not just one call manager"),
        }
    }

    fn write_down(&self, what: &str) -> anyhow::Result<()> {
        let change = Change {
            at_ms: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64),
            who: format!("uid {}", rustix::process::getuid().as_raw()),
            source: "command line".into(),
            what: what.into(),
            detail: "{}".into(),
        };
        Ok(self.dir.store()?.add_change(&change)?)
    }
}
