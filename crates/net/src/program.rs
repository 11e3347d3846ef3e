//! Programs that do something for a call: given something by standard input, so that no list of processes has it, and asked
//! for what they write. Each has a time, a memory and an output that it may take, none of our environment, and is killed,
//! with all that it started, when it takes more.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process_group, pidfd_open, prlimit};

/// Address space: a program that needs more has gone wrong.
const MOST_MEMORY: u64 = 512 << 20;
/// How often a program that is waited for is looked after: whether we still want it.
const LOOK: Duration = Duration::from_millis(100);

/// What it writes, `most` octets at most, if it succeeds.
///
/// # Errors
/// It could not be started, took too long or too much, or failed: in words that have nothing of what it was given.
pub(crate) fn run(
    mut command: Command,
    input: &[u8],
    most: usize,
    until: Instant,
    stopping: &dyn Fn() -> bool,
) -> Result<Vec<u8>, String> {
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // What is typed at a terminal to end us is not for it.
        .process_group(0);
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.spawn().map_err(|error| format!("{program} did not start: {error}"))?;
    let mut running = Running { child, is_over: false };
    let outcome = running.limit(until).and_then(|()| running.converse(input, most, until, stopping));
    drop(running);
    outcome.map_err(|why| format!("{program}: {why}"))
}

/// Killed with all that it started, and waited for, when it is dropped: none is left over.
struct Running {
    child: Child,
    /// It was waited for: its number may be another's by now.
    is_over: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Running {
    /// Kills its group, which is its own, and takes its status: that of before, if it had ended.
    fn end(&mut self) -> std::io::Result<ExitStatus> {
        if !std::mem::replace(&mut self.is_over, true)
            && let Ok(pid) = self.pid()
        {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        self.child.wait()
    }

    /// From the outside, a moment after it began: before it can have taken much.
    fn limit(&self, until: Instant) -> Result<(), String> {
        let seconds = until.saturating_duration_since(Instant::now()).as_secs() + 1;
        let limit = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
        for (what, most) in [(Resource::As, MOST_MEMORY), (Resource::Cpu, seconds), (Resource::Core, 0)] {
            prlimit(Some(self.pid()?), what, limit(most)).map_err(|error| format!("it cannot be limited: {error}"))?;
        }
        Ok(())
    }

    fn pid(&self) -> Result<Pid, String> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| "it has no number".to_owned())
    }

    /// Gives it the words and takes what it says, without waiting for either alone.
    fn converse(
        &mut self,
        mut words: &[u8],
        most: usize,
        until: Instant,
        stopping: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, String> {
        let (mut stdin, stdout) = (self.child.stdin.take(), self.child.stdout.take());
        let mut stdout = stdout.ok_or("it has no output")?;
        for fd in [stdin.as_ref().map(AsFd::as_fd), Some(stdout.as_fd())].into_iter().flatten() {
            rustix::io::ioctl_fionbio(fd, true).map_err(|error| error.to_string())?;
        }
        let mut out = Vec::new();
        let mut piece = vec![0; 64 << 10];
        loop {
            let mut wanted = vec![(stdout.as_fd(), PollFlags::IN)];
            wanted.extend(stdin.as_ref().map(|stdin| (stdin.as_fd(), PollFlags::OUT)));
            wait(&wanted, until, stopping)?;
            if let Some(pipe) = &mut stdin {
                match pipe.write(words) {
                    Ok(written) => words = words.get(written..).unwrap_or_default(),
                    Err(error) if again(&error) => {}
                    // It wants no more: its status says what became of it.
                    Err(_) => words = &[],
                }
                if words.is_empty() {
                    stdin = None;
                }
            }
            match stdout.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => out.extend(piece.get(..read).unwrap_or_default()),
                Err(error) if again(&error) => {}
                Err(error) => return Err(error.to_string()),
            }
            if out.len() > most {
                return Err(format!("it gave more than {most} octets"));
            }
        }
        drop(stdin);
        let ended = pidfd_open(self.pid()?, PidfdFlags::empty()).map_err(|error| error.to_string())?;
        wait(&[(ended.as_fd(), PollFlags::IN)], until, stopping)?;
        let status = self.end().map_err(|error| error.to_string())?;
        if status.success() { Ok(out) } else { Err(format!("it failed ({status})")) }
    }
}

fn again(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Until one of them is ready.
fn wait(wanted: &[(BorrowedFd<'_>, PollFlags)], until: Instant, stopping: &dyn Fn() -> bool) -> Result<(), String> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("it took too long".into());
        }
        if stopping() {
            return Err("nobody waits for it any more".into());
        }
        let left = left.min(LOOK);
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let mut fds: Vec<PollFd<'_>> = wanted.iter().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        match poll(&mut fds, Some(&left)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
    }
}
