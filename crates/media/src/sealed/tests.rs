//! What a recording's file withstands.

use proptest::prelude::*;

use super::*;

fn store(octet: u8) -> StoreKey {
    StoreKey::new(&[octet; KEY])
}

fn secrets(octet: u8) -> Secrets {
    Secrets { key: Zeroizing::new([octet; KEY]), nonce: [octet; NONCE] }
}

fn of(tracks: u8) -> Label {
    Label { id: 7, begun_ms: 1_750_000_000_000, tracks, node: "vvb1".into(), caller: "0f".repeat(16) }
}

/// A file of these chunks, and where each begins.
fn file(tracks: u8, chunks: &[&[u8]], ended: bool) -> (Vec<u8>, Vec<usize>) {
    let (mut writer, mut out) = Writer::begin(&of(tracks), &store(1), secrets(9)).unwrap();
    let mut places = Vec::new();
    for (at, codes) in chunks.iter().enumerate() {
        places.push(out.len());
        assert!(writer.chunk(codes, ended && at + 1 == chunks.len(), &mut out));
    }
    (out, places)
}

const CHUNKS: [&[u8]; 4] = [&[1; 80], &[2; 160], &[3; 240], &[4; 8]];

fn codes(upto: usize) -> Vec<u8> {
    CHUNKS[..upto].concat()
}

#[test]
fn what_is_written_reads_back_and_holds_no_audio_in_clear() {
    let (octets, _) = file(1, &CHUNKS, true);
    let opened = open(&octets, &store(1)).unwrap();
    assert_eq!((opened.heard(), opened.ending, opened.duration_ms()), (codes(4).as_slice(), Ending::Whole, 61));
    assert_eq!(opened.label, of(1));
    assert_eq!(label(&octets), Ok(of(1)));
    assert!(!octets.windows(8).any(|eight| CHUNKS.iter().any(|chunk| &chunk[..8] == eight)), "audio in clear");
    assert!(!octets.windows(KEY).any(|key| key == [9; KEY]), "the file's key in clear");
}

#[test]
fn two_tracks_become_a_stereo_file() {
    let (octets, _) = file(2, &[&[0x80, 0x81, 0xff, 0xfe], &[0x82, 0xfd]], true);
    let wav = open(&octets, &store(1)).unwrap().wav();
    assert_eq!(wav[22], 2, "channels");
    let heard_and_said: Vec<i16> = wav[44..].as_chunks::<2>().0.iter().map(|two| i16::from_le_bytes(*two)).collect();
    let expected = [0x80, 0xff, 0x81, 0xfe, 0x82, 0xfd].map(|code| crate::g711::decode(sdp::Codec::Pcmu, code));
    assert_eq!(heard_and_said, expected);
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_chunks_and_says_that_it_was_cut() {
    let (octets, places) = file(1, &CHUNKS, true);
    for len in places[0]..octets.len() {
        let opened = open(&octets[..len], &store(1)).unwrap();
        let whole = places.iter().skip(1).filter(|place| **place <= len).count();
        assert_eq!((opened.heard(), opened.ending), (codes(whole).as_slice(), Ending::Unfinished), "{len}");
        let mut zeros = octets[..len].to_vec();
        zeros.resize(len + 4096, 0);
        // Zeros of a file system that was faster than its octets: never more than was there.
        if let Ok(opened) = open(&zeros, &store(1)) {
            assert_eq!((opened.heard(), opened.ending), (codes(whole).as_slice(), Ending::Unfinished));
        }
    }
    for len in 0..places[0] {
        assert!(open(&octets[..len], &store(1)).is_err(), "{len}");
    }
}

#[test]
fn every_changed_bit_is_noticed() {
    let (octets, places) = file(1, &CHUNKS, true);
    for bit in 0..octets.len() * 8 {
        let mut changed = octets.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        match open(&changed, &store(1)) {
            Err(_) => {}
            // Lengths are not secret: one that points beyond the end is as a cut there. Never whole, never other audio.
            Ok(opened) => {
                assert_eq!(opened.ending, Ending::Unfinished, "bit {bit}");
                assert!(codes(4).starts_with(opened.heard()), "bit {bit}");
                assert!(bit / 8 >= places[0], "the header, bit {bit}");
            }
        }
    }
}

#[test]
fn chunks_cannot_be_moved_repeated_left_out_or_taken_from_another_file() {
    let (octets, places) = file(1, &CHUNKS, true);
    let part = |n: usize| octets[places[n]..places.get(n + 1).copied().unwrap_or(octets.len())].to_vec();
    let arranged = |order: &[usize]| {
        let mut all = octets[..places[0]].to_vec();
        order.iter().for_each(|n| all.extend(part(*n)));
        open(&all, &store(1)).map(|opened| opened.ending)
    };
    assert_eq!(arranged(&[0, 1, 2, 3]), Ok(Ending::Whole));
    assert_eq!(arranged(&[1, 0, 2, 3]), Err(Broken::Chunk(0)));
    assert_eq!(arranged(&[0, 0, 1, 2, 3]), Err(Broken::Chunk(1)));
    assert_eq!(arranged(&[0, 1, 3]), Err(Broken::Chunk(2)), "an end that comes early is no end");
    assert_eq!(arranged(&[0, 1, 2, 3, 3]), Err(Broken::Trailing));
    let (mut writer, mut other) = Writer::begin(&of(1), &store(1), secrets(8)).unwrap();
    assert!(writer.chunk(CHUNKS[0], false, &mut other));
    let foreign = [&octets[..places[0]], &other[places[0]..], &octets[places[1]..]].concat();
    assert_eq!(open(&foreign, &store(1)).err(), Some(Broken::Chunk(0)));
}

#[test]
fn another_stores_key_opens_nothing_and_is_told_apart_from_damage() {
    let (octets, _) = file(1, &CHUNKS, true);
    assert_eq!(open(&octets, &store(2)).err(), Some(Broken::OtherStore));
    let mut newer = octets.clone();
    newer[8] = 2;
    assert_eq!(open(&newer, &store(1)).err(), Some(Broken::Newer(2)));
    assert_eq!(open(b"RIFF....", &store(1)).err(), Some(Broken::NotOurs));
}

#[test]
fn a_chunk_has_whole_tracks_of_a_second_at_most_and_none_follows_the_last() {
    let (mut writer, mut out) = Writer::begin(&of(2), &store(1), secrets(9)).unwrap();
    let before = out.len();
    assert!(!writer.chunk(&[0; 3], false, &mut out), "half a pair");
    assert!(!writer.chunk(&vec![0; 2 * MOST_SAMPLES + 2], false, &mut out), "more than a second");
    assert_eq!(out.len(), before);
    assert!(writer.chunk(&vec![0; 2 * MOST_SAMPLES], false, &mut out));
    assert!(writer.chunk(&[], true, &mut out));
    assert!(!writer.chunk(&[0; 2], false, &mut out), "after the last");
    assert_eq!(open(&out, &store(1)).unwrap().duration_ms(), 1000);
    assert!(Writer::begin(&of(3), &store(1), secrets(9)).is_none());
}

proptest! {
    #[test]
    fn hostile_files_are_refused_or_cut(octets in proptest::collection::vec(any::<u8>(), 0..400), at in 0usize..500) {
        let _ = open(&octets, &store(1));
        let (mut file, _) = file(1, &CHUNKS, true);
        let at = at.min(file.len());
        file.splice(at.., octets);
        if let Ok(opened) = open(&file, &store(1)) {
            prop_assert!(codes(4).starts_with(opened.heard()));
        }
    }
}
