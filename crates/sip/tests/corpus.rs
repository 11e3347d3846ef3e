//! Replays the fuzz target's corpus and the torture messages, so that what fuzzing has found stays found.

mod exercise;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use sip::message::Message;

#[test]
fn every_input_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut seen, mut messages) = (0, 0);
    for folder in [root.join("../../fuzz/corpus/sip_message"), root.join("tests/torture")] {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            // The name of the input that fails, if one does.
            eprintln!("{}", path.display());
            exercise::bytes(&bytes);
            seen += 1;
            messages += usize::from(Message::parse(Bytes::from(bytes)).is_ok());
        }
    }
    assert!(seen > 60 && messages > 30, "the corpus is not where it was: {seen} inputs, {messages} of them messages");
}
