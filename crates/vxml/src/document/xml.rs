//! XML as everything here is read: a flat tree with places, under limits (XML 1.0; entity bombs, depth and size are
//! refused before they cost anything).

use super::text;
use crate::problem::{Place, Problem};

/// The largest document, in bytes.
pub const MAX_BYTES: usize = 2 << 20;
/// The most elements, texts and comments of one document.
pub const MAX_NODES: u32 = 60_000;
/// The deepest nesting of elements.
pub const MAX_DEPTH: usize = 100;

/// An element of its tree, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementId(u32);

/// One element.
#[derive(Clone, Debug)]
pub struct Element {
    /// Local name; the namespace is the tree's.
    pub name: String,
    /// `xml:lang` and `xml:base` with their prefix, all others by local name.
    attributes: Vec<(String, String)>,
    /// It is of the namespace [`super::OWN`].
    pub is_own: bool,
    pub children: Vec<Child>,
    pub parent: Option<ElementId>,
    pub place: Place,
}

#[derive(Clone, Debug)]
pub enum Child {
    Element(ElementId),
    Text(String),
}

/// A whole document.
#[derive(Clone, Debug)]
pub struct Tree {
    elements: Vec<Element>,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Tree {
    pub const ROOT: ElementId = ElementId(0);

    /// # Errors
    /// `error.badfetch` with the place: not well-formed, too large, too deep, entities that grow.
    pub fn parse(bytes: &[u8]) -> Result<Tree, Problem> {
        read(bytes, |parsed, lines| {
            let mut elements = Vec::new();
            copy(parsed.root_element(), lines, &mut elements);
            Tree { elements }
        })
    }

    pub fn element(&self, id: ElementId) -> &Element {
        // Ids are made by `copy` alone, for this tree, and a tree never shrinks.
        &self.elements[id.0 as usize]
    }

    /// The number of an element, from 0 in document order.
    pub(crate) fn number(&self, id: ElementId) -> usize {
        id.0 as usize
    }

    pub fn root(&self) -> &Element {
        self.element(Tree::ROOT)
    }

    pub fn ids(&self) -> impl Iterator<Item = ElementId> + use<> {
        (0..self.elements.len() as u32).map(ElementId)
    }

    /// The elements among an element's children.
    pub fn children(&self, id: ElementId) -> impl Iterator<Item = ElementId> + '_ {
        self.element(id).children.iter().filter_map(|child| match child {
            Child::Element(id) => Some(*id),
            Child::Text(_) => None,
        })
    }

    pub fn named<'a>(&'a self, id: ElementId, name: &'a str) -> impl Iterator<Item = ElementId> + 'a {
        self.children(id).filter(move |child| self.element(*child).name == name)
    }

    /// All text inside, in order.
    pub fn text(&self, id: ElementId) -> String {
        let mut text = String::new();
        let mut open: Vec<&Child> = self.element(id).children.iter().rev().collect();
        while let Some(child) = open.pop() {
            match child {
                Child::Text(words) => text.push_str(words),
                Child::Element(id) => open.extend(self.element(*id).children.iter().rev()),
            }
        }
        text
    }
}

/// Under the limits.
///
/// # Errors
/// As [`Tree::parse`].
pub(super) fn read<T>(bytes: &[u8], take: impl FnOnce(&roxmltree::Document<'_>, &Lines) -> T) -> Result<T, Problem> {
    let start = Place { line: 1, column: 1 };
    if bytes.len() > MAX_BYTES {
        let words = format!("the document has {} bytes; at most {MAX_BYTES} are taken", bytes.len());
        return Err(Problem::badfetch(start, words));
    }
    let text =
        text::decode(bytes, text::declared(bytes).as_deref()).map_err(|words| Problem::badfetch(start, words))?;
    let lines = Lines::of(&text);
    if let Some(offset) = too_deep(&text) {
        let words = format!("elements are nested more than {MAX_DEPTH} deep");
        return Err(Problem::badfetch(lines.place(offset), words));
    }
    let options = roxmltree::ParsingOptions { allow_dtd: true, nodes_limit: MAX_NODES, ..Default::default() };
    let parsed = roxmltree::Document::parse_with_options(&text, options).map_err(|error| {
        let at = error.pos();
        let words = error.to_string();
        // It says its place at the end; ours is at the beginning.
        let words = words.strip_suffix(&format!(" at {}:{}", at.row, at.col)).unwrap_or(&words);
        Problem::badfetch(Place { line: at.row, column: at.col }, format!("not well-formed XML: {words}"))
    })?;
    Ok(take(&parsed, &lines))
}

/// Copies depth first without recursion, so that a parent's number is smaller than its children's.
fn copy(root: roxmltree::Node<'_, '_>, lines: &Lines, elements: &mut Vec<Element>) {
    let mut open = vec![(root, None)];
    while let Some((node, parent)) = open.pop() {
        let id = ElementId(elements.len() as u32);
        let attributes = node
            .attributes()
            .map(|attribute| {
                let xml = attribute.namespace() == Some("http://www.w3.org/XML/1998/namespace");
                let name = if xml { format!("xml:{}", attribute.name()) } else { attribute.name().to_owned() };
                (name, attribute.value().to_owned())
            })
            .collect();
        elements.push(Element {
            name: node.tag_name().name().to_owned(),
            attributes,
            is_own: node.tag_name().namespace() == Some(super::OWN),
            children: Vec::new(),
            parent,
            place: lines.place(node.range().start),
        });
        if let Some(parent) = parent.and_then(|parent: ElementId| elements.get_mut(parent.0 as usize)) {
            // A text's place among its siblings is kept below; elements are put where their marker stands.
            if let Some(slot) =
                parent.children.iter_mut().find(|child| matches!(child, Child::Element(ElementId(u32::MAX))))
            {
                *slot = Child::Element(id);
            }
        }
        let mut children = Vec::new();
        let mut inner = Vec::new();
        for child in node.children() {
            if child.is_element() {
                children.push(Child::Element(ElementId(u32::MAX)));
                inner.push((child, Some(id)));
            } else if let (true, Some(text)) = (child.is_text(), child.text()) {
                children.push(Child::Text(text.to_owned()));
            }
        }
        if let Some(element) = elements.last_mut() {
            element.children = children;
        }
        open.extend(inner.into_iter().rev());
    }
}

/// Where lines begin.
pub(super) struct Lines {
    starts: Vec<usize>,
    /// Whether every byte is a character of its own.
    wide: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Lines {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        // Continuation bytes, so that columns count characters.
        let wide = text.bytes().enumerate().filter(|(_, byte)| byte & 0xC0 == 0x80).map(|(at, _)| at).collect();
        Lines { starts, wide }
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line)).copied().unwrap_or(0);
        let inner = |to: usize| self.wide.partition_point(|at| *at < to);
        let column = offset - start - (inner(offset) - inner(start)) + 1;
        Place { line: line as u32, column: column as u32 }
    }
}

/// The offset of a start tag that is nested too deep. Looks at tags only; the parser judges the rest.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('<')) {
        let start = at + found;
        let rest = text.get(start..).unwrap_or_default();
        let past = |end: &str| rest.find(end).map_or(text.len(), |found| start + found + end.len());
        at = if rest.starts_with("<!--") {
            past("-->")
        } else if rest.starts_with("<![CDATA[") {
            past("]]>")
        } else if rest.starts_with("<?") {
            past("?>")
        } else if rest.starts_with("<!") {
            start + 2
        } else if rest.starts_with("</") {
            depth = depth.saturating_sub(1);
            past(">")
        } else {
            let (end, empty) = tag_end(rest);
            if !empty {
                depth += 1;
            }
            if depth > MAX_DEPTH {
                return Some(start);
            }
            start + end
        };
    }
    None
}

/// How long a start tag is (a `>` in quotes is none), and whether it is empty.
fn tag_end(tag: &str) -> (usize, bool) {
    let mut quote = None;
    let mut last = b' ';
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return (at + 1, last == b'/'),
            _ => {}
        }
        last = byte;
    }
    (tag.len(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let tree = Tree::parse("<a>\n  <b/>é<c x='1'>t</c>\n</a>".as_bytes()).unwrap();
        let places: Vec<(String, String)> =
            tree.ids().map(|id| (tree.element(id).name.clone(), tree.element(id).place.to_string())).collect();
        let expected = [("a", "1:1"), ("b", "2:3"), ("c", "2:8")];
        assert_eq!(places, expected.map(|(name, place)| (name.to_owned(), place.to_owned())));
        assert_eq!(tree.text(Tree::ROOT), "\n  ét\n");
    }

    #[test]
    fn latin_1_and_utf_16_are_read() {
        assert_eq!(
            Tree::parse(b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xE9</a>").unwrap().text(Tree::ROOT),
            "é"
        );
        let wide: Vec<u8> =
            [0xFF, 0xFE].into_iter().chain("<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(Tree::parse(&wide).unwrap().text(Tree::ROOT), "é");
        assert!(Tree::parse(b"<a>\xE9</a>").unwrap_err().words.contains("UTF-8"));
    }

    #[test]
    fn an_entity_bomb_is_refused() {
        let mut bomb = String::from("<!DOCTYPE a [<!ENTITY x0 \"lol\">");
        for n in 1..20 {
            bomb += &format!("<!ENTITY x{n} \"&x{0};&x{0};&x{0};&x{0};&x{0};&x{0};&x{0};&x{0};&x{0};&x{0};\">", n - 1);
        }
        bomb += "]><a>&x19;</a>";
        assert_eq!(Tree::parse(bomb.as_bytes()).unwrap_err().event, "error.badfetch");
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let deep = "<a>".repeat(100_000);
        assert!(Tree::parse(deep.as_bytes()).unwrap_err().words.contains("deep"));
        let long = vec![b' '; 50_000_000];
        assert!(Tree::parse(&long).unwrap_err().words.contains("50000000"));
        let many = format!("<a>{}</a>", "<b/>".repeat(70_000));
        assert!(Tree::parse(many.as_bytes()).unwrap_err().words.contains("nodes limit"));
    }

    #[test]
    fn an_external_entity_is_never_fetched() {
        let document = b"<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>";
        assert!(!Tree::parse(document).is_ok_and(|tree| tree.text(Tree::ROOT).contains("root")));
    }
}
