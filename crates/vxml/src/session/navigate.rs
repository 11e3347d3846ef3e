//! From page to page: `<goto>`, `<submit>`, `<subdialog>`, `<return>`, and documents as they arrive (2.0 §1.5, §2.3.4,
//! §5.3.7 to §5.3.10, §6.1).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::machine::{Flow, Machine, Thrown, Wait, badfetch};
use super::prompts::time_of;
use super::visit::{Frame, Kind, Phase, Visit};
use super::{Ending, NotFetched, Page, Part, PartValue, Request};
use crate::document::{Document, ElementId, Tag, Tree};
use crate::uri;

/// Subdialogs within subdialogs.
const MAX_VISITS: usize = 16;

/// A document on its way.
#[derive(Debug)]
pub(super) struct Journey {
    url: String,
    dialog: Option<String>,
    why: Why,
    /// The document that waits for its root document.
    leaf: Option<Arc<Document>>,
}

/// What goes with a request.
#[derive(Debug, Default)]
pub(super) struct Sent {
    body: Option<String>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Why {
    Start,
    Goto,
    Submit,
    Subdialog(BTreeMap<String, Value>),
}

impl Journey {
    pub(super) fn start(url: &str) -> Journey {
        let (url, dialog) = uri::fragment(url);
        Journey { url: url.to_owned(), dialog: dialog.map(str::to_owned), why: Why::Start, leaf: None }
    }
}

impl Machine {
    /// Asks for a first document.
    pub(super) fn set_out(&mut self, journey: Journey) {
        let timeout = self.time_property("fetchtimeout");
        let request = Request {
            url: journey.url.clone(),
            body: None,
            parts: Vec::new(),
            timeout,
            max_age: None,
            max_stale: None,
        };
        let id = self.ask(request);
        self.wait = Wait::Document(id, Box::new(journey));
    }

    /// A request as an element's attributes and the properties say (§6.1).
    pub(super) fn request(&self, id: ElementId, url: String, sent: Sent) -> Request {
        let kind = match self.document().and_then(|document| document.tag(id)) {
            Some(Tag::Script) => "script",
            Some(Tag::Data) => "data",
            Some(Tag::Grammar) => "grammar",
            _ => "document",
        };
        let age = |name: &str| {
            let here = self.document().and_then(|document| document.attribute(id, name).map(str::to_owned));
            here.or_else(|| self.property(&format!("{kind}{name}"))).and_then(|seconds| seconds.parse().ok())
        };
        let timeout = time_of(self.setting(id, "fetchtimeout")).unwrap_or_else(|| self.time_property("fetchtimeout"));
        let Sent { body, parts } = sent;
        Request { url, body, parts, timeout, max_age: age("maxage"), max_stale: age("maxstale") }
    }

    /// Where a `namelist` goes: into the query, or into the body.
    pub(super) fn sent(
        &mut self,
        document: &Arc<Document>,
        id: ElementId,
        url: String,
        all: bool,
    ) -> Flow<(String, Sent)> {
        let names: Vec<String> = match document.attribute(id, "namelist") {
            Some(names) => names.split_whitespace().map(str::to_owned).collect(),
            None if all => {
                let items = &self.visit()?.items;
                items
                    .iter()
                    .filter(|item| item.tag.is_input_item() && !item.name.contains(' '))
                    .map(|item| item.name.clone())
                    .collect()
            }
            None => Vec::new(),
        };
        let mut pairs = Vec::new();
        for name in names {
            let value = self.script((document, id), |engine| engine.string(&name))?;
            pairs.push((name, value));
        }
        let is_post = document.attribute(id, "method") == Some("post");
        if is_post && document.attribute(id, "enctype") == Some("multipart/form-data") && !pairs.is_empty() {
            let parts = pairs.into_iter().map(|(name, value)| self.part(name, value)).collect();
            return Ok((url, Sent { body: None, parts }));
        }
        let encoded = uri::form_encoded(&pairs);
        if is_post {
            return Ok((url, Sent { body: Some(encoded), parts: Vec::new() }));
        }
        let url = match (encoded.is_empty(), url.contains('?')) {
            (true, _) => url,
            (false, true) => format!("{url}&{encoded}"),
            (false, false) => format!("{url}?{encoded}"),
        };
        Ok((url, Sent::default()))
    }

    fn part(&self, name: String, value: String) -> Part {
        let value = match self.recordings.get(&value) {
            Some(media_type) => PartValue::Recording { url: value, media_type: media_type.clone() },
            None => PartValue::Text(value),
        };
        Part { name, value }
    }

    pub(super) fn goto_element(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        let item = match (document.attribute(id, "nextitem"), document.attribute(id, "expritem")) {
            (Some(item), _) => Some(item.to_owned()),
            (None, Some(expr)) => Some(self.script((document, id), |engine| engine.string(expr))?),
            (None, None) => None,
        };
        let Some(item) = item else { return self.follow(document, id) };
        let Some(at) = self.visit()?.items.iter().position(|known| known.name == item) else {
            return Err(Thrown::new("error.badfetch", format!("this form has no item `{item}`")));
        };
        self.drop_frames()?;
        let visit = self.visit()?;
        visit.next_item = Some(at);
        visit.phase = Phase::Select;
        Ok(())
    }

    /// `next` or `expr` of `<goto>`, `<choice>` and `<link>`. A handler's references are of the document that is active
    /// (§5.2.4).
    pub(super) fn follow(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        let reference = match (document.attribute(id, "next"), document.attribute(id, "expr")) {
            (Some(next), _) => next.to_owned(),
            (None, expr) => {
                let expr = expr.unwrap_or_default();
                self.script((document, id), |engine| engine.string(expr))?
            }
        };
        let active = self.visit()?.document.clone();
        if let Some(dialog) = reference.trim().strip_prefix('#') {
            self.drop_frames()?;
            self.visit()?.parameters.clear();
            return self.enter_dialog(Some(dialog));
        }
        let url = active.resolve(&reference);
        let dialog = uri::fragment(&reference).1.map(str::to_owned);
        self.travel(id, Journey { url, dialog, why: Why::Goto, leaf: None }, Sent::default())
    }

    pub(super) fn submit_element(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        let reference = match (document.attribute(id, "next"), document.attribute(id, "expr")) {
            (Some(next), _) => next.to_owned(),
            (None, expr) => {
                let expr = expr.unwrap_or_default();
                self.script((document, id), |engine| engine.string(expr))?
            }
        };
        let url = self.visit()?.document.resolve(&reference);
        let dialog = uri::fragment(&reference).1.map(str::to_owned);
        let (url, sent) = self.sent(document, id, url, true)?;
        self.travel(id, Journey { url, dialog, why: Why::Submit, leaf: None }, sent)
    }

    pub(super) fn subdialog_item(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        if self.visits.len() >= MAX_VISITS {
            return Err(Thrown::new("error.noresource", format!("more than {MAX_VISITS} subdialogs in one another")));
        }
        let mut parameters = BTreeMap::new();
        for param in document.of(id, Tag::Param) {
            let name = document.attribute(param, "name").unwrap_or_default().to_owned();
            let value = match (document.attribute(param, "value"), document.attribute(param, "expr")) {
                (Some(value), _) => Value::from(value),
                (None, expr) => {
                    let expr = expr.unwrap_or_default();
                    self.script((document, param), |engine| engine.json(expr))?.unwrap_or_default()
                }
            };
            parameters.insert(name, value);
        }
        let reference = match (document.attribute(id, "src"), document.attribute(id, "srcexpr")) {
            (Some(src), _) => src.to_owned(),
            (None, expr) => {
                let expr = expr.unwrap_or_default();
                self.script((document, id), |engine| engine.string(expr))?
            }
        };
        let dialog = uri::fragment(&reference).1.map(str::to_owned);
        let why = Why::Subdialog(parameters);
        if reference.starts_with('#') {
            let root = self.visit()?.root.clone();
            let journey = Journey { url: document.url.clone(), dialog, why, leaf: None };
            return self.enter(document.clone(), root, journey);
        }
        let url = document.resolve(&reference);
        let (url, sent) = self.sent(document, id, url, false)?;
        self.travel(id, Journey { url, dialog, why, leaf: None }, sent)
    }

    fn travel(&mut self, id: ElementId, journey: Journey, sent: Sent) -> Flow {
        let request = self.request(id, journey.url.clone(), sent);
        let active = self.visit()?.document.clone();
        let audio = self.setting(id, "fetchaudio").map(|audio| active.resolve(&audio));
        self.play_while_fetching(audio);
        let asked = self.ask(request);
        self.wait = Wait::Document(asked, Box::new(journey));
        Ok(())
    }

    /// A page came, or did not: then the event is its asker's.
    pub(super) fn arrived(&mut self, mut journey: Journey, outcome: Result<Page, NotFetched>) -> Flow {
        let page = match outcome {
            Ok(page) => page,
            Err(why) => {
                let thrown = badfetch(&journey.url, &why);
                if journey.why == Why::Start {
                    self.end(Ending::Fault(format!("{}: {}", thrown.event, thrown.message)));
                    return Ok(());
                }
                return Err(thrown);
            }
        };
        let document = match Document::parse(&page.url, &page.bytes) {
            Ok(document) => Arc::new(document),
            Err(problems) => {
                for problem in &problems {
                    self.log(true, format!("{}:{problem}", page.url));
                }
                let event = problems.first().map_or("error.badfetch", |problem| problem.event);
                let words = problems.first().map(ToString::to_string).unwrap_or_default();
                let words = format!("{}:{words}", page.url);
                if journey.why == Why::Start {
                    self.end(Ending::Fault(words));
                    return Ok(());
                }
                return Err(Thrown::new(event, words));
            }
        };
        if let Some(leaf) = journey.leaf.take() {
            // §1.5.2: a root document has no root document.
            if document.application().is_some() {
                return Err(Thrown::new(
                    "error.semantic",
                    format!("{}: a root document names an application", document.url),
                ));
            }
            return self.enter(leaf, Some(document), journey);
        }
        match document.application() {
            None => self.enter(document, None, journey),
            Some(url) => {
                let known = self.application().filter(|(_, known)| known.url == url && journey.why == Why::Goto);
                if let Some((_, root)) = known {
                    return self.enter(document, Some(root), journey);
                }
                let timeout = self.time_property("fetchtimeout");
                let request = Request {
                    url: url.clone(),
                    body: None,
                    parts: Vec::new(),
                    timeout,
                    max_age: None,
                    max_stale: None,
                };
                let asked = self.ask(request);
                self.wait = Wait::Document(asked, Box::new(Journey { url, leaf: Some(document), ..journey }));
                Ok(())
            }
        }
    }

    /// The root document of the visit; true if it is the active document itself.
    fn application(&self) -> Option<(bool, Arc<Document>)> {
        let visit = self.visits.last()?;
        Some(match &visit.root {
            Some(root) => (false, root.clone()),
            None => (true, visit.document.clone()),
        })
    }

    /// A document takes over: in the visit that there is, or in one of its own.
    fn enter(&mut self, document: Arc<Document>, root: Option<Arc<Document>>, journey: Journey) -> Flow {
        let Journey { dialog, why, .. } = journey;
        let wanted = root.as_ref().unwrap_or(&document).url.clone();
        let fresh = matches!(why, Why::Start | Why::Subdialog(_));
        // §1.5.2: the application's variables stay from leaf to leaf, to and from the root; a submit begins it anew.
        let kept = why == Why::Goto
            && self.application().is_some_and(|(own, known)| known.url == wanted && !(own && root.is_none()));
        let at = (document.clone(), Tree::ROOT);
        let at = (&at.0, at.1);
        let mut visit = Visit::new(document.clone(), root.clone());
        if let Why::Subdialog(parameters) = why {
            visit.parameters = parameters;
        }
        if fresh {
            self.script(at, |engine| engine.open())?;
            self.visits.push(visit);
        } else {
            self.drop_frames()?;
            if let Some(last) = self.visits.last_mut() {
                *last = visit;
            }
        }
        self.script(at, |engine| engine.leave(if kept { 2 } else { 1 }))?;
        if !kept {
            self.script(at, |engine| engine.enter("application"))?;
        }
        let visit = self.visit()?;
        visit.depth = 2;
        if kept && root.is_none() {
            // Back at the root document: its variables are there.
            visit.phase = Phase::DocumentReady { dialog };
            self.script(at, |engine| engine.enter("document"))?;
            self.script(at, |engine| engine.alone())?;
            self.visit()?.depth = 3;
            return Ok(());
        }
        visit.phase = Phase::RootReady { dialog };
        self.ahead.enter(&document, root.as_ref());
        match root.filter(|_| !kept) {
            Some(root) => self.push(Frame::new(root, Tree::ROOT, Kind::Document)),
            None => Ok(()),
        }
    }

    /// A dialog of the root document takes over, with what was heard.
    pub(super) fn return_to_root(&mut self, dialog: &str, heard: Value) -> Flow {
        let Some((_, root)) = self.application() else { return Ok(()) };
        let url = root.url.clone();
        self.enter(root, None, Journey { url, dialog: Some(dialog.to_owned()), why: Why::Goto, leaf: None })?;
        self.visit()?.heard = Some(heard);
        Ok(())
    }

    /// The document's own scope and variables.
    pub(super) fn enter_document(&mut self, dialog: Option<String>) -> Flow {
        let visit = self.visit()?;
        let (document, alone) = (visit.document.clone(), visit.root.is_none());
        visit.phase = Phase::DocumentReady { dialog };
        self.script((&document, Tree::ROOT), |engine| engine.enter("document"))?;
        if alone {
            self.script((&document, Tree::ROOT), |engine| engine.alone())?;
        }
        self.visit()?.depth = 3;
        self.push(Frame::new(document, Tree::ROOT, Kind::Document))
    }

    /// `<return>`: the caller's item gets the values, or the caller the event.
    pub(super) fn return_element(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        if self.visits.len() < 2 {
            return Err(Thrown::new("error.semantic", "<return> outside of a subdialog"));
        }
        let thrown = self.thrown_by(document, id)?;
        let values = self.named_values(document, id)?;
        self.drop_frames()?;
        self.visits.pop();
        let caller = self.visit()?;
        let (caller_document, item) = (caller.document.clone(), caller.current);
        self.script((&caller_document, Tree::ROOT), |engine| engine.close())?;
        if !thrown.event.is_empty() {
            return Err(thrown);
        }
        let values = values.unwrap_or_else(|| Value::Object(Default::default()));
        match item {
            Some(item) => self.fill(item, &values, &Value::Null),
            None => Ok(()),
        }
    }

    /// Leaves everything that is being executed, with its scopes.
    pub(super) fn drop_frames(&mut self) -> Flow {
        let visit = self.visit()?;
        let (document, depth) = (visit.document.clone(), visit.level());
        let loops = visit.frames.iter().filter(|frame| matches!(frame.kind, Kind::Foreach { .. })).count();
        visit.frames.clear();
        for _ in 0..loops {
            self.script((&document, Tree::ROOT), |engine| engine.done())?;
        }
        self.script((&document, Tree::ROOT), |engine| engine.leave(depth))?;
        Ok(())
    }
}
