//! Replays the fuzz target's corpus: what is a description prints and parses the same, is inspected and answered or
//! refused, and no refusal or debug text shows a key.

use std::fs;
use std::path::Path;

use sdp::{Local, MasterKey, Policy, Protection, Session, Suite, answer, inspect};

#[test]
fn every_input_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sdp");
    let (mut seen, mut parsed, mut answered) = (0, 0, 0);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        // The name of the input that fails, if one does.
        eprintln!("{}", path.display());
        seen += 1;
        if let Ok(session) = Session::parse(&bytes) {
            parsed += 1;
            assert_eq!(Session::parse(session.to_string().as_bytes()), Ok(session.clone()));
            assert!(!format!("{session:?}").contains("inline:"));
        }
        for protection in [Protection::Secure, Protection::DangerousPlainRtp] {
            let policy = Policy {
                protection,
                suites: Vec::new(),
                codecs: Vec::new(),
                telephone_event: true,
                exchange: Vec::new(),
            };
            let mut local = Local::new(([192, 0, 2, 1], 4000).into(), 1);
            let mut keys = |suite: Suite| MasterKey::new(vec![1; suite.key_salt_len().0 + suite.key_salt_len().1]);
            let outcome = answer(&policy, &mut local, &bytes, &mut keys);
            assert!(!format!("{outcome:?}").contains("inline:") || outcome.is_ok());
            if let Err(reject) = &outcome {
                eprintln!("{reject}");
            } else {
                answered += 1;
            }
            let _ = inspect(&policy, &bytes);
        }
    }
    assert!(
        seen >= 4 && parsed >= 3 && answered >= 1,
        "the corpus is not where it was: {seen} inputs, {parsed} parsed, {answered} answered"
    );
}
