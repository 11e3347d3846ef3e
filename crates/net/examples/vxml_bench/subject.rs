//! What is measured: started, its CPU time and memory read from /proc, stopped.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::estate::{Estate, wrong};
use crate::media_side::{Calls, Keys, key};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Floor,
    Pages,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::Null, Kind::Floor, Kind::Pages];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Floor => "floor",
            Kind::Pages => "pages",
        }
    }
}

pub(crate) struct Subject {
    child: Child,
    kind: Kind,
    addresses: Vec<SocketAddr>,
}

impl Subject {
    pub(crate) fn start(kind: Kind, calls: usize, estate: &Estate) -> io::Result<Subject> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(kind.name());
        match kind {
            Kind::Pages => command.arg(&estate.folder),
            Kind::Null | Kind::Floor => command.arg(calls.to_string()),
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        let mut subject = Subject { child, kind, addresses: Vec::new() };
        for line in BufReader::new(output).lines() {
            let line = line?;
            if line == "ready" {
                return Ok(subject);
            }
            subject.addresses.push(line.parse().map_err(wrong)?);
        }
        Err(io::Error::other(format!("`{}` ended before it was ready", kind.name())))
    }

    /// The generator's calls meet its sockets.
    pub(crate) fn connect(&self, calls: &Calls) -> io::Result<()> {
        for (n, address) in self.addresses.iter().enumerate() {
            let keys = match self.kind {
                // What comes back is what was sent.
                Kind::Null => Keys { seal: key(n, 1), open: key(n, 1) },
                Kind::Floor | Kind::Pages => Keys { seal: key(n, 1), open: key(n, 2) },
            };
            calls.connect(n, *address, keys)?;
        }
        Ok(())
    }

    /// CPU time of all its threads.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let spent = |path: &Path| -> Option<u64> {
            fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
        };
        Duration::from_nanos(tasks.filter_map(|task| spent(&task.path())).sum())
    }

    /// KiB.
    pub(crate) fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(f64::NAN)
    }

    pub(crate) fn stop(self) {}
}

/// All of them end with their input.
impl Drop for Subject {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let patience = Instant::now() + Duration::from_secs(5);
        while Instant::now() < patience && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
