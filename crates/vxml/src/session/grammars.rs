//! Which grammars are active while an item listens, and whose input is whose (2.0 §3.1.4).

use std::sync::Arc;

use super::form::choices;
use super::machine::{Flow, Machine, Thrown, Wait, badfetch};
use super::navigate::Sent;
use super::{NotFetched, Page};
use crate::document::{Document, ElementId, Tag, Tree};
use crate::grammar::{Builtin, Grammar, Mode, Recogniser};

/// A grammar, or the event of whoever needs it.
pub(super) type Loaded = Result<Arc<Grammar>, Thrown>;

/// An active grammar.
#[derive(Clone, Debug)]
pub(super) struct Active {
    pub(super) recogniser: Recogniser,
    pub(super) target: Target,
}

/// Whose a match is.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// The field that listens.
    Item,
    /// The field, with this value whatever was said (`<option>`).
    Option(String),
    /// The form: any of its items.
    Form,
    Choice(ElementId),
    Link(Arc<Document>, ElementId),
    /// A dialog of the document, or of the root document, whose grammars hold beyond it.
    Dialog(Arc<Document>, ElementId),
    /// `help`, `cancel`, `exit`.
    Universal(&'static str),
}

impl Machine {
    /// All active grammars in their order of precedence; `None`: one has to be fetched first.
    pub(super) fn active(&mut self) -> Flow<Option<Vec<Active>>> {
        let visit = self.visit()?;
        let (document, root) = (visit.document.clone(), visit.root.clone());
        let (Some(item), Some(dialog)) = (visit.item(), visit.dialog) else { return Ok(Some(Vec::new())) };
        let (item, tag) = (item.id, item.tag);
        let mut wanted: Vec<(Arc<Document>, ElementId, Target)> = Vec::new();
        let mut ready: Vec<Active> = Vec::new();
        match tag {
            Tag::Field => {
                wanted.extend(document.of(item, Tag::Grammar).map(|id| (document.clone(), id, Target::Item)));
                self.built_in(&document, item, &mut ready)?;
                phrases(&document, item, Tag::Option, &mut ready);
            }
            Tag::Menu => self.menu(&document, item, &mut wanted, &mut ready, &Target::Choice),
            _ => {}
        }
        let modal = document.boolean(item, "modal").unwrap_or(false);
        if !modal {
            self.beyond(&document, root.as_ref(), item, dialog, &mut wanted, &mut ready);
        }
        let mut active = Vec::new();
        for (document, id, target) in wanted {
            match self.load(&document, id)? {
                Some(recogniser) => active.push(Active { recogniser, target }),
                None => return Ok(None),
            }
        }
        active.extend(ready);
        if !modal {
            self.universals(&mut active);
        }
        let modes = self.property("inputmodes").unwrap_or_default();
        active.retain(|one| match one.recogniser.mode() {
            Mode::Dtmf => modes.contains("dtmf"),
            Mode::Voice => modes.contains("voice"),
        });
        Ok(Some(active))
    }

    /// `<field type="digits?length=4">`, for keys and for words.
    fn built_in(&mut self, document: &Arc<Document>, item: ElementId, ready: &mut Vec<Active>) -> Flow {
        let Some(name) = document.attribute(item, "type") else { return Ok(()) };
        let builtin = Builtin::named(name).map_err(|words| Thrown::new("error.unsupported.builtin", words))?;
        for mode in [Mode::Dtmf, Mode::Voice] {
            ready.push(Active { recogniser: Recogniser::Builtin(builtin.clone(), mode), target: Target::Item });
        }
        Ok(())
    }

    fn menu(
        &self,
        document: &Arc<Document>,
        menu: ElementId,
        wanted: &mut Vec<(Arc<Document>, ElementId, Target)>,
        ready: &mut Vec<Active>,
        target: &dyn Fn(ElementId) -> Target,
    ) {
        let approximate =
            |id| document.attribute(id, "accept").or(document.attribute(menu, "accept")) == Some("approximate");
        for (choice, key) in choices(document, menu, Tag::Choice) {
            let own: Vec<ElementId> = document.of(choice, Tag::Grammar).collect();
            if own.is_empty() {
                let text = spoken_text(document, choice);
                ready.extend(phrase(Mode::Voice, &text, approximate(choice), target(choice)));
            }
            wanted.extend(own.into_iter().map(|id| (document.clone(), id, target(choice))));
            ready.extend(key.and_then(|key| phrase(Mode::Dtmf, &key, false, target(choice))));
        }
    }

    /// The form's, links of every scope, and dialogs whose scope is the document.
    fn beyond(
        &self,
        document: &Arc<Document>,
        root: Option<&Arc<Document>>,
        item: ElementId,
        dialog: ElementId,
        wanted: &mut Vec<(Arc<Document>, ElementId, Target)>,
        ready: &mut Vec<Active>,
    ) {
        let mut links = |document: &Arc<Document>, holder: ElementId, wanted: &mut Vec<_>| {
            for link in document.of(holder, Tag::Link) {
                let target = Target::Link(document.clone(), link);
                wanted.extend(document.of(link, Tag::Grammar).map(|id| (document.clone(), id, target.clone())));
                let key = document.attribute(link, "dtmf").map(|key| key.split_whitespace().collect::<String>());
                ready.extend(key.and_then(|key| phrase(Mode::Dtmf, &key, false, target)));
            }
        };
        if item != dialog {
            links(document, item, wanted);
        }
        wanted.extend(document.of(dialog, Tag::Grammar).map(|id| (document.clone(), id, Target::Form)));
        links(document, dialog, wanted);
        links(document, Tree::ROOT, wanted);
        if let Some(root) = root {
            links(root, Tree::ROOT, wanted);
        }
        for holder in std::iter::once(document).chain(root) {
            for other in holder.dialogs().filter(|other| !Arc::ptr_eq(holder, document) || *other != dialog) {
                let wide = holder.attribute(other, "scope") == Some("document");
                let target = Target::Dialog(holder.clone(), other);
                for grammar in holder.of(other, Tag::Grammar) {
                    if wide || holder.attribute(grammar, "scope") == Some("document") {
                        wanted.push((holder.clone(), grammar, target.clone()));
                    }
                }
                if wide && holder.tag(other) == Some(Tag::Menu) {
                    self.menu(holder, other, wanted, ready, &|choice| Target::Link(holder.clone(), choice));
                }
            }
        }
    }

    fn universals(&self, active: &mut Vec<Active>) {
        let on = self.property("universals").unwrap_or_default();
        for (word, event) in [("help", "help"), ("cancel", "cancel"), ("exit", "exit")] {
            if on == "all" || on.split_whitespace().any(|one| one == word) {
                active.extend(phrase(Mode::Voice, word, false, Target::Universal(event)));
            }
        }
    }

    /// A `<grammar>`; `None`: it was asked for.
    pub(super) fn load(&mut self, document: &Arc<Document>, id: ElementId) -> Flow<Option<Recogniser>> {
        let mode = match document.attribute(id, "mode") {
            Some("dtmf") => Mode::Dtmf,
            _ => Mode::Voice,
        };
        let fetched = document.attribute(id, "src").or(document.attribute(id, "srcexpr")).is_some();
        if !fetched {
            let key = format!("{}@{}", document.url, document.place(id));
            let loaded = self.loaded.get(&key).cloned().unwrap_or_else(|| {
                Grammar::of_tree(document.tree(), id, mode).map(Arc::new).map_err(|problem| {
                    Thrown::new(problem.event, format!("{}:{}: {}", document.url, problem.place, problem.words))
                })
            });
            let grammar = loaded.clone();
            self.keep(key, loaded);
            return grammar.map(|grammar| Some(Recogniser::Rules(grammar)));
        }
        let reference = match (document.attribute(id, "src"), document.attribute(id, "srcexpr")) {
            (Some(src), _) => src.to_owned(),
            (None, expr) => {
                let expr = expr.unwrap_or_default();
                self.script((document, id), |engine| engine.string(expr))?
            }
        };
        if let Some(builtin) = reference.strip_prefix("builtin:") {
            let (kind, name) = builtin.split_once('/').unwrap_or(("grammar", builtin));
            let mode = if kind == "dtmf" { Mode::Dtmf } else { Mode::Voice };
            let builtin = Builtin::named(name).map_err(|words| Thrown::new("error.unsupported.builtin", words))?;
            return Ok(Some(Recogniser::Builtin(builtin, mode)));
        }
        let url = document.resolve_within(id, &reference, document);
        let key = format!("{url} {mode:?}");
        match self.loaded.get(&key) {
            Some(loaded) => loaded.clone().map(|grammar| Some(Recogniser::Rules(grammar))),
            None => {
                let request = self.request(id, url, Sent::default());
                let asked = self.ask(request);
                self.wait = Wait::Grammar(asked, key);
                Ok(None)
            }
        }
    }

    pub(super) fn grammar_fetched(&mut self, key: &str, outcome: Result<Page, NotFetched>) -> Flow {
        let (url, mode) = key.rsplit_once(' ').unwrap_or((key, "Voice"));
        let mode = if mode == "Dtmf" { Mode::Dtmf } else { Mode::Voice };
        let loaded = match outcome {
            Err(why) => Err(badfetch(url, &why)),
            Ok(page) => Grammar::parse(&page.bytes, mode)
                .map(Arc::new)
                .map_err(|problem| Thrown::new(problem.event, format!("{url}:{}: {}", problem.place, problem.words))),
        };
        if let Err(thrown) = &loaded {
            let words = format!("{}: {}", thrown.event, thrown.message);
            self.log(true, words);
        }
        let failed = loaded.is_err();
        let outcome = loaded.clone();
        // One that could not be had is asked for again the next time.
        if !failed {
            self.keep(key.to_owned(), loaded);
        }
        match outcome {
            Ok(_) if self.is_transferring() => self.transfer_item(),
            Ok(_) => self.listen(),
            Err(thrown) => Err(thrown),
        }
    }

    /// Keeps a grammar; a session that has gone through many begins again.
    fn keep(&mut self, key: String, loaded: Loaded) {
        if self.loaded.len() > 200 {
            self.loaded.clear();
        }
        self.loaded.insert(key, loaded);
    }
}

fn phrase(mode: Mode, text: &str, approximate: bool, target: Target) -> Option<Active> {
    let grammar = Grammar::phrase(mode, text, approximate)?;
    Some(Active { recogniser: Recogniser::Rules(Arc::new(grammar)), target })
}

/// What a choice says, without what its grammars and descriptions hold.
fn spoken_text(document: &Document, id: ElementId) -> String {
    let mut text = String::new();
    for child in &document.tree().element(id).children {
        match child {
            crate::document::Child::Text(words) => text.push_str(words),
            crate::document::Child::Element(child) => match document.tag(*child) {
                Some(Tag::Grammar) | None => {}
                Some(_) => text.push_str(&format!(" {} ", document.tree().text(*child))),
            },
        }
    }
    text
}

fn phrases(document: &Arc<Document>, field: ElementId, of: Tag, ready: &mut Vec<Active>) {
    for (id, key) in choices(document, field, of) {
        let text = spoken_text(document, id);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let value = document.attribute(id, "value").map(str::to_owned);
        // §2.3.1.3: its value, or else its text, or else its key.
        let value =
            value.or_else(|| (!text.is_empty()).then(|| text.clone())).or_else(|| key.clone()).unwrap_or_default();
        let approximate = document.attribute(id, "accept") == Some("approximate");
        ready.extend(phrase(Mode::Voice, &text, approximate, Target::Option(value.clone())));
        ready.extend(key.and_then(|key| phrase(Mode::Dtmf, &key, false, Target::Option(value))));
    }
}
