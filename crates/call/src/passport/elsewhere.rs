//! Legs whose other end is told of in another caller's call.
//!
//! A call server that brings two calls together moves a leg from the one into the other. The node at the leg's other end
//! hears of it by the next message, unless the leg ends at that moment: then that node has its word in the call that it
//! knew. Where a leg was, and where it went, its own node signs; so the other word is found, and is believed for that leg
//! alone.

use crate::session_id::Uuid;
use crate::statement::Statement;

/// A leg of the passport's call that moved.
struct Moved<'a> {
    node: &'a str,
    sip_call_id: &'a str,
    /// Whose call it was in, or is in.
    other: &'a Uuid,
    /// It is in that one now, and the node's own word with it.
    is_gone: bool,
}

/// The callers whose calls may tell of an end that these statements on `caller`'s call lack.
pub(super) fn callers(statements: &[Statement], caller: &Uuid) -> Vec<Uuid> {
    let mut found = Vec::new();
    for leg in moved(statements, caller) {
        let far_end = statements.iter().any(|said| said.node != leg.node && has(said, leg.sip_call_id));
        if far_end == leg.is_gone && !found.contains(leg.other) {
            found.push(leg.other.clone());
        }
    }
    found
}

/// Whether a statement on another caller's call tells of a leg that was theirs, or went on with them.
pub(super) fn tells(other: &Statement, statements: &[Statement], caller: &Uuid) -> bool {
    moved(statements, caller).any(|leg| *leg.other == other.caller && has(other, leg.sip_call_id))
}

fn moved<'a>(statements: &'a [Statement], caller: &'a Uuid) -> impl Iterator<Item = Moved<'a>> {
    statements.iter().filter(move |said| said.caller == *caller).flat_map(|said| {
        let node = said.node.as_str();
        let came = said.legs.iter().flat_map(move |leg| {
            leg.was_of.iter().map(move |other| Moved { node, sip_call_id: &leg.sip_call_id, other, is_gone: false })
        });
        let went = said.went_on.iter();
        came.chain(went.map(move |leg| Moved {
            node,
            sip_call_id: &leg.sip_call_id,
            other: &leg.caller,
            is_gone: true,
        }))
    })
}

fn has(statement: &Statement, sip_call_id: &str) -> bool {
    statement.legs.iter().any(|leg| leg.sip_call_id == sip_call_id)
}
