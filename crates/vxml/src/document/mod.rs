//! A VoiceXML document, checked whole: what is inside need not be checked again (VoiceXML 2.0 §1.5).

mod check;
pub(crate) mod dom;
mod schema;
mod tag;
pub(crate) mod text;
pub(crate) mod values;
pub(crate) mod xml;

use std::time::Duration;

pub use self::tag::Tag;
pub use self::xml::{Child, Element, ElementId, MAX_BYTES, MAX_DEPTH, MAX_NODES, Tree};
use crate::problem::{Place, Problem};

/// The namespace of elements that VoiceXML does not have (2.0 appendix F.1 lets a document have such).
pub const OWN: &str = "urn:ringfence:vxml";

/// A checked document.
#[derive(Debug)]
pub struct Document {
    /// Where it came from; relative references are resolved from `base`.
    pub url: String,
    base: String,
    tree: Tree,
    tags: Vec<Option<Tag>>,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// All problems, in the order of their places.
    pub fn parse(url: &str, bytes: &[u8]) -> Result<Document, Vec<Problem>> {
        let tree = Tree::parse(bytes).map_err(|problem| vec![problem])?;
        let mut tags = Vec::new();
        let problems = check::check(&tree, &mut tags);
        if !problems.is_empty() {
            return Err(problems);
        }
        let base =
            tree.root().attribute("xml:base").map_or_else(|| url.to_owned(), |base| crate::uri::resolve(url, base));
        Ok(Document { url: url.to_owned(), base, tree, tags })
    }

    /// An absolute reference from one of this document.
    pub fn resolve(&self, reference: &str) -> String {
        crate::uri::resolve(&self.base, reference)
    }

    /// As [`Document::resolve`], from within an element as if it were copied into `active` (2.0 §5.2.4): `xml:base` of what
    /// is around it holds (2.0 §4.1, SRGS §4.9).
    pub(crate) fn resolve_within(&self, id: ElementId, reference: &str, active: &Document) -> String {
        let around = std::iter::successors(Some(id), |id| self.parent(*id)).filter(|id| *id != Tree::ROOT);
        let bases: Vec<&str> = around.filter_map(|id| self.attribute(id, "xml:base")).collect();
        let base = bases.iter().rev().fold(active.base.clone(), |base, next| crate::uri::resolve(&base, next));
        crate::uri::resolve(&base, reference)
    }

    /// The URL of the application root document (2.0 §1.5.2).
    pub fn application(&self) -> Option<String> {
        self.tree.root().attribute("application").map(|reference| self.resolve(reference))
    }

    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// `None` inside of grammars and metadata.
    pub fn tag(&self, id: ElementId) -> Option<Tag> {
        self.tags.get(self.tree.number(id)).copied().flatten()
    }

    pub fn place(&self, id: ElementId) -> Place {
        self.tree.element(id).place
    }

    pub fn attribute(&self, id: ElementId, name: &str) -> Option<&str> {
        self.tree.element(id).attribute(name)
    }

    pub fn time(&self, id: ElementId, name: &str) -> Option<Duration> {
        self.attribute(id, name).and_then(values::time)
    }

    pub fn boolean(&self, id: ElementId, name: &str) -> Option<bool> {
        self.attribute(id, name).and_then(values::boolean)
    }

    /// The children that are VoiceXML, with what they are.
    pub fn children(&self, id: ElementId) -> impl Iterator<Item = (ElementId, Tag)> + '_ {
        self.tree.children(id).filter_map(|child| Some((child, self.tag(child)?)))
    }

    pub fn of(&self, id: ElementId, tag: Tag) -> impl Iterator<Item = ElementId> + '_ {
        self.children(id).filter(move |(_, found)| *found == tag).map(|(child, _)| child)
    }

    /// Forms and menus, in document order.
    pub fn dialogs(&self) -> impl Iterator<Item = ElementId> + '_ {
        self.children(Tree::ROOT).filter(|(_, tag)| matches!(tag, Tag::Form | Tag::Menu)).map(|(id, _)| id)
    }

    /// The dialog of that name, or the first (2.0 §1.5.1).
    pub fn dialog(&self, name: Option<&str>) -> Option<ElementId> {
        match name {
            Some(name) => self.dialogs().find(|id| self.attribute(*id, "id") == Some(name)),
            None => self.dialogs().next(),
        }
    }

    /// Every attribute that is ECMAScript.
    pub(crate) fn scripts(&self) -> impl Iterator<Item = (ElementId, &'static str, &str)> + '_ {
        self.tree.ids().filter_map(|id| Some((id, self.tag(id)?))).flat_map(move |(id, tag)| {
            schema::scripts(tag).filter_map(move |name| Some((id, name, self.attribute(id, name)?)))
        })
    }

    pub fn parent(&self, id: ElementId) -> Option<ElementId> {
        self.tree.element(id).parent
    }
}

#[cfg(test)]
mod tests;
