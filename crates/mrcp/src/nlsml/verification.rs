//! Whether a caller's voice is whose it should be (RFC 6787 §11.5.2).

use super::{Node, Unreadable, elements, own_text};

/// `<verification-result>`: the voiceprints that were compared, the best first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verification {
    pub voiceprints: Vec<Voiceprint>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Voiceprint {
    pub id: String,
    /// Whether it was changed by what was said.
    pub adapted: bool,
    /// Of the last that was said.
    pub incremental: Option<Analysis>,
    /// Of all that was said in the session.
    pub cumulative: Option<Analysis>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// `accepted`, `rejected` or `undecided`.
    pub decision: Option<String>,
    /// -1 to 1.
    pub score: Option<f64>,
    pub utterance_ms: Option<u32>,
    pub device: Option<String>,
    pub gender: Option<String>,
}

pub(super) fn read(node: Node<'_, '_>) -> Result<Verification, Unreadable> {
    let prints = elements(node).filter(|child| child.tag_name().name() == "voiceprint");
    Ok(Verification { voiceprints: prints.map(voiceprint).collect::<Result<_, _>>()? })
}

fn voiceprint(node: Node<'_, '_>) -> Result<Voiceprint, Unreadable> {
    let mut out = Voiceprint { id: node.attribute("id").unwrap_or_default().to_owned(), ..Voiceprint::default() };
    for child in elements(node) {
        match child.tag_name().name() {
            "adapted" => out.adapted = own_text(child) == "true",
            "incremental" => out.incremental = Some(analysis(child)?),
            "cumulative" => out.cumulative = Some(analysis(child)?),
            _ => {}
        }
    }
    Ok(out)
}

fn analysis(node: Node<'_, '_>) -> Result<Analysis, Unreadable> {
    let mut out = Analysis::default();
    for child in elements(node) {
        let text = own_text(child);
        match child.tag_name().name() {
            "decision" => out.decision = Some(text),
            "verification-score" => out.score = Some(decimal(&text, "verification-score")?),
            "utterance-length" => {
                out.utterance_ms = Some(text.parse().map_err(|_| Unreadable::NotANumber("utterance-length"))?);
            }
            "device" => out.device = Some(text),
            "gender" => out.gender = Some(text),
            _ => {}
        }
    }
    Ok(out)
}

fn decimal(text: &str, name: &'static str) -> Result<f64, Unreadable> {
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or(Unreadable::NotANumber(name))
}
