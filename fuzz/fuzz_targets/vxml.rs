//! Bytes as a VoiceXML document: read, checked, and talked with. Nothing may panic, and a session ends or waits.
#![no_main]

use vxml::conversation::Conversation;
use vxml::{NotFetched, Now, Page, Request, Start};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let url = "app:/main.vxml";
    if !vxml::check(url, input).is_empty() {
        return;
    }
    let start = Start { url: url.into(), seed: 1, variables: "{}".into(), ..Start::default() };
    let fetch = |request: &Request| match request.url == url {
        true => Ok(Page { url: url.into(), bytes: input.into() }),
        false => Err(NotFetched::Status(404)),
    };
    let mut talk = Conversation::new(start, Now::default(), fetch);
    for line in ["1", "", "yes", "12#", "", "!hangup"] {
        talk.listen(false);
        if talk.is_over() {
            return;
        }
        talk.hear(line);
    }
});
