//! A process in the lab: its output is kept line by line and can be waited for, and it never outlives
//! the value that holds it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How many last lines a failure quotes.
const QUOTED: usize = 25;

/// A running process, ended with SIGKILL when dropped.
pub struct Program {
    name: String,
    child: Child,
    handle: OwnedFd,
    stdin: Option<ChildStdin>,
    log: Arc<Log>,
}

/// A place in a program's output; what was printed before it is not looked at again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark(usize);

#[derive(Default)]
struct Log {
    state: Mutex<LogState>,
    grown: Condvar,
}

#[derive(Default)]
struct LogState {
    lines: Vec<String>,
    /// Output streams that have ended; at two the program prints no more.
    ended: u8,
}

impl Program {
    pub(crate) fn start(name: &str, mut command: Command, directory: &Path) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let pid = Pid::from_child(&child);
        let handle = pidfd_open(pid, PidfdFlags::empty()).with_context(|| format!("watching {name}"))?;
        let log = Arc::new(Log::default());
        let path = directory.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        if let Some(stdout) = child.stdout.take() {
            read_lines(stdout, file.try_clone()?, log.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            read_lines(stderr, file, log.clone());
        }
        let stdin = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, handle, stdin, log })
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Now, as a place in the output.
    pub fn mark(&self) -> Mark {
        Mark(self.log.lock().lines.len())
    }

    /// Everything printed so far.
    pub fn output(&self) -> String {
        self.log.lock().lines.join("\n")
    }

    /// Waits until a line holds `text`, looking from the beginning.
    ///
    /// # Errors
    /// When `within` passes or the program ends first; quotes its last lines.
    pub fn expect(&self, text: &str, within: Duration) -> Result<String> {
        self.expect_after(Mark::default(), text, within)
    }

    /// Waits until a line after `mark` holds `text`.
    ///
    /// # Errors
    /// As [`Program::expect`].
    pub fn expect_after(&self, mark: Mark, text: &str, within: Duration) -> Result<String> {
        self.wait_for(mark, &format!("a line with {text:?}"), within, |line| line.contains(text))
    }

    /// Waits for the first line after `mark` that `wanted` accepts; `what` names it in the error.
    ///
    /// # Errors
    /// As [`Program::expect`].
    pub fn wait_for(&self, mark: Mark, what: &str, within: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let end = Instant::now() + within;
        let mut looked = mark.0;
        let mut state = self.log.lock();
        loop {
            if let Some(line) = state.lines.iter().skip(looked).find(|line| wanted(line)) {
                return Ok(line.clone());
            }
            looked = looked.max(state.lines.len());
            let left = end.saturating_duration_since(Instant::now());
            if state.ended == 2 || left.is_zero() {
                let why = if state.ended == 2 { "it ended" } else { "time is up" };
                bail!("{}: waited {within:?} for {what}, but {why}; its last lines:\n{}", self.name, state.tail());
            }
            state = self.log.grown.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the program ends by itself.
    ///
    /// # Errors
    /// When `within` passes first; quotes its last lines.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        if !self.ends_within(within)? {
            bail!("{} still runs after {within:?}; its last lines:\n{}", self.name, self.log.lock().tail());
        }
        self.drain_output();
        // Readable means ended, so this does not block.
        Ok(self.child.wait()?)
    }

    /// Waits for the end and demands exit status 0.
    ///
    /// # Errors
    /// When it still runs after `within`, or failed; quotes its last lines.
    pub fn succeed(&mut self, within: Duration) -> Result<()> {
        let status = self.wait(within)?;
        if !status.success() {
            bail!("{} failed with {status}; its last lines:\n{}", self.name, self.log.lock().tail());
        }
        Ok(())
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Writes one line to its standard input.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("its standard input is closed")?;
        writeln!(stdin, "{line}").with_context(|| format!("writing to {}", self.name))?;
        Ok(stdin.flush()?)
    }

    /// Closes its standard input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Asks it to end (SIGTERM) and waits; past `within` it is killed, which is an error.
    pub fn stop(&mut self, within: Duration) -> Result<ExitStatus> {
        self.signal_and_wait(Signal::TERM, within)
    }

    /// Interrupts it (SIGINT) and waits; past `within` it is killed, which is an error.
    pub fn interrupt(&mut self, within: Duration) -> Result<ExitStatus> {
        self.signal_and_wait(Signal::INT, within)
    }

    /// Kills it (SIGKILL): it gets no chance to say goodbye.
    pub fn kill(&mut self) {
        let _ = pidfd_send_signal(&self.handle, Signal::KILL);
        let _ = self.child.wait();
    }

    fn signal_and_wait(&mut self, signal: Signal, within: Duration) -> Result<ExitStatus> {
        if self.is_running() {
            pidfd_send_signal(&self.handle, signal).with_context(|| format!("signalling {}", self.name))?;
        }
        let ended = self.wait(within);
        if ended.is_err() {
            self.kill();
        }
        ended
    }

    /// Lets what it wrote last be read; a child of its own that holds the pipe open is not waited for.
    fn drain_output(&self) {
        let unread = |state: &mut LogState| state.ended < 2;
        drop(self.log.grown.wait_timeout_while(self.log.lock(), Duration::from_secs(1), unread));
    }

    fn ends_within(&self, within: Duration) -> Result<bool> {
        let end = Instant::now() + within;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            let mut watched = [PollFd::new(&self.handle, PollFlags::IN)];
            match poll(&mut watched, Some(&timeout)) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("waiting for a process"),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("name", &self.name).field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogState {
    fn tail(&self) -> String {
        let from = self.lines.len().saturating_sub(QUOTED);
        self.lines[from..].join("\n")
    }
}

/// Copies a stream to the log and to the file, line by line, until it ends.
fn read_lines(stream: impl Read + Send + 'static, mut file: File, log: Arc<Log>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let _ = file.write_all(&bytes);
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            log.lock().lines.push(line);
            log.grown.notify_all();
            bytes.clear();
        }
        log.lock().ended += 1;
        log.grown.notify_all();
    });
}
