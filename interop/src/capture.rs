//! What went over the wire of a lab, by dumpcap, and questions to it by tshark's display filters.
//!
//! A capture is begun when a marker datagram that we send has come out in the file, and ended when
//! another has: nothing in between can have been missed for being early or late.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::lab::{BRIDGE, Host, Lab};
use crate::packets::{self, Frame};
use crate::program::Program;
use crate::requirements;

/// Where markers go: the discard port, which nobody has open.
const MARKER_PORT: u16 = 9;
static NEXT_MARKER: AtomicU32 = AtomicU32::new(0);
const READY_WITHIN: Duration = Duration::from_secs(20);

/// A capture under way.
#[derive(Debug)]
pub struct Capture {
    program: Program,
    lan: Host,
    path: PathBuf,
}

/// A finished capture.
#[derive(Debug)]
pub struct Captured {
    path: PathBuf,
    /// Packets that the kernel dropped because dumpcap was slow: they were on the wire and are not here.
    pub dropped: u64,
}

impl Capture {
    /// Begins to capture everything that crosses the lab's bridge.
    pub fn start(lab: &Lab, name: &str) -> Result<Self> {
        Self::start_cut(lab, name, 65_535)
    }

    /// Begins to capture the first `octets` of every frame.
    pub fn start_cut(lab: &Lab, name: &str, octets: u32) -> Result<Self> {
        let lan = lab.host(BRIDGE).clone();
        let path = lab.directory().join(format!("{name}.pcap"));
        let file = path.to_str().context("the path is not text")?;
        let octets = octets.to_string();
        let arguments = ["-q", "-P", "-i", lab.bridge_device(), "-B", "64", "-s", &octets, "-w", file];
        let program = lan.start("dumpcap", &arguments)?;
        program.expect("File: ", READY_WITHIN)?;
        let capture = Self { program, lan, path };
        capture.mark("begins")?;
        Ok(capture)
    }

    /// Everything captured so far; complete up to this moment.
    pub fn so_far(&self) -> Result<Vec<Frame>> {
        self.mark("pauses")?;
        packets::read(&self.path)
    }

    /// Waits until what was captured so far satisfies `enough`; `what` names that in the error.
    pub fn until(&self, what: &str, within: Duration, enough: impl Fn(&[Frame]) -> bool) -> Result<()> {
        let end = Instant::now() + within;
        // Each look waits for a marker to pass through dumpcap, which paces this loop.
        while !enough(&self.so_far()?) {
            ensure!(Instant::now() < end, "waited {within:?} for {what} on the wire");
        }
        Ok(())
    }

    /// Ends the capture.
    ///
    /// # Errors
    /// When dumpcap reports a failure: then the file proves nothing.
    pub fn stop(mut self) -> Result<Captured> {
        self.mark("ends")?;
        let status = self.program.interrupt(READY_WITHIN)?;
        ensure!(status.success(), "dumpcap ended with {status}:\n{}", self.program.output());
        let dropped = self
            .program
            .wait_for(Default::default(), "its count of drops", READY_WITHIN, |line| line.contains("received/dropped"));
        let dropped = match dropped {
            // Packets received/dropped on interface 'br0': 1234/0 (pcap:0/dumpcap:0/flushed:0/ps_ifdrop:0) (100.0%)
            Ok(line) => dropped_count(&line).with_context(|| format!("no count of drops in {line:?}"))?,
            Err(error) => return Err(error),
        };
        Ok(Captured { path: self.path, dropped })
    }

    /// Sends markers until one of them is in the file.
    fn mark(&self, what: &str) -> Result<()> {
        // Short enough for a capture of headers: a marker that is cut is not found.
        let text = format!("capture {what} {:08x}", NEXT_MARKER.fetch_add(1, Ordering::Relaxed));
        let before = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        let to = SocketAddr::from((Ipv4Addr::new(198, 18, 133, 255), MARKER_PORT));
        self.lan.inside(|| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.set_broadcast(true)?;
            let end = Instant::now() + READY_WITHIN;
            while Instant::now() < end {
                socket.send_to(text.as_bytes(), to)?;
                // The wait between two looks; nothing is assumed to have happened by its end.
                std::thread::sleep(Duration::from_millis(50));
                if contains(&read_from(&self.path, before)?, text.as_bytes()) {
                    return Ok(());
                }
            }
            bail!("no marker came into the capture:\n{}", self.program.output())
        })
    }
}

impl Captured {
    /// The capture file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its frames.
    pub fn frames(&self) -> Result<Vec<Frame>> {
        packets::read(&self.path)
    }

    /// How many frames a display filter selects.
    ///
    /// # Errors
    /// When tshark refuses the filter: without that check a wrong one would select nothing.
    pub fn count(&self, filter: &str) -> Result<usize> {
        Ok(self.fields(filter, &["frame.number"])?.len())
    }

    /// The fields of the frames that a display filter selects, one row each.
    pub fn fields(&self, filter: &str, names: &[&str]) -> Result<Vec<Vec<String>>> {
        let mut command = Command::new(requirements::find("tshark")?);
        command.arg("-n").arg("-r").arg(&self.path).args(["-Y", filter, "-T", "fields"]);
        for name in names {
            command.args(["-e", name]);
        }
        let output = command.output()?;
        let complaints = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tshark -Y {filter:?}: {complaints}");
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    /// Fails unless `filter` selects something; `what` says what that would have shown.
    pub fn shows(&self, what: &str, filter: &str) -> Result<usize> {
        let count = self.count(filter)?;
        ensure!(count > 0, "{what}: nothing in the capture matches {filter}");
        Ok(count)
    }

    /// Fails if `filter` selects anything.
    pub fn shows_none(&self, what: &str, filter: &str) -> Result<()> {
        let rows = self.fields(filter, &["frame.number", "ip.src", "ip.dst", "_ws.col.Protocol", "_ws.col.Info"])?;
        let quoted: Vec<String> = rows.iter().take(5).map(|row| row.join(" ")).collect();
        ensure!(rows.is_empty(), "{what}: {} frames match {filter}, such as\n{}", rows.len(), quoted.join("\n"));
        Ok(())
    }
}

fn dropped_count(line: &str) -> Option<u64> {
    line.split_once("': ")?.1.split_once('/')?.1.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What was written to a file behind its first `start` octets.
fn read_from(path: &Path, start: u64) -> Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_read_from_dumpcaps_last_words() {
        let line =
            "Packets received/dropped on interface 'br0': 1234/56 (pcap:56/dumpcap:0/flushed:0/ps_ifdrop:0) (95.7%)";
        assert_eq!(dropped_count(line), Some(56));
        assert_eq!(dropped_count("nothing of the kind"), None);
    }
}
