//! A real engine speaks to a caller: what the caller heard is what espeak-ng says when it is asked directly.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::audio;
use interop::capture::Capture;
use interop::carrier::{Carrier, Order};
use interop::estate::Estate;
use interop::lab::{Lab, REFERENCE_HOSTS};
use interop::speech::Act;

use crate::scene::{self, SOON};

const ENGLISH: &str = "You are number three in the queue. The wait is about four minutes.";
const JAPANESE: &str = "じゅんばんは、さんばんめです。まちじかんは、やくよんぷんです。";

/// What the engine says by itself, at the rate of telephones.
fn said(voice: &str, words: &str) -> Result<Vec<i16>> {
    let mut engine = Command::new("espeak-ng")
        .args(["-v", voice, "-s", "165", "-p", "50", "-a", "100", "-b", "1", "--stdin", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("espeak-ng: install it by `cargo xtask programs`")?;
    engine.stdin.take().context("its input")?.write_all(words.as_bytes())?;
    let wav = engine.wait_with_output()?.stdout;
    media::audio::read("", &wav).map_err(anyhow::Error::msg)
}

#[test]
fn a_caller_hears_what_espeak_ng_says_in_two_languages_under_srtp() -> Result<()> {
    let lab = Lab::new(&REFERENCE_HOSTS)?;
    let folder = lab.directory().join("pages");
    std::fs::create_dir(&folder)?;
    let page = format!(
        "<vxml version='2.1' xml:lang='en-US'><form><block>{ENGLISH}<break time='300ms'/>
         <prompt xml:lang='ja-JP'>{JAPANESE}</prompt><disconnect/></block></form></vxml>"
    );
    std::fs::write(folder.join("main.vxml"), page)?;
    let document = folder.join("main.vxml").to_str().context("a path")?.to_owned();
    let change = |site: String| {
        let speech = "[speech]\nengine = \"espeak-ng\"\nvoice = [{ language = \"en\", name = \"en-us\" }, \
                      { language = \"ja\", name = \"ja\" }]\n\n[[node]]";
        let mut text = String::new();
        for line in site.replacen("[[node]]", speech, 1).lines() {
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
    let capture = Capture::start(lab, "speech")?;
    let mut carrier = Carrier::dial(lab, cube.address, &Order::one(vec![Act::Wait(Duration::from_secs(60))]))?;
    carrier.answered(1, SOON)?;
    carrier.ended(SOON)?;
    let captured = capture.stop()?;
    let frames = captured.frames()?;
    scene::demand_secure_media(&frames, &[(&cube, &browser)], &[], &[])?;
    let heard = scene::caller_heard(&frames);
    for (language, voice, words) in [("English", "en-us", ENGLISH), ("Japanese", "ja", JAPANESE)] {
        let said = said(voice, words)?;
        ensure!(said.len() > 2 * interop::speech::RATE, "{language}: espeak-ng says nothing by itself");
        audio::demand(&format!("the caller heard {language}"), &said, &heard)?;
    }
    estate.demand_clean_logs(&["number three", "さんばんめ"])
}
