//! Phones that others wrote: baresip, which keeps what it hears and says as WAV files and does not verify
//! its server, and linphonec, which does verify it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::audio;
use crate::lab::Host;
use crate::program::{Mark, Program};

/// Where baresip's modules are, whatever the machine's architecture.
const MODULES: &str = "/usr/lib/baresip/modules";
/// baresip's control port, on its namespace's loopback.
const CONTROL: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 4444);
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// How a phone is known and to whom.
#[derive(Clone, Debug)]
pub struct Line {
    /// The user part of its address, its directory number.
    pub number: String,
    /// The user and password of digest, when it registers.
    pub login: Option<Login>,
    /// The registrar's host name; the phone's own address when it does not register.
    pub registrar: String,
    /// Where that is: baresip asks DNS alone, and the lab has none.
    pub through: Option<Ipv4Addr>,
    /// Whether it answers by itself.
    pub answers: bool,
}

/// Digest credentials (RFC 3261 section 22).
#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: String,
}

/// A private key, the chain of its certificate (PEM files), and whom to believe.
#[derive(Clone, Debug)]
pub struct Papers {
    pub key: PathBuf,
    pub chain: PathBuf,
    pub authority: PathBuf,
}

/// A running baresip: SIP over TLS on port 5061, SRTP by SDES or no call at all.
#[derive(Debug)]
pub struct Baresip {
    program: Program,
    host: Host,
    directory: PathBuf,
}

impl Baresip {
    /// Starts it on `host`; in calls it says `voice` from the first packet on, then silence.
    pub fn start(host: &Host, line: &Line, papers: &Papers, voice: &[i16]) -> Result<Self> {
        let directory = host.directory().join(format!("baresip-{}", line.number));
        fs::create_dir_all(&directory)?;
        // The end of the file hangs the call up, so it never comes.
        let mut padded = voice.to_vec();
        padded.resize(voice.len().max(150 * crate::speech::RATE), 0);
        audio::write_wav(&directory.join("voice.wav"), &padded)?;
        let mut identity = fs::read(&papers.key).context("reading the phone's key")?;
        identity.extend(fs::read(&papers.chain).context("reading the phone's certificate")?);
        fs::write(directory.join("identity.pem"), identity)?;
        fs::write(directory.join("config"), configuration(host.address, &directory, &papers.authority))?;
        fs::write(directory.join("accounts"), account(line))?;
        fs::write(directory.join("contacts"), "")?;
        let folder = directory.to_str().context("the path is not text")?;
        let program = host.start("baresip", &["-f", folder, "-v", "-s"])?;
        program.expect("baresip is ready", STARTS_WITHIN)?;
        Ok(Self { program, host: host.clone(), directory })
    }

    /// The process, to wait on its output or to kill it.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Now, as a place in what it prints.
    pub fn mark(&self) -> Mark {
        self.program.mark()
    }

    /// Waits until its registration is accepted.
    pub fn registered(&self, within: Duration) -> Result<()> {
        self.program.expect("200 OK", within)?;
        self.program.wait_for(Mark::default(), "its registration", within, |line| line.contains(" binding"))?;
        Ok(())
    }

    /// Waits until a call after `mark` is established.
    pub fn in_call(&self, mark: Mark, within: Duration) -> Result<()> {
        self.program.expect_after(mark, "Call established", within)?;
        Ok(())
    }

    /// Waits until a call after `mark` rings.
    pub fn rings(&self, mark: Mark, within: Duration) -> Result<()> {
        self.program.expect_after(mark, "180 Ringing", within)?;
        Ok(())
    }

    /// Waits until a call after `mark` has ended.
    pub fn hung_up(&self, mark: Mark, within: Duration) -> Result<()> {
        self.program.wait_for(mark, "the end of the call", within, |line| {
            line.contains("session closed") || line.contains("terminated (duration")
        })?;
        Ok(())
    }

    /// Calls someone.
    pub fn dial(&self, target: &str) -> Result<()> {
        self.command("dial", target)
    }

    /// Sends the other party of the call on to `target` (REFER).
    pub fn transfer(&self, target: &str) -> Result<()> {
        self.command("transfer", target)
    }

    /// Takes the call that rings.
    pub fn answer(&self) -> Result<()> {
        self.command("accept", "")
    }

    /// Ends the call.
    pub fn hang_up(&self) -> Result<()> {
        self.command("hangup", "")
    }

    /// What it heard in the calls so far, in order. Complete only for calls that have ended.
    pub fn heard(&self) -> Result<Vec<i16>> {
        self.recorded("dec")
    }

    /// What it said in the calls so far, in order.
    pub fn said(&self) -> Result<Vec<i16>> {
        self.recorded("enc")
    }

    /// Unregisters and ends. Only then is the last file complete.
    pub fn stop(mut self) -> Result<Stopped> {
        self.program.stop(STARTS_WITHIN)?;
        let (heard, said) = (self.recorded("dec")?, self.recorded("enc")?);
        Ok(Stopped { heard, said, output: self.program.output() })
    }

    fn recorded(&self, which: &str) -> Result<Vec<i16>> {
        let mut files: Vec<PathBuf> = fs::read_dir(&self.directory)?.flatten().map(|entry| entry.path()).collect();
        let ending = format!("-{which}.wav");
        files.retain(|path| path.to_str().is_some_and(|path| path.ends_with(&ending)));
        files.sort();
        let mut samples = Vec::new();
        for file in files {
            samples.extend(audio::read_wav(&file)?);
        }
        Ok(samples)
    }

    /// One command over the control port: JSON in a netstring, answered by `"response":true`.
    fn command(&self, command: &str, parameters: &str) -> Result<()> {
        let json = serde_json::json!({ "command": command, "params": parameters }).to_string();
        let answer = self.host.inside(|| {
            let mut stream = TcpStream::connect(CONTROL).context("connecting to baresip's control port")?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            write!(stream, "{}:{json},", json.len())?;
            let mut answer = Vec::new();
            let mut buffer = [0; 4096];
            // Events may come first.
            while !String::from_utf8_lossy(&answer).contains("\"response\":true") {
                let read = stream.read(&mut buffer).context("reading baresip's answer")?;
                ensure!(read > 0, "baresip closed its control port");
                answer.extend(&buffer[..read]);
            }
            Ok(String::from_utf8_lossy(&answer).into_owned())
        })?;
        if answer.contains("\"ok\":false") {
            bail!("baresip refused {command} {parameters}: {answer}");
        }
        Ok(())
    }
}

/// What is left of a phone that has ended.
#[derive(Debug)]
pub struct Stopped {
    pub heard: Vec<i16>,
    pub said: Vec<i16>,
    /// All that it printed, SIP messages included.
    pub output: String,
}

fn configuration(address: Ipv4Addr, directory: &Path, authority: &Path) -> String {
    let (folder, authority) = (directory.display(), authority.display());
    let mut text = format!(
        "poll_method epoll\nsip_listen {address}:5060\nsip_certificate {folder}/identity.pem\n\
         sip_cafile {authority}\nnet_interface {address}\naudio_player aubridge,nil\n\
         audio_source aufile,{folder}/voice.wav\naudio_alert aubridge,nil2\naudio_srate 8000\n\
         audio_channels 1\nrtp_ports 24000-28000\nsnd_path {folder}\nmodule_path {MODULES}\n\
         ctrl_tcp_listen {}:{}\n",
        CONTROL.0, CONTROL.1
    );
    for module in ["g711", "aufile", "aubridge", "sndfile", "ctrl_tcp", "srtp", "uuid"] {
        text.push_str(&format!("module {module}.so\n"));
    }
    for module in ["account", "contact", "menu"] {
        text.push_str(&format!("module_app {module}.so\n"));
    }
    text
}

fn account(line: &Line) -> String {
    let Line { number, login, registrar, through, answers } = line;
    let mut text = format!("<sip:{number}@{registrar}:5061;transport=tls>");
    match login {
        Some(Login { user, password }) => {
            text.push_str(&format!(";auth_user={user};auth_pass={password};regint=120"));
        }
        None => text.push_str(";regint=0"),
    }
    if let Some(address) = through {
        text.push_str(&format!(";outbound=\"sip:{address}:5061;transport=tls\""));
    }
    let mode = if *answers { "auto" } else { "manual" };
    text.push_str(&format!(";mediaenc=srtp-mand;answermode={mode};audio_codecs=PCMU\n"));
    text
}
