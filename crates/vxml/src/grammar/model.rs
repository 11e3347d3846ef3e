//! A grammar as it is walked: rules over an arena of expansions (SRGS 1.0 §2, §3).

use std::collections::BTreeMap;

use crate::problem::{Place, Problem};

/// What a grammar is for (SRGS §4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Mode {
    Voice,
    Dtmf,
}

/// A grammar that is whole: every rule that it refers to is there.
#[derive(Clone, Debug)]
pub struct Grammar {
    pub mode: Mode,
    pub(super) nodes: Vec<Node>,
    pub(super) rules: Vec<(String, NodeId)>,
    pub(super) root: usize,
    /// Tags are strings rather than scripts (SISR 1.0 §3.1).
    pub(super) literal: bool,
}

pub(super) type NodeId = usize;

/// An expansion.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// One word in small letters, or one key.
    Token(String),
    Sequence(Vec<NodeId>),
    OneOf(Vec<NodeId>),
    Repeat {
        body: NodeId,
        min: u32,
        max: Option<u32>,
    },
    Rule(usize),
    Tag(String),
    /// `NULL`, and what is left out.
    Nothing,
    /// `VOID`: never matches.
    Never,
    /// `GARBAGE`: any one word, or none.
    Anything,
}

/// The most nodes of one grammar.
const MAX_NODES: usize = 50_000;

/// Makes a grammar rule by rule; references may come before what they name.
#[derive(Debug)]
pub(super) struct Builder {
    pub(super) mode: Mode,
    pub(super) literal: bool,
    nodes: Vec<Node>,
    names: BTreeMap<String, (usize, Place)>,
    rules: Vec<(String, Option<NodeId>)>,
}

impl Builder {
    pub(super) fn new(mode: Mode) -> Builder {
        Builder { mode, literal: false, nodes: Vec::new(), names: BTreeMap::new(), rules: Vec::new() }
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Words of a text: each is a token; on keys each character is.
    pub(super) fn words(&mut self, text: &str) -> Vec<NodeId> {
        let words: Vec<String> = match self.mode {
            Mode::Dtmf => {
                text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase().to_string()).collect()
            }
            Mode::Voice => text.split_whitespace().map(normal).filter(|word| !word.is_empty()).collect(),
        };
        words.into_iter().map(|word| self.add(Node::Token(word))).collect()
    }

    pub(super) fn sequence(&mut self, mut parts: Vec<NodeId>) -> NodeId {
        match (parts.pop(), parts.is_empty()) {
            (None, _) => self.add(Node::Nothing),
            (Some(only), true) => only,
            (Some(last), false) => {
                parts.push(last);
                self.add(Node::Sequence(parts))
            }
        }
    }

    /// A reference to a rule, known or yet to come.
    pub(super) fn refer(&mut self, name: &str, place: Place) -> NodeId {
        let number = self.number(name, place);
        self.add(Node::Rule(number))
    }

    fn number(&mut self, name: &str, place: Place) -> usize {
        if let Some((number, _)) = self.names.get(name) {
            return *number;
        }
        self.rules.push((name.to_owned(), None));
        self.names.insert(name.to_owned(), (self.rules.len() - 1, place));
        self.rules.len() - 1
    }

    pub(super) fn define(&mut self, name: &str, node: NodeId, place: Place) -> Result<(), Problem> {
        let number = self.number(name, place);
        match self.rules.get_mut(number) {
            Some((_, slot @ None)) => *slot = Some(node),
            _ => return Err(Problem::badfetch(place, format!("two rules have the name `{name}`: give one another"))),
        }
        Ok(())
    }

    /// # Errors
    /// A rule is referred to that is not there, or there is no root.
    pub(super) fn build(self, root: Option<&str>, place: Place) -> Result<Grammar, Problem> {
        if self.nodes.len() > MAX_NODES {
            return Err(Problem::badfetch(place, format!("the grammar has more than {MAX_NODES} parts")));
        }
        let mut rules = Vec::new();
        for (name, node) in self.rules {
            let Some(node) = node else {
                let at = self.names.get(&name).map_or(place, |(_, at)| *at);
                return Err(Problem::badfetch(at, format!("there is no rule `{name}` in this grammar")));
            };
            rules.push((name, node));
        }
        let root = match root {
            Some(root) => rules.iter().position(|(name, _)| name == root),
            None => (!rules.is_empty()).then_some(0),
        };
        let Some(root) = root else {
            return Err(Problem::badfetch(
                place,
                "the grammar's root names no rule: write root=\"…\" with a rule's id",
            ));
        };
        Ok(Grammar { mode: self.mode, nodes: self.nodes, rules, root, literal: self.literal })
    }
}

impl Grammar {
    /// A phrase or keys, for `<choice>` and `<option>` (2.0 §2.2.1, §2.3.1.3). Of an `approximate` phrase any part does.
    pub(crate) fn phrase(mode: Mode, text: &str, approximate: bool) -> Option<Grammar> {
        let place = Place::default();
        let mut builder = Builder::new(mode);
        let words = builder.words(text);
        if words.is_empty() {
            return None;
        }
        let mut ways = vec![builder.sequence(words.clone())];
        if approximate && words.len() <= 12 {
            for start in 0..words.len() {
                for end in start + 1..=words.len() {
                    let part = words.get(start..end).unwrap_or_default().to_vec();
                    ways.push(builder.sequence(part));
                }
            }
        }
        let node = builder.add(Node::OneOf(ways));
        builder.define("phrase", node, place).ok()?;
        builder.build(Some("phrase"), place).ok()
    }

    pub(super) fn has_tags(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node, Node::Tag(_)))
    }
}

/// A word as it is compared: small letters, without punctuation around it.
pub(crate) fn normal(word: &str) -> String {
    word.trim_matches(|c: char| matches!(c, ',' | '.' | '?' | '!' | ';' | ':' | '"')).to_lowercase()
}

/// A repeat count: `3`, `0-1`, `2-` (SRGS §2.5).
pub(super) fn repeat(text: &str) -> Option<(u32, Option<u32>)> {
    let text = text.trim();
    let (min, max) = match text.split_once('-') {
        Some((min, max)) if max.trim().is_empty() => (min.trim().parse().ok()?, None),
        Some((min, max)) => (min.trim().parse().ok()?, Some(max.trim().parse().ok()?)),
        None => {
            let times = text.parse().ok()?;
            (times, Some(times))
        }
    };
    max.is_none_or(|max| min <= max).then_some((min, max))
}
