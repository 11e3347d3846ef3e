//! A server under test: started, measured from outside by what the kernel counts for its processes, stopped.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::stage::{SERVER, Site, Stage, text};
use crate::run::have;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Kamailio,
    Ringfence,
}

/// How long a server may take to be ready.
const READY: Duration = Duration::from_secs(20);

pub(super) struct Server {
    child: Child,
    log: PathBuf,
    who: Who,
}

/// The one command that brings what is missing.
pub(super) fn ensure_kamailio() -> Result<()> {
    if !have("kamailio") {
        bail!(
            "kamailio, the peer to measure against, is not there. As root: apt-get update && \
             DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends kamailio kamailio-tls-modules"
        );
    }
    Ok(())
}

impl Server {
    pub(super) fn start(stage: &Stage, who: Who, site: Site) -> Result<Server> {
        let log = stage.folder.join(format!("{who:?}-{site:?}.log"));
        let errors = File::create(&log)?;
        let mut command = match who {
            Who::Ringfence => {
                let mut command = Command::new(&stage.ringfence);
                command.arg("--data").arg(stage.site(site)).args(["run", "--only", site.node()]);
                command
            }
            Who::Kamailio => {
                let folder = stage.folder.join("kamailio");
                let tls = if site == Site::Registrar { "phones.cfg" } else { "mutual.cfg" };
                let config = std::fs::read_to_string(folder.join("kamailio.cfg"))?.replace("TLS_CONFIG", tls);
                let file = folder.join(format!("{site:?}.cfg"));
                std::fs::write(&file, config)?;
                let mut command = Command::new("kamailio");
                command.args(["-DD", "-E", "-m", "128", "-M", "16", "-Y", &text(&folder), "-f", &text(&file)]);
                command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
                command
            }
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(errors.try_clone()?)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {who:?}"))?;
        let mut server = Server { child, log, who };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Ready when it takes a TLS listener's connection, or has been up for a moment where it has none.
    fn wait_until_ready(&mut self) -> Result<()> {
        let until = Instant::now() + READY;
        loop {
            let taken = std::net::TcpStream::connect((SERVER, 5061)).is_ok();
            if taken {
                // Its first moments are its own: prompts, threads, the store.
                std::thread::sleep(Duration::from_millis(500));
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                bail!(
                    "{:?} ended with {status}: {}",
                    self.who,
                    log.lines().rev().take(5).collect::<Vec<_>>().join(" | ")
                );
            }
            if Instant::now() > until {
                bail!("{:?} was not ready within {} s; see {}", self.who, READY.as_secs(), self.log.display());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// User and system time of all its processes so far, in seconds.
    pub(super) fn cpu(&self) -> Result<f64> {
        let mut ticks = 0.0;
        for pid in self.processes()? {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
            // The name, in brackets, may hold anything.
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            for at in [11, 12] {
                ticks += fields.get(at).and_then(|n| n.parse::<f64>().ok()).context("no times in /proc/PID/stat")?;
            }
        }
        Ok(ticks / 100.0) // USER_HZ, which is 100 to all programs
    }

    /// Memory of all its processes, pages that they share counted once, in KiB.
    pub(super) fn memory(&self) -> Result<f64> {
        let mut kib = 0.0;
        for pid in self.processes()? {
            let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let line = rollup.lines().find(|line| line.starts_with("Pss:")).context("no Pss in smaps_rollup")?;
            kib += line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).context("no number after Pss")?;
        }
        Ok(kib)
    }

    /// The process that was started and all that it started.
    fn processes(&self) -> Result<Vec<u32>> {
        let mut all = vec![self.child.id()];
        let mut at = 0;
        while let Some(pid) = all.get(at).copied() {
            at += 1;
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
            all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        Ok(all)
    }
}

/// Asked to end, as by an administrator; its children end with it.
impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
