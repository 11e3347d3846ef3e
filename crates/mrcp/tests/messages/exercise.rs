//! Bytes as what a server sends: however they are cut the same is read, nothing held grows beyond the limit, what was
//! read is written and read again the same, and the client's resources judge it without a panic.

use bytes::Bytes;
use mrcp::{ChannelId, Content, Framer, Headers, Limits, Message, Recognizer, Requests, Synthesizer, nlsml};

const LIMIT: usize = 4096;

pub(crate) fn run(input: &[u8]) {
    let whole = hear(input, input.len().max(1));
    for step in [1, 5] {
        assert_eq!(hear(input, step), whole, "cut in pieces of {step}");
    }
    let (mut synthesizer, mut recognizer) = resources();
    for message in &whole.0 {
        let written = message.write();
        assert_eq!(Message::parse(&written).as_ref(), Ok(message), "written and read again");
        for name in message.headers().names() {
            let _ = message.headers().value(name);
        }
        let _ = synthesizer.receive(message);
        let _ = recognizer.receive(message);
        let _ = nlsml::read(message.body());
    }
    let _ = Message::parse(&Bytes::copy_from_slice(input));
    let _ = nlsml::read(input);
}

/// At work, so that what comes can be of something.
fn resources() -> (Synthesizer, Recognizer) {
    let mut numbers = Requests::starting(543_257);
    let channel = |text: &str| ChannelId::read(text).expect("a channel");
    let mut synthesizer = Synthesizer::new(channel("32AECB23433802@speechsynth"));
    let mut recognizer = Recognizer::new(channel("32AECB23433801@speechrecog"));
    let content = || Content::new("text/plain", "words");
    for _ in 0..2 {
        synthesizer.speak(&mut numbers, &Headers::new(), content()).expect("numbers are left");
        recognizer.recognize(&mut numbers, &Headers::new(), content()).expect("numbers are left");
    }
    (synthesizer, recognizer)
}

/// What was read, and the words of what ended it.
fn hear(bytes: &[u8], step: usize) -> (Vec<Message>, Option<String>) {
    let mut framer = Framer::new(Limits { message: LIMIT });
    let mut seen = Vec::new();
    for piece in bytes.chunks(step) {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(message)) => seen.push(message),
                Ok(None) => break,
                Err(error) => return (seen, Some(error.to_string())),
            }
        }
        assert!(framer.pending() <= LIMIT + step, "{} held", framer.pending());
    }
    (seen, None)
}
