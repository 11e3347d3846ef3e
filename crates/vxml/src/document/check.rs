//! Every element and attribute of a document against the schema (VoiceXML 2.0 §1.4, 2.1 §1): all problems at once.

use super::OWN;
use super::schema::{Kind, Rule, rule};
use super::tag::Tag;
use super::values::{boolean, is_reference, is_variable, nearest, time};
use super::xml::{Child, Element, ElementId, Tree};
use crate::problem::Problem;

/// All problems of a document, in the order of their places; `tags` gets what each element is.
pub(super) fn check(tree: &Tree, tags: &mut Vec<Option<Tag>>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for id in tree.ids() {
        let element = tree.element(id);
        let inside = element.parent.and_then(|parent| tags.get(tree.number(parent)).copied().flatten());
        // What is inside a grammar or metadata is another language's.
        let foreign =
            element.parent.is_some() && (inside.is_none() || matches!(inside, Some(Tag::Grammar | Tag::Metadata)));
        let tag = if foreign { None } else { Tag::named(&element.name) };
        tags.push(tag);
        if foreign {
            continue;
        }
        let Some(tag) = tag else {
            let fix = match nearest(&element.name, Tag::ALL.iter().map(|tag| tag.name())) {
                Some(meant) => format!("did you mean <{meant}>?"),
                None => "take it out or mend its name".to_owned(),
            };
            let words = format!("there is no element <{}> in VoiceXML 2.1: {fix}", element.name);
            problems.push(Problem::badfetch(element.place, words));
            continue;
        };
        if tag == Tag::Stream && !element.is_own {
            let words = format!(
                "<{}> is not VoiceXML's but ours: write xmlns:rf=\"{OWN}\" at <vxml>, and <rf:{}> here",
                element.name, element.name
            );
            problems.push(Problem::badfetch(element.place, words));
        }
        let rule = rule(tag);
        if let Some(parent) = inside {
            within(tag, parent, element, &mut problems);
        }
        attributes(tag, &rule, element, &mut problems);
        if !rule.text {
            no_text(tag, element, &mut problems);
        }
    }
    if tree.root().name != "vxml" {
        let words = format!("expected <vxml> as the root, found <{}>", tree.root().name);
        problems.push(Problem::badfetch(tree.root().place, words));
    } else {
        version(tree, &mut problems);
        unique(tree, tags, &mut problems);
        whole(tree, tags, &mut problems);
    }
    problems.sort_by_key(|problem| problem.place);
    problems
}

fn within(tag: Tag, parent: Tag, element: &Element, problems: &mut Vec<Problem>) {
    let allowed = rule(parent).children.iter().any(|group| group.contains(&tag));
    if !allowed {
        let takes = |parent: &&Tag| rule(**parent).children.iter().any(|group| group.contains(&tag));
        let parents: Vec<String> = Tag::ALL.iter().filter(takes).map(|parent| format!("<{}>", parent.name())).collect();
        let fix = match parents.is_empty() {
            true => "it is a document's root".to_owned(),
            false => format!("it stands in {}", parents.join(", ")),
        };
        let words = format!("<{}> may not stand in <{}>: {fix}", tag.name(), parent.name());
        problems.push(Problem::badfetch(element.place, words));
    }
}

fn attributes(tag: Tag, rule: &Rule, element: &Element, problems: &mut Vec<Problem>) {
    let name = tag.name();
    let mut bad = |words: String| problems.push(Problem::badfetch(element.place, words));
    for (attribute, value) in element.attributes() {
        let kind = rule.attributes.iter().flat_map(|group| group.iter()).find(|(known, _)| *known == attribute);
        match kind {
            None => {
                let known: Vec<&str> =
                    rule.attributes.iter().flat_map(|group| group.iter()).map(|(known, _)| *known).collect();
                bad(match nearest(attribute, known.iter().copied()) {
                    Some(meant) => format!("<{name}> has no attribute `{attribute}`: did you mean `{meant}`?"),
                    None if known.is_empty() => format!("<{name}> has no attribute `{attribute}`: it has none"),
                    None => format!("<{name}> has no attribute `{attribute}`; it has {}", known.join(", ")),
                });
            }
            Some((_, kind)) => {
                if let Some(expected) = expected(*kind, value) {
                    bad(format!("{attribute} of <{name}>: expected {expected}, found `{value}`"));
                }
            }
        }
    }
    for required in rule.required {
        if element.attribute(required).is_none() {
            bad(format!("<{name}> needs the attribute `{required}`"));
        }
    }
    for (exactly, group) in rule.one_of {
        let given: Vec<&str> = group.iter().copied().filter(|one| element.attribute(one).is_some()).collect();
        let all = group.join(", ");
        match given.len() {
            0 if *exactly => bad(format!("<{name}> needs one of {all}")),
            0 | 1 => {}
            _ => bad(format!("<{name}> may have only one of {all}, it has {}", given.join(" and "))),
        }
    }
}

/// What was expected, where the value is not of its kind.
fn expected(kind: Kind, value: &str) -> Option<String> {
    let (good, words) = match kind {
        Kind::Text | Kind::Script => (true, ""),
        Kind::Boolean => (boolean(value).is_some(), "`true` or `false`"),
        Kind::Time => (time(value).is_some(), "a time such as `3s` or `500ms`"),
        Kind::Number => (value.parse::<u32>().is_ok(), "a whole number"),
        Kind::Variable => (is_variable(value), "the name of a variable, without a dot"),
        Kind::Reference => (is_reference(value), "the name of a variable"),
        Kind::References => (value.split_whitespace().all(is_reference), "names of variables with blanks between"),
        Kind::OneOf(words) => return (!words.contains(&value)).then(|| words.join(" or ")),
    };
    (!good).then(|| words.to_owned())
}

fn no_text(tag: Tag, element: &Element, problems: &mut Vec<Problem>) {
    let text = element.children.iter().find_map(|child| match child {
        Child::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
        Child::Element(_) => None,
    });
    if let Some(text) = text {
        let start: String = text.chars().take(20).collect();
        let words = format!("<{}> holds no text, found `{start}`", tag.name());
        problems.push(Problem::badfetch(element.place, words));
    }
}

fn version(tree: &Tree, problems: &mut Vec<Problem>) {
    if let Some(version) = tree.root().attribute("version").filter(|version| !matches!(*version, "2.0" | "2.1")) {
        let words = format!("version of <vxml>: expected 2.0 or 2.1, found `{version}`");
        problems.push(Problem::badfetch(tree.root().place, words));
    }
}

/// Dialogs have names of their own (2.0 §1.5.1), and so have a form's items (§2.1.2).
fn unique(tree: &Tree, tags: &[Option<Tag>], problems: &mut Vec<Problem>) {
    let mut twice = |parent: ElementId, attribute: &str, of: fn(Tag) -> bool| {
        let mut seen = Vec::new();
        for child in
            tree.children(parent).filter(|child| tags.get(tree.number(*child)).copied().flatten().is_some_and(of))
        {
            let element = tree.element(child);
            let Some(name) = element.attribute(attribute) else { continue };
            if seen.contains(&name) {
                let words = format!("two have the {attribute} `{name}`: give one another");
                problems.push(Problem::badfetch(element.place, words));
            }
            seen.push(name);
        }
    };
    twice(Tree::ROOT, "id", |tag| matches!(tag, Tag::Form | Tag::Menu));
    for dialog in tree.children(Tree::ROOT) {
        twice(dialog, "name", |tag| tag.is_form_item() || tag == Tag::Var);
    }
}

/// What the tables do not say.
fn whole(tree: &Tree, tags: &[Option<Tag>], problems: &mut Vec<Problem>) {
    for id in tree.ids() {
        let element = tree.element(id);
        let has_text = || !tree.text(id).trim().is_empty();
        let source = element.attribute("src").or(element.attribute("srcexpr")).is_some();
        let words = match tags.get(tree.number(id)).copied().flatten() {
            Some(Tag::Script) if source && has_text() => "a <script> has either src or text, not both",
            Some(Tag::Script) if !source && !has_text() => "a <script> needs src or text",
            Some(Tag::Grammar) if source && (has_text() || tree.children(id).next().is_some()) => {
                "a <grammar> has either src or content, not both"
            }
            Some(Tag::Grammar) if !source && !has_text() && tree.children(id).next().is_none() => {
                "a <grammar> needs src or content"
            }
            Some(Tag::Catch) if element.attribute("event").is_some_and(|event| event.trim().is_empty()) => {
                "the event of a <catch> is empty: leave it out to catch all events"
            }
            _ => continue,
        };
        problems.push(Problem::badfetch(element.place, words));
    }
}
