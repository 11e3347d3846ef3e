//! Replays the corpora of the fuzz targets `media`, `entry`, `wav` and `ogg`, so that what fuzzing has found stays found.

#[path = "exercise/entry.rs"]
mod entry;
mod exercise;
#[path = "exercise/ogg.rs"]
mod ogg;

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
    assert!(each("media", exercise::bytes) >= 7);
}

/// The same with any octets of theirs changed: in `opus` these are packets that an authentic peer sends.
#[test]
fn every_story_told_otherwise_holds() {
    let mut dice = 5u32;
    each("media", |bytes| {
        for _ in 0..20 {
            exercise::bytes(&changed(bytes, &mut dice));
        }
    });
}

/// Some of them key the stream, whatever else comes.
#[test]
fn every_story_ahead_of_media_holds() {
    let mut keyed = 0;
    let seen = each("entry", |bytes| keyed += usize::from(entry::bytes(bytes)));
    assert!(seen >= 5 && keyed >= 3, "{keyed} of {seen} end with keys");
    let mut dice = 5u32;
    each("entry", |bytes| {
        for _ in 0..10 {
            entry::bytes(&changed(bytes, &mut dice));
        }
    });
}

/// With one to four octets changed.
fn changed(bytes: &[u8], dice: &mut u32) -> Vec<u8> {
    let mut next = |below: usize| {
        *dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*dice >> 8) as usize % below
    };
    let mut file = bytes.to_vec();
    for _ in 0..=next(4) {
        let at = next(file.len());
        file[at] = next(256) as u8;
    }
    file
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

/// Some of them FFmpeg has written, by libopus: mono and stereo, packets of 10 to 60 ms, lead-in and end trimmed.
#[test]
fn every_file_of_opus_reads_or_is_refused_in_words_and_libopus_tone_is_heard() {
    let (mut read, mut lengths) = (0, Vec::new());
    let seen = each("ogg", |bytes| {
        read += ogg::bytes(bytes);
        if let Ok(samples) = media::ogg::read(bytes) {
            lengths.push(samples.len());
            // 440 Hz of 8,000, in the middle.
            let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
            let turns = middle.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count();
            let hertz = turns * 8000 / middle.len().max(1);
            assert!(samples.len() < 1000 || (430..450).contains(&hertz), "{hertz} Hz");
            assert!(samples.len() < 1000 || middle.iter().any(|sample| *sample > 7000));
        }
    });
    lengths.sort_unstable();
    assert!(seen >= 4 && read >= 3, "{seen} files, {read} readable");
    assert_eq!(lengths, [240, 4000, 8000], "as long as was said");
}

#[test]
fn a_file_of_opus_with_any_octets_changed_holds() {
    let (mut dice, mut read) = (5u32, 0);
    each("ogg", |bytes| {
        for _ in 0..300 {
            read += ogg::bytes(&changed(bytes, &mut dice));
        }
    });
    assert!(read > 100, "{read}: what was changed gets as far as the decoder");
}
