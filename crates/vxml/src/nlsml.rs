//! What a recogniser heard, as services say it: NLSML (RFC 6787 §6.3) or JSON.

use serde::Deserialize;

use crate::Utterance;
use crate::document::xml::{ElementId, Tree};

/// Ways that are read; more are left out.
const MOST: usize = 20;

#[derive(Deserialize)]
struct Results {
    results: Vec<Way>,
}

#[derive(Deserialize)]
struct Way {
    text: String,
    /// From 0 to 1.
    #[serde(default = "sure")]
    confidence: f64,
}

fn sure() -> f64 {
    1.0
}

/// Reads either, by its looks; none: nothing that was listened for was said.
///
/// # Errors
/// It is neither: in words that have nothing of it.
pub fn read(bytes: &[u8]) -> Result<Vec<Utterance>, String> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let mut all = match first {
        Some(b'<') => {
            let tree = Tree::parse(bytes).map_err(|problem| format!("its answer is no XML at {}", problem.place))?;
            of_tree(&tree)?
        }
        _ => {
            let results: Results = serde_json::from_slice(bytes).map_err(|error| {
                format!("expected NLSML or {{\"results\":[{{\"text\":…,\"confidence\":…}}]}}: line {}", error.line())
            })?;
            results.results.into_iter().map(|way| utterance(&way.text, way.confidence)).collect()
        }
    };
    all.retain(|utterance| !utterance.text.is_empty());
    all.truncate(MOST);
    Ok(all)
}

fn of_tree(tree: &Tree) -> Result<Vec<Utterance>, String> {
    if tree.element(Tree::ROOT).name != "result" {
        return Err("expected NLSML, found XML of another kind".into());
    }
    let named =
        |id: ElementId, name: &'static str| tree.children(id).filter(move |child| tree.element(*child).name == name);
    let mut all = Vec::new();
    for interpretation in named(Tree::ROOT, "interpretation") {
        let confidence = tree.element(interpretation).attribute("confidence").and_then(|text| text.trim().parse().ok());
        for input in named(interpretation, "input") {
            let nothing = ["nomatch", "noinput"].iter().any(|name| named(input, name).next().is_some());
            if !nothing {
                all.push(utterance(&tree.text(input), confidence.unwrap_or(1.0)));
            }
        }
    }
    Ok(all)
}

fn utterance(text: &str, confidence: f64) -> Utterance {
    let confidence = if confidence.is_finite() { confidence.clamp(0.0, 1.0) } else { 0.0 };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Utterance { text, confidence: (confidence * 100.0).round() as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_saying_it_are_read_and_nothing_else() {
        let json = br#"{"results":[{"text":" check  my balance ","confidence":0.871},{"text":"sales"},{"text":"x","confidence":7}]}"#;
        let way = |text: &str, confidence| Utterance { text: text.into(), confidence };
        assert_eq!(read(json).unwrap(), [way("check my balance", 87), way("sales", 100), way("x", 100)]);
        let nlsml = br#"<?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:1">
            <interpretation confidence="0.6"><instance>1</instance><input mode="speech">flight to <input>boston</input></input></interpretation>
            <interpretation><input><nomatch/></input></interpretation></result>"#;
        assert_eq!(read(nlsml).unwrap(), [way("flight to boston", 60)]);
        for nothing in
            [&br#"{"results":[]}"#[..], b"<result><interpretation><input><nomatch/></input></interpretation></result>"]
        {
            assert_eq!(read(nothing).unwrap(), []);
        }
        for wrong in
            [&b"sales"[..], b"", b"{}", b"<html>sales</html>", b"<result>", b"{\"results\":[{\"confidence\":1}]}"]
        {
            let why = read(wrong).unwrap_err();
            assert!(!why.contains("sales"), "{why}");
        }
    }
}
