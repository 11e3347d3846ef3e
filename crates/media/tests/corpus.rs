//! Replays the corpora of the fuzz targets `media` and `wav`, so that what fuzzing has found stays found.

mod exercise;

use std::fs;
use std::path::Path;

fn each(corpus: &str, mut act: impl FnMut(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(corpus);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seen = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        // The name of the input that fails, if one does.
        eprintln!("{}", path.display());
        act(&fs::read(&path).unwrap());
        seen += 1;
    }
    seen
}

#[test]
fn every_story_holds() {
    assert!(each("media", exercise::bytes) >= 6);
}

#[test]
fn every_audio_file_reads_or_is_refused_in_words() {
    let mut read = 0;
    let seen = each("wav", |bytes| match media::wav::read(bytes) {
        Ok(_) => read += 1,
        Err(words) => assert!(words.contains("expected"), "{words}"),
    });
    assert!(seen >= 4 && read >= 2, "{seen} files, {read} readable");
}
