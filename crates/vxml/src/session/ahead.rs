//! What a document names is fetched ahead of its turn while the caller listens (2.0 §6.1.3, §6.3.5), for the cache of whoever
//! fetches: a page that its server lets nobody keep gains nothing by it.
//!
//! Taken are addresses that stand in the document as they are; what a script makes of them is not known yet. Scripts and
//! grammars go ahead unless the document says `safe`; pages, data and recordings only where it says `prefetch`, since a
//! request for one may mean something to its server, and a caller hears one branch of many.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Output;
use super::machine::Machine;
use super::navigate::Sent;
use crate::document::{Document, ElementId, Tag, Tree};
use crate::uri;

/// Of one document.
const MOST: usize = 16;
/// Of a session.
const MOST_IN_ALL: usize = 64;

/// Addresses that are remembered as asked for.
const MOST_REMEMBERED: usize = 256;

/// What was asked for, ahead or in its turn: nothing goes ahead twice.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    asked: BTreeSet<String>,
    /// Went ahead.
    count: usize,
    /// Entered, and not looked at: with its root document.
    entered: Option<(Arc<Document>, Option<Arc<Document>>)>,
}

impl Ahead {
    /// False: it was asked for already.
    pub(super) fn ask(&mut self, url: &str) -> bool {
        if self.asked.len() >= MOST_REMEMBERED {
            self.asked.clear();
        }
        self.asked.insert(url.to_owned())
    }

    pub(super) fn enter(&mut self, document: &Arc<Document>, root: Option<&Arc<Document>>) {
        self.entered = Some((document.clone(), root.cloned()));
    }
}

/// What an element fetches: its attribute for the address, and how properties call the kind.
fn names(document: &Document, id: ElementId, tag: Tag) -> Option<(&'static str, &'static str)> {
    let plain = document.attribute(id, "namelist").is_none() && document.attribute(id, "method") != Some("post");
    Some(match tag {
        Tag::Goto | Tag::Choice | Tag::Link => ("next", "document"),
        Tag::Subdialog if plain => ("src", "document"),
        Tag::Data if plain => ("src", "data"),
        Tag::Script => ("src", "script"),
        Tag::Grammar => ("src", "grammar"),
        Tag::Audio => ("src", "audio"),
        _ => return None,
    })
}

impl Machine {
    /// The caller listens: what is wanted at once has been asked for, and what the document names besides may be soon.
    pub(super) fn look_ahead(&mut self) {
        let Some((document, root)) = self.ahead.entered.take() else { return };
        let (document, root) = (&document, root.as_ref());
        let mut asked = 0;
        for id in document.tree().ids() {
            let Some((attribute, kind)) = document.tag(id).and_then(|tag| names(document, id, tag)) else { continue };
            let Some(reference) = document.attribute(id, attribute) else { continue };
            let url = document.resolve(uri::fragment(reference).0);
            let is_page = !reference.starts_with('#') && !reference.starts_with("builtin:") && url != document.url;
            if !is_page || !self.goes_ahead(document, root, id, kind) || !self.ahead.ask(&url) {
                continue;
            }
            let request = match kind {
                "audio" => self.audio_request(document, id, url),
                _ => self.request(id, url, Sent::default()),
            };
            self.say(Output::Prefetch { request, is_audio: kind == "audio" });
            (asked, self.ahead.count) = (asked + 1, self.ahead.count + 1);
            if asked == MOST || self.ahead.count >= MOST_IN_ALL {
                return;
            }
        }
    }

    /// The element's own word, or the property that holds where it stands.
    fn goes_ahead(&self, document: &Document, root: Option<&Arc<Document>>, id: ElementId, kind: &str) -> bool {
        let property = format!("{kind}fetchhint");
        let set = |document: &Document, holder: ElementId| {
            let named = |it: &ElementId| document.attribute(*it, "name") == Some(property.as_str());
            let last = document.of(holder, Tag::Property).filter(named).last();
            last.and_then(|it| document.attribute(it, "value")).map(str::to_owned)
        };
        let own = document.attribute(id, "fetchhint").map(str::to_owned);
        let around = std::iter::successors(Some(id), |id| document.parent(*id)).find_map(|id| set(document, id));
        let hint = own
            .or(around)
            .or_else(|| root.and_then(|root| set(root, Tree::ROOT)))
            .or_else(|| self.properties.get(&property).cloned());
        match hint.as_deref() {
            Some(hint) => hint == "prefetch",
            None => matches!(kind, "script" | "grammar"),
        }
    }
}
