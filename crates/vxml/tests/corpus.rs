//! Replays the corpora of the fuzz targets `vxml` and `grammar`, so that what fuzzing has found stays found.

mod exercise;

use std::fs;
use std::path::Path;

/// The sum of what an exercise says of each input.
fn replay(target: &str, exercise: impl Fn(&[u8]) -> usize) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let inputs = entries.map(|entry| entry.unwrap().path());
    let said = inputs.map(|path| {
        // The name of the input that fails, if one does.
        eprintln!("{}", path.display());
        exercise(&fs::read(&path).unwrap())
    });
    said.sum()
}

#[test]
fn documents_are_read_or_refused_with_places() {
    let good = replay("vxml", |input| usize::from(exercise::document(input)));
    assert!(good >= 5, "{good}");
}

#[test]
fn grammars_are_read_and_asked() {
    let good = replay("grammar", exercise::grammar);
    assert!(good >= 6, "{good}");
}
