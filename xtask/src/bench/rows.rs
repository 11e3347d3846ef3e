//! The measures of the bench, each one load on one site, and how a round of it is taken.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Settings;
use super::server::{Server, Who};
use super::stage::{CALLED, CALLER, FIRST_LINE, LINES, SECRET, SERVER, SERVER_NAME, Site, Stage};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Calls,
    Registrations,
    NewConnections,
    HeldCalls,
    IdlePhones,
    PlainBorder,
    SecureBorder,
}

/// What one round came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    /// Per CPU-second; 0 where CPU was not measured.
    pub per_cpu: f64,
    /// INVITE to 200, milliseconds.
    pub p50: f64,
    pub p99: f64,
    /// KiB for each.
    pub memory: f64,
    /// The load tool's own CPU for each, µs.
    pub tool_us: f64,
    pub offered: u64,
    pub completed: u64,
}

/// Between 180 and 200 at the called side, and so part of every set-up time.
pub(super) const RING_MS: f64 = 40.0;

impl Row {
    pub(super) const ALL: [Row; 7] = [
        Row::Calls,
        Row::Registrations,
        Row::NewConnections,
        Row::HeldCalls,
        Row::IdlePhones,
        Row::PlainBorder,
        Row::SecureBorder,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Row::Calls => "calls",
            Row::Registrations => "registrations",
            Row::NewConnections => "new-connections",
            Row::HeldCalls => "held-calls",
            Row::IdlePhones => "idle-phones",
            Row::PlainBorder => "plain",
            Row::SecureBorder => "secure",
        }
    }

    pub(super) fn site(self) -> Site {
        match self {
            Row::Calls | Row::NewConnections | Row::HeldCalls => Site::Calls,
            Row::Registrations | Row::IdlePhones => Site::Registrar,
            Row::PlainBorder => Site::PlainBorder,
            Row::SecureBorder => Site::SecureBorder,
        }
    }

    /// Kamailio anchors no media: a border controller has no counterpart in it.
    pub(super) fn has_peer(self) -> bool {
        !matches!(self, Row::PlainBorder | Row::SecureBorder)
    }

    /// Offered a second. kamailio 5.6 loses calls at 200 new TLS connections a second, so that row is slower.
    fn rate(self, settings: &Settings) -> f64 {
        match self {
            Row::Calls | Row::HeldCalls | Row::PlainBorder | Row::SecureBorder => settings.rate,
            Row::Registrations => 2.0 * settings.rate,
            Row::NewConnections => 20.0_f64.min(settings.rate),
            Row::IdlePhones => 100.0,
        }
    }

    /// One round with a fresh server.
    pub(super) fn round(self, stage: &Stage, who: Who, settings: &Settings) -> Result<Round> {
        let server = Server::start(stage, who, self.site())?;
        // Caches, connections and rings fill before anything is counted.
        self.load(stage, who, self.rate(settings), 2.0, &[])?;
        match self {
            Row::HeldCalls | Row::IdlePhones => self.memory(stage, who, &server),
            _ => self.cpu(stage, who, settings, &server),
        }
    }

    /// The tool against itself: what the tool and the kernel add of their own.
    pub(super) fn floor(stage: &Stage, settings: &Settings) -> Result<Round> {
        let seconds = settings.seconds.to_string();
        let identity = stage.identity(Site::Calls, "called");
        let address = format!("{CALLED}:5061");
        let rate = settings.rate.to_string();
        let mut arguments = vec!["load", "calls", "--server", &address, "--from", CALLER, "--server-name"];
        arguments.extend(["vvb1.bench.example", "--number", "6016", "--rate", &rate, "--seconds", &seconds]);
        arguments.extend(["--hold", "1", "--ring", "0.04", "--json", "--answer", &address, "--identity", &identity]);
        round_of(&tool(stage, &arguments)?)
    }

    fn cpu(self, stage: &Stage, who: Who, settings: &Settings, server: &Server) -> Result<Round> {
        let before = server.cpu()?;
        let report = self.load(stage, who, self.rate(settings), settings.seconds, &[])?;
        let used = server.cpu()? - before;
        let round = round_of(&report)?;
        Ok(Round { per_cpu: round.completed as f64 / used.max(0.01), ..round })
    }

    /// Memory while all are up, less what it was before, for each.
    fn memory(self, stage: &Stage, who: Who, server: &Server) -> Result<Round> {
        let before = server.memory()?;
        let (rate, seconds) = match self {
            Row::IdlePhones => (100.0, f64::from(LINES) / 100.0),
            // Three thousand: of a few hundred, the allocator's own rounding is what is seen.
            _ => (300.0, 10.0),
        };
        // All are still there when memory is looked at.
        let stay = (seconds + 6.0).to_string();
        let stays = if self == Row::IdlePhones { "--linger" } else { "--hold" };
        let (report, memory) = std::thread::scope(|scope| {
            let load = scope.spawn(|| self.load(stage, who, rate, seconds, &[stays, &stay]));
            std::thread::sleep(Duration::from_secs_f64(seconds + 3.0));
            let memory = server.memory();
            (load.join(), memory)
        });
        let report = report.map_err(|_| anyhow::anyhow!("the load's thread panicked"))??;
        let round = round_of(&report)?;
        Ok(Round { memory: (memory? - before) / round.completed.max(1) as f64, ..round })
    }

    fn load(self, stage: &Stage, who: Who, rate: f64, seconds: f64, more: &[&str]) -> Result<Value> {
        let site = self.site();
        let (rate, seconds) = (rate.to_string(), seconds.to_string());
        // kamailio has one identity, by the CA of the first site.
        let ca = if who == Who::Kamailio { Site::Calls } else { site };
        let (caller, called) = (stage.identity(ca, "caller"), stage.identity(ca, "called"));
        let root = format!("{caller}/root.pem");
        let name = match (who, site) {
            (Who::Kamailio, _) | (_, Site::Calls) => SERVER_NAME.to_owned(),
            (Who::Ringfence, site) => format!("{}.bench.example", site.node()),
        };
        let port = if site == Site::PlainBorder { 5060 } else { 5061 };
        let (server, answer) = (format!("{SERVER}:{port}"), format!("{CALLED}:{port}"));
        let first = FIRST_LINE.to_string();
        let lines = LINES.to_string();
        let mut arguments = vec!["load"];
        match self {
            Row::Registrations | Row::IdlePhones => arguments.extend([
                "registrations",
                "--first-line",
                &first,
                "--lines",
                &lines,
                "--secret",
                SECRET,
                "--domain",
                SERVER,
                "--root",
                &root,
                "--server-name",
                &name,
            ]),
            _ => arguments.extend(["calls", "--number", "6016", "--answer", &answer, "--ring", "0.04"]),
        }
        match self {
            Row::Registrations | Row::IdlePhones => {}
            Row::PlainBorder => arguments.extend(["--dangerous-plain", "udp"]),
            _ => arguments.extend(["--identity", &caller, "--answer-identity", &called, "--server-name", &name]),
        }
        if matches!(self, Row::NewConnections | Row::IdlePhones) {
            arguments.push("--connection-each");
        }
        arguments.extend(["--server", &server, "--from", CALLER, "--rate", &rate, "--seconds", &seconds, "--json"]);
        arguments.extend(more);
        let report = tool(stage, &arguments)?;
        let lost = report["offered"] != report["completed"];
        if lost {
            eprintln!("  {who:?}: not everything was completed: {report}");
        }
        Ok(report)
    }
}

fn tool(stage: &Stage, arguments: &[&str]) -> Result<Value> {
    let output =
        Command::new(&stage.ringfence).args(arguments).stdin(Stdio::null()).output().context("the load tool")?;
    let said = String::from_utf8_lossy(&output.stdout);
    match serde_json::from_str(&said) {
        Ok(report) => Ok(report),
        Err(_) => bail!(
            "ringfence {}: {said}{}",
            arguments.join(" ").replace(SECRET, "…"),
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

fn round_of(report: &Value) -> Result<Round> {
    let number = |value: &Value| value.as_f64().with_context(|| format!("the load's report lacks a number: {report}"));
    let completed = number(&report["completed"])?;
    let set_up = &report["setup"];
    Ok(Round {
        p50: number(&set_up["p50_us"])? / 1e3,
        p99: number(&set_up["p99_us"])? / 1e3,
        tool_us: 1e6 * number(&report["cpu_s"])? / completed.max(1.0),
        offered: number(&report["offered"])? as u64,
        completed: completed as u64,
        ..Round::default()
    })
}
