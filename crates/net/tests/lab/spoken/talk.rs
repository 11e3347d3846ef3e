//! The fixtures' talks, on this stage: each is typed, as in their own crate, and kept to be held on a call.

#[path = "../../../../vxml/tests/fixtures/talk.rs"]
#[allow(dead_code, reason = "`check` and `ahead` are for its own crate")]
mod typed;

use std::cell::RefCell;

pub(super) use typed::{vxml, words};

thread_local! {
    static KEPT: RefCell<Vec<Talk>> = const { RefCell::new(Vec::new()) };
}

/// A site of documents and what is typed to it.
pub(super) struct Talk {
    pub(super) site: typed::Site,
    pub(super) lines: Vec<String>,
    /// What is said before each line, and behind the last.
    pub(super) turns: Vec<Vec<String>>,
}

/// Those of a fixture.
pub(super) fn of(fixture: fn()) -> Vec<Talk> {
    fixture();
    KEPT.take()
}

pub(super) struct Site(typed::Site);

pub(super) fn site(pages: &[(&str, &str)]) -> Site {
    Site(typed::site(pages))
}

pub(super) fn document(inner: &str) -> Site {
    Site(typed::document(inner))
}

pub(super) fn form(inner: &str) -> Site {
    Site(typed::form(inner))
}

impl Site {
    pub(super) fn talk(&self, lines: &[&str]) -> Vec<String> {
        let talk = Talk {
            site: self.0.clone(),
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            turns: self.0.turns(lines, false),
        };
        KEPT.with_borrow_mut(|kept| kept.push(talk));
        self.0.talk(lines)
    }

    #[track_caller]
    pub(super) fn check(&self, lines: &[&str], expected: &[&str]) {
        assert_eq!(self.talk(lines), expected, "after {lines:?}");
    }
}
