//! Replays the fuzz target's corpus, each input whole, cut off and with octets changed.

use std::fs;
use std::path::Path;

use super::exercise;

#[test]
fn every_input_of_the_corpus_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/mrcp");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seen = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        // The name of the input that fails, if one does.
        eprintln!("{}", path.display());
        let input = fs::read(&path).unwrap();
        exercise::run(&input);
        for cut in (0..input.len()).step_by(11) {
            exercise::run(&input[..cut]);
        }
        for at in (0..input.len()).step_by(7) {
            let mut changed = input.clone();
            changed[at] = changed[at].wrapping_add(1);
            exercise::run(&changed);
        }
        seen += 1;
    }
    assert!(seen >= 5, "the corpus is not where it was: {seen} inputs");
}
