//! The carrier: sipp over UDP with plain RTP, as trunks to the telephone network are. It dials, plays a
//! script of speech and key presses, and hangs up when it is told to. It records nothing: what the caller
//! heard is decoded out of the capture.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::lab::{Host, Lab};
use crate::program::Program;
use crate::speech::{self, Act};

/// The carrier's SIP port (contract 286).
pub const SIP_PORT: u16 = 5062;
/// The RTP port of its first call; the next calls take every fourth.
pub const RTP_PORT: u16 = 20_000;
/// Who calls, and whom, in the reference call flow.
pub const CALLER: &str = "3227046971";
pub const CALLED: &str = "6016";

static SERIAL: AtomicU32 = AtomicU32::new(1);

/// What the carrier is to do.
#[derive(Clone, Debug)]
pub struct Order {
    pub called: String,
    pub script: Vec<Act>,
    /// How many calls, and how many new ones a second.
    pub calls: u32,
    pub rate: u32,
    /// How long each call stays after its answer; `None`: until [`Carrier::hang_up`].
    pub hold: Option<Duration>,
    /// The `m=` line's profile; `RTP/AVP` for the real carrier.
    pub profile: &'static str,
}

/// sipp, dialling.
#[derive(Debug)]
pub struct Carrier {
    program: Program,
    host: Host,
    /// Of this process's carriers: a Call-ID that comes again within 32 s is a loop.
    serial: u32,
    /// Held so that no call's media meets a closed port; sipp itself opens only the first.
    _ports: Vec<UdpSocket>,
}

impl Order {
    /// One call from [`CALLER`] to [`CALLED`] that follows `script`.
    pub fn one(script: Vec<Act>) -> Self {
        Self { called: CALLED.to_owned(), script, calls: 1, rate: 1, hold: None, profile: "RTP/AVP" }
    }
}

impl Carrier {
    /// Dials the border controller at `target` from the lab's `carrier`.
    pub fn dial(lab: &Lab, target: Ipv4Addr, order: &Order) -> Result<Self> {
        let host = lab.host("carrier").clone();
        let directory = host.directory();
        speech::write_script(&directory.join("script.pcap"), 0x5eed_ca11, &order.script)?;
        fs::write(directory.join("caller.xml"), scenario(order))?;
        let ports = media_ports(&host, order.calls)?;
        let address = host.address.to_string();
        let (sip_port, rtp_port) = (SIP_PORT.to_string(), RTP_PORT.to_string());
        let (calls, rate) = (order.calls.to_string(), order.rate.to_string());
        let messages = messages_file(directory)?;
        let target = format!("{target}:5060");
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let call_id = format!("interop-{serial}-%u@carrier.example");
        let mut arguments = vec![
            "-sf",
            "caller.xml",
            "-i",
            &address,
            "-p",
            &sip_port,
            "-mp",
            &rtp_port,
            "-s",
            &order.called,
            "-m",
            &calls,
            "-l",
            &calls,
            "-r",
            &rate,
            "-cid_str",
            &call_id,
            "-nostdin",
            // The screen is of no use in a log, so it is printed once an hour.
            "-f",
            "3600",
            "-trace_logs",
            "-log_file",
            "/dev/stderr",
            "-trace_err",
            "-error_file",
            "/dev/stderr",
            "-timeout",
            "240s",
            "-timeout_error",
        ];
        if order.calls == 1 {
            arguments.extend(["-trace_msg", "-message_file", &messages]);
        }
        arguments.push(&target);
        let program = host.start("sipp", &arguments)?;
        Ok(Self { program, host, serial, _ports: ports })
    }

    /// Waits until call number `call` (from 1) is answered.
    pub fn answered(&self, call: u32, within: Duration) -> Result<()> {
        self.program.expect(&format!("interop: call {call} is answered"), within)?;
        Ok(())
    }

    /// Hangs one call up, by a word that only sipp hears.
    pub fn hang_up(&self, call: u32) -> Result<()> {
        let to = SocketAddr::from((self.host.address, SIP_PORT));
        let (address, serial) = (self.host.address, self.serial);
        let word = format!(
            "MESSAGE sip:hang-up@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {address}:9;branch=z9hG4bK-hang-up\r\n\
             From: <sip:interop@{address}>;tag=interop\r\nTo: <sip:hang-up@{to}>\r\n\
             Call-ID: interop-{serial}-{call}@carrier.example\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 1\r\n\
             Content-Length: 0\r\n\r\n"
        );
        self.host.inside(|| {
            let socket = UdpSocket::bind((address, 0))?;
            socket.send_to(word.as_bytes(), to)?;
            Ok(())
        })
    }

    /// Waits until all calls are over as the scenario wants it.
    ///
    /// # Errors
    /// When a call failed: sipp exits with a status other than 0.
    pub fn ended(&mut self, within: Duration) -> Result<()> {
        self.program.succeed(within)
    }

    /// The process.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// The SIP messages of a single call, as sipp writes them down.
    pub fn messages(&self) -> Result<String> {
        Ok(fs::read_to_string(messages_file(self.host.directory())?)?)
    }
}

/// One call more, dialled by hand and without media: the status that it is refused with (200 if it is not). `within`
/// bounds the wait for each message.
pub fn status_of_a_call(lab: &Lab, target: Ipv4Addr, called: &str, within: Duration) -> Result<u16> {
    let host = lab.host("carrier").clone();
    host.inside(|| {
        let socket = UdpSocket::bind((host.address, 0))?;
        socket.connect((target, 5060))?;
        socket.set_read_timeout(Some(within))?;
        let local = socket.local_addr()?;
        let message = |method: &str, to_tag: &str, body: &str| {
            format!(
                "{method} sip:{called}@{target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-by-hand\r\n\
                 From: <sip:{CALLER}@{local}>;tag=by-hand\r\nTo: <sip:{called}@{target}>{to_tag}\r\n\
                 Call-ID: by-hand-{called}@carrier.example\r\nCSeq: 1 {method}\r\nContact: <sip:{CALLER}@{local}>\r\n\
                 Max-Forwards: 70\r\n{}Content-Length: {}\r\n\r\n{body}",
                if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" },
                body.len()
            )
        };
        let address = host.address;
        let offer = format!(
            "v=0\r\no=carrier 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio 19000 RTP/AVP 0\r\n"
        );
        socket.send(message("INVITE", "", &offer).as_bytes())?;
        let mut buffer = [0; 4096];
        loop {
            let length = socket.recv(&mut buffer).context("no final answer to the call")?;
            let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let status: u16 = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status line")?;
            if status >= 200 {
                let to = answer.lines().find(|line| line.starts_with("To:")).unwrap_or_default();
                let tag = to.rfind(";tag=").map_or("", |at| &to[at..]);
                socket.send(message("ACK", tag, "").as_bytes())?;
                return Ok(status);
            }
        }
    })
}

fn messages_file(directory: &Path) -> Result<String> {
    Ok(directory.join("carrier-messages.txt").to_str().context("the path is not text")?.to_owned())
}

/// Opens the RTP port of every call but the first, whose port sipp opens.
fn media_ports(host: &Host, calls: u32) -> Result<Vec<UdpSocket>> {
    host.inside(|| {
        let ports = (1..calls).map(|call| RTP_PORT + 4 * call as u16);
        ports.map(|port| Ok(UdpSocket::bind((host.address, port))?)).collect()
    })
}

fn scenario(order: &Order) -> String {
    let profile = order.profile;
    let until = match order.hold {
        Some(time) => format!(r#"<pause milliseconds="{}"/>"#, time.as_millis()),
        None => r#"<recv request="BYE" optional="true" next="2"/>
  <recv request="INVITE" optional="true" next="3"/>
  <recv request="UPDATE" optional="true" next="4"/>
  <recv request="MESSAGE"/>"#
            .to_owned(),
    };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<scenario name="caller">
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:{CALLER}@[local_ip]:[local_port]>;tag=carrier[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:{CALLER}@[local_ip]:[local_port]>
Max-Forwards: 70
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE
Content-Type: application/sdp
Content-Length: [len]

v=0
o=carrier 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [auto_media_port] {profile} 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true">
    <action>
      <ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/>
      <log message="interop: call [call_number] is answered"/>
    </action>
  </recv>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:{CALLER}@[local_ip]:[local_port]>;tag=carrier[call_number]
To:[$to]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <nop><action><exec play_pcap_audio="script.pcap"/></action></nop>
  <label id="1"/>
  {until}
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:{CALLER}@[local_ip]:[local_port]>;tag=carrier[call_number]
To:[$to]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200" next="5"/>
  <label id="2"/>
  <send next="5"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
  <label id="3"/>
  <send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:{CALLER}@[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=carrier 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [auto_media_port] {profile} 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
]]></send>
  <recv request="ACK" next="1"/>
  <label id="4"/>
  <send next="1"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:{CALLER}@[local_ip]:[local_port]>
Content-Length: 0

]]></send>
  <label id="5"/>
  <nop/>
</scenario>
"#
    )
}

/// A plain trunk's other end, for proofs of the harness itself: answers any call, echoes its media.
pub fn answer_in_clear(host: &Host) -> Result<Program> {
    let address = host.address.to_string();
    let arguments = ["-sn", "uas", "-i", &address, "-p", "5060", "-mp", "16384", "-rtp_echo", "-nostdin", "-f", "3600"];
    let program = host.start("sipp", &arguments)?;
    Ok(program)
}
