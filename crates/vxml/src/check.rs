//! Everything that can be said of a document before anybody calls: elements and attributes, expressions and scripts, grammars
//! and built-in types, and dialogs that are gone to.

use std::sync::Arc;

use crate::document::{Document, Tag};
use crate::grammar::{Builtin, Grammar, Mode};
use crate::problem::Problem;
use crate::script::{Engine, Failed};

/// All problems of a document, in the order of their places; empty: there are none.
pub fn check(url: &str, bytes: &[u8]) -> Vec<Problem> {
    checked(url, bytes, |_, _| {})
}

fn checked(url: &str, bytes: &[u8], more: impl FnOnce(&Document, &mut Vec<Problem>)) -> Vec<Problem> {
    let document = match Document::parse(url, bytes) {
        Ok(document) => document,
        Err(problems) => return problems,
    };
    let mut problems = Vec::new();
    expressions(&document, &mut problems);
    grammars(&document, &mut problems);
    references(&document, &mut problems);
    streams(&document, &mut problems);
    more(&document, &mut problems);
    problems.sort_by_key(|problem| problem.place);
    problems
}

const DOCUMENT: &str = ".vxml";
const GRAMMARS: [&str; 2] = [".grxml", ".gram"];

fn is_grammar(name: &str) -> bool {
    GRAMMARS.iter().any(|ending| name.ends_with(ending))
}

/// Whether a file of this name is one that [`check_within`] is meant for, and no recording or data.
pub fn can_check(name: &str) -> bool {
    name.ends_with(DOCUMENT) || is_grammar(name)
}

/// As [`check`], for a file of an application's folder, named as from there: a document, or a grammar (`.grxml`, `.gram`).
/// The pages that it names must be there too; `look` gives those of the folder.
pub fn check_within(name: &str, bytes: &[u8], look: impl Fn(&str) -> Option<Arc<[u8]>>) -> Vec<Problem> {
    if is_grammar(name) {
        return Grammar::parse(bytes, Mode::Voice).err().into_iter().collect();
    }
    let url = format!("app:/{name}");
    checked(&url, bytes, |document, problems| neighbours(document, look, problems))
}

fn neighbours(document: &Document, look: impl Fn(&str) -> Option<Arc<[u8]>>, problems: &mut Vec<Problem>) {
    for id in document.tree().ids() {
        let (attribute, is_dialog) = match document.tag(id) {
            Some(Tag::Vxml) => ("application", false),
            Some(Tag::Goto | Tag::Choice | Tag::Link | Tag::Submit) => ("next", true),
            Some(Tag::Subdialog) => ("src", true),
            Some(Tag::Script | Tag::Data | Tag::Grammar | Tag::Audio) => ("src", false),
            _ => continue,
        };
        let Some(reference) = document.attribute(id, attribute).filter(|reference| !reference.starts_with('#')) else {
            continue;
        };
        let url = document.resolve_within(id, reference, document);
        let Some(name) = url.strip_prefix("app:/").and_then(|name| name.split('?').next()) else { continue };
        let words = match (look(name), crate::uri::fragment(reference).1) {
            (None, _) => {
                format!("there is no file `{name}` in the application's folder: mend {attribute}=\"{reference}\"")
            }
            (Some(bytes), Some(dialog)) if is_dialog => match Document::parse(&url, &bytes) {
                Ok(page) if page.dialog(Some(dialog)).is_none() => format!("there is no dialog `{dialog}` in `{name}`"),
                // What is wrong with that page is said of that page.
                _ => continue,
            },
            _ => continue,
        };
        problems.push(Problem::badfetch(document.place(id), words));
    }
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

/// A stream goes to a WebSocket.
fn streams(document: &Document, problems: &mut Vec<Problem>) {
    for id in document.tree().ids().filter(|id| document.tag(*id) == Some(Tag::Stream)) {
        let Some(src) = document.attribute(id, "src") else { continue };
        let url = document.resolve(src);
        if !["wss://", "ws://", "https://", "http://"].iter().any(|scheme| url.starts_with(scheme)) {
            let words = format!("`{src}`: a <stream> goes to a `wss://` address");
            problems.push(Problem::new(document.place(id), "error.unsupported.uri", words));
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
    fn pages_and_dialogs_that_are_not_in_the_folder_are_found() {
        let main = b"<vxml version='2.1' application='root.vxml'>
<form><block><goto next='other.vxml#there'/><goto next='other.vxml#nowhere'/><submit next='sub/gone?x=1'/>
<goto next='https://pages.example/x.vxml'/></block></form></vxml>";
        let other: Arc<[u8]> = Arc::from(*b"<vxml version='2.1'><form id='there'/></vxml>");
        let found = check_within("main.vxml", main, |name| (name == "other.vxml").then(|| other.clone()));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "1:1: there is no file `root.vxml` in the application's folder: mend application=\"root.vxml\" (error.badfetch)",
                "2:45: there is no dialog `nowhere` in `other.vxml` (error.badfetch)",
                "2:78: there is no file `sub/gone` in the application's folder: mend next=\"sub/gone?x=1\" (error.badfetch)",
            ]
        );
    }

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
