//! Where a session is: documents, dialog, form items, and what is being executed. A subdialog is a visit on top of its
//! caller's (2.0 §2.3.4).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::document::{Document, ElementId, Tag};

/// One execution context.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) document: Arc<Document>,
    /// The application root document, if it is another.
    pub(super) root: Option<Arc<Document>>,
    pub(super) dialog: Option<ElementId>,
    pub(super) items: Vec<Item>,
    /// The item that is visited.
    pub(super) current: Option<usize>,
    /// Events of the dialog while no item is visited.
    pub(super) events: BTreeMap<String, u32>,
    pub(super) frames: Vec<Frame>,
    pub(super) phase: Phase,
    /// `<goto nextitem>` named it.
    pub(super) next_item: Option<usize>,
    /// The next item's prompts are to be heard (appendix C: not after an event without `<reprompt>`).
    pub(super) prompting: bool,
    pub(super) filled: Filling,
    /// What the caller of a subdialog gives it, as JSON.
    pub(super) parameters: BTreeMap<String, serde_json::Value>,
    /// Scopes that are open and stay so while things are executed: session, application, document, dialog.
    pub(super) depth: i32,
    /// What another dialog's grammar heard, for this one (2.0 §3.1.4).
    pub(super) heard: Option<serde_json::Value>,
}

/// A form item, or a menu as the only one.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: ElementId,
    pub(super) tag: Tag,
    /// Its variable; one that the document cannot name where it has none.
    pub(super) name: String,
    pub(super) prompt_count: u32,
    pub(super) events: BTreeMap<String, u32>,
}

/// The process phase (appendix C).
#[derive(Debug, Default)]
pub(super) struct Filling {
    /// Items that the last input filled.
    pub(super) just: Vec<usize>,
    /// `<filled>` elements yet to be looked at, each with its item, or the form's.
    pub(super) todo: VecDeque<(ElementId, Option<usize>)>,
}

/// What comes once nothing is being executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The root document's variables are there.
    RootReady {
        dialog: Option<String>,
    },
    /// The document's variables are there.
    DocumentReady {
        dialog: Option<String>,
    },
    Select,
    Process,
}

/// Children of an element, being executed one after another.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) document: Arc<Document>,
    pub(super) element: ElementId,
    pub(super) next: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Declarations of a document.
    Document,
    /// Declarations of a dialog.
    Dialog,
    /// `<block>`, `<filled>`: a scope of its own.
    Scope,
    /// An event handler.
    Handler,
    /// A branch of `<if>`.
    Branch,
    Foreach {
        item: String,
        at: usize,
        count: usize,
    },
}

impl Visit {
    pub(super) fn new(document: Arc<Document>, root: Option<Arc<Document>>) -> Visit {
        Visit {
            document,
            root,
            dialog: None,
            items: Vec::new(),
            current: None,
            events: BTreeMap::new(),
            frames: Vec::new(),
            phase: Phase::Select,
            next_item: None,
            prompting: true,
            filled: Filling::default(),
            parameters: BTreeMap::new(),
            depth: 1,
            heard: None,
        }
    }

    pub(super) fn level(&self) -> i32 {
        self.depth
    }

    pub(super) fn item(&self) -> Option<&Item> {
        self.current.and_then(|current| self.items.get(current))
    }

    /// The elements that hold what is inherited, from the nearest: the item, the dialog, the document, the root document
    /// (2.0 §5.2.4, §6.3).
    pub(super) fn holders(&self) -> Vec<(Arc<Document>, ElementId)> {
        let root = crate::document::Tree::ROOT;
        let mut holders = Vec::new();
        let inner = self.item().map(|item| item.id).filter(|id| Some(*id) != self.dialog);
        holders.extend(inner.map(|id| (self.document.clone(), id)));
        holders.extend(self.dialog.map(|id| (self.document.clone(), id)));
        holders.push((self.document.clone(), root));
        holders.extend(self.root.iter().map(|document| (document.clone(), root)));
        holders
    }
}

impl Frame {
    pub(super) fn new(document: Arc<Document>, element: ElementId, kind: Kind) -> Frame {
        let end = document.tree().element(element).children.len();
        Frame { document, element, next: 0, end, kind }
    }
}
