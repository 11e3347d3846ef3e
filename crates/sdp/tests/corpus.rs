//! Replays the fuzz target's corpus, so that what fuzzing has found stays found.

mod exercise;

use std::fs;
use std::path::Path;

#[test]
fn every_input_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sdp");
    let (mut seen, mut read, mut answered) = (0, 0, 0);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        // The name of the input that fails, if one does.
        eprintln!("{}", path.display());
        let outcome = exercise::bytes(&fs::read(&path).unwrap());
        seen += 1;
        read += usize::from(outcome.is_description);
        answered += usize::from(outcome.is_answered);
    }
    assert!(
        seen >= 4 && read >= 3 && answered >= 1,
        "the corpus is not where it was: {seen} inputs, {read} read, {answered} answered"
    );
}
