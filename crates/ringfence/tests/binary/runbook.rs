//! Runbooks are run: each command of `docs/runbooks/*.md` with the shipped binary, in an empty directory, and what it
//! prints is what the page says.
//!
//! In a block ```` ```console ````: `$ ` a command, with `&` at its end one that stays; `> ` what is typed into it; every
//! other line is printed by it, in this order, `…` being whatever there is. After `[run] ` the same of the first that stays,
//! after `[NAME] ` of the one that ends with `& # NAME`. ```` ```console fails ````: its exit status is not 0.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Longest wait for a line, or for an end.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_runbook_leads_to_the_lock() {
    run("secure-signalling");
}

#[test]
fn the_runbook_of_certificates_does_what_it_says() {
    run("certificates");
}

#[test]
fn the_runbook_of_tokens_leads_to_the_lock() {
    run("oauth");
}

#[test]
fn the_runbook_of_media_leads_from_refused_calls_to_the_lock() {
    run("secure-media");
}

fn run(name: &str) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
    let page = std::fs::read_to_string(docs.join(format!("{name}.md"))).unwrap();
    let folder = std::env::temp_dir().join(format!("ringfence-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(docs.join(format!("{name}.toml")), folder.join("site.toml")).unwrap();
    let mut stage = Stage { folder, staying: Vec::new() };
    let mut block = None;
    for (at, line) in page.lines().enumerate() {
        let number = at + 1;
        match (line.strip_prefix("```"), &mut block) {
            (Some(info), None) => block = Some(Block { fails: info == "console fails", running: None }),
            (Some(_), Some(open)) => {
                stage.finish(open, number);
                block = None;
            }
            (None, Some(open)) => stage.step(open, line, number),
            (None, None) => {}
        }
    }
    let folder = stage.folder.clone();
    drop(stage);
    std::fs::remove_dir_all(folder).unwrap();
}

struct Block {
    fails: bool,
    running: Option<Running>,
}

struct Stage {
    folder: PathBuf,
    staying: Vec<Running>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        for running in &mut self.staying {
            // One that has ended by itself cannot be killed, nor has to be.
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

impl Stage {
    fn step(&mut self, block: &mut Block, line: &str, number: usize) {
        if let Some(command) = line.strip_prefix("$ ") {
            self.finish(block, number);
            block.running = Some(Running::start(&self.folder, command));
            return;
        }
        let (running, line) = match self.whose(line) {
            Some((at, line)) => (self.staying.get_mut(at), line),
            None => (block.running.as_mut(), line),
        };
        let running = running.unwrap_or_else(|| panic!("line {number}: no such command is running"));
        match line.strip_prefix("> ") {
            Some(typed) => running.type_in(typed),
            None => running.expect(line, number),
        }
    }

    /// Which of those that stay a line in brackets is about, and the rest of it.
    fn whose<'a>(&self, line: &'a str) -> Option<(usize, &'a str)> {
        let (name, rest) = line.strip_prefix('[')?.split_once("] ")?;
        let named = self.staying.iter().position(|running| running.name.as_deref() == Some(name));
        named.or((name == "run").then_some(0)).map(|at| (at, rest))
    }

    fn finish(&mut self, block: &mut Block, number: usize) {
        let Some(running) = block.running.take() else { return };
        if running.stays {
            return self.staying.push(running);
        }
        running.end(block.fails, number);
    }
}

/// A command, and what it has said so far.
struct Running {
    child: Child,
    command: String,
    stays: bool,
    /// Of one that stays.
    name: Option<String>,
    said: String,
    /// Up to here it has been compared.
    read: usize,
    more: Receiver<String>,
}

impl Running {
    fn start(folder: &Path, command: &str) -> Running {
        let (command, name) = match command.split_once(" & # ") {
            Some((command, name)) => (command, Some(name.to_owned())),
            None => (command, None),
        };
        let (command, stays) = match command.strip_suffix(" &") {
            Some(command) => (command, true),
            None => (command, name.is_some()),
        };
        let binary = Path::new(env!("CARGO_BIN_EXE_ringfence")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .current_dir(folder)
            .env("PATH", path)
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (said, more) = channel();
        listen(child.stdout.take().unwrap(), said.clone());
        listen(child.stderr.take().unwrap(), said);
        Running { child, command: command.to_owned(), stays, name, said: String::new(), read: 0, more }
    }

    fn type_in(&mut self, line: &str) {
        let keyboard = self.child.stdin.as_mut().unwrap();
        writeln!(keyboard, "{line}").unwrap();
    }

    /// Waits until it has said this.
    fn expect(&mut self, line: &str, number: usize) {
        let until = Instant::now() + PATIENCE;
        for part in line.split('…').map(str::trim).filter(|part| !part.is_empty()) {
            loop {
                if let Some(at) = self.said[self.read..].find(part) {
                    self.read += at + part.len();
                    break;
                }
                match self.more.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(more) => self.said += &more,
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                        panic!("line {number}: `{}` did not say `{part}`, but:\n{}", self.command, self.said)
                    }
                }
            }
        }
    }

    fn end(mut self, fails: bool, number: usize) {
        // Nothing more will be typed.
        drop(self.child.stdin.take());
        let until = Instant::now() + PATIENCE;
        loop {
            match self.more.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(more) => self.said += &more,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    panic!("before line {number}: `{}` does not end; it said:\n{}", self.command, self.said)
                }
            }
        }
        let status = self.child.wait().unwrap();
        assert_eq!(status.success(), !fails, "before line {number}: `{}` said:\n{}", self.command, self.said);
    }
}

/// What comes is passed on as it comes: a question has no end of line.
fn listen(mut pipe: impl Read + Send + 'static, to: Sender<String>) {
    std::thread::spawn(move || {
        let mut room = [0; 4096];
        let mut kept = Vec::new();
        while let Ok(length @ 1..) = pipe.read(&mut room) {
            kept.extend_from_slice(&room[..length]);
            // A character that is not whole yet waits for the rest of it.
            let whole = match std::str::from_utf8(&kept) {
                Ok(text) => text.len(),
                Err(error) => error.valid_up_to(),
            };
            let text = String::from_utf8_lossy(&kept[..whole]).into_owned();
            kept.drain(..whole);
            if to.send(text).is_err() {
                return;
            }
        }
    });
}
