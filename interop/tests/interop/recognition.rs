//! A caller answers in words: flite (Debian) says them over a call whose inside is SRTP, pocketsphinx (PyPI) recognises them
//! by the grammar of the page. Without the package of PyPI the test says so and is done.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::audio;
use interop::capture::Capture;
use interop::carrier::{Carrier, Order};
use interop::estate::Estate;
use interop::lab::{Lab, REFERENCE_HOSTS};
use interop::requirements;
use interop::speech::Act;

use crate::scene::{self, SOON};

/// What the caller says, one after another; the last ends the call.
const PHRASES: [&str; 7] = [
    "technical support",
    "check my balance",
    "speak to an agent",
    "opening hours",
    "pay my bill",
    "sales",
    "main menu",
];
/// Of these, as many must be understood: a voice that is made and a line of 8 kHz are hard of hearing.
const ENOUGH: usize = 6;
const ADAPTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/recognition/ringfence-pocketsphinx");

/// As flite says it, at the rate of telephones.
fn said(folder: &Path, words: &str) -> Result<Vec<i16>> {
    let file = folder.join("said.wav");
    let flite = requirements::find("flite")?;
    let status = Command::new(flite).args(["-t", words, "-o"]).arg(&file).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "flite says nothing: {status}");
    media::audio::read("", &std::fs::read(&file)?).map_err(anyhow::Error::msg)
}

/// A Python with pocketsphinx; `RINGFENCE_PYTHON` names another than the path's.
fn python() -> Option<String> {
    let python = std::env::var("RINGFENCE_PYTHON").unwrap_or_else(|_| "python3".into());
    let status =
        Command::new(&python).args(["-c", "import pocketsphinx"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then_some(python)
}

#[test]
fn a_caller_whose_voice_is_flite_is_understood_by_pocketsphinx_under_srtp() -> Result<()> {
    let Some(python) = python() else {
        eprintln!("pocketsphinx is not here, so nothing was recognised: pip install pocketsphinx (RINGFENCE_PYTHON)");
        return Ok(());
    };
    let lab = Lab::new(&REFERENCE_HOSTS)?;
    let folder = lab.directory().join("pages");
    std::fs::create_dir(&folder)?;
    let (engine, notes) = (folder.join("engine"), folder.join("notes"));
    let script = format!("#!/bin/sh\n{python} {ADAPTER} | tee -a {}\n", notes.display());
    std::fs::write(&engine, script)?;
    std::fs::set_permissions(&engine, std::fs::Permissions::from_mode(0o755))?;
    std::fs::write(&notes, "")?;
    std::fs::set_permissions(&notes, std::fs::Permissions::from_mode(0o666))?;
    let items: String = PHRASES.iter().map(|phrase| format!("<item>{phrase}</item>")).collect();
    let page = format!(
        "<vxml version='2.1' xml:lang='en-US'><form><field name='a'><property name='timeout' value='60s'/>
         <grammar version='1.0' root='r'><rule id='r'><one-of>{items}</one-of></rule></grammar><nomatch/>
         <filled><if cond=\"a == '{}'\"><audio src='prompt:goodbye'/><disconnect/></if><clear/></filled></field></form></vxml>",
        PHRASES[PHRASES.len() - 1]
    );
    std::fs::write(folder.join("main.vxml"), page)?;
    let document = folder.join("main.vxml").to_str().context("a path")?.to_owned();
    let engine = engine.to_str().context("a path")?.to_owned();
    let change = |site: String| {
        let recognition = format!("[recognition]\nengine = \"pocketsphinx\"\ncommand = \"{engine}\"\n\n[[node]]");
        let mut text = String::new();
        for line in site.replacen("[[node]]", &recognition, 1).lines() {
            match line.split(' ').next().unwrap_or_default() {
                "prompt" if line.starts_with("prompt = \"welcome\"") => text += &format!("document = \"{document}\"\n"),
                "queue_music" | "timeout_s" | "tries" | "choice" => {}
                _ => text += &format!("{line}\n"),
            }
        }
        text
    };
    let mut estate = Estate::new(lab, change)?;
    estate.start_all()?;
    let lab = estate.lab();
    let (cube, browser) = (lab.host("cube").clone(), lab.host("vvb").clone());
    let mut acts = vec![Act::Wait(Duration::from_secs(4))];
    let mut voice = Vec::new();
    for phrase in PHRASES {
        let samples = said(&folder, phrase)?;
        voice.extend(&samples);
        acts.extend([Act::Say(samples), Act::Wait(Duration::from_secs(4))]);
    }
    acts.push(Act::Wait(Duration::from_secs(20)));
    let capture = Capture::start(lab, "recognition")?;
    let mut carrier = Carrier::dial(lab, cube.address, &Order::one(acts))?;
    carrier.answered(1, SOON)?;
    carrier.ended(Duration::from_secs(90))?;
    let captured = capture.stop()?;
    let frames = captured.frames()?;
    scene::demand_secure_media(&frames, &[(&cube, &browser)], &[&voice], &[])?;
    let notes = std::fs::read_to_string(&notes)?;
    let heard = PHRASES.iter().filter(|phrase| notes.contains(&format!("\"{phrase}\""))).count();
    ensure!(heard >= ENOUGH, "{heard} of {} phrases were understood: {notes}", PHRASES.len());
    let goodbye = media::Prompts::built_in().samples("goodbye", sdp::Codec::Pcmu).context("a prompt")?;
    audio::demand("the caller heard goodbye", &goodbye, &scene::caller_heard(&frames))?;
    estate.demand_clean_logs(&["technical", "balance", "main menu"])
}
