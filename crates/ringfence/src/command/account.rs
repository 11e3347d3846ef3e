//! `ringfence account add|list|password|remove`: who may log in. Each change is in the audit log.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use net::LdapDirectory;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use site::Role as NodeRole;
use store::accounts::{Account as Row, Directory, LONGEST_PASSWORD, NoPerson, Origin, Person, Role};
use store::{Change, DataDir, Store};

use admin::cli::{Account, AccountKey};
use admin::show::time::rfc3339;

use super::Outcome;

pub(crate) fn run(data: &Path, account: Account) -> Outcome {
    let dir = DataDir::open(data)?;
    let mut store = dir.store()?;
    match account {
        Account::Add { name, role, agent } => {
            let words = Role::ALL.map(Role::word).join(", ");
            let role = Role::read(&role).with_context(|| format!("`{role}` is no role; expected one of: {words}"))?;
            let agent = agent.or_else(|| (role != Role::Administrator).then(|| name.clone()));
            if let Some(agent) = &agent {
                is_of_the_site(&dir, agent)?;
            }
            let row = Row { name: name.clone(), role, agent, made_ms: now_ms(), origin: Origin::Store };
            store.add_account(&row, &password()?)?;
            audit(&mut store, &format!("account {name} made, {}", role.word()))?;
            println!("{name} may log in as {}", role.word());
        }
        Account::List => {
            for Row { name, role, agent, made_ms, .. } in store.accounts()? {
                let agent = agent.map(|agent| format!(" agent {agent}")).unwrap_or_default();
                println!("{name:<24} {:<14}{agent:<16} since {}", role.word(), rfc3339(made_ms));
            }
        }
        Account::Password { name } => {
            store.set_password(&name, &password()?)?;
            audit(&mut store, &format!("account {name} was given another password"))?;
            println!("{name} has another password; the old one holds no more");
        }
        Account::Remove { name } => {
            store.remove_account(&name)?;
            audit(&mut store, &format!("account {name} removed"))?;
            println!("{name} may not log in any more");
        }
        Account::Find { name } => {
            let site = dir.site()?;
            let directory = LdapDirectory::of(&site, &dir)?.context(
                "the site has no `[directory]`: only accounts of the store may log in (`ringfence account list`)",
            )?;
            if store.accounts()?.iter().any(|account| account.name.eq_ignore_ascii_case(&name)) {
                println!("{name} has an account in the store, and the directory is not asked about them");
                return Ok(ExitCode::SUCCESS);
            }
            match directory.find(&name.to_lowercase()) {
                Ok(Person { role, agent }) => {
                    let agent = agent.map(|agent| format!(", agent {agent}")).unwrap_or_default();
                    println!("{name} is in the directory, and would be let in as {}{agent}", role.word());
                }
                Err(NoPerson::Nobody) => bail!("the directory has nobody whom user_filter fits for `{name}`"),
                Err(why @ NoPerson::NoRole(_)) => bail!("{why}: `{name}` would not be let in"),
                Err(NoPerson::Unavailable(why)) => bail!("the directory does not answer: {why}"),
            }
        }
        Account::Key(AccountKey::Add { name, file }) => {
            let key = console::keys::read(&key_text(&file)?, &name, now_ms())?;
            store.add_account_key(&key)?;
            audit(&mut store, &format!("account {name} was given the key {}", key.fingerprint))?;
            println!("{name} may log in to consoles with {} {}", key.fingerprint, key.comment);
        }
        Account::Key(AccountKey::List { name }) => {
            for key in store.account_keys(&name)? {
                println!("{}  {:<24} since {}", key.fingerprint, key.comment, rfc3339(key.made_ms));
            }
        }
        Account::Key(AccountKey::Remove { name, fingerprint }) => {
            store.remove_account_key(&name, &fingerprint)?;
            audit(&mut store, &format!("account {name}: the key {fingerprint} removed"))?;
            println!("{name} may not log in with {fingerprint} any more");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A .pub file is a line; more is none.
fn key_text(file: &Path) -> anyhow::Result<String> {
    const MOST: u64 = 16 * 1024;
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().lock().take(MOST).read_to_string(&mut text),
        false => std::fs::File::open(file).and_then(|file| file.take(MOST).read_to_string(&mut text)),
    };
    read.with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text)
}

fn is_of_the_site(dir: &DataDir, agent: &str) -> anyhow::Result<()> {
    let site = dir.site()?;
    let servers = site.nodes.iter().filter_map(|node| match &node.role {
        NodeRole::CallServer(server) => Some(server),
        _ => None,
    });
    let known: Vec<&str> = servers.flat_map(|server| &server.agents).map(|agent| agent.id.as_str()).collect();
    ensure!(
        known.contains(&agent),
        "the site has no agent `{agent}`, only {}; say which with --agent, or add it to the site file and run `ringfence init` again",
        known.join(", ")
    );
    Ok(())
}

/// Asked for twice at a terminal, without showing it; otherwise the first line of standard input.
fn password() -> anyhow::Result<String> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return line();
    }
    let shown = tcgetattr(&input).context("this terminal cannot be told to hide a password")?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Flush, &hidden).context("this terminal cannot be told to hide a password")?;
    let typed = ask("password: ").and_then(|first| Ok((first, ask("again: ")?)));
    tcsetattr(&input, OptionalActions::Flush, &shown).context("the terminal stays silent: type `reset`")?;
    let (first, again) = typed?;
    ensure!(first == again, "the two are not the same; nothing was changed");
    Ok(first)
}

fn ask(question: &str) -> anyhow::Result<String> {
    eprint!("{question}");
    std::io::stderr().flush()?;
    let typed = line();
    eprintln!();
    typed
}

fn line() -> anyhow::Result<String> {
    let mut line = String::new();
    let read = std::io::Read::take(std::io::stdin().lock(), LONGEST_PASSWORD as u64 + 2).read_line(&mut line)?;
    ensure!(read > 0, "no password came; type it, or write it to standard input");
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn audit(store: &mut Store, what: &str) -> anyhow::Result<()> {
    let who = format!("uid {}", rustix::process::getuid().as_raw());
    let change = Change { at_ms: now_ms(), who, source: "command line".into(), what: what.into(), detail: "{}".into() };
    Ok(store.add_change(&change)?)
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
