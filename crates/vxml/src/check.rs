//! Everything that can be said of a document before anybody calls: elements and attributes, expressions and scripts, grammars
//! and built-in types, and dialogs that are gone to.

use crate::document::{Document, Tag};
use crate::grammar::{Builtin, Grammar, Mode};
use crate::problem::Problem;
use crate::script::{Engine, Failed};

/// All problems of a document, in the order of their places; empty: there are none.
pub fn check(url: &str, bytes: &[u8]) -> Vec<Problem> {
    let document = match Document::parse(url, bytes) {
        Ok(document) => document,
        Err(problems) => return problems,
    };
    let mut problems = Vec::new();
    expressions(&document, &mut problems);
    grammars(&document, &mut problems);
    references(&document, &mut problems);
    problems.sort_by_key(|problem| problem.place);
    problems
}

fn expressions(document: &Document, problems: &mut Vec<Problem>) {
    let Ok(engine) = Engine::new(1) else { return };
    let mut look = |id, what: &str, outcome: Result<Option<String>, Failed>| {
        if let Err(Failed::Wrong(words) | Failed::Stopped(words)) = outcome {
            problems.push(Problem::new(document.place(id), "error.semantic", format!("{what}: {words}")));
        }
    };
    for (id, name, expr) in document.scripts() {
        engine.refuel();
        look(id, &format!("{name}=\"{expr}\""), engine.compiles(expr));
    }
    for id in document.tree().ids().filter(|id| document.tag(*id) == Some(Tag::Script)) {
        engine.refuel();
        look(id, "<script>", engine.compiles_script(&document.tree().text(id)));
    }
}

fn grammars(document: &Document, problems: &mut Vec<Problem>) {
    for id in document.tree().ids() {
        let builtin = match document.tag(id) {
            Some(Tag::Field) => document.attribute(id, "type"),
            Some(Tag::Grammar) => document
                .attribute(id, "src")
                .and_then(|src| src.strip_prefix("builtin:"))
                .map(|name| name.split_once('/').map_or(name, |(_, name)| name)),
            _ => continue,
        };
        if let Some(words) = builtin.and_then(|name| Builtin::named(name).err()) {
            problems.push(Problem::new(document.place(id), "error.unsupported.builtin", words));
        }
        let inline = document.tag(id) == Some(Tag::Grammar)
            && document.attribute(id, "src").or(document.attribute(id, "srcexpr")).is_none();
        if inline {
            let mode = if document.attribute(id, "mode") == Some("dtmf") { Mode::Dtmf } else { Mode::Voice };
            problems.extend(Grammar::of_tree(document.tree(), id, mode).err());
        }
    }
}

/// `#name` must be a dialog of this document, `nextitem` an item of its form.
fn references(document: &Document, problems: &mut Vec<Problem>) {
    for id in document.tree().ids() {
        let reference = match document.tag(id) {
            Some(Tag::Goto | Tag::Choice | Tag::Link | Tag::Submit) => document.attribute(id, "next"),
            Some(Tag::Subdialog) => document.attribute(id, "src"),
            _ => continue,
        };
        let dialog = reference.and_then(|reference| reference.strip_prefix('#'));
        if let Some(name) = dialog.filter(|name| document.dialog(Some(name)).is_none()) {
            let words = format!("there is no dialog `{name}` in this document");
            problems.push(Problem::badfetch(document.place(id), words));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_running_would_show_is_found_before() {
        let text = b"<vxml version='2.1'>
<script>function (</script>
<form id='a'><field name='x' type='colour'><filled><if cond='x =='><exit/></if></filled></field>
<field name='y'><grammar root='r'><rule id='q'>a</rule></grammar></field>
<block><goto next='#b'/></block></form></vxml>";
        let found: Vec<String> = check("a", text).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 5, "{found:#?}");
        assert!(found[0].starts_with("2:1: <script>: SyntaxError"), "{found:#?}");
        assert!(found[1].contains("3:14") && found[1].contains("colour"));
        assert!(found[2].contains("cond=\"x ==\""));
        assert!(found[3].starts_with("4:17") && found[3].contains("root"));
        assert!(found[4].contains("no dialog `b`"));
    }
}
