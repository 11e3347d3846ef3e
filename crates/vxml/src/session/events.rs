//! Events (2.0 §5.2): who catches one, how often it has been thrown, and what happens where nobody does.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::machine::{Flow, Machine, Thrown, Wait};
use super::visit::{Frame, Kind};
use super::{Ending, Output};
use crate::document::{Document, ElementId, Tag, Tree};
use crate::script::INNERMOST;
use crate::speech::Apology;

/// Events that one input may set off: a handler that throws its own event is stopped.
const MAX_THROWN: u32 = 50;

impl Machine {
    /// Drops what is being done and gives the event to whoever catches it.
    pub(super) fn throw(&mut self, thrown: Thrown) {
        if self.is_over() {
            return;
        }
        self.thrown += 1;
        if self.thrown > MAX_THROWN {
            let why =
                format!("{MAX_THROWN} events one after another: the last was {} ({})", thrown.event, thrown.message);
            return self.end(Ending::Fault(why));
        }
        self.stop_waiting();
        // A subdialog whose document never came has nobody: its caller is told.
        match self.catch(&thrown) {
            Ok(true) => {}
            Ok(false) => self.nobody_catches(&thrown),
            // A condition of a <catch> that cannot be evaluated is an event of its own.
            Err(other) => self.throw(other),
        }
    }

    fn stop_waiting(&mut self) {
        self.hear_no_more();
        match std::mem::take(&mut self.wait) {
            Wait::Collect(collect) => {
                if collect.is_playing() {
                    self.say(Output::Silence);
                }
                self.say(Output::Listen { on: false });
            }
            Wait::Flush(..) => self.say(Output::Silence),
            Wait::Record(id, _) => self.say(Output::StopRecord { id }),
            _ => {}
        }
    }

    /// Finds the handler and makes it run. False: there is none.
    fn catch(&mut self, thrown: &Thrown) -> Flow<bool> {
        let Some(visit) = self.visits.last_mut() else { return Ok(false) };
        while let Some(frame) = visit.frames.pop() {
            if let (Kind::Foreach { .. }, Some(engine)) = (frame.kind, &self.engine) {
                let _ = engine.done();
            }
        }
        visit.filled = Default::default();
        let counters = match visit.current.and_then(|current| visit.items.get_mut(current)) {
            Some(item) => &mut item.events,
            None => &mut visit.events,
        };
        count_up(counters, &thrown.event);
        let counted = counters.clone();
        let level = visit.level();
        let holders = visit.holders();
        self.engine()?.leave(level).map_err(|failed| Thrown::new("error.semantic", format!("{failed:?}")))?;
        let mut candidates: Vec<(Arc<Document>, ElementId, u32)> = Vec::new();
        for (document, holder) in holders {
            for (handler, _) in document.children(holder).filter(|(_, tag)| tag.is_handler()) {
                let wanted = document.attribute(handler, "count").and_then(|count| count.parse().ok()).unwrap_or(1);
                if catches(&document, handler, &thrown.event, &counted).is_none_or(|count| wanted > count) {
                    continue;
                }
                let cond = document.attribute(handler, "cond").map(str::to_owned);
                if let Some(cond) = cond
                    && !self.script((&document, handler), |engine| engine.truth(&cond))?
                {
                    continue;
                }
                candidates.push((document.clone(), handler, wanted));
            }
        }
        // §5.2.4: of those that are left, the highest count; of these, the nearest and first.
        let Some(highest) = candidates.iter().map(|(_, _, wanted)| *wanted).max() else { return Ok(false) };
        let Some((document, handler, _)) = candidates.into_iter().find(|(_, _, wanted)| *wanted == highest) else {
            return Ok(false);
        };
        let at = (&document, handler);
        self.script(at, |engine| engine.enter(""))?;
        self.script(at, |engine| engine.put(INNERMOST, "_event", &json!(thrown.event)))?;
        let message = if thrown.message.is_empty() { json!(null) } else { json!(thrown.message) };
        self.script(at, |engine| match message.is_null() {
            true => engine.declare(INNERMOST, "_message", None),
            false => engine.put(INNERMOST, "_message", &message),
        })?;
        let visit = self.visit()?;
        visit.prompting = false;
        visit.frames.push(Frame::new(document, handler, Kind::Handler));
        Ok(true)
    }

    /// §5.2.5: what the platform does.
    fn nobody_catches(&mut self, thrown: &Thrown) {
        let Thrown { event, message } = thrown;
        let is = |prefix: &str| event == prefix || event.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
        let prompting = |machine: &mut Machine, on: bool| {
            if let Some(visit) = machine.visits.last_mut() {
                visit.prompting = on;
            }
        };
        let sorry = |machine: &mut Machine, what: Apology| {
            let document = machine.visits.last().map(|visit| visit.document.clone());
            let spoken = document.as_ref().and_then(|document| document.attribute(Tree::ROOT, "xml:lang"));
            let language = spoken.unwrap_or(&machine.language).trim().to_owned();
            machine.enqueue(what.in_language(&language).into_iter().collect());
        };
        if is("cancel") || is("exit") || is("connection.disconnect") {
            let given = self.given.take();
            let ending = if is("connection.disconnect") { Ending::Disconnect(given) } else { Ending::Exit(None) };
            self.leave(ending);
        } else if is("noinput") || is("maxspeechtimeout") {
            prompting(self, true);
        } else if is("nomatch") {
            sorry(self, Apology::NoChoice);
            prompting(self, true);
        } else if is("help") {
            sorry(self, Apology::NoHelp);
            prompting(self, true);
        } else {
            if is("error") {
                sorry(self, Apology::Error);
            }
            self.leave(Ending::Fault(format!("nobody caught {event}: {message}")));
        }
    }
}

/// §5.2.2: it counts as itself and as each event whose name begins its own.
fn count_up(counters: &mut BTreeMap<String, u32>, event: &str) {
    let beginnings = event.match_indices('.').filter_map(|(at, _)| event.get(..at)).chain([event]);
    for name in beginnings {
        *counters.entry(name.to_owned()).or_insert(0) += 1;
    }
}

/// How often what a handler names has been thrown, if it names this event or begins its name, token by token (§5.2.2).
fn catches(document: &Document, handler: ElementId, event: &str, counted: &BTreeMap<String, u32>) -> Option<u32> {
    let count = |name: &str| counted.get(name).copied().unwrap_or(1);
    let one = |pattern: &str| {
        if matches!(pattern, "." | "*") {
            return Some(count(event));
        }
        let pattern = pattern.trim_end_matches(".*");
        let fits = event == pattern || event.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('.'));
        fits.then(|| count(pattern))
    };
    match document.tag(handler)? {
        Tag::Catch => match document.attribute(handler, "event").filter(|events| !events.trim().is_empty()) {
            Some(events) => events.split_whitespace().filter_map(one).max(),
            None => Some(count(event)),
        },
        tag => one(tag.name()),
    }
}
