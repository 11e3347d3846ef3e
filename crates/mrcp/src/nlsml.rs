//! What was recognized, as NLSML (RFC 6787 §6.3.1, §9.6, §9.7, §11.5.2).

mod enrolment;
#[cfg(test)]
mod tests;
mod verification;

use std::fmt;

pub use enrolment::{Confusable, Enrolment};
pub use verification::{Analysis, Verification, Voiceprint};

/// Namespace of its elements. Servers that are older than the RFC have none, or another; names alone are looked at.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:mrcpv2";

/// The most elements and texts of one result.
const MOST_NODES: u32 = 20_000;
/// The deepest meaning.
const DEEPEST: usize = 32;

/// Why a body is no result. Never holds what was recognized.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("a result in UTF-8 was expected")]
    NotText,
    #[error(
        "well-formed XML of at most {MOST_NODES} nodes and no document type was expected, line {line}, column {column}"
    )]
    NotXml { line: u32, column: u32 },
    #[error("the root of a result is <result>, and here it is not")]
    NotAResult,
    #[error("a result's meaning is at most {DEEPEST} deep")]
    TooDeep,
    #[error("<{0}> has no number where one was expected")]
    NotANumber(&'static str),
}

/// A whole result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recognition {
    /// The best first.
    pub interpretations: Vec<Interpretation>,
    pub enrolment: Option<Enrolment>,
    pub verification: Option<Verification>,
}

/// One thing that may have been meant.
#[derive(Clone, Default, PartialEq)]
pub struct Interpretation {
    /// 0 to 1, where the server says.
    pub confidence: Option<f64>,
    /// Which grammar matched: its own, else the whole result's.
    pub grammar: Option<String>,
    /// The meaning; text alone where the grammar gave none of its own.
    pub instance: Option<Meaning>,
    pub input: Option<Input>,
}

/// A tree of names and texts, as semantic interpretation wrote it.
#[derive(Clone, Default, PartialEq)]
pub struct Meaning {
    pub name: String,
    pub confidence: Option<f64>,
    /// Without the space around it; of an element with parts, what stands between them.
    pub text: String,
    pub parts: Vec<Meaning>,
}

/// What was said or pressed.
#[derive(Clone, Default, PartialEq)]
pub struct Input {
    /// `speech`, `dtmf` or what else the server calls it.
    pub mode: Option<String>,
    pub confidence: Option<f64>,
    pub heard: Heard,
    /// Words one by one, or one way of input beside the other.
    pub parts: Vec<Input>,
}

#[derive(Clone, Default, PartialEq)]
pub enum Heard {
    Text(String),
    /// With the best of what was not good enough, if the server tells.
    NoMatch(Option<String>),
    #[default]
    NoInput,
}

/// Reads the body of RECOGNITION-COMPLETE, INTERPRETATION-COMPLETE, VERIFICATION-COMPLETE or GET-RESULT's answer.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(body: &[u8]) -> Result<Recognition, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::NotText)?;
    let options = roxmltree::ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(text.trim_start(), options).map_err(|error| {
        let place = error.pos();
        Unreadable::NotXml { line: place.row, column: place.col }
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "result" {
        return Err(Unreadable::NotAResult);
    }
    let mut out = Recognition::default();
    for child in root.children().filter(roxmltree::Node::is_element) {
        match child.tag_name().name() {
            "interpretation" => out.interpretations.push(interpretation(child, root.attribute("grammar"))?),
            "enrollment-result" => out.enrolment = Some(enrolment::read(child)?),
            "verification-result" => out.verification = Some(verification::read(child)?),
            _ => {}
        }
    }
    Ok(out)
}

type Node<'a, 'b> = roxmltree::Node<'a, 'b>;

fn elements<'a, 'b: 'a>(node: Node<'a, 'b>) -> impl Iterator<Item = Node<'a, 'b>> {
    node.children().filter(Node::is_element)
}

fn interpretation(node: Node<'_, '_>, of_all: Option<&str>) -> Result<Interpretation, Unreadable> {
    let mut out = Interpretation {
        confidence: confidence(node),
        grammar: node.attribute("grammar").or(of_all).map(str::to_owned),
        ..Interpretation::default()
    };
    for child in elements(node) {
        match child.tag_name().name() {
            "instance" if out.instance.is_none() => out.instance = Some(meaning(child, 0)?),
            "input" if out.input.is_none() => out.input = Some(input(child, 0)?),
            _ => {}
        }
    }
    Ok(out)
}

/// 0 to 1; servers from before the RFC count to 100.
fn confidence(node: Node<'_, '_>) -> Option<f64> {
    let said = node.attributes().find(|attribute| attribute.name() == "confidence")?;
    let value: f64 = said.value().trim().parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0)?;
    Some(if value > 1.0 { (value / 100.0).min(1.0) } else { value })
}

fn own_text(node: Node<'_, '_>) -> String {
    let texts: Vec<&str> = node.children().filter(Node::is_text).filter_map(|child| child.text()).collect();
    texts.join(" ").trim().to_owned()
}

fn meaning(node: Node<'_, '_>, depth: usize) -> Result<Meaning, Unreadable> {
    if depth > DEEPEST {
        return Err(Unreadable::TooDeep);
    }
    let parts = elements(node).map(|child| meaning(child, depth + 1)).collect::<Result<_, _>>()?;
    let name = node.tag_name().name().to_owned();
    Ok(Meaning { name, confidence: confidence(node), text: own_text(node), parts })
}

fn input(node: Node<'_, '_>, depth: usize) -> Result<Input, Unreadable> {
    if depth > DEEPEST {
        return Err(Unreadable::TooDeep);
    }
    let mut parts = Vec::new();
    let mut heard = None;
    // Markup that the future brings is read for its text (§9.6.3.4).
    let mut words = vec![own_text(node)];
    for child in elements(node) {
        match child.tag_name().name() {
            "input" => parts.push(input(child, depth + 1)?),
            "noinput" => heard = Some(Heard::NoInput),
            "nomatch" => heard = Some(Heard::NoMatch(Some(own_text(child)).filter(|text| !text.is_empty()))),
            _ => words.push(own_text(child)),
        }
    }
    if parts.is_empty() {
        words.retain(|word| !word.is_empty());
    } else {
        words = parts.iter().filter_map(Input::text).map(str::to_owned).collect();
    }
    let heard = heard.unwrap_or_else(|| Heard::Text(words.join(" ")));
    Ok(Input { mode: node.attribute("mode").map(str::to_owned), confidence: confidence(node), heard, parts })
}

impl Input {
    /// The words, where there are some.
    pub fn text(&self) -> Option<&str> {
        match &self.heard {
            Heard::Text(text) => Some(text),
            Heard::NoMatch(_) | Heard::NoInput => None,
        }
    }
}

/// What callers said reaches no log.
impl fmt::Debug for Interpretation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interpretation of confidence {:?}", self.confidence)
    }
}

impl fmt::Debug for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "meaning of {} parts", self.parts.len())
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input by {}", self.mode.as_deref().unwrap_or("?"))
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Heard::Text(_) => "text",
            Heard::NoMatch(_) => "no match",
            Heard::NoInput => "no input",
        })
    }
}
