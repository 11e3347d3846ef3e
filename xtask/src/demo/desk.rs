//! The agent's desk in the demo: curl, as a stranger's desk would speak the agent API.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::cast::Player;

const HOST: &str = "cvp1.lab.example";
const RESOLVE: &str = "cvp1.lab.example:8445:127.18.133.13";
const AGENT: &str = "1001";
/// Of an account in the demo's own data directory, which the next demo empties.
const PASSWORD: &str = "a demo's password";
const USER: &str = "/finesse/api/User/1001";

/// An agent who is at work by it, and what it hears.
pub(super) struct Desk {
    root: PathBuf,
    events: Player,
}

impl Desk {
    /// Makes the agent's account, listens to events, logs in.
    pub(super) fn open(binary: &str, data: &str) -> Result<Desk> {
        let mut add = Command::new(binary)
            .args(["--data", data, "account", "add", AGENT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        writeln!(add.stdin.take().context("stdin")?, "{PASSWORD}")?;
        ensure!(add.wait()?.success(), "no account was made for agent {AGENT}");
        let root = Path::new(data).join("ca/root.pem");
        let arguments = curl(&root, &["-N", "-v", &url("/api/v1/events")]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut events = Player::start("the desk's events", "curl", &arguments)
            .context("the demo's desk is curl: install it (Debian: apt-get install curl)")?;
        // What happens before the stream is open, it does not hear.
        events.hear("HTTP/1.1 200", super::STEP)?;
        let mut desk = Desk { root, events };
        desk.put(&format!("<state>LOGIN</state><extension>{AGENT}</extension>"))?;
        desk.hear("NOT_READY")?;
        Ok(desk)
    }

    pub(super) fn ready(&mut self) -> Result<()> {
        self.put("<state>READY</state>")
    }

    /// Waits until an event says that the agent is in this state.
    pub(super) fn hear(&mut self, state: &str) -> Result<()> {
        self.events.hear(&format!("<state>{state}</state>"), super::STEP)?;
        println!("  event  {USER}  {state}");
        Ok(())
    }

    fn put(&self, fields: &str) -> Result<()> {
        let body = format!("<User>{fields}</User>");
        println!("\n  PUT https://{HOST}:8445{USER}  {body}");
        let (url, header) = (url(USER), "Content-Type: application/xml");
        let arguments = curl(&self.root, &["-X", "PUT", "-H", header, "-d", &body, "-w", "%{http_code}", &url]);
        let output = Command::new("curl").args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        if said != "202" {
            bail!("the desk answered {said}{}", String::from_utf8_lossy(&output.stderr));
        }
        println!("  {said} Accepted");
        Ok(())
    }
}

fn url(path: &str) -> String {
    format!("https://{HOST}:8445{path}")
}

fn curl(root: &Path, more: &[&str]) -> Vec<String> {
    let (root, login) = (root.display().to_string(), format!("{AGENT}:{PASSWORD}"));
    let always = ["-sS", "--cacert", &root, "--resolve", RESOLVE, "-u", &login];
    always.iter().chain(more).map(|word| (*word).to_owned()).collect()
}
