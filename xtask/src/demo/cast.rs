//! The processes on the demo's stage: started, spoken to, listened to, and never left behind.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run::root;

/// A process with its lines. Dropping it ends it.
pub(crate) struct Player {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
    /// What it said lately, for when it fails.
    heard: Vec<String>,
}

impl Player {
    pub(crate) fn start(name: &'static str, program: &str, arguments: &[&str]) -> Result<Player> {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let (sender, lines) = channel();
        let errors = sender.clone();
        let (stdout, stderr) = (child.stdout.take().context("stdout")?, child.stderr.take().context("stderr")?);
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).all(|l| sender.send(l).is_ok())
        });
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).all(|l| errors.send(l).is_ok())
        });
        Ok(Player { name, child, lines, heard: Vec::new() })
    }

    pub(crate) fn tell(&mut self, words: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("stdin")?;
        writeln!(stdin, "{words}").with_context(|| format!("{} is gone", self.name))
    }

    /// Waits for a line that contains `word` and gives it.
    pub(crate) fn hear(&mut self, word: &str, within: Duration) -> Result<String> {
        let deadline = Instant::now() + within;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(word) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!(
                        "{}: expected `{word}` within {} s, heard:\n{}",
                        self.name,
                        within.as_secs(),
                        self.heard.join("\n")
                    )
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{} ended before it said `{word}`:\n{}", self.name, self.heard.join("\n"))
                }
            }
        }
    }

    pub(crate) fn wait_until_interrupted(&mut self) -> Result<()> {
        self.child.wait()?;
        Ok(())
    }

    /// Ends it: by closing its input first, so that it can say goodbye.
    pub(crate) fn leave(&mut self) {
        drop(self.child.stdin.take());
        let pid = self.child.id().to_string();
        // A process that is already gone cannot be told to go; that is as good.
        let _ = Command::new("kill").args(["-TERM", &pid]).stderr(Stdio::null()).status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.leave();
    }
}
