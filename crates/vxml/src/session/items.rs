//! `<record>` (2.0 §2.3.6) and `<object>` (2.0 §2.3.5).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::machine::{After, Flow, Machine, Thrown, Wait};
use super::visit::Phase;
use super::{Ending, Output, RecordOrder, Recording};
use crate::document::{Document, ElementId, Tag};

/// How long a recording may be where nobody says.
const LONGEST: Duration = Duration::from_secs(120);
const FINAL_SILENCE: Duration = Duration::from_secs(3);

fn media_type(document: &Document, item: ElementId) -> String {
    document.attribute(item, "type").unwrap_or("audio/x-wav").to_owned()
}

impl Machine {
    pub(super) fn current(&mut self) -> Flow<(usize, ElementId)> {
        let visit = self.visit()?;
        match (visit.current, visit.item()) {
            (Some(at), Some(item)) => Ok((at, item.id)),
            _ => Err(Thrown::new("error.semantic", "no item is visited")),
        }
    }

    pub(super) fn is_alone(&mut self) -> bool {
        if self.hung_up {
            self.end(Ending::Disconnect(None));
        }
        self.hung_up
    }

    // --- record
    pub(super) fn record_item(&mut self) -> Flow {
        if !self.is_alone() {
            self.flush(After::Record);
        }
        Ok(())
    }

    pub(super) fn begin_record(&mut self) {
        let Ok((_, item)) = self.current() else { return };
        let Some(document) = self.document() else { return };
        let order = RecordOrder {
            beep: document.boolean(item, "beep").unwrap_or(false),
            max: document.time(item, "maxtime").unwrap_or(LONGEST),
            final_silence: document.time(item, "finalsilence").unwrap_or(FINAL_SILENCE),
            timeout: self.time_property("timeout"),
            media_type: media_type(&document, item),
        };
        self.typed.clear();
        let id = self.id();
        self.say(Output::Record { id, order });
        self.wait = Wait::Record(id, None);
    }

    pub(super) fn record_ends_by_key(&self) -> bool {
        let visit = self.visits.last();
        let item = visit.and_then(|visit| visit.item().map(|item| (visit, item.id)));
        item.is_some_and(|(visit, id)| visit.document.boolean(id, "dtmfterm").unwrap_or(true))
    }

    pub(super) fn recorded(&mut self, id: u64, recording: Option<Recording>) -> Flow {
        let key = match &self.wait {
            Wait::Record(wanted, key) if *wanted == id => *key,
            _ => return Ok(()),
        };
        self.wait = Wait::Nothing;
        let hung_up = Thrown::new("connection.disconnect.hangup", "the caller hung up while recording");
        let Some(recording) = recording else {
            return match key {
                _ if self.hung_up => Err(hung_up),
                // Nothing was said, but a key was pressed: the item stays open, and nothing is thrown.
                Some(_) => {
                    self.visit()?.phase = Phase::Select;
                    Ok(())
                }
                None => Err(Thrown::new("noinput", "")),
            };
        };
        let (at, item) = self.current()?;
        let media_type = self.document().map_or_else(String::new, |document| media_type(&document, item));
        self.recordings.insert(recording.url.clone(), media_type);
        let mut shadow = json!({
            "duration": recording.duration_ms,
            "size": recording.bytes,
            "maxtime": recording.max_time,
        });
        if let (Some(fields), Some(key)) = (shadow.as_object_mut(), key) {
            fields.insert("termchar".into(), json!(key.to_string()));
        }
        if self.hung_up {
            self.fill_only(at, &json!(recording.url), &shadow)?;
            return Err(hung_up);
        }
        self.fill(at, &json!(recording.url), &shadow)
    }

    // --- object
    pub(super) fn object_item(&mut self) -> Flow {
        self.flush(After::Object);
        Ok(())
    }

    pub(super) fn begin_object(&mut self) {
        if let Err(thrown) = self.order_object() {
            self.throw(thrown);
        }
    }

    fn order_object(&mut self) -> Flow {
        let (_, item) = self.current()?;
        let document = self.visit()?.document.clone();
        let parameters = self.parameters(&document, item)?;
        let text = |name: &str| document.attribute(item, name).unwrap_or_default().to_owned();
        let (class, data) = (text("classid"), text("data"));
        let id = self.id();
        self.say(Output::Object { id, class, data, parameters });
        self.wait = Wait::Object(id);
        Ok(())
    }

    /// What its `<param>`s give, as JSON.
    pub(super) fn parameters(&mut self, document: &Arc<Document>, item: ElementId) -> Flow<String> {
        let mut parameters = Map::new();
        for param in document.of(item, Tag::Param) {
            let name = document.attribute(param, "name").unwrap_or_default().to_owned();
            let value = match (document.attribute(param, "value"), document.attribute(param, "expr")) {
                (Some(value), _) => json!(value),
                (None, expr) => {
                    let expr = expr.unwrap_or_default();
                    self.script((document, param), |engine| engine.json(expr))?.unwrap_or_default()
                }
            };
            parameters.insert(name, value);
        }
        Ok(Value::Object(parameters).to_string())
    }

    pub(super) fn objected(&mut self, id: u64, outcome: Result<String, String>) -> Flow {
        if !matches!(self.wait, Wait::Object(wanted) if wanted == id) {
            return Ok(());
        }
        self.wait = Wait::Nothing;
        let (at, _) = self.current()?;
        match outcome {
            Ok(json) => {
                let value: Value = serde_json::from_str(&json).map_err(|error| {
                    Thrown::new("error.badfetch", format!("an object's answer is no JSON: {error}"))
                })?;
                self.fill(at, &value, &Value::Null)
            }
            Err(event) => Err(Thrown::new(event, "the object gave nothing")),
        }
    }
}
