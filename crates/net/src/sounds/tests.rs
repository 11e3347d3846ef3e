//! Engines that do what engines do: speak, say nothing, crash, hang, pour out audio, eat memory.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::mpsc as channel;

use site::Speech;

use super::*;
use crate::mailbox::mailbox;

pub(super) fn speak_with(command: &str, text: &str) -> Speak {
    let engine = Speech {
        engine: SpeechEngine::EspeakNg,
        command: command.into(),
        url: None,
        server: None,
        authority: None,
        language: "en-US".into(),
        voices: Vec::new(),
        timeout_s: 2,
        at_once: 2,
    };
    Speak {
        engine: engine.into(),
        voice: None,
        language: "en-US".into(),
        rate: 100,
        pitch: 100,
        volume: 100,
        text: text.into(),
    }
}

/// An engine that is a script of its own, and what it wrote down.
struct Fake {
    folder: PathBuf,
    program: String,
}

impl Fake {
    fn new(name: &str, script: &str) -> Fake {
        let folder = std::env::temp_dir().join(format!("ringfence-sounds-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let tone = (0..8000u32).map(|n| if n / 9 % 2 == 0 { 9000 } else { -9000 });
        std::fs::write(folder.join("tone.wav"), media::wav::write(tone.collect::<Vec<i16>>().into_iter())).unwrap();
        std::fs::write(folder.join("silence.wav"), media::wav::write(vec![0i16; 800].into_iter())).unwrap();
        let program = folder.join("engine").to_str().unwrap().to_owned();
        let script = format!("#!/bin/sh\nhere={}\n{script}\n", folder.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Fake { folder, program }
    }

    fn noted(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The thread, one media thread's mailbox, and answers as they come.
struct Rig {
    sounds: Sounds,
    media: crate::mailbox::Receiver<Letter>,
    tell: channel::Sender<Result<String, String>>,
    told: channel::Receiver<Result<String, String>>,
}

impl Rig {
    fn new() -> Rig {
        let (to_media, media) = mailbox(64).unwrap();
        let (web, _) = mpsc::channel(1);
        let (tell, told) = channel::channel();
        Rig { sounds: Sounds::start(vec![to_media], web).unwrap(), media, tell, told }
    }

    fn ask(&self, what: What) {
        let tell = self.tell.clone();
        let answer: Answer = Box::new(move |outcome| tell.send(outcome).unwrap());
        assert!(self.sounds.errands().blocking_send(Errand { what, answer }).is_ok());
    }

    fn speak(&self, speak: Speak) {
        self.ask(What::Words { node: "vvb1".into(), held: None, speak: Box::new(speak) });
    }

    fn told(&self) -> Result<String, String> {
        self.told.recv_timeout(Duration::from_secs(60)).expect("an answer")
    }

    /// The clip that a media thread was given.
    fn clip(&self) -> (String, usize) {
        match self.media.take() {
            Some(Letter::Clip { name, clip: Some(clip) }) => (name.as_ref().to_owned(), clip.octets()),
            _ => panic!("no clip"),
        }
    }
}

#[test]
fn words_go_in_by_standard_input_and_are_spoken_once_for_all() {
    let fake = Fake::new(
        "speaks",
        "echo \"$@\" >>$here/arguments; env >$here/environment; cat >>$here/words; cat $here/tone.wav",
    );
    let rig = Rig::new();
    let mut speak = speak_with(&fake.program, "Your balance is twelve euros.");
    (speak.rate, speak.volume) = (200, 50);
    for _ in 0..3 {
        rig.speak(speak.clone());
    }
    let first = rig.told().unwrap();
    assert_eq!([rig.told(), rig.told()], [Ok(first.clone()), Ok(first.clone())]);
    assert_eq!(rig.clip(), (first.clone(), 16_000), "a media thread has it, in both laws");
    assert!(rig.media.take().is_none(), "once");
    assert_eq!(fake.noted("words"), "Your balance is twelve euros.");
    assert_eq!(fake.noted("arguments"), "-v en-us -s 330 -p 50 -a 50 -b 1 --stdin --stdout\n");
    let environment = fake.noted("environment");
    assert!(
        environment.lines().all(|line| ["PATH=", "PWD=", "_=", "SHLVL="].iter().any(|it| line.starts_with(it))),
        "{environment}"
    );
    // Other words are another clip.
    rig.speak(speak_with(&fake.program, "Goodbye."));
    assert_ne!(rig.told().unwrap(), first);
    rig.sounds.stop();
}

#[test]
fn engines_that_do_not_speak_are_an_error_in_time_and_nothing_of_them_stays() {
    let cases = [
        ("silent", "cat >/dev/null; cat $here/silence.wav", "it said nothing"),
        ("empty", "cat >/dev/null", "no audio"),
        ("crashes", "kill -SEGV $$", "it failed"),
        ("refuses", "cat >/dev/null; cat $here/tone.wav; exit 3", "it failed"),
        ("deaf", "exec 0<&-; cat $here/tone.wav; exit 1", "it failed"),
        ("hangs", "sleep 600 & echo $! >$here/number; wait", "2 s"),
        ("lingers", "echo $$ >$here/number; cat >/dev/null; cat $here/tone.wav; exec >&-; sleep 600", "2 s"),
        ("pours", "echo $$ >$here/number; cat /dev/zero", "more than"),
        ("no audio", "cat", "no audio"),
    ];
    for (name, script, expected) in cases {
        let fake = Fake::new(name, script);
        let rig = Rig::new();
        rig.speak(speak_with(&fake.program, &"words ".repeat(1500)));
        let why = rig.told().expect_err(name);
        assert!(why.contains(expected) || (expected == "2 s" && why.contains("too long")), "{name}: {why}");
        assert!(!why.contains("words"), "{name}: nobody is told what was to be said: {why}");
        assert!(rig.media.take().is_none(), "{name}");
        // The program is gone as soon as its helper has waited for it.
        if let Ok(number) = fake.noted("number").trim().parse::<u32>() {
            let process = PathBuf::from(format!("/proc/{number}"));
            let until = Instant::now() + Duration::from_secs(30);
            while process.exists() && Instant::now() < until {
                std::thread::yield_now();
            }
            assert!(!process.exists(), "{name} is left over");
        }
        rig.sounds.stop();
    }
    let rig = Rig::new();
    rig.speak(speak_with("/nowhere/espeak-ng", "hello"));
    assert!(rig.told().unwrap_err().contains("/nowhere/espeak-ng did not start"));
    rig.sounds.stop();
}

#[test]
fn an_engine_that_hangs_delays_nobody_beyond_the_time_that_words_may_take() {
    let fake = Fake::new("all-hang", "echo $$ >>$here/numbers; sleep 600");
    let rig = Rig::new();
    // Two at a time, ten wait: all of them end by their own time, and not one after the other.
    for n in 0..12 {
        rig.speak(speak_with(&fake.program, &format!("caller {n}")));
    }
    for _ in 0..12 {
        assert!(rig.told().is_err());
    }
    rig.sounds.stop();
    gone(&fake);
}

/// Of the programs that said their numbers none is left.
fn gone(fake: &Fake) {
    let numbers = fake.noted("numbers");
    assert!(!numbers.is_empty());
    for number in numbers.lines() {
        assert!(!PathBuf::from(format!("/proc/{number}")).exists(), "{number} is left over");
    }
}

#[test]
fn a_process_that_stops_leaves_no_engine_behind() {
    let fake = Fake::new("left", "echo $$ >>$here/numbers; sleep 600");
    let rig = Rig::new();
    let mut speak = speak_with(&fake.program, "hello");
    Arc::make_mut(&mut speak.engine).timeout_s = 60;
    rig.speak(speak);
    while fake.noted("numbers").is_empty() {
        std::thread::yield_now();
    }
    rig.sounds.stop();
    gone(&fake);
}

#[test]
fn recordings_are_decoded_once_and_what_is_none_is_said() {
    let rig = Rig::new();
    let recording = |url: &str, bytes: &[u8]| What::Recording { url: url.into(), bytes: bytes.into() };
    rig.ask(recording("https://a/b.ulaw?x=1", &[0x80; 400]));
    let name = rig.told().unwrap();
    assert_eq!(rig.clip(), (name.clone(), 800));
    rig.ask(recording("https://other/b.ulaw", &[0x80; 400]));
    assert_eq!(rig.told().unwrap(), name, "the same audio from elsewhere");
    rig.ask(recording("https://a/b.html", b"<html>not found</html>"));
    assert!(rig.told().unwrap_err().contains("expected a WAV"));
    rig.sounds.stop();
}

#[test]
fn an_engine_cannot_take_the_machines_memory() {
    // 1 GiB that `tail` would have to remember: half of it is all that there is.
    let script =
        "cat >/dev/null; head -c 1073741824 /dev/zero | tail -c 1073741824 | wc -c >$here/kept; cat $here/tone.wav";
    let fake = Fake::new("eats", script);
    let rig = Rig::new();
    let mut speak = speak_with(&fake.program, "hello");
    Arc::make_mut(&mut speak.engine).timeout_s = 60;
    rig.speak(speak);
    assert!(rig.told().is_ok());
    let kept: u64 = fake.noted("kept").trim().parse().unwrap();
    assert!(kept < 512 << 20, "{kept}");
    rig.sounds.stop();
}
