//! The XML form of SRGS 1.0.

use super::model::{Builder, Grammar, Mode, Node, NodeId, repeat};
use crate::document::xml::{Child, ElementId, Tree};
use crate::problem::Problem;

pub(super) fn parse(tree: &Tree, id: ElementId, mode: Mode) -> Result<Grammar, Problem> {
    let grammar = tree.element(id);
    if grammar.name != "grammar" {
        let words = format!("expected <grammar>, found <{}>", grammar.name);
        return Err(Problem::new(grammar.place, "error.unsupported.format", words));
    }
    let mode = match grammar.attribute("mode") {
        Some("dtmf") => Mode::Dtmf,
        Some("voice") => Mode::Voice,
        None => mode,
        Some(other) => {
            return Err(Problem::badfetch(grammar.place, format!("mode: expected voice or dtmf, found `{other}`")));
        }
    };
    if let Some(version) = grammar.attribute("version").filter(|version| *version != "1.0") {
        let words = format!("version of <grammar>: expected 1.0, found `{version}`");
        return Err(Problem::badfetch(grammar.place, words));
    }
    let mut builder = Builder::new(mode);
    builder.literal = grammar.attribute("tag-format").is_some_and(|format| format.ends_with("-literals"));
    for child in tree.children(id) {
        let element = tree.element(child);
        match element.name.as_str() {
            "rule" => {
                let Some(name) = element.attribute("id") else {
                    return Err(Problem::badfetch(element.place, "a <rule> needs an id"));
                };
                let node = sequence(&mut builder, tree, child)?;
                builder.define(name, node, element.place)?;
            }
            "meta" | "metadata" | "lexicon" | "tag" => {}
            other => {
                let words = format!("<{other}> may not stand in <grammar>: expected <rule>");
                return Err(Problem::badfetch(element.place, words));
            }
        }
    }
    builder.build(grammar.attribute("root"), grammar.place)
}

/// What an element holds, in order. Depth is bounded by the tree's.
fn sequence(builder: &mut Builder, tree: &Tree, id: ElementId) -> Result<NodeId, Problem> {
    let mut parts = Vec::new();
    for child in &tree.element(id).children {
        match child {
            Child::Text(text) => parts.extend(text_words(builder, text)),
            Child::Element(child) => parts.extend(expansion(builder, tree, *child)?),
        }
    }
    Ok(builder.sequence(parts))
}

/// Text with `"quoted phrases"`; the quotes only keep words together.
fn text_words(builder: &mut Builder, text: &str) -> Vec<NodeId> {
    builder.words(&text.replace('"', " "))
}

fn expansion(builder: &mut Builder, tree: &Tree, id: ElementId) -> Result<Option<NodeId>, Problem> {
    let element = tree.element(id);
    let bad = |words: String| Err(Problem::badfetch(element.place, words));
    Ok(Some(match element.name.as_str() {
        "item" => {
            let body = sequence(builder, tree, id)?;
            match element.attribute("repeat") {
                None => body,
                Some(times) => match repeat(times) {
                    Some((min, max)) => builder.add(Node::Repeat { body, min, max }),
                    None => return bad(format!("repeat: expected `n`, `n-m` or `n-`, found `{times}`")),
                },
            }
        }
        "one-of" => {
            let mut ways = Vec::new();
            for child in tree.children(id) {
                if tree.element(child).name != "item" {
                    return bad(format!("<{}> may not stand in <one-of>: expected <item>", tree.element(child).name));
                }
                ways.extend(expansion(builder, tree, child)?);
            }
            builder.add(Node::OneOf(ways))
        }
        "ruleref" => match (element.attribute("uri"), element.attribute("special")) {
            (Some(uri), None) => match uri.strip_prefix('#') {
                Some(name) => builder.refer(name, element.place),
                None => {
                    return bad(format!("`{uri}`: rules of other grammars are not taken, only `#name` of this one"));
                }
            },
            (None, Some("NULL")) => builder.add(Node::Nothing),
            (None, Some("VOID")) => builder.add(Node::Never),
            (None, Some("GARBAGE")) => builder.add(Node::Anything),
            _ => return bad("a <ruleref> needs either uri or special (NULL, VOID, GARBAGE)".into()),
        },
        "token" => {
            let words = text_words(builder, &tree.text(id));
            builder.sequence(words)
        }
        "tag" => builder.add(Node::Tag(tree.text(id).trim().to_owned())),
        "example" | "lexicon" | "metadata" => return Ok(None),
        other => return bad(format!("<{other}> is no part of a rule")),
    }))
}
