//! linphonec: a phone that verifies its registrar's certificate and name, with a client certificate of its
//! own, SRTP mandatory. It answers by itself, says one WAV file and records another.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::audio;
use crate::lab::Host;
use crate::phone::{Line, Papers};
use crate::program::{Mark, Program};

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// A running linphonec.
#[derive(Debug)]
pub struct Linphone {
    program: Program,
    record: PathBuf,
}

impl Linphone {
    /// Starts it on `host`. `line.registrar` must be a DNS name: it does not look at addresses in certificates.
    pub fn start(host: &Host, line: &Line, papers: &Papers, voice: &[i16]) -> Result<Self> {
        let directory = host.directory().join(format!("linphone-{}", line.number));
        // Without this folder it ends at once and says nothing.
        fs::create_dir_all(directory.join(".local/share/linphone"))?;
        let (said, record) = (directory.join("voice.wav"), directory.join("heard.wav"));
        audio::write_wav(&said, voice)?;
        let configuration = directory.join("linphonerc");
        fs::write(&configuration, settings(host, line, papers))?;
        let configuration = configuration.display().to_string();
        let home = directory.display().to_string();
        let mut arguments = vec!["-c", &configuration, "-d", "5", "-l", "/dev/stderr"];
        if line.answers {
            arguments.push("-a");
        }
        let mut program = host.start_with("linphonec", &arguments, &[("HOME", &home)])?;
        program.type_line("soundcard use files")?;
        program.type_line(&format!("play {}", said.display()))?;
        program.type_line(&format!("record {}", record.display()))?;
        Ok(Self { program, record })
    }

    /// Waits until its registration is accepted.
    pub fn registered(&self, within: Duration) -> Result<()> {
        self.program.expect("to [LinphoneRegistrationOk]", within)?;
        Ok(())
    }

    /// Waits until a call after `mark` runs with media.
    pub fn in_call(&self, mark: Mark, within: Duration) -> Result<()> {
        self.program.wait_for(mark, "an encrypted call", within, |line| {
            line.contains("LinphoneCallStreamsRunning")
                || line.contains("moving from state LinphoneCallConnected to LinphoneCallStreamsRunning")
        })?;
        Ok(())
    }

    /// Waits until a call after `mark` has ended.
    pub fn hung_up(&self, mark: Mark, within: Duration) -> Result<()> {
        self.program.wait_for(mark, "the end of the call", within, |line| {
            line.contains("to LinphoneCallReleased") || line.contains("to LinphoneCallEnd")
        })?;
        Ok(())
    }

    /// Now, as a place in what it prints.
    pub fn mark(&self) -> Mark {
        self.program.mark()
    }

    /// Calls someone.
    pub fn dial(&mut self, target: &str) -> Result<()> {
        self.program.type_line(&format!("call {target}"))
    }

    /// Ends the call.
    pub fn hang_up(&mut self) -> Result<()> {
        self.program.type_line("terminate all")
    }

    /// The process.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Ends it; what it heard.
    pub fn stop(mut self) -> Result<Vec<i16>> {
        self.program.type_line("quit")?;
        self.program.end_input();
        self.program.wait(STARTS_WITHIN)?;
        audio::read_wav(&self.record).context("what linphonec recorded")
    }
}

fn settings(host: &Host, line: &Line, papers: &Papers) -> String {
    let Line { number, login, registrar, .. } = line;
    let address = host.address;
    let (key, chain, authority) = (papers.key.display(), papers.chain.display(), papers.authority.display());
    let mut text = format!(
        "[sip]\nsip_port=0\nsip_tcp_port=0\nsip_tls_port=5061\nguess_hostname=0\ncontact=sip:{number}@{address}\n\
         register_only_when_network_is_up=0\nauto_net_state_mon=0\ndefault_proxy=0\nuse_ipv6=0\n\
         media_encryption=srtp\nmedia_encryption_mandatory=1\nverify_server_certs=1\nverify_server_cn=1\n\
         root_ca={authority}\nclient_cert_chain={chain}\nclient_cert_key={key}\n\n\
         [net]\nfirewall_policy=0\nmtu=1300\n\n[rtp]\naudio_rtp_port=7078\n\n\
         [video]\nenabled=0\ncapture=0\ndisplay=0\n\n\
         [audio_codec_0]\nmime=PCMU\nrate=8000\nchannels=1\nenabled=1\n\n\
         [proxy_0]\nreg_proxy=<sip:{registrar};transport=tls>\nreg_identity=<sip:{number}@{registrar}>\n\
         reg_expires=120\nreg_sendregister={}\npublish=0\n\n",
        u8::from(login.is_some())
    );
    if let Some(login) = login {
        text.push_str(&format!(
            "[auth_info_0]\nusername={}\npasswd={}\ndomain={registrar}\n\n",
            login.user, login.password
        ));
    }
    text
}
