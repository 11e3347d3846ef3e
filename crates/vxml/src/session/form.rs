//! The form interpretation algorithm (2.0 §2.1.6, appendix C): initialise, select, collect, process.

use std::sync::Arc;

use serde_json::{Value, json};

use super::machine::{Flow, Machine, Thrown};
use super::visit::{Filling, Frame, Item, Kind, Phase};
use crate::document::{Document, ElementId, Tag};
use crate::script::DIALOG;

impl Machine {
    /// What comes once nothing is being executed.
    pub(super) fn advance(&mut self) -> Flow {
        match self.visit()?.phase.clone() {
            Phase::RootReady { dialog } => self.enter_document(dialog),
            Phase::DocumentReady { dialog } => self.enter_dialog(dialog.as_deref()),
            Phase::Process => self.process(),
            Phase::Select => self.select(),
        }
    }

    /// Initialisation: a fresh dialog scope, the items, and their variables in document order.
    pub(super) fn enter_dialog(&mut self, name: Option<&str>) -> Flow {
        let visit = self.visit()?;
        let document = visit.document.clone();
        let Some(dialog) = document.dialog(name) else {
            return match name {
                Some(name) => Err(Thrown::new("error.badfetch", format!("{} has no dialog `{name}`", document.url))),
                // A document without dialogs has said what it had to say.
                None => {
                    self.exit_with(None);
                    Ok(())
                }
            };
        };
        self.visit()?.depth = 3;
        self.script((&document, dialog), |engine| engine.leave(3))?;
        self.script((&document, dialog), |engine| engine.enter("dialog"))?;
        let visit = self.visit()?;
        visit.depth = 4;
        visit.dialog = Some(dialog);
        visit.current = None;
        visit.events.clear();
        visit.next_item = None;
        visit.prompting = true;
        visit.filled = Filling::default();
        visit.items = items(&document, dialog);
        visit.phase = Phase::Select;
        let parameters: Vec<String> = visit.parameters.keys().cloned().collect();
        for name in parameters {
            let declared = document.of(dialog, Tag::Var).any(|var| document.attribute(var, "name") == Some(&name));
            if !declared {
                let words = format!("the subdialog has no <var name=\"{name}\"> for this <param>");
                return Err(Thrown::new("error.semantic", words));
            }
        }
        if document.tag(dialog) == Some(Tag::Menu) {
            self.script((&document, dialog), |engine| engine.declare(DIALOG, MENU, None))?;
        }
        self.push(Frame::new(document, dialog, Kind::Dialog))
    }

    /// A form item's variable, as its element is come to.
    pub(super) fn declare_item(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        let Some(item) = self.visit()?.items.iter().find(|item| item.id == id) else { return Ok(()) };
        let name = item.name.clone();
        let expr = document.attribute(id, "expr");
        self.script((document, id), |engine| engine.declare(DIALOG, &name, expr))?;
        Ok(())
    }

    /// The select phase: the item that `<goto>` named, or the first that is not filled and whose condition holds.
    fn select(&mut self) -> Flow {
        if let Some(heard) = self.visit()?.heard.take() {
            return self.form_heard(heard);
        }
        let visit = self.visit()?;
        let document = visit.document.clone();
        let named = visit.next_item.take();
        let list: Vec<(usize, ElementId, String)> =
            visit.items.iter().enumerate().map(|(at, item)| (at, item.id, item.name.clone())).collect();
        visit.current = None;
        let mut chosen = named;
        if chosen.is_none() {
            for (at, id, name) in list {
                if !self.engine()?.is_undefined(DIALOG, &name) {
                    continue;
                }
                let holds = match document.attribute(id, "cond").filter(|_| document.tag(id) != Some(Tag::Menu)) {
                    Some(cond) => self.script((&document, id), |engine| engine.truth(cond))?,
                    None => true,
                };
                if holds {
                    chosen = Some(at);
                    break;
                }
            }
        }
        let Some(chosen) = chosen else {
            // Nothing is left to be asked: the form is over and names no other.
            self.exit_with(None);
            return Ok(());
        };
        self.visit_item(chosen)
    }

    /// The collect phase.
    fn visit_item(&mut self, at: usize) -> Flow {
        let visit = self.visit()?;
        visit.current = Some(at);
        let document = visit.document.clone();
        let prompting = std::mem::replace(&mut visit.prompting, true);
        let Some(item) = visit.items.get_mut(at) else { return Ok(()) };
        let (id, tag, name) = (item.id, item.tag, item.name.clone());
        if tag != Tag::Block && prompting {
            item.prompt_count += 1;
            let count = item.prompt_count;
            self.select_prompts(&document, id, count)?;
        }
        match tag {
            Tag::Block => {
                self.script((&document, id), |engine| engine.put(DIALOG, &name, &json!(true)))?;
                self.script((&document, id), |engine| engine.enter(""))?;
                self.push(Frame::new(document, id, Kind::Scope))
            }
            Tag::Field | Tag::Initial | Tag::Menu => self.listen(),
            Tag::Record => self.record_item(),
            Tag::Transfer => self.transfer_item(),
            Tag::Subdialog => self.subdialog_item(&document, id),
            Tag::Object => self.object_item(),
            Tag::Stream => self.stream_item(),
            _ => Ok(()),
        }
    }

    // --- filling
    /// An input item has its value: its variable, its shadow, and then the process phase.
    pub(super) fn fill(&mut self, at: usize, value: &Value, shadow: &Value) -> Flow {
        self.fill_only(at, value, shadow)?;
        self.begin_process(vec![at])
    }

    pub(super) fn fill_only(&mut self, at: usize, value: &Value, shadow: &Value) -> Flow {
        let visit = self.visit()?;
        let document = visit.document.clone();
        let Some(item) = visit.items.get(at) else { return Ok(()) };
        let (id, name) = (item.id, item.name.clone());
        self.script((&document, id), |engine| engine.put(DIALOG, &name, value))?;
        if !shadow.is_null() {
            self.script((&document, id), |engine| engine.put(DIALOG, &format!("{name}$"), shadow))?;
        }
        Ok(())
    }

    /// §3.1.6.1: a form's grammar fills all items that its meaning names; `<initial>` has done its work.
    pub(super) fn form_heard(&mut self, result: Value) -> Flow {
        let visit = self.visit()?;
        let document = visit.document.clone();
        let slots: Vec<(usize, String)> = visit
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.tag.is_input_item())
            .map(|(at, item)| (at, document.attribute(item.id, "slot").unwrap_or(&item.name).to_owned()))
            .collect();
        let initials: Vec<String> =
            visit.items.iter().filter(|item| item.tag == Tag::Initial).map(|item| item.name.clone()).collect();
        let dialog = visit.dialog.unwrap_or(crate::document::Tree::ROOT);
        let meaning = result.get("interpretation").cloned().unwrap_or_default();
        let mut just = Vec::new();
        for (at, slot) in slots {
            let found = slot.split('.').try_fold(&meaning, |value, part| value.get(part));
            if let Some(value) = found.filter(|value| !value.is_null()).cloned() {
                let shadow = shadow_of(&result, &value);
                self.fill_only(at, &value, &shadow)?;
                just.push(at);
            }
        }
        for name in initials {
            self.script((&document, dialog), |engine| engine.put(DIALOG, &name, &json!(true)))?;
        }
        self.begin_process(just)
    }

    /// All `<filled>` elements that what was just filled concerns, in document order (§2.4).
    fn begin_process(&mut self, just: Vec<usize>) -> Flow {
        let visit = self.visit()?;
        let document = visit.document.clone();
        let Some(dialog) = visit.dialog else { return Ok(()) };
        let mut filling = Filling::default();
        for (child, tag) in document.children(dialog) {
            if tag == Tag::Filled {
                filling.todo.push_back((child, None));
            } else if let Some(at) = visit.items.iter().position(|item| item.id == child).filter(|at| just.contains(at))
            {
                filling.todo.extend(document.of(child, Tag::Filled).map(|filled| (filled, Some(at))));
            }
        }
        filling.just = just;
        visit.filled = filling;
        visit.phase = Phase::Process;
        Ok(())
    }

    /// The process phase: the next `<filled>` that applies.
    fn process(&mut self) -> Flow {
        while let Some((filled, item)) = self.visit()?.filled.todo.pop_front() {
            if item.is_none() && !self.form_filled(filled)? {
                continue;
            }
            let visit = self.visit()?;
            visit.current = item;
            let document = visit.document.clone();
            self.script((&document, filled), |engine| engine.enter(""))?;
            return self.push(Frame::new(document, filled, Kind::Scope));
        }
        self.visit()?.phase = Phase::Select;
        Ok(())
    }

    /// Whether a form's `<filled>` applies: by its mode and names, one of them just filled.
    fn form_filled(&mut self, filled: ElementId) -> Flow<bool> {
        let visit = self.visit()?;
        let document = visit.document.clone();
        let names: Vec<String> = match document.attribute(filled, "namelist") {
            Some(names) => names.split_whitespace().map(str::to_owned).collect(),
            None => visit.items.iter().filter(|item| item.tag.is_input_item()).map(|item| item.name.clone()).collect(),
        };
        let just: Vec<String> =
            visit.filled.just.iter().filter_map(|at| visit.items.get(*at)).map(|item| item.name.clone()).collect();
        let touched = names.iter().any(|name| just.contains(name));
        if document.attribute(filled, "mode") == Some("any") || !touched {
            return Ok(touched);
        }
        let engine = self.engine()?;
        Ok(names.iter().all(|name| !engine.is_undefined(DIALOG, name)))
    }

    /// Choices of the menu, or options of the field, that is visited: text and key.
    pub(super) fn enumerated(&self) -> Vec<(String, String)> {
        let Some(visit) = self.visits.last() else { return Vec::new() };
        let Some(item) = visit.item() else { return Vec::new() };
        let of = if item.tag == Tag::Menu { Tag::Choice } else { Tag::Option };
        let document = &visit.document;
        let text = |id| document.tree().text(id).split_whitespace().collect::<Vec<_>>().join(" ");
        choices(document, item.id, of).into_iter().map(|(id, key)| (text(id), key.unwrap_or_default())).collect()
    }
}

/// The variable of a menu: no document can name it.
const MENU: &str = " menu";

/// Choices or options with their keys: their own, or of a menu with `dtmf="true"` those that are left in turn (§2.2.1).
pub(super) fn choices(document: &Document, parent: ElementId, of: Tag) -> Vec<(ElementId, Option<String>)> {
    let implicit = document.boolean(parent, "dtmf").unwrap_or(false);
    let mut next = 1..=9;
    document
        .of(parent, of)
        .map(|id| {
            let key = document.attribute(id, "dtmf").map(|key| key.split_whitespace().collect::<String>());
            let key = match key {
                None if implicit => next.next().map(|key| key.to_string()),
                key => key,
            };
            (id, key)
        })
        .collect()
}

fn items(document: &Document, dialog: ElementId) -> Vec<Item> {
    let item = |(at, (id, tag)): (usize, (ElementId, Tag))| Item {
        id,
        tag,
        name: document.attribute(id, "name").map_or_else(|| format!(" item {at}"), str::to_owned),
        prompt_count: 0,
        events: Default::default(),
    };
    if document.tag(dialog) == Some(Tag::Menu) {
        let menu = Item { name: MENU.into(), ..item((0, (dialog, Tag::Menu))) };
        return vec![menu];
    }
    document.children(dialog).filter(|(_, tag)| tag.is_form_item()).enumerate().map(item).collect()
}

/// The shadow variable of one item (§2.3.1): as the whole result, with its own interpretation.
fn shadow_of(result: &Value, value: &Value) -> Value {
    let mut shadow = result.clone();
    if let Some(fields) = shadow.as_object_mut() {
        fields.insert("interpretation".into(), value.clone());
    }
    shadow
}
