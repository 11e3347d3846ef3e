//! What a caller's own word is worth as a grammar (RFC 6787 §9.7).

use super::{Node, Unreadable, elements, own_text};

/// `<enrollment-result>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enrolment {
    pub clashes: u32,
    pub good_repetitions: u32,
    pub repetitions_still_needed: u32,
    /// `consistent`, `inconsistent` or `undecided`.
    pub consistency: Option<String>,
    pub clash_phrase_ids: Vec<String>,
    pub transcriptions: Vec<String>,
    pub confusable: Vec<Confusable>,
}

/// A phrase that sounds like it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusable {
    pub phrase: String,
    pub level: u32,
}

pub(super) fn read(node: Node<'_, '_>) -> Result<Enrolment, Unreadable> {
    let mut out = Enrolment::default();
    for child in elements(node) {
        match child.tag_name().name() {
            "num-clashes" => out.clashes = number(child, "num-clashes")?,
            "num-good-repetitions" => out.good_repetitions = number(child, "num-good-repetitions")?,
            "num-repetitions-still-needed" => {
                out.repetitions_still_needed = number(child, "num-repetitions-still-needed")?;
            }
            "consistency-status" => out.consistency = Some(own_text(child)),
            "clash-phrase-ids" => out.clash_phrase_ids = items(child),
            "transcriptions" => out.transcriptions = items(child),
            "confusable-phrases" => {
                out.confusable = elements(child).map(confusable).collect::<Result<_, _>>()?;
            }
            _ => {}
        }
    }
    Ok(out)
}

fn items(node: Node<'_, '_>) -> Vec<String> {
    elements(node).filter(|child| child.tag_name().name() == "item").map(own_text).collect()
}

fn confusable(node: Node<'_, '_>) -> Result<Confusable, Unreadable> {
    let mut out = Confusable::default();
    for child in elements(node) {
        match child.tag_name().name() {
            "phrase" => out.phrase = own_text(child),
            "confusion-level" => out.level = number(child, "confusion-level")?,
            _ => {}
        }
    }
    Ok(out)
}

fn number(node: Node<'_, '_>, name: &'static str) -> Result<u32, Unreadable> {
    own_text(node).parse().map_err(|_| Unreadable::NotANumber(name))
}
