//! Ringfence itself in the lab: every node a process of its own, in the namespace of its host, with a data
//! directory that holds its identity and no other; and the administrator's command line, on the bridge.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::lab::{BRIDGE, Host, Lab};
use crate::phone::{Login, Papers};
use crate::program::Program;

/// The example site, its loopback addresses to be replaced by the lab's: what we publish is what we prove.
const SITE: &str = include_str!("../../examples/lab.toml");
/// The domain of the example site.
pub const DOMAIN: &str = "lab.example";
/// The nodes of the example site and the hosts that they run on.
pub const NODES: [(&str, &str); 5] =
    [("cube1", "cube"), ("cvp1", "cvp"), ("vvb1", "vvb"), ("vvb2", "vvb2"), ("cucm1", "cucm")];

const SIP_PORT: u16 = 5061;
const STARTS_WITHIN: Duration = Duration::from_secs(30);
const COMMAND_WITHIN: Duration = Duration::from_secs(30);

/// A lab with Ringfence in it. Fields drop in order: the processes before the network.
#[derive(Debug)]
pub struct Estate {
    nodes: BTreeMap<String, Program>,
    binary: PathBuf,
    data: PathBuf,
    lab: Lab,
}

impl Estate {
    /// Makes PKI and store for the example site, changed by `change` (the text of `site.toml`).
    pub fn new(lab: Lab, change: impl FnOnce(String) -> String) -> Result<Self> {
        let names: Vec<(String, &str)> = NODES.iter().map(|(node, host)| (format!("{node}.{DOMAIN}"), *host)).collect();
        let names: Vec<(&str, &str)> = names.iter().map(|(name, host)| (name.as_str(), *host)).collect();
        lab.write_names(&names)?;
        let site = lab.directory().join("site.toml");
        fs::write(&site, change(SITE.replace("127.18.133.", "198.18.133.")))?;
        let data = lab.directory().join("data");
        let estate = Self { nodes: BTreeMap::new(), binary: binary()?, data, lab };
        estate.ringfence(&["init", text(&site)?])?;
        Ok(estate)
    }

    /// The network.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The host that a node runs on.
    ///
    /// # Panics
    /// When the example site has no such node: a mistake in the test.
    pub fn host_of(&self, node: &str) -> &Host {
        let found = NODES.iter().find(|(name, _)| *name == node);
        self.lab.host(found.unwrap_or_else(|| panic!("the site has no node {node}")).1)
    }

    /// Starts these nodes, each as a process with a data directory of its own, and waits until they listen.
    pub fn start(&mut self, nodes: &[&str]) -> Result<()> {
        for node in nodes {
            let data = self.data_of(node);
            if !data.exists() {
                self.ringfence(&["data", "export", node, "--to", text(&data)?])?;
            }
            let host = self.host_of(node);
            let program = host.start(text(&self.binary)?, &["run", "--data", text(&data)?, "--only", node])?;
            self.nodes.insert((*node).to_owned(), program);
        }
        for node in nodes {
            self.listens(node)?;
        }
        Ok(())
    }

    /// Starts a node in the administrator's own data directory, where the CA's key and register are.
    pub fn start_at_home(&mut self, node: &str) -> Result<()> {
        let data = self.data.clone();
        let host = self.host_of(node);
        let program = host.start(text(&self.binary)?, &["run", "--data", text(&data)?, "--only", node])?;
        self.nodes.insert(node.to_owned(), program);
        self.listens(node)
    }

    /// Starts all nodes of the site, those that are called before those that call: whoever finds nobody at the
    /// other end asks again only after its keepalive's time.
    pub fn start_all(&mut self) -> Result<()> {
        self.start(&["cucm1", "vvb1", "vvb2"])?;
        self.start(&["cvp1"])?;
        self.start(&["cube1"])
    }

    /// A node's process.
    ///
    /// # Panics
    /// When it was not started: a mistake in the test.
    pub fn node(&mut self, node: &str) -> &mut Program {
        self.nodes.get_mut(node).unwrap_or_else(|| panic!("{node} was not started"))
    }

    /// Where a node's process keeps its data.
    pub fn data_of(&self, node: &str) -> PathBuf {
        self.lab.directory().join(format!("data-{node}"))
    }

    /// Runs the administrator's command line; what it printed.
    ///
    /// # Errors
    /// When it fails, with all that it printed.
    pub fn ringfence(&self, arguments: &[&str]) -> Result<String> {
        let mut program = self.command(arguments)?;
        program.succeed(COMMAND_WITHIN)?;
        Ok(program.output())
    }

    /// Makes an agent's account in the store of this node's process, the password typed.
    pub fn account(&self, node: &str, agent: &str, password: &str) -> Result<()> {
        let data = self.data_of(node);
        let arguments = ["--data", text(&data)?, "account", "add", agent];
        let mut program = self.lab.host(BRIDGE).start(text(&self.binary)?, &arguments)?;
        program.type_line(password)?;
        program.succeed(COMMAND_WITHIN)
    }

    /// Makes an administrator's account in the store of this node's process, with a key to log in to its console.
    pub fn administrator(&self, node: &str, name: &str, password: &str, key: &Path) -> Result<()> {
        let data = self.data_of(node);
        let arguments = ["--data", text(&data)?, "account", "add", name, "--role", "administrator"];
        let mut program = self.lab.host(BRIDGE).start(text(&self.binary)?, &arguments)?;
        program.type_line(password)?;
        program.succeed(COMMAND_WITHIN)?;
        self.ringfence_at(node, &["account", "key", "add", name, text(key)?]).map(drop)
    }

    /// The command line with the data directory of this node's process.
    pub fn ringfence_at(&self, node: &str, arguments: &[&str]) -> Result<String> {
        let data = self.data_of(node);
        let mut all = vec!["--data", text(&data)?];
        all.extend(arguments);
        let mut program = self.lab.host(BRIDGE).start(text(&self.binary)?, &all)?;
        program.succeed(COMMAND_WITHIN)?;
        Ok(program.output())
    }

    /// The same, for a command that must fail: its exit status and what it printed.
    pub fn ringfence_fails(&self, arguments: &[&str]) -> Result<(i32, String)> {
        let mut program = self.command(arguments)?;
        let status = program.wait(COMMAND_WITHIN)?;
        ensure!(!status.success(), "ringfence {} succeeded:\n{}", arguments.join(" "), program.output());
        Ok((status.code().context("it was killed")?, program.output()))
    }

    /// `ringfence show … --json`.
    pub fn show(&self, words: &str) -> Result<Value> {
        let mut arguments = vec!["show"];
        arguments.extend(words.split(' '));
        arguments.push("--json");
        let printed = self.ringfence(&arguments)?;
        // Warnings, if any, are on the other stream and may stand before or behind.
        let from = printed.find(['[', '{']).with_context(|| format!("no JSON in:\n{printed}"))?;
        let mut values = serde_json::Deserializer::from_str(&printed[from..]).into_iter::<Value>();
        Ok(values.next().context("nothing was printed")??)
    }

    /// `ringfence show …` as people read it, of one node.
    pub fn show_text(&self, words: &str, node: &str) -> Result<String> {
        let mut arguments = vec!["show"];
        arguments.extend(words.split(' '));
        arguments.extend(["--node", node]);
        self.ringfence(&arguments)
    }

    /// The live legs at a node.
    pub fn legs(&self, node: &str) -> Result<Vec<Value>> {
        let value = self.show(&format!("call active voice brief --node {node}"))?;
        Ok(objects(&value, &["leg", "session_id"]))
    }

    /// Waits until `wanted` holds of the legs at a node; returns them.
    pub fn legs_until(
        &self,
        node: &str,
        what: &str,
        within: Duration,
        wanted: impl Fn(&[Value]) -> bool,
    ) -> Result<Vec<Value>> {
        eventually(what, within, || {
            let legs = self.legs(node)?;
            Ok(if wanted(&legs) { Ok(legs) } else { Err(brief(&legs)) })
        })
    }

    /// Waits until an agent is in this state (`READY`, `RESERVED`, `TALKING`, …; compared without case).
    pub fn agent_is(&self, id: &str, state: &str, within: Duration) -> Result<()> {
        eventually(&format!("agent {id} to be {state}"), within, || {
            let agents = objects(&self.show("agents")?, &["id", "state", "extension"]);
            let found = agents.iter().find(|agent| agent["id"] == id).and_then(|agent| agent["state"].as_str());
            let same = found.is_some_and(|found| plain_word(found) == plain_word(state));
            Ok(if same { Ok(()) } else { Err(format!("it is {found:?}")) })
        })
    }

    /// Waits until this many callers are waiting in a queue.
    pub fn waiting(&self, queue: &str, callers: u64, within: Duration) -> Result<()> {
        eventually(&format!("{callers} callers in queue {queue}"), within, || {
            let queues = objects(&self.show("queues")?, &["name", "waiting"]);
            let found = queues.iter().find(|found| found["name"] == queue).and_then(|queue| queue["waiting"].as_u64());
            Ok(if found == Some(callers) { Ok(()) } else { Err(format!("there are {found:?}")) })
        })
    }

    /// Waits until a phone's line is registered at the call manager.
    pub fn registered(&self, line: &str, within: Duration) -> Result<()> {
        eventually(&format!("line {line} to be registered"), within, || {
            let phones = objects(&self.show("registrations")?, &["line", "contact"]);
            let there = phones.iter().any(|phone| phone["line"] == line);
            Ok(if there { Ok(()) } else { Err(format!("{} others are", phones.len())) })
        })
    }

    /// Makes an agent available.
    pub fn ready(&self, id: &str) -> Result<()> {
        self.ringfence(&["agent", "ready", id])?;
        Ok(())
    }

    /// The refusals that the nodes remember, each with `node`, `remote`, `answered` and `refusal`.
    pub fn refusals(&self, node: &str) -> Result<Vec<Value>> {
        Ok(objects(&self.show(&format!("refusals --node {node}"))?, &["answered", "refusal"]))
    }

    /// An identity from our own authority, for a phone or a stranger.
    pub fn papers(&self, name: &str, host: &str) -> Result<Papers> {
        self.papers_for_days(name, host, 30)
    }

    /// The same, valid for so many days from now; a negative number makes one that has expired.
    pub fn papers_for_days(&self, name: &str, host: &str, days: i64) -> Result<Papers> {
        self.issue(name, host, &format!("--days={days}"))
    }

    /// The same with a key of this kind (`p256`, `p384`, `rsa2048`).
    pub fn papers_of(&self, key: &str, name: &str, host: &str) -> Result<Papers> {
        self.issue(name, host, &format!("--key={key}"))
    }

    fn issue(&self, name: &str, host: &str, how: &str) -> Result<Papers> {
        let out = self.lab.directory().join(format!("papers-{name}{how}"));
        let address = self.lab.host(host).address.to_string();
        self.ringfence(&["cert", "issue", "--name", name, "--ip", &address, how, "--out", text(&out)?])?;
        Ok(Papers { key: out.join("key.pem"), chain: out.join("chain.pem"), authority: out.join("root.pem") })
    }

    /// The digest credentials of a line of the example site.
    pub fn login(&self, line: &str) -> Login {
        Login { user: line.to_owned(), password: format!("lab-{line}-secret") }
    }

    /// Fails when a process has ended, has logged an error or a panic, or has let `secrets` (numbers, keys,
    /// digits) into its log.
    pub fn demand_clean_logs(&mut self, secrets: &[&str]) -> Result<()> {
        for (node, program) in &mut self.nodes {
            ensure!(program.is_running(), "{node} has ended:\n{}", program.output());
            for line in program.output().lines() {
                ensure!(!line.contains("ERROR") && !line.contains("panicked"), "{node} logged: {line}");
                for secret in secrets {
                    ensure!(!line.contains(secret), "{node} let {secret:?} into its log: {line}");
                }
            }
        }
        Ok(())
    }

    /// What a node has logged as an error, or said in panic.
    pub fn errors(&self, node: &str) -> Vec<String> {
        let lines = self.nodes.get(node).map(Program::output).unwrap_or_default();
        let bad = |line: &&str| line.contains("ERROR") || line.contains("panicked");
        lines.lines().filter(bad).map(str::to_owned).collect()
    }

    fn command(&self, arguments: &[&str]) -> Result<Program> {
        let mut all = vec!["--data", text(&self.data)?];
        all.extend(arguments);
        self.lab.host(BRIDGE).start(text(&self.binary)?, &all)
    }

    /// Waits until the node's secure port is open, without knocking at it: a knock would be a refusal.
    fn listens(&mut self, node: &str) -> Result<()> {
        let program = self.nodes.get_mut(node).context("it was not started")?;
        eventually(&format!("{node} to listen on {SIP_PORT}"), STARTS_WITHIN, || {
            ensure!(program.is_running(), "{node} ended:\n{}", program.output());
            Ok(if listens_on(program.id(), SIP_PORT)? { Ok(()) } else { Err("it does not".to_owned()) })
        })
    }
}

/// Asks again and again until the answer is `Ok`; the last `Err` is quoted when time is up.
pub fn eventually<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Result<Result<T, String>>) -> Result<T> {
    let end = Instant::now() + within;
    loop {
        match ask()? {
            Ok(answer) => return Ok(answer),
            Err(not_yet) if Instant::now() > end => {
                bail!("waited {within:?} for {what}, but {not_yet}")
            }
            // The pace of asking; nothing is assumed to have happened by the next time.
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Every object anywhere in `value` that has all these fields.
pub fn objects(value: &Value, fields: &[&str]) -> Vec<Value> {
    match value {
        Value::Array(values) => values.iter().flat_map(|value| objects(value, fields)).collect(),
        Value::Object(map) if fields.iter().all(|field| map.contains_key(*field)) => {
            vec![value.clone()]
        }
        Value::Object(map) => map.values().flat_map(|value| objects(value, fields)).collect(),
        _ => Vec::new(),
    }
}

/// Whether a process has a TCP port open for listening, from the tables of its namespace (proc_net_tcp(5)).
fn listens_on(pid: u32, port: u16) -> Result<bool> {
    const LISTEN: &str = "0A";
    let ending = format!(":{port:04X}");
    for table in ["tcp", "tcp6"] {
        let rows = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        let open = rows.lines().skip(1).any(|row| {
            let mut columns = row.split_whitespace().skip(1);
            columns.next().is_some_and(|local| local.ends_with(&ending)) && columns.nth(1) == Some(LISTEN)
        });
        if open {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The binary under test: `RINGFENCE_BINARY`, or the one built with the running test, which checks its arithmetic and
/// its assertions as it goes.
fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("RINGFENCE_BINARY") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    // …/target/debug/deps/interop-0123456789abcdef
    let built = test.ancestors().nth(2).context("this test is not in a target directory")?;
    let binary = built.join("ringfence");
    ensure!(binary.is_file(), "{} is not there; build it: cargo build --package ringfence", binary.display());
    Ok(binary)
}

/// Legs in a line each, for an error.
fn brief(legs: &[Value]) -> String {
    let lines: Vec<String> = legs
        .iter()
        .map(|leg| format!("{} {} {} {}", leg["direction"], leg["state"], leg["peer"], leg["media"]["remote"]))
        .collect();
    format!("the {} legs are: {}", legs.len(), lines.join("; "))
}

fn plain_word(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not text")
}
