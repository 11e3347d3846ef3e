//! Recognisers that do what engines do: hear, hear nothing, lie, crash, hang, pour out words, eat memory.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::mpsc as channel;

use media::{Frame, LeaseId};

use super::*;
use crate::mailbox::{Receiver, mailbox};
use crate::media_threads::Letter;

const PATIENCE: Duration = Duration::from_secs(60);
const SALES: &str = "<grammar version='1.0' root='r' mode='voice'><rule id='r'><one-of><item>sales</item>\
                     <item>technical support</item></one-of></rule></grammar>";

/// A program that is a script of its own, and what it wrote down.
struct Fake {
    folder: PathBuf,
    program: String,
}

impl Fake {
    fn new(name: &str, script: &str) -> Fake {
        let folder = std::env::temp_dir().join(format!("ringfence-recognition-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join("engine").to_str().unwrap().to_owned();
        std::fs::write(&program, format!("#!/bin/sh\nhere={}\n{script}\n", folder.display())).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Fake { folder, program }
    }

    fn noted(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(name)).unwrap_or_default()
    }

    /// Of the program that said its number nothing is left.
    fn is_gone(&self) {
        let number = String::from_utf8(self.noted("number")).unwrap();
        let process = PathBuf::from(format!("/proc/{}", number.trim()));
        assert!(!number.is_empty());
        let until = Instant::now() + PATIENCE;
        while process.exists() && Instant::now() < until {
            std::thread::yield_now();
        }
        assert!(!process.exists(), "{number} is left over");
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The thread, and a media thread that the test is.
struct Rig {
    recognition: Recognition,
    media: Receiver<Letter>,
}

/// A caller who is listened to.
struct Caller {
    ear: mpsc::Sender<Frame>,
    news: channel::Receiver<News>,
    number: u64,
}

impl Rig {
    fn new() -> Rig {
        let (to_media, media) = mailbox(64).unwrap();
        let (web, _) = mpsc::channel(1);
        Rig { recognition: Recognition::start(Taps::new(vec![to_media]), web).unwrap(), media }
    }

    fn listens(&self, command: &str, timeout_s: u32) -> Caller {
        let lease = LeaseId { thread: 0, slot: 3, generation: 1 };
        let engine = site::Recognition {
            engine: RecognitionEngine::Pocketsphinx,
            command: command.into(),
            url: None,
            server: None,
            authority: None,
            timeout_s,
            at_once: 2,
        };
        let hearing = Hearing {
            language: "en-US".into(),
            grammars: vec![SALES.into()],
            confidence: 50,
            sensitivity: 50,
            speed_vs_accuracy: 50,
            complete: Duration::from_millis(200),
            incomplete: Duration::from_millis(400),
            longest: Duration::from_secs(60),
            most: 2,
            hotword: false,
        };
        let recognise = Recognise { lease, tap: 9, engine: engine.into(), hearing };
        let (tell, news) = channel::channel();
        let tell: Tell = Box::new(move |told| drop(tell.send(told)));
        let errand = Errand { node: "vvb1".into(), held: None, recognise, tell };
        assert!(self.recognition.errands().blocking_send(errand).is_ok());
        let ear = loop {
            match self.media.take() {
                Some(Letter::Ear { tap: 9, ear, .. }) => break ear,
                Some(_) => {}
                None => std::thread::yield_now(),
            }
        };
        Caller { ear, news, number: 0 }
    }
}

impl Caller {
    fn says(&mut self, level: i16, frames: u64) {
        for _ in 0..frames {
            let wave: Vec<i16> = (0..160).map(|n| if n / 9 % 2 == 0 { level } else { -level }).collect();
            assert!(self.ear.blocking_send(Frame { number: self.number, samples: wave.into() }).is_ok());
            self.number += 1;
        }
    }

    fn hears(&self) -> News {
        self.news.recv_timeout(PATIENCE).expect("news")
    }

    /// A second of speech and the silence behind it.
    fn speaks(&mut self) {
        self.says(0, 20);
        self.says(3000, 50);
        self.says(0, 25);
        assert_eq!([self.hears(), self.hears()], [News::Speech(true), News::Speech(false)]);
    }
}

#[test]
fn a_program_is_given_grammars_and_what_was_said_and_its_words_come_back() {
    let answer =
        r#"{"results":[{"text":"technical support","confidence":0.9},{"text":"sales","confidence":0.3},{"text":"x"}]}"#;
    let fake = Fake::new(
        "hears",
        &format!("read order; printf '%s' \"$order\" >$here/order; cat >$here/audio; echo '{answer}'"),
    );
    let rig = Rig::new();
    let mut caller = rig.listens(&fake.program, 10);
    caller.speaks();
    let way = |text: &str, confidence| Utterance { text: text.into(), confidence };
    assert_eq!(caller.hears(), News::Heard(vec![way("technical support", 90), way("sales", 30)]), "two at most");
    let order: serde_json::Value = serde_json::from_slice(&fake.noted("order")).unwrap();
    assert_eq!((&order["language"], &order["rate"], &order["n_best"]), (&"en-US".into(), &8000.into(), &2.into()));
    assert!(order["jsgf"].as_str().unwrap().contains("( sales | technical support )"), "{order}");
    assert_eq!(order["srgs"][0].as_str(), Some(SALES));
    // From 300 ms before speech was noticed to the 400 ms behind it.
    assert_eq!(fake.noted("audio").len(), (15 + 48 + 20) * 320);
    rig.recognition.stop();
}

#[test]
fn programs_that_do_not_hear_are_a_failure_in_time_and_nothing_of_them_stays() {
    let cases = [
        ("crashes", "cat >/dev/null; kill -SEGV $$", "it failed"),
        ("refuses", "cat >/dev/null; echo '{\"results\":[]}'; exit 3", "it failed"),
        ("lies", "cat >/dev/null; echo sales", "expected NLSML or"),
        ("silent", "cat >/dev/null", "expected NLSML or"),
        ("hangs", "echo $$ >$here/number; cat >/dev/null; sleep 600 & wait", "2 s"),
        ("pours", "echo $$ >$here/number; cat /dev/zero", "more than"),
    ];
    for (name, script, expected) in cases {
        let fake = Fake::new(name, script);
        let rig = Rig::new();
        let mut caller = rig.listens(&fake.program, 2);
        caller.speaks();
        let News::Failed(why) = caller.hears() else { panic!("{name}") };
        assert!(why.contains(expected) || (expected == "2 s" && why.contains("too long")), "{name}: {why}");
        assert!(!why.contains("sales"), "{name}: nobody is told what was said: {why}");
        assert!(caller.news.recv_timeout(Duration::ZERO).is_err(), "{name}: told once");
        if !fake.noted("number").is_empty() {
            fake.is_gone();
        }
        rig.recognition.stop();
    }
    let rig = Rig::new();
    let mut caller = rig.listens("/nowhere/pocketsphinx", 2);
    caller.speaks();
    let told = caller.hears();
    assert!(matches!(&told, News::Failed(why) if why.contains("/nowhere/pocketsphinx did not start")), "{told:?}");
    rig.recognition.stop();
}

#[test]
fn who_hangs_up_ends_the_program_that_listens() {
    let fake = Fake::new("gone", "echo $$ >$here/number; cat >/dev/null; touch $here/works; sleep 600");
    let rig = Rig::new();
    let mut caller = rig.listens(&fake.program, 30);
    caller.speaks();
    while !fake.folder.join("works").exists() {
        std::thread::yield_now();
    }
    let Caller { ear, news, .. } = caller;
    drop(ear);
    assert_eq!(news.recv_timeout(PATIENCE), Ok(News::Failed(NOBODY.into())));
    fake.is_gone();
    // Nor does a process that stops leave one behind; and who never spoke is given up with the call.
    let silent = rig.listens(&fake.program, 30);
    drop(silent.ear);
    assert_eq!(silent.news.recv_timeout(PATIENCE), Ok(News::Failed(NOBODY.into())));
    let _ = std::fs::remove_file(fake.folder.join("number"));
    let mut last = rig.listens(&fake.program, 30);
    last.speaks();
    while fake.noted("number").is_empty() {
        std::thread::yield_now();
    }
    rig.recognition.stop();
    fake.is_gone();
}

#[test]
fn recognisers_that_hang_delay_nobody_beyond_their_time() {
    let fake = Fake::new("all-hang", "cat >/dev/null; sleep 600");
    let rig = Rig::new();
    let mut callers: Vec<Caller> = (0..6).map(|_| rig.listens(&fake.program, 2)).collect();
    callers.iter_mut().for_each(Caller::speaks);
    assert!(callers.iter().all(|caller| matches!(caller.hears(), News::Failed(_))));
    rig.recognition.stop();
}
