//! A caller talks with a bot that stands on a WebSocket library of others (Debian's python3-websockets): what it says again is
//! heard, under SRTP to the border and TLS to the bot, and what it leaves is read by the page.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use interop::audio;
use interop::capture::Capture;
use interop::carrier::{Carrier, Order};
use interop::estate::Estate;
use interop::lab::{Lab, REFERENCE_HOSTS};
use interop::requirements;
use interop::speech::{Act, voice};

use crate::scene::{self, SOON};

/// Ten seconds.
const FRAMES: &str = "500";
const PYTHON: &str = "/usr/bin/python3";

#[test]
fn a_bot_on_websockets_says_again_what_a_caller_says() -> Result<()> {
    let lab = Lab::new(&REFERENCE_HOSTS)?;
    let bot = format!("{}:8444", lab.host("agent").address);
    let folder = lab.directory().join("pages");
    std::fs::create_dir(&folder)?;
    let page = format!(
        "<vxml version='2.1' xmlns:rf='urn:ringfence:vxml'><form>
         <rf:stream name='talk' src='wss://{bot}/media-stream'><param name='who' value='ann-4711'/></rf:stream>
         <block><if cond='talk.heard == {FRAMES}'><audio src='prompt:goodbye'/></if><disconnect/></block></form></vxml>"
    );
    std::fs::write(folder.join("main.vxml"), page)?;
    let document = folder.join("main.vxml").to_str().context("a path")?.to_owned();
    let change = |site: String| {
        let mut text = String::new();
        for line in site.lines() {
            match line.split(' ').next().unwrap_or_default() {
                "prompt" if line.starts_with("prompt = \"welcome\"") => {
                    text += &format!("document = \"{document}\"\nmay_stream = [\"{bot}\"]\n");
                }
                "queue_music" | "timeout_s" | "tries" | "choice" => {}
                _ => text += &format!("{line}\n"),
            }
        }
        text
    };
    let mut estate = Estate::new(lab, change)?;
    let papers = estate.papers("bot.lab.example", "agent")?;
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("strangers/bot.py");
    let text = |path: &Path| path.to_str().map(str::to_owned).context("the path is not text");
    let host = estate.lab().host("agent").clone();
    let arguments = [
        text(&program)?,
        host.address.to_string(),
        "8444".to_owned(),
        text(&papers.key)?,
        text(&papers.chain)?,
        FRAMES.to_owned(),
    ];
    let stranger = host.start(PYTHON, &arguments)?;
    stranger
        .expect("ready", SOON)
        .with_context(|| format!("python3-websockets; this installs it:\n  {}", requirements::install_command()))?;
    estate.start_all()?;
    let lab = estate.lab();
    let (cube, browser) = (lab.host("cube").clone(), lab.host("vvb").clone());
    let capture = Capture::start(lab, "bots")?;
    let says = voice(41, 6);
    let acts = vec![Act::Wait(Duration::from_secs(1)), Act::Say(says.clone()), Act::Wait(Duration::from_secs(30))];
    let mut carrier = Carrier::dial(lab, cube.address, &Order::one(acts))?;
    carrier.answered(1, SOON)?;
    for line in ["start ann-4711", "mark end", "stopped", "closed 1000"] {
        stranger.expect(line, Duration::from_secs(40)).with_context(|| stranger.output())?;
    }
    carrier.ended(Duration::from_secs(60))?;
    let captured = capture.stop()?;
    captured.shows_none("nothing of the stream in the clear", "frame contains \"streamSid\"")?;
    let frames = captured.frames()?;
    scene::demand_secure_media(&frames, &[(&cube, &browser)], &[&says], &[])?;
    let heard = scene::caller_heard(&frames);
    audio::demand("the caller heard what the bot said again", &says, &heard)?;
    let goodbye = media::Prompts::built_in().samples("goodbye", sdp::Codec::Pcmu).context("a prompt")?;
    audio::demand("the caller heard goodbye", &goodbye, &heard)?;
    estate.demand_clean_logs(&["media-stream", "ann-4711"])
}
