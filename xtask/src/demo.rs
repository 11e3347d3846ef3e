//! `cargo xtask demo`: the lab in one process, one real call through it, narrated and proved.
//!
//! Everything is done with the commands that a user has; nothing here knows the inside of Ringfence.

mod cast;
mod desk;
mod site;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, root};
use cast::Player;
use desk::Desk;

const SITE: &str = "examples/lab.toml";
/// Longest that any single step may take before the demo gives up and says which it was.
const STEP: Duration = Duration::from_secs(20);

pub(crate) fn run(stay: bool) -> Result<()> {
    cargo(&["build", "--release", "--quiet", "-p", "ringfence"])?;
    let stage = Stage::set()?;
    let mut lab = stage.lab()?;
    let mut agent = stage.agent()?;
    say("The agent's desk logs in at the call server: HTTPS, the field's agent API, an account with a password.");
    let mut desk = Desk::open(&stage.binary, &stage.data)?;
    let caller = call(&stage, &mut agent, &mut desk)?;
    let good = stage.prove(&caller)?;
    if stay {
        stage.how_to_call();
        lab.wait_until_interrupted()?;
    }
    agent.leave();
    lab.leave();
    if !good {
        bail!("the call was not secure on every hop: see the verdict above");
    }
    Ok(())
}

/// The call itself, told as it happens; gives the caller's UUID.
fn call(stage: &Stage, agent: &mut Player, desk: &mut Desk) -> Result<String> {
    let mut carrier = stage.carrier()?;
    say("The carrier calls 6016 from 3227046971: plain SIP over UDP, plain RTP, as carriers do.");
    carrier.tell("dial 6016")?;
    carrier.hear("connected", STEP)?;
    say("The voice browser has answered through sbc and call server; the caller hears the prompt.");
    pause(4.0);
    stage.show(&["call", "active", "voice", "brief"])?;
    stage.show(&["sip-ua", "connections", "tcp", "tls", "detail"])?;

    say("The caller presses 1: into the queue `sales`. No agent is ready, so there is music.");
    carrier.tell("press 1")?;
    stage.until(&["queues"], |v| v.to_string().contains("\"waiting\":1"))?;
    pause(4.0);
    stage.show(&["queues"])?;

    say("Agent 1001 says ready at the desk and is reserved; the phone rings over TLS.");
    desk.ready()?;
    desk.hear("RESERVED")?;
    agent.hear("ringing", STEP)?;
    let answered = agent.hear("connected", STEP)?;
    desk.hear("TALKING")?;
    say(&format!("The agent has answered. The agent's phone says: {answered}"));
    pause(6.0);
    stage.show(&["call", "active", "voice", "brief"])?;
    stage.show(&["sip-ua", "connections", "tcp", "tls", "detail"])?;

    say("The caller hangs up.");
    carrier.tell("hangup")?;
    carrier.hear("recorded", STEP)?;
    agent.hear("recorded", STEP)?;
    desk.hear("READY")?;
    carrier.leave();
    stage.last_call()
}

/// Folders, the binary, and the site.
struct Stage {
    binary: String,
    data: String,
    out: std::path::PathBuf,
}

impl Stage {
    /// An empty `demo/`, and a data directory made by `ringfence init`.
    fn set() -> Result<Stage> {
        let out = root().join("demo");
        if out.exists() {
            std::fs::remove_dir_all(&out).context("cannot empty demo/")?;
        }
        std::fs::create_dir_all(&out)?;
        let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| root().join("target").display().to_string());
        let stage =
            Stage { binary: format!("{target}/release/ringfence"), data: out.join("data").display().to_string(), out };
        say("ringfence init: a private CA, an identity for each node, keys for what phones are told.");
        let site = stage.path("site.toml");
        let lab = std::fs::read_to_string(root().join(SITE)).with_context(|| format!("cannot read {SITE}"))?;
        std::fs::write(&site, site::made(&lab)?)?;
        stage.ringfence(&["init", &site])?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> String {
        self.out.join(name).display().to_string()
    }

    fn lab(&self) -> Result<Player> {
        say("ringfence run: sbc, call server, voice browsers and call manager, each on its own address.");
        let mut lab = Player::start("lab", &self.binary, &["--data", &self.data, "run"])?;
        lab.hear("ready", STEP)?;
        Ok(lab)
    }

    /// A phone out of its box: it is given a name, an address and where to ask, and nothing else.
    fn agent(&self) -> Result<Player> {
        say("The agent's phone starts out of its box: no key, no secret, only where to ask (TFTP).");
        let folder = self.path("agent");
        let mut arguments = vec!["phone", "--tftp", site::TFTP, "--device", site::PHONE, "--keep", &folder];
        arguments.extend(["--address", "127.18.133.75", "--answer-after", "2", "--say", "agent"]);
        arguments.extend(["--dangerous-record", &folder]);
        let mut agent = Player::start("agent's phone", &self.binary, &arguments)?;
        for step in ["ITL", "CTL", "CAPF", "configuration"] {
            println!("  {}", agent.hear(&format!("{}: {step}", site::PHONE), STEP)?);
        }
        println!("  {}", agent.hear("1001 registered", STEP)?);
        say(
            "It has registered at the call manager: TLS with the certificate that CAPF gave it a moment ago, and digest by a \
             secret that came encrypted to that certificate.",
        );
        Ok(agent)
    }

    fn carrier(&self) -> Result<Player> {
        let record = self.path("carrier");
        Player::start(
            "carrier",
            &self.binary,
            &[
                "phone",
                "--address",
                "127.18.133.76",
                "--port",
                "5062",
                "--line",
                "3227046971",
                "--server",
                "127.18.133.226:5060",
                "--dangerous-plain",
                "--say",
                "caller",
                "--dangerous-record",
                &record,
            ],
        )
    }

    fn ringfence(&self, arguments: &[&str]) -> Result<String> {
        let output =
            Command::new(&self.binary).args(["--data", &self.data]).args(arguments).current_dir(root()).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("ringfence {} ended with {}: {text}{words}", arguments.join(" "), output.status);
        }
        Ok(text)
    }

    fn show(&self, words: &[&str]) -> Result<()> {
        println!("\n  $ ringfence show {}", words.join(" "));
        let text = self
            .ringfence(&[&["show", "--node", "cube1"], words].concat())
            .or_else(|_| self.ringfence(&[&["show"], words].concat()))?;
        for line in text.lines() {
            println!("  {line}");
        }
        Ok(())
    }

    /// Asks until the answer is as wanted.
    fn until(&self, question: &[&str], wanted: impl Fn(&serde_json::Value) -> bool) -> Result<()> {
        let deadline = std::time::Instant::now() + STEP;
        while std::time::Instant::now() < deadline {
            let json = self.ringfence(&[&["show", "--json"], question].concat())?;
            if wanted(&serde_json::from_str(&json)?) {
                return Ok(());
            }
            pause(0.1);
        }
        bail!("`show {}` did not become as expected within {} s", question.join(" "), STEP.as_secs())
    }

    fn last_call(&self) -> Result<String> {
        let file = self.path("passport.json");
        let words = self.ringfence(&["passport", "get", "last", "-o", &file])?;
        words.split([' ', ',']).find(|word| word.len() == 32).map(str::to_owned).context("no finished call to be found")
    }

    /// Passport, verdict and ladder; whether all is as it should be.
    fn prove(&self, caller: &str) -> Result<bool> {
        say("Every node has signed its part. The verdict, hop by hop:");
        let passport = self.path("passport.json");
        let verdict = Command::new(&self.binary)
            .args(["--data", &self.data, "passport", "verify", &passport])
            .current_dir(root())
            .output()?;
        println!("{}", String::from_utf8_lossy(&verdict.stdout));
        let ladder = self.path("ladder.html");
        self.ringfence(&[
            "ladder",
            caller,
            "-o",
            &ladder,
            "--name",
            "127.18.133.76=carrier",
            "--name",
            "127.18.133.75=agent's phone",
        ])?;
        for (from, to) in [("carrier/heard.wav", "caller-heard.wav"), ("agent/heard.wav", "agent-heard.wav")] {
            std::fs::rename(self.out.join(from), self.out.join(to))
                .with_context(|| format!("{from} was not written"))?;
        }
        println!("Left in demo/:");
        for name in ["caller-heard.wav", "agent-heard.wav", "ladder.html", "passport.json"] {
            println!("  {name:<18} {} octets", size(&self.out.join(name))?);
        }
        Ok(verdict.status.success())
    }

    fn how_to_call(&self) {
        println!(
            "\nThe lab stays up. Call in from any SIP phone on this machine whose address is 127.18.133.76, UDP, no registration:\n  \
             sip:6016@127.18.133.226:5060\nor with the phone in the box:\n  \
             {} phone --address 127.18.133.76 --port 5062 --line 3227046971 --server 127.18.133.226:5060 --dangerous-plain --say caller\n\
             then type `dial 6016`, `press 1`, `hangup`. Agent: {} --data {} agent ready 1001\nCtrl-C ends the lab.",
            self.binary, self.binary, self.data
        );
    }
}

fn size(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| path.display().to_string())?.len())
}

fn say(words: &str) {
    println!("\n● {words}");
}

/// Lets the story be heard: what plays meanwhile is real time.
fn pause(seconds: f64) {
    std::thread::sleep(Duration::from_secs_f64(seconds));
}
