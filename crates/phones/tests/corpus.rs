//! Replays the fuzz targets' corpora.

mod exercise;

use std::fs;
use std::path::Path;

/// Runs every input of a target, and counts them.
fn replay(target: &str, exercise: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seen = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        // The name of the input that fails, if one does.
        eprintln!("{}", path.display());
        let input = fs::read(&path).unwrap();
        exercise(&input);
        for cut in (0..input.len()).step_by(13) {
            exercise(&input[..cut]);
        }
        for at in (0..input.len()).step_by(17) {
            let mut changed = input.clone();
            changed[at] = changed[at].wrapping_add(1);
            exercise(&changed);
        }
        seen += 1;
    }
    seen
}

#[test]
fn corpora_of_lists_files_capf_and_tvs_hold() {
    assert!(replay("trust_list", exercise::trust_list) >= 2);
    assert!(replay("signed_file", exercise::signed_file) >= 2);
    assert!(replay("capf", exercise::capf) >= 2);
    assert!(replay("tvs", exercise::tvs) >= 2);
}
