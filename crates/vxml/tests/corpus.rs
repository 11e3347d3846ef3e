//! Replays the corpora of the fuzz targets `vxml` and `grammar`.

use std::path::Path;

use vxml::grammar::{Grammar, Mode};

fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

#[test]
fn documents_are_read_or_refused_with_places() {
    let mut good = 0;
    for (name, bytes) in inputs("vxml") {
        let problems = vxml::check("app:/main.vxml", &bytes);
        good += usize::from(problems.is_empty());
        for problem in problems {
            assert!(problem.place.line >= 1, "{name}: {problem}");
        }
    }
    assert!(good >= 5, "{good}");
}

#[test]
fn grammars_are_read_and_asked() {
    let mut good = 0;
    for (_, bytes) in inputs("grammar") {
        for mode in [Mode::Dtmf, Mode::Voice] {
            if let Ok(grammar) = Grammar::parse(&bytes, mode) {
                good += 1;
                for words in ["", "1 0", "please two words", "a a a"] {
                    grammar.takes(words);
                }
            }
        }
    }
    assert!(good >= 6, "{good}");
}
