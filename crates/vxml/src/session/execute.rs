//! Executable content (2.0 §5.3, 2.1 §5 and §6): one child of one element at a time, so that a page may be waited for in the
//! middle.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::machine::{After, Flow, Machine, Thrown, Wait, badfetch};
use super::navigate::Sent;
use super::prompts::is_spoken;
use super::visit::{Frame, Kind, Phase};
use super::{NotFetched, Page};
use crate::document::{Child, Document, ElementId, Tag, Tree};
use crate::document::{dom, text};
use crate::script::{APPLICATION, DIALOG, DOCUMENT, INNERMOST};

/// A script that was asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Of the scope that it runs in.
    level: i32,
    url: String,
    charset: Option<String>,
}

impl Machine {
    /// The next child of the innermost frame.
    pub(super) fn execute(&mut self) -> Flow {
        let visit = self.visit()?;
        let Some(frame) = visit.frames.last_mut() else { return Ok(()) };
        let (document, element) = (frame.document.clone(), frame.element);
        if frame.next >= frame.end {
            return self.frame_done();
        }
        let at = frame.next;
        let declares = matches!(frame.kind, Kind::Document | Kind::Dialog);
        let end = frame.end;
        frame.next += 1;
        let Some(child) = document.tree().element(element).children.get(at).cloned() else { return Ok(()) };
        match child {
            _ if declares => match child {
                Child::Element(id) => self.declare(&document, id),
                Child::Text(_) => Ok(()),
            },
            Child::Text(_) => self.bare(&document, element, at, end),
            Child::Element(id) => match document.tag(id) {
                Some(tag) if is_spoken(tag) => self.bare(&document, element, at, end),
                Some(tag) => self.perform(&document, id, tag),
                None => Ok(()),
            },
        }
    }

    fn bare(&mut self, document: &Arc<Document>, parent: ElementId, from: usize, to: usize) -> Flow {
        let next = self.queue_bare(document, parent, from, to)?;
        if let Some(frame) = self.visit()?.frames.last_mut() {
            frame.next = next;
        }
        Ok(())
    }

    fn frame_done(&mut self) -> Flow {
        let visit = self.visit()?;
        let depth = visit.level();
        let Some(frame) = visit.frames.last_mut() else { return Ok(()) };
        let (document, element) = (frame.document.clone(), frame.element);
        if let Kind::Foreach { item, at, count } = &mut frame.kind {
            *at += 1;
            if *at < *count {
                let (item, at) = (item.clone(), *at);
                frame.next = 0;
                self.script((&document, element), |engine| engine.item(at, &item))?;
                return Ok(());
            }
        }
        let Some(frame) = visit.frames.pop() else { return Ok(()) };
        match frame.kind {
            Kind::Foreach { .. } => {
                self.script((&document, element), |engine| engine.done())?;
            }
            Kind::Scope | Kind::Handler => {
                self.script((&document, element), |engine| engine.leave(depth))?;
                if frame.kind == Kind::Handler && matches!(self.visit()?.phase, Phase::Process) {
                    self.visit()?.phase = Phase::Select;
                }
            }
            Kind::Document | Kind::Dialog | Kind::Branch => {}
        }
        Ok(())
    }

    /// What is declared by a document (2.0 §1.5.1) or a dialog (appendix C, initialisation).
    fn declare(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        match document.tag(id) {
            Some(Tag::Var) => self.var(document, id),
            Some(tag @ (Tag::Script | Tag::Data)) => self.perform(document, id, tag),
            Some(tag) if tag.is_form_item() => self.declare_item(document, id),
            _ => Ok(()),
        }
    }

    /// The scope in which a declaration stands.
    fn level(&self) -> i32 {
        let visit = self.visits.last();
        match visit.and_then(|visit| visit.frames.first().map(|frame| (visit, frame))) {
            Some((visit, frame)) if frame.kind == Kind::Document => {
                // A document without a root document is its own.
                let of_root = visit.root.as_ref().is_none_or(|root| Arc::ptr_eq(root, &frame.document));
                if of_root { APPLICATION } else { DOCUMENT }
            }
            Some((_, frame)) if frame.kind == Kind::Dialog => DIALOG,
            _ => INNERMOST,
        }
    }

    fn var(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        let level = self.level();
        let name = document.attribute(id, "name").unwrap_or_default();
        let given = self.visit()?.parameters.get(name).cloned().filter(|_| level == DIALOG);
        if let Some(given) = given {
            self.script((document, id), |engine| engine.put(level, name, &given))?;
            return Ok(());
        }
        let expr = document.attribute(id, "expr");
        // §5.3.1: a second declaration in one scope without a value changes nothing.
        if expr.is_none() && self.engine()?.is_known(level, name) {
            return Ok(());
        }
        self.script((document, id), |engine| engine.declare(level, name, expr))?;
        Ok(())
    }

    fn perform(&mut self, document: &Arc<Document>, id: ElementId, tag: Tag) -> Flow {
        let at = (document, id);
        let attribute = |name: &str| document.attribute(id, name).unwrap_or_default();
        match tag {
            Tag::Var => self.var(document, id),
            Tag::Assign => {
                let name = attribute("name");
                if name.starts_with("session.") {
                    return Err(Thrown::new("error.semantic", format!("{name}: session variables cannot be assigned")));
                }
                self.script(at, |engine| engine.assign(name, attribute("expr")))?;
                Ok(())
            }
            Tag::Clear => self.clear(document, id),
            Tag::If => self.branch(document, id),
            Tag::Foreach => {
                let count = self.script(at, |engine| engine.foreach(attribute("array")))?;
                if count == 0 {
                    self.script(at, |engine| engine.done())?;
                    return Ok(());
                }
                let item = attribute("item").to_owned();
                let pushed = Frame::new(document.clone(), id, Kind::Foreach { item: item.clone(), at: 0, count });
                self.push(pushed)?;
                self.script(at, |engine| engine.item(0, &item))?;
                Ok(())
            }
            Tag::Prompt => self.queue_prompt(document, id),
            Tag::Reprompt => {
                self.visit()?.prompting = true;
                Ok(())
            }
            Tag::Log => self.application_log(document, id),
            Tag::Script => self.script_element(document, id),
            Tag::Data => self.data_element(document, id),
            Tag::Goto => self.goto_element(document, id),
            Tag::Submit => self.submit_element(document, id),
            Tag::Throw => {
                let thrown = self.thrown_by(document, id)?;
                Err(thrown)
            }
            Tag::Return => self.return_element(document, id),
            Tag::Exit => {
                let value = match document.attribute(id, "expr") {
                    Some(expr) => self.script(at, |engine| engine.json(expr))?,
                    None => self.named_values(document, id)?,
                };
                self.exit_with(value);
                Ok(())
            }
            Tag::Disconnect => {
                self.given = self.named_values(document, id)?.map(|value| value.to_string());
                self.flush(After::HangUp);
                Ok(())
            }
            // <else> and <elseif> end a branch before they are come to.
            _ => Ok(()),
        }
    }

    /// `<throw>`, `<return>`, `<choice>`, `<link>`: the event they name.
    pub(super) fn thrown_by(&mut self, document: &Arc<Document>, id: ElementId) -> Flow<Thrown> {
        let at = (document, id);
        let one = |machine: &mut Machine, plain: &str, expr: &str| -> Flow<Option<String>> {
            match (document.attribute(id, plain), document.attribute(id, expr)) {
                (Some(text), _) => Ok(Some(text.to_owned())),
                (None, Some(expr)) => machine.script(at, |engine| engine.string(expr)).map(Some),
                (None, None) => Ok(None),
            }
        };
        let event = one(self, "event", "eventexpr")?.unwrap_or_default();
        let message = one(self, "message", "messageexpr")?.unwrap_or_default();
        Ok(Thrown::new(event, message))
    }

    /// §5.3.3: without names all form items; their prompt counts and event counts begin anew.
    fn clear(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        let visit = self.visit()?;
        let names: Vec<String> = match document.attribute(id, "namelist") {
            Some(names) => names.split_whitespace().map(str::to_owned).collect(),
            None => visit.items.iter().map(|item| item.name.clone()).collect(),
        };
        for name in names {
            match self.visit()?.items.iter_mut().find(|item| item.name == name) {
                Some(item) => {
                    item.prompt_count = 0;
                    item.events.clear();
                    self.script((document, id), |engine| engine.put_undefined(DIALOG, &name))?;
                }
                None => {
                    self.script((document, id), |engine| engine.clear(&name))?;
                }
            }
        }
        Ok(())
    }

    /// The first branch whose condition holds.
    fn branch(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        let children = &document.tree().element(id).children;
        let mark = |child: &Child| match child {
            Child::Element(id) => {
                document.tag(*id).filter(|tag| matches!(tag, Tag::Else | Tag::Elseif)).map(|tag| (*id, tag))
            }
            Child::Text(_) => None,
        };
        let marks: Vec<(usize, ElementId, Tag)> =
            children.iter().enumerate().filter_map(|(at, child)| mark(child).map(|(id, tag)| (at, id, tag))).collect();
        let mut from = 0;
        let mut condition = Some(id);
        for next in marks.iter().map(Some).chain([None]) {
            let to = next.map_or(children.len(), |(at, _, _)| *at);
            let holds = match condition {
                Some(holder) => {
                    let cond = document.attribute(holder, "cond").unwrap_or_default();
                    self.script((document, holder), |engine| engine.truth(cond))?
                }
                None => true,
            };
            if holds {
                let frame = Frame { next: from, end: to, ..Frame::new(document.clone(), id, Kind::Branch) };
                return self.push(frame);
            }
            if let Some((at, id, tag)) = next {
                from = at + 1;
                condition = (*tag == Tag::Elseif).then_some(*id);
            }
        }
        Ok(())
    }

    fn application_log(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        let mut segments = Vec::new();
        self.speak(document, id, &mut segments)?;
        let mut words = crate::speech::Segment::in_words(&segments);
        if let Some(expr) = document.attribute(id, "expr") {
            let value = self.script((document, id), |engine| engine.string(expr))?;
            words = format!("{words} {value}").trim().to_owned();
        }
        if let Some(label) = document.attribute(id, "label") {
            words = format!("{label}: {words}");
        }
        self.log(false, words);
        Ok(())
    }

    /// The values of a `namelist`, as one object; `None` without one.
    pub(super) fn named_values(&mut self, document: &Arc<Document>, id: ElementId) -> Flow<Option<Value>> {
        let Some(names) = document.attribute(id, "namelist") else { return Ok(None) };
        let mut values = Map::new();
        for name in names.split_whitespace() {
            let value = self.script((document, id), |engine| engine.json(name))?;
            values.insert(name.to_owned(), value.unwrap_or_default());
        }
        Ok(Some(Value::Object(values)))
    }

    // --- pages in the middle
    /// The address that `src` or an expression gives.
    pub(super) fn address(&mut self, document: &Arc<Document>, id: ElementId, plain: &str, expr: &str) -> Flow<String> {
        let reference = match (document.attribute(id, plain), document.attribute(id, expr)) {
            (Some(reference), _) => reference.to_owned(),
            (None, expr) => {
                let expr = expr.unwrap_or_default();
                self.script((document, id), |engine| engine.string(expr))?
            }
        };
        Ok(self.resolve(document, id, &reference))
    }

    fn script_element(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        let level = self.level();
        if document.attribute(id, "src").or(document.attribute(id, "srcexpr")).is_none() {
            let source = document.tree().text(id);
            self.script((document, id), |engine| engine.script(level, &source))?;
            return Ok(());
        }
        let url = self.address(document, id, "src", "srcexpr")?;
        let request = self.request(id, url.clone(), Sent::default());
        let asked = self.ask(request);
        let charset = document.attribute(id, "charset").map(str::to_owned);
        self.wait = Wait::Script(asked, Box::new(Wanted { level, url, charset }));
        Ok(())
    }

    pub(super) fn script_fetched(&mut self, wanted: &Wanted, outcome: Result<Page, NotFetched>) -> Flow {
        let Wanted { level, url, charset } = wanted;
        let page = outcome.map_err(|why| badfetch(url, &why))?;
        let source = text::decode(&page.bytes, charset.as_deref())
            .map_err(|words| Thrown::new("error.badfetch", format!("{url}: {words}")))?;
        let document = self.visit()?.document.clone();
        self.script((&document, Tree::ROOT), |engine| engine.script(*level, &source))?;
        Ok(())
    }

    fn data_element(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        let url = self.address(document, id, "src", "srcexpr")?;
        let (url, sent) = self.sent(document, id, url, false)?;
        let name = document.attribute(id, "name").map(str::to_owned);
        let request = self.request(id, url.clone(), sent);
        let audio = self.setting(id, "fetchaudio").map(|audio| self.resolve(document, id, &audio));
        self.play_while_fetching(audio);
        let asked = self.ask(request);
        self.wait = Wait::Data(asked, name, url);
        Ok(())
    }

    /// 2.1 §5: the page becomes a document to read; one that is not XML is `error.badfetch`.
    pub(super) fn data_fetched(&mut self, name: Option<String>, url: &str, outcome: Result<Page, NotFetched>) -> Flow {
        let page = outcome.map_err(|why| badfetch(url, &why))?;
        let Some(name) = name else { return Ok(()) };
        let page = dom::read_as_json(&page.bytes)
            .map_err(|problem| Thrown::new("error.badfetch", format!("{url}:{}: {}", problem.place, problem.words)))?;
        let level = self.level();
        let document = self.visit()?.document.clone();
        self.script((&document, Tree::ROOT), |engine| engine.put_document(level, &name, &page))?;
        Ok(())
    }
}
