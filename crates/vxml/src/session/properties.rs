//! Properties (2.0 §6.3): the nearest that is set holds.

use std::time::Duration;

use super::machine::Machine;
use crate::document::{ElementId, Tag, values};

impl Machine {
    /// The nearest value: item, dialog, document, root document, what the session was started with, the default.
    pub(super) fn property(&self, name: &str) -> Option<String> {
        let set = self.visits.last().into_iter().flat_map(|visit| visit.holders()).find_map(|(document, holder)| {
            // The last of two in one place holds.
            document
                .of(holder, Tag::Property)
                .filter(|property| document.attribute(*property, "name") == Some(name))
                .filter_map(|property| document.attribute(property, "value").map(str::to_owned))
                .last()
        });
        set.or_else(|| self.properties.get(name).cloned()).or_else(|| default(name).map(str::to_owned))
    }

    pub(super) fn time_property(&self, name: &str) -> Duration {
        let set = self.property(name).and_then(|value| values::time(&value));
        set.or_else(|| default(name).and_then(values::time)).unwrap_or_default()
    }

    pub(super) fn flag_property(&self, name: &str) -> bool {
        self.property(name).as_deref() == Some("true")
    }

    /// An attribute of an element, or else the property of that name.
    pub(super) fn setting(&self, element: ElementId, name: &str) -> Option<String> {
        let here = self.document().and_then(|document| document.attribute(element, name).map(str::to_owned));
        here.or_else(|| self.property(name))
    }
}

/// §6.3.2 to §6.3.6, as this platform has them.
fn default(name: &str) -> Option<&'static str> {
    Some(match name {
        "bargein" => "true",
        "bargeintype" => "speech",
        "completetimeout" => "500ms",
        "confidencelevel" => "0.5",
        "fetchtimeout" => "10s",
        "incompletetimeout" => "1s",
        "inputmodes" => "dtmf voice",
        "interdigittimeout" => "3s",
        "maxnbest" => "1",
        "maxspeechtimeout" => "60s",
        "sensitivity" | "speedvsaccuracy" => "0.5",
        "termchar" => "#",
        "termtimeout" => "0s",
        "timeout" => "5s",
        "universals" => "none",
        _ => return None,
    })
}
